import { assert, assertEquals, assertMatch } from "@std/assert";
import { DemoScreen } from "../../../src/cli/demo/demo_screen.ts";
import { parseCommandLine } from "../../../src/cli/args/parse.ts";
import { styleOf } from "../../../src/cli/format.ts";

function screen(live: boolean, width = 60) {
  let text = "";
  const it = new DemoScreen({
    sink: { write: (bytes) => text += new TextDecoder().decode(bytes) },
    style: styleOf(false),
    live,
    width,
  });
  return { it, text: () => text };
}

const TALLY = {
  up: { sent: 3, received: 3, repeated: 1 },
  down: { sent: 4, received: 2, repeated: 0 },
  reconnects: 5,
  downtime: 1_234,
};

Deno.test("in a pipe there are lines and no escape sequence", () => {
  const { it, text } = screen(false);
  it.line("first");
  it.begin();
  it.trouble("refused: HTTP 503");
  it.status(TALLY, 0.5);
  it.good("connected again after 250 ms");
  it.summary(TALLY);
  assertEquals(text().includes("\x1b"), false);
  assert(text().split("\n").every((line) => line.length <= 80));
  assertMatch(text(), /0\.0 s {2}refused: HTTP 503/);
  assertMatch(text(), /connected again after 250 ms/);
  assertMatch(text(), /client to server +3 +3 +1 +0\n/);
  assertMatch(text(), /\nsent 7, received 5, reconnects 5, lost 2 /);
});

Deno.test("on a terminal the counts stay below what happens", () => {
  const { it, text } = screen(true);
  it.status(TALLY, 0.5);
  it.good("connected");
  const [, above = "", below] = text().split("\r\x1b[K").slice(-2).join("")
    .split(/(.*\n)/);
  assertMatch(above, /connected\n$/);
  assertMatch(
    below ?? "",
    /^ +█+░+ {2}sent 7, received 5$/,
  );
});

Deno.test("the counts fit on one line of a narrow terminal", () => {
  for (const width of [10, 20, 40, 59, 60]) {
    const { it, text } = screen(true, width);
    it.status(TALLY, 0.5);
    const line = text().replace("\r\x1b[K", "");
    assert(line.length < width, `${line.length} of ${width}`);
    assert(line.trim() !== "");
  }
});

Deno.test("what is to come is said in lines that fit, apart from the rest", () => {
  for (const [width, longest] of [[40, 40], [60, 60], [200, 80]] as const) {
    const { it, text } = screen(false, width);
    it.begin();
    const lines = text().split("\n");
    assertEquals([lines[0], ...lines.slice(-2)], ["", "", ""]);
    const widest = Math.max(...lines.map(({ length }) => length));
    assert(widest <= longest && widest > longest - 14, `${widest}`);
    assertMatch(lines.join(" "), /200 messages .* what it missed\./);
  }
});

Deno.test("what happens is told with the seconds since the beginning", () => {
  const { it, text } = screen(false);
  it.begin();
  it.trouble("the connection is reset");
  const line = text().split("\n").at(-2) ?? "";
  assertMatch(line, /^ 0\.\d s {2}the connection is reset$/);
});

Deno.test("on a terminal the counts are drawn over, and gone at the end", () => {
  const { it, text } = screen(true);
  it.status(TALLY, 0.5);
  const counts = `        ${"█".repeat(12)}${
    "░".repeat(12)
  }  sent 7, received 5`;
  assertEquals(text(), `\r\x1b[K${counts}`);
  it.summary(TALLY);
  const last = text().slice(text().indexOf(counts) + counts.length);
  const lines = last.split("\n").map((line) => line.replace("\r\x1b[K", ""));
  assertEquals(lines.slice(0, 6), [
    "\r\x1b[K",
    "                          sent  received     twice      lost",
    "  client to server           3         3         1         0",
    "  server to client           4         2         0         2",
    "",
    "sent 7, received 5, reconnects 5, lost 2 (1.2 s without a connection)",
  ]);
});

Deno.test("it ends with what to try next: command lines that are right", () => {
  const { it, text } = screen(false);
  it.summary(TALLY);
  const lines = text().split("Try next:\n")[1]?.trimEnd().split("\n") ?? [];
  assert(lines.length >= 3);
  for (const line of lines) {
    assert(line.length <= 80, line);
    const [, words = ""] = /^ {2}ws-stream (.*?) {2,}/.exec(line) ?? [];
    // It throws for what is no command, no flag or no value of one.
    parseCommandLine(words.split(" "));
  }
});

Deno.test("nothing lost is green, anything lost is red", () => {
  const lastLine = (received: number) => {
    let text = "";
    const it = new DemoScreen({
      sink: { write: (bytes) => text += new TextDecoder().decode(bytes) },
      style: styleOf(true),
      live: false,
      width: 80,
    });
    it.summary({ ...TALLY, down: { ...TALLY.down, received } });
    return text.split("\n").find((line) => line.includes("reconnects")) ?? "";
  };
  assert(lastLine(4).startsWith("\x1b[32m\x1b[1msent 7, received 7"));
  assert(lastLine(3).startsWith("\x1b[31m\x1b[1msent 7, received 6"));
});

Deno.test("a demo that was broken off speaks of no loss", () => {
  const { it, text } = screen(false);
  it.interrupted(TALLY);
  assertEquals(
    text(),
    "\ninterrupted: sent 7, received 5, reconnects 5\n",
  );
});
