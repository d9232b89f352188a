import { assertEquals, assertMatch } from "@std/assert";
import { parseCommandLine } from "../../../src/cli/args/parse.ts";
import { styleOf } from "../../../src/cli/format.ts";
import type { DisplayOptions } from "../../../src/cli/output/display.ts";
import { Output } from "../../../src/cli/output/output.ts";
import { printerOf } from "../../../src/cli/output/printer.ts";

const plain: DisplayOptions = {
  style: styleOf(false),
  width: 40,
  binary: undefined,
  raw: false,
};

/** The output for a message when stdout is a terminal. */
function shownOnTerminal(message: string | Uint8Array, ...words: string[]) {
  const request = parseCommandLine(["ws://h", ...words]);
  if (request.kind !== "run") throw new TypeError("not a command to run");
  const { flags } = request;
  let shown = "";
  const sink = {
    write: (bytes: Uint8Array) =>
      void (shown += new TextDecoder().decode(bytes)),
  };
  const output = new Output(sink, "\n", (error) => {
    throw error;
  });
  const { binary, raw } = flags;
  printerOf(flags, output, { ...plain, binary, raw })(message, "ws://h/");
  output.flush();
  return shown.replace(/\n$/, "");
}

Deno.test("--raw leaves JSON as it came", () => {
  assertEquals(shownOnTerminal('{"a":1}'), '{"a": 1}');
  assertEquals(shownOnTerminal('{"a":1}', "--raw"), '{"a":1}');
});

Deno.test("no message drives the terminal through --format", () => {
  assertEquals(
    shownOnTerminal("\x1b[2J", "--format=<%s>\\x07"),
    "<\\x1b[2J>\x07",
  );
  const bytes = Uint8Array.of(0x1b, 0x5b);
  assertEquals(shownOnTerminal(bytes, "--format=%s", "--binary=raw"), "1b5b");
  assertEquals(shownOnTerminal(bytes, "--format=%s"), "G1s=");
});

Deno.test("what stands before a message takes room from it", () => {
  const bytes = new Uint8Array(5000);
  const shown = shownOnTerminal(bytes, "--timestamps");
  assertMatch(shown, /^\d{4}\S+Z \[4\.9 KiB\]( 00){8} \.\.\.$/);
  // It fits 40 columns, but not behind a time.
  const json = '{"first":1,"second":2}';
  assertEquals(shownOnTerminal(json), '{"first": 1, "second": 2}');
  assertMatch(
    shownOnTerminal(json, "--timestamps"),
    /Z \{\n {2}"first": 1,\n {2}"second": 2\n\}$/,
  );
});
