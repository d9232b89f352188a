import { assertEquals } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import type { EditorEvent } from "../../../src/cli/terminal/line_editor.ts";
import {
  PlainTerminal,
  RawMode,
  Terminal,
} from "../../../src/cli/terminal/terminal.ts";

const ESC = "\x1b";

/** An escape sequence, a control character, or a run of text. */
const PART = new RegExp(
  `${ESC}\\[\\??\\d*[A-Zhl]|[\r\n]|[^${ESC}\r\n]+`,
  "g",
);

/** The screen of a terminal that knows what ours uses. */
class Screen {
  readonly lines: string[] = [""];
  #column = 0;

  write(bytes: Uint8Array): void {
    const text = new TextDecoder().decode(bytes);
    for (const [part] of text.matchAll(PART)) {
      this.#apply(part);
    }
  }

  /** The last line, with a bar where the cursor is. */
  get cursor(): string {
    const line = (this.lines.at(-1) ?? "").padEnd(this.#column);
    return `${line.slice(0, this.#column)}|${line.slice(this.#column)}`;
  }

  #apply(part: string): void {
    const line = this.lines.pop() ?? "";
    if (part === "\r") this.#column = 0;
    if (part.startsWith(ESC) && part.endsWith("C")) {
      this.#column += Number(part.slice(2, -1));
    }
    if (part === `${ESC}[K`) this.lines.push(line.slice(0, this.#column));
    else if (part === "\r" || part.startsWith(ESC)) this.lines.push(line);
    else if (part === "\n") {
      this.lines.push(line, "");
      this.#column = 0;
    } else {
      const before = line.slice(0, this.#column).padEnd(this.#column);
      this.lines.push(before + part + line.slice(this.#column + part.length));
      this.#column += part.length;
    }
  }
}

function terminal(columns = 40) {
  const screen = new Screen();
  const terminal = new Terminal({
    sink: screen,
    prompt: { text: "> ", width: 2 },
    columns: () => columns,
  });
  const events: EditorEvent[] = [];
  const type = (text: string) =>
    terminal.onBytes(
      new TextEncoder().encode(text),
      (event) => events.push(event),
    );
  return { screen, terminal, events, type };
}

Deno.test("what arrives while somebody types is printed above, and the line stays", () => {
  const { screen, terminal: it, type } = terminal();
  it.print("before");
  it.show();
  type("half\x1b[D\x1b[D");
  it.print("arrived");
  assertEquals(screen.lines, ["before", "arrived", "> half"]);
  assertEquals(screen.cursor, "> ha|lf");
});

Deno.test("what was entered stays to be read, above a new prompt", () => {
  const { screen, terminal: it, type, events } = terminal();
  it.show();
  type("one\rtwo");
  assertEquals(screen.lines, ["> one", "> two"]);
  assertEquals(events, [{ kind: "line", text: "one" }]);
});

Deno.test("a line that is longer than the terminal is wide is scrolled", () => {
  const { screen, terminal: it, type } = terminal(12);
  it.show();
  type("0123456789abc");
  assertEquals(screen.cursor, "> 456789abc|");
  type("\x01");
  assertEquals(screen.cursor, "> |012345678");
});

Deno.test("the escape key ends a search without waiting for another key", () => {
  using time = new FakeTime();
  const { screen, terminal: it, type } = terminal();
  it.show();
  type("one\r\x12on");
  assertEquals(screen.cursor, '> search "on": |one');
  type("\x1b");
  time.tick(1_000);
  assertEquals(screen.cursor, "> |");
  type("\x12on\x1b");
  it.hide();
  time.tick(1_000);
  assertEquals(screen.cursor, "|");
});

Deno.test("a terminal without a line editor gives its lines, the last one too", () => {
  const events: EditorEvent[] = [];
  const it = new PlainTerminal({ write: () => {} });
  const bytes = new TextEncoder().encode("one\ntwo ü\n\nend");
  for (const byte of bytes) {
    it.onBytes(Uint8Array.of(byte), (event) => events.push(event));
  }
  it.onBytes(null, (event) => events.push(event));
  assertEquals(events, [
    { kind: "line", text: "one" },
    { kind: "line", text: "two ü" },
    { kind: "line", text: "" },
    { kind: "line", text: "end" },
    { kind: "end" },
  ]);
});

Deno.test("hidden, it prints as if there were no prompt", () => {
  const { screen, terminal: it, type } = terminal();
  it.show();
  type("abc");
  it.hide();
  it.hide();
  it.print("after");
  it.redraw();
  assertEquals(screen.lines, ["after", ""]);
});

Deno.test("before it is shown there is no prompt", () => {
  const { screen, terminal: it } = terminal();
  it.print("before");
  it.redraw();
  assertEquals(screen.lines, ["before", ""]);
  it.show();
  assertEquals(screen.cursor, "> |");
});

Deno.test("Ctrl-L clears the screen, and draws the line again", () => {
  const written: string[] = [];
  const it = new Terminal({
    sink: { write: (bytes) => written.push(new TextDecoder().decode(bytes)) },
    prompt: { text: "> ", width: 2 },
    columns: () => 40,
  });
  it.show();
  it.onBytes(new TextEncoder().encode("ab\x0c"), () => {});
  const line = `\r${ESC}[K> ab\r${ESC}[4C`;
  assertEquals(written.slice(1), [`${ESC}[2J${ESC}[H`, line]);
});

Deno.test("what is entered is shown with its controls written out", () => {
  const { screen, terminal: it, type, events } = terminal();
  it.show();
  type("\x1b[200~a\x9b\u202eb\x1b[201~\r");
  assertEquals(screen.lines[0], "> a\\x9b\\u202eb");
  assertEquals(events, [{ kind: "line", text: "a\x9b\u202eb" }]);
});

Deno.test("a message and the prompt below it are one write", () => {
  const writes: string[] = [];
  const it = new Terminal({
    sink: { write: (bytes) => writes.push(new TextDecoder().decode(bytes)) },
    prompt: { text: "> ", width: 2 },
    columns: () => 40,
  });
  it.show();
  it.print("arrived");
  assertEquals(writes.length, 2);
});

Deno.test("a terminal narrower than its prompt is no reason to fail", () => {
  const { screen, terminal: it, type } = terminal(1);
  it.show();
  type("abc");
  assertEquals(screen.cursor, "> c|");
});

/** Notes what becomes of a terminal. */
function modes() {
  const notes: string[] = [];
  return {
    notes,
    screen: {
      hide: () => void notes.push("hide"),
      show: () => void notes.push("show"),
      redraw: () => void notes.push("redraw"),
    },
    stdin: { setRaw: (on: boolean) => notes.push(on ? "raw" : "as before") },
  };
}

Deno.test("the terminal is given back once, without the prompt", () => {
  const { notes, screen, stdin } = modes();
  {
    using raw = new RawMode(screen, { stdin });
    assertEquals(notes, ["raw", "show"]);
    raw[Symbol.dispose]();
  }
  assertEquals(notes, ["raw", "show", "hide", "as before"]);
});

Deno.test({
  name: "after Ctrl-Z and fg the keys come one by one again",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const { notes, screen, stdin } = modes();
    using _ = new RawMode(screen, { stdin });
    Deno.kill(Deno.pid, "SIGCONT");
    // A listener for signals keeps no event loop alive; a timer does.
    while (notes.length < 4) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assertEquals(notes, ["raw", "show", "raw", "show"]);
  },
});

Deno.test("the modes stay as they are while something is being written", () => {
  const { notes, screen, stdin } = modes();
  using raw = new RawMode(screen, { stdin, settle: () => false });
  raw[Symbol.dispose]();
  assertEquals(notes, ["raw", "show", "hide"]);
});
