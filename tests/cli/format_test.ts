import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  displayUrl,
  escapeControls,
  escapeLine,
  showBytes,
  showCount,
  showDuration,
  showMany,
  styleOf,
  terminalWidth,
  wantsColor,
  wrap,
} from "../../src/cli/format.ts";
import { brokenText } from "../support/texts.ts";
import fc from "fast-check";

Deno.test("a duration is shown in the unit that fits, to what matters", () => {
  const examples: readonly [ms: number, shown: string][] = [
    [0, "0.00 ms"],
    [0.424, "0.42 ms"],
    [1, "1.0 ms"],
    [4.24, "4.2 ms"],
    [10, "10 ms"],
    [849.6, "850 ms"],
    [1000, "1.0 s"],
    [1349, "1.3 s"],
    [59_900, "59.9 s"],
    [60_000, "1 m 0 s"],
    [125_000, "2 m 5 s"],
    [3_600_000, "1 h 0 m"],
    [12_000_000, "3 h 20 m"],
    [360_000_000, "100 h 0 m"],
  ];
  for (const [ms, shown] of examples) assertEquals(showDuration(ms), shown);
});

Deno.test("no duration is rounded up to a whole unit without becoming one", () => {
  assertEquals(showDuration(0.994), "0.99 ms");
  assertEquals(showDuration(0.996), "1.0 ms");
  assertEquals(showDuration(9.94), "9.9 ms");
  assertEquals(showDuration(9.96), "10 ms");
  assertEquals(showDuration(999.4), "999 ms");
  assertEquals(showDuration(999.6), "1.0 s");
  assertEquals(showDuration(59_949), "59.9 s");
  assertEquals(showDuration(59_951), "1 m 0 s");
  assertEquals(showDuration(3_599_400), "59 m 59 s");
  assertEquals(showDuration(3_599_600), "1 h 0 m");
  assertEquals(showDuration(7_199_999), "2 h 0 m");
});

/** What a shown duration says, in milliseconds. */
function read(shown: string): number {
  const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
  return [...shown.matchAll(/([\d.]+) (ms|[smh])/g)]
    .map(([, amount, unit]) =>
      Number(amount) *
      (Object.entries(units).find(([name]) => name === unit)?.[1] ?? NaN)
    )
    .reduce((sum, part) => sum + part, 0);
}

Deno.test("a shown duration is what it was, to one part in ten", () => {
  const ms = fc.double({ min: 0.05, max: 1e9, noNaN: true });
  fc.assert(fc.property(ms, (ms) => {
    const shown = showDuration(ms);
    assert(Math.abs(read(shown) / ms - 1) < 0.11, `${ms} as ${shown}`);
    assertMatch(shown, /^(\d{1,3}(\.\d\d?)? (ms|s)|\d+ [mh] \d\d? [sm])$/);
  }));
});

Deno.test("a longer duration is never shown as a shorter one", () => {
  const ms = fc.oneof(
    fc.double({ min: 0, max: 1e8, noNaN: true }),
    fc.constantFrom(1, 10, 1000, 60_000, 3_600_000)
      .chain((unit) =>
        fc.double({ min: 0.99, max: 1.01, noNaN: true }).map((f) => f * unit)
      ),
  );
  fc.assert(fc.property(ms, ms, (a, b) => {
    const [short, long] = a < b ? [a, b] : [b, a];
    assert(
      read(showDuration(short)) <= read(showDuration(long)),
      `${short} and ${long}`,
    );
  }));
});

Deno.test("a count has its thousands apart, and reads back as it was", () => {
  assertEquals(showCount(0), "0");
  assertEquals(showCount(999), "999");
  assertEquals(showCount(1000), "1,000");
  assertEquals(showCount(1_234_567), "1,234,567");
  fc.assert(fc.property(fc.maxSafeNat(), (count) => {
    const shown = showCount(count);
    assertEquals(Number(shown.replaceAll(",", "")), count);
    assertMatch(shown, /^\d{1,3}(,\d{3})*$/);
  }));
});

Deno.test("one is one, all else is many", () => {
  assertEquals(showMany(1, "message"), "1 message");
  assertEquals(showMany(0, "message"), "0 messages");
  assertEquals(showMany(1234, "day"), "1,234 days");
});

Deno.test("bytes are shown in the units of the limits, to two digits or more", () => {
  const examples: readonly [bytes: number, shown: string][] = [
    [0, "0 B"],
    [512, "512 B"],
    [1023, "1023 B"],
    [1024, "1.0 KiB"],
    [3500, "3.4 KiB"],
    [9.949 * 1024, "9.9 KiB"],
    [9.96 * 1024, "10 KiB"],
    [1023.4 * 1024, "1023 KiB"],
    [1023.5 * 1024, "1.0 MiB"],
    [16 * 2 ** 20, "16 MiB"],
    [5 * 2 ** 30, "5.0 GiB"],
    [5 * 2 ** 40, "5.0 TiB"],
    [5 * 2 ** 50, "5120 TiB"],
  ];
  for (const [bytes, shown] of examples) assertEquals(showBytes(bytes), shown);
});

Deno.test("shown bytes are what they were, to one part in ten", () => {
  const factors: Readonly<Record<string, number>> = {
    B: 1,
    KiB: 2 ** 10,
    MiB: 2 ** 20,
    GiB: 2 ** 30,
    TiB: 2 ** 40,
  };
  fc.assert(fc.property(fc.integer({ min: 1, max: 2 ** 50 }), (bytes) => {
    const [amount, unit = ""] = showBytes(bytes).split(" ");
    const read = Number(amount) * (factors[unit] ?? NaN);
    assert(Math.abs(read / bytes - 1) < 0.06, showBytes(bytes));
  }));
});

Deno.test("a URL is shown without what may be secret", () => {
  const shown = {
    "wss://example.com/feed": "wss://example.com/feed",
    "wss://example.com:8443": "wss://example.com:8443/",
    "wss://user:secret@example.com/": "wss://example.com/",
    "wss://secret@example.com/": "wss://example.com/",
    "wss://example.com/a?token=secret": "wss://example.com/a?***",
    "wss://example.com/a?": "wss://example.com/a",
    "ws://[::1]:80/": "ws://[::1]/",
  };
  for (const [url, display] of Object.entries(shown)) {
    assertEquals(displayUrl(url), display);
  }
});

/** Controls, what reorders a text, what ends a line, halves of characters. */
const OBEYED = /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}\p{Cs}]/u;

Deno.test("nothing that drives a terminal survives, whatever the text", () => {
  fc.assert(fc.property(brokenText, (text) => {
    const shown = escapeControls(text).replaceAll(/[\t\n]/g, "");
    assertEquals(OBEYED.exec(shown), null);
  }));
});

Deno.test("each character that a terminal obeys is written out, no other one is touched", () => {
  for (let code = 0; code <= 0x10ffff; code++) {
    const character = String.fromCodePoint(code);
    const kept = !OBEYED.test(character) || /[\t\n]/.test(character);
    if ((escapeControls(character) === character) !== kept) {
      throw new Error(`U+${code.toString(16)} should be kept: ${kept}`);
    }
  }
});

Deno.test("a line stays one line, whatever the text", () => {
  fc.assert(fc.property(brokenText, (text) => {
    assertEquals(OBEYED.exec(escapeLine(text)), null);
  }));
});

Deno.test("what was escaped can still be read", () => {
  const text = "\x1b[31m\r\x01\x9b\u061c\u202e\ud800 \ttab, 世界 🌍\nGrüße";
  assertEquals(
    escapeControls(text),
    String.raw`\x1b[31m\r\x01\x9b\u061c\u202e\ud800 ` + "\ttab, 世界 🌍\nGrüße",
  );
  assertEquals(escapeLine("a\tb\nc\r\nd"), String.raw`a\tb\nc\r\nd`);
});

Deno.test("lines break between words, where the next one does not fit", () => {
  assertEquals(wrap("a bc def", 4), ["a bc", "def"]);
  assertEquals(wrap("a bc def", 5), ["a bc", "def"]);
  assertEquals(wrap("a bc def", 8), ["a bc def"]);
});

Deno.test("a word that is too long has a line to itself", () => {
  assertEquals(wrap("an extraordinary word", 5), [
    "an",
    "extraordinary",
    "word",
  ]);
});

Deno.test("no word is lost, no line is too wide, none could hold one more", () => {
  const words = fc.array(fc.stringMatching(/^[a-z]{1,12}$/), { minLength: 1 });
  fc.assert(
    fc.property(words, fc.integer({ min: 1, max: 40 }), (words, width) => {
      const lines = wrap(words.join(" "), width);
      assertEquals(lines.join(" "), words.join(" "));
      for (const [i, line] of lines.entries()) {
        assert(line.length <= width || !line.includes(" "), line);
        const [next] = lines[i + 1]?.split(" ") ?? [];
        assert(next === undefined || line.length + 1 + next.length > width);
      }
    }),
  );
});

Deno.test("colours are asked for, or not wanted, or for terminals alone", () => {
  for (const isTerminal of [true, false]) {
    assertEquals(wantsColor("always", isTerminal), true);
    assertEquals(wantsColor("never", isTerminal), false);
  }
  assertEquals(wantsColor("auto", false), false);
  assertEquals(wantsColor("auto", true), !Deno.noColor);
});

Deno.test("NO_COLOR is heard, and what was asked for is louder", async () => {
  const answer = async (env: Record<string, string>) => {
    const module = new URL("../../src/cli/format.ts", import.meta.url).href;
    const code = `import { wantsColor } from ${JSON.stringify(module)};
      console.log(wantsColor("auto", true), wantsColor("always", false));`;
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-lock", code],
      env,
    }).output();
    return new TextDecoder().decode(stdout).trim();
  };
  assertEquals(await answer({ NO_COLOR: "1" }), "false true");
});

Deno.test("a painted text ends with what undoes its paint, and no more", () => {
  const style = styleOf(true);
  assertEquals(style.red("a"), "\x1b[31ma\x1b[39m");
  assertEquals(style.green("a"), "\x1b[32ma\x1b[39m");
  assertEquals(style.magenta("a"), "\x1b[35ma\x1b[39m");
  assertEquals(style.dim("a"), "\x1b[2ma\x1b[22m");
  assertEquals(
    style.red(style.bold("a")),
    "\x1b[31m\x1b[1ma\x1b[22m\x1b[39m",
  );
});

Deno.test("without colours texts are as they are", () => {
  for (const paint of Object.values(styleOf(false))) {
    assertEquals(paint("a"), "a");
  }
});

Deno.test("without a terminal it is 80 columns", () => {
  if (Deno.stdout.isTerminal() || Deno.stderr.isTerminal()) {
    assertEquals(terminalWidth(), Deno.consoleSize().columns);
  } else {
    assertEquals(terminalWidth(), 80);
  }
});
