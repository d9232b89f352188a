import { assertEquals } from "@std/assert";
import {
  type NoticeOptions,
  printToStderr,
  stderrNotices,
} from "../../src/cli/notices.ts";

type NoticeFlags = Parameters<typeof stderrNotices>[0];

/** What is printed when everything is said. */
function said(
  flags: Partial<NoticeFlags>,
  options: NoticeOptions = {},
): string[] {
  const lines: string[] = [];
  const notices = stderrNotices(
    { quiet: false, verbose: false, color: "never", ...flags },
    { print: (line) => lines.push(line), isTerminal: false, ...options },
  );
  for (const name of ["fatal", "trouble", "good", "detail", "line"] as const) {
    notices[name](name);
  }
  return lines;
}

Deno.test("what matters is told, each line with the program's name", () => {
  assertEquals(said({}), [
    "ws-stream: fatal",
    "ws-stream: trouble",
    "ws-stream: good",
    "line",
  ]);
});

Deno.test("-v tells every detail", () => {
  assertEquals(said({ verbose: true })[3], "ws-stream: detail");
});

Deno.test("-q leaves what ends the program and what was asked for, even with -v", () => {
  assertEquals(said({ quiet: true }), ["ws-stream: fatal", "line"]);
  assertEquals(said({ quiet: true, verbose: true }), [
    "ws-stream: fatal",
    "line",
  ]);
});

Deno.test("each kind has its colour, where colours are wanted", () => {
  assertEquals(said({ color: "always", verbose: true }), [
    "\x1b[2mws-stream:\x1b[22m \x1b[31mfatal\x1b[39m",
    "\x1b[2mws-stream:\x1b[22m \x1b[33mtrouble\x1b[39m",
    "\x1b[2mws-stream:\x1b[22m \x1b[32mgood\x1b[39m",
    "\x1b[2mws-stream:\x1b[22m \x1b[2mdetail\x1b[22m",
    "line",
  ]);
  const isColored = (isTerminal: boolean) =>
    said({ color: "auto" }, { isTerminal })[0]?.startsWith("\x1b");
  assertEquals(isColored(false), false);
  assertEquals(isColored(true), !Deno.noColor);
});

Deno.test("the prefix may be another one", () => {
  assertEquals(said({}, { prefix: "•" })[0], "• fatal");
});

Deno.test("a line to stderr is printed as it is, whatever it holds", () => {
  const { error } = console;
  const calls: unknown[][] = [];
  console.error = (...words) => calls.push(words);
  try {
    printToStderr("100 %d of %s");
  } finally {
    console.error = error;
  }
  assertEquals(calls, [["%s", "100 %d of %s"]]);
});
