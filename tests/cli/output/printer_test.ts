import { assertEquals } from "@std/assert";
import type { Message } from "../../../mod.ts";
import { Output } from "../../../src/cli/output/output.ts";
import {
  inputDelimiter,
  outputDelimiter,
  printerOf,
  type PrintFlags,
} from "../../../src/cli/output/printer.ts";
import { styleOf } from "../../../src/cli/style.ts";

const plain: PrintFlags = {
  json: false,
  binary: undefined,
  null: false,
  delimiter: undefined,
};

const DISPLAY = { style: styleOf(false), width: 80, binary: undefined };

/** What is printed of messages. */
function printed(
  flags: Partial<PrintFlags>,
  messages: readonly Message[],
  display?: typeof DISPLAY,
): string {
  const given = { ...plain, ...flags };
  let text = "";
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const sink = {
    write: (bytes: Uint8Array) => void (text += decoder.decode(bytes)),
  };
  const output = new Output(sink, outputDelimiter(given), (error) => {
    throw error;
  });
  messages.forEach(printerOf(given, output, display));
  output.flush();
  return text;
}

const AB = new TextEncoder().encode("AB");

Deno.test("a newline ends each message, in and out", () => {
  assertEquals(outputDelimiter(plain), "\n");
  assertEquals(inputDelimiter(plain), "\n");
});

Deno.test("-0 and --delimiter say what ends a message, in and out", () => {
  assertEquals(inputDelimiter({ ...plain, null: true }), "\0");
  assertEquals(outputDelimiter({ ...plain, null: true }), "\0");
  assertEquals(inputDelimiter({ ...plain, delimiter: "--" }), "--");
  assertEquals(outputDelimiter({ ...plain, delimiter: "--" }), "--");
  assertEquals(inputDelimiter({ ...plain, delimiter: "" }), "");
});

Deno.test("raw bytes are neither cut nor ended, unless it is asked for", () => {
  assertEquals(inputDelimiter({ ...plain, binary: "raw" }), "");
  assertEquals(outputDelimiter({ ...plain, binary: "raw" }), "");
  const asked = { ...plain, binary: "raw", delimiter: ";" } as const;
  assertEquals(inputDelimiter(asked), ";");
  assertEquals(inputDelimiter({ ...plain, binary: "hex" }), "\n");
});

Deno.test("JSON is a line each, whatever ends the input's messages", () => {
  assertEquals(outputDelimiter({ ...plain, json: true, null: true }), "\n");
  assertEquals(inputDelimiter({ ...plain, json: true, null: true }), "\0");
  assertEquals(
    outputDelimiter({ ...plain, json: true, delimiter: ";" }),
    "\n",
  );
});

Deno.test("texts are printed as they came, binary messages as base64", () => {
  assertEquals(printed({}, ["a\x1b[2J", AB, ""]), "a\x1b[2J\nQUI=\n\n");
  assertEquals(printed({ binary: "base64" }, ["a", AB]), "a\nQUI=\n");
});

Deno.test("binary messages are printed as hex or as they are", () => {
  assertEquals(printed({ binary: "hex" }, ["a", AB]), "a\n4142\n");
  assertEquals(printed({ binary: "raw" }, ["a", AB, "b"]), "aABb");
  assertEquals(
    printed({ binary: "raw", null: true }, ["a", AB]),
    "a\0AB\0",
  );
});

Deno.test("with --json each message is an event", () => {
  const before = Date.now();
  const lines = printed({ json: true, binary: "hex" }, ["a\nb", AB])
    .trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(lines.map(({ ts: _, ...rest }) => rest), [
    { v: 1, type: "message", data: "a\nb" },
    { v: 1, type: "message", data: "QUI=", encoding: "base64" },
  ]);
  for (const { ts } of lines) {
    assertEquals(ts >= before && ts <= Date.now(), true);
  }
});

Deno.test("on a terminal messages are made safe, in JSON they are already", () => {
  assertEquals(
    printed({}, ["a\x1b[2J", AB], DISPLAY),
    "a\\x1b[2J\n[2 B] 41 42\n",
  );
  const [line = ""] = printed({ json: true }, ["\x1b"], DISPLAY).split("\n");
  assertEquals(JSON.parse(line).data, "\x1b");
});
