import { assert, assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import { styleOf } from "../../../src/cli/format.ts";
import {
  displayJson,
  displayMessage,
  type DisplayOptions,
} from "../../../src/cli/output/display.ts";
import { brokenText } from "../../support/texts.ts";

const plain: DisplayOptions = {
  style: styleOf(false),
  width: 40,
  binary: undefined,
  raw: false,
};

Deno.test("a text is shown with its controls written out", () => {
  assertEquals(displayMessage("a\tb\n\x1b[2J", plain), "a\tb\n\\x1b[2J");
});

Deno.test("JSON that is not laid out has its controls written out, too", () => {
  const message = '{"a":[1,2],"b":"\x9b"}';
  assertEquals(
    displayMessage(message, { ...plain, raw: true }),
    '{"a":[1,2],"b":"\\x9b"}',
  );
});

Deno.test("JSON is set out for reading", () => {
  assertEquals(displayMessage('{"a":[1,2]}', plain), '{"a": [1, 2]}');
});

Deno.test("nothing in a text drives the terminal, not even in JSON", () => {
  fc.assert(fc.property(brokenText, fc.boolean(), (text, isJson) => {
    // Not escaped as JSON would be: what is sent need not be sound.
    const message = isJson ? `{"a": "${text}"}` : text;
    assertMatch(
      displayMessage(message, plain).replaceAll(/[\n\t]/g, ""),
      /^[^\p{Cc}\p{Bidi_Control}\p{Cs}]*$/u,
    );
  }));
});

Deno.test("of a binary message the size and the first bytes are shown", () => {
  const bytes = (length: number) => Uint8Array.from({ length }, (_, i) => i);
  assertEquals(displayMessage(bytes(0), plain), "[0 B] ");
  assertEquals(displayMessage(bytes(3), plain), "[3 B] 00 01 02");
  const wide = { ...plain, width: 200 };
  assertEquals(displayMessage(bytes(32), wide).endsWith(" 1e 1f"), true);
  assertEquals(
    displayMessage(bytes(5000), wide),
    "[4.9 KiB] 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10 11 12 13 " +
      "14 15 16 17 18 19 1a 1b 1c 1d 1e 1f ...",
  );
});

Deno.test("the bytes that are shown of a binary message take one line", () => {
  const bytes = new Uint8Array(5000);
  for (let width = 42; width <= 110; width++) {
    const shown = displayMessage(bytes, { ...plain, width });
    assert(shown.length <= width && shown.length > width - 4, shown);
  }
  assertMatch(
    displayMessage(bytes.subarray(0, 11), { ...plain, width: 40 }),
    /^\[11 B\]( 00){11}$/,
  );
});

Deno.test("with --binary base64 or hex a binary message is shown whole", () => {
  const bytes = new Uint8Array(100).fill(0xff);
  assertEquals(
    displayMessage(bytes, { ...plain, binary: "hex" }),
    "ff".repeat(100),
  );
  assertEquals(
    displayMessage(bytes, { ...plain, binary: "base64" }),
    bytes.toBase64(),
  );
  assertMatch(displayMessage(bytes, { ...plain, binary: "raw" }), /\.\.\.$/);
});

const PLAIN = styleOf(false);

Deno.test("JSON that fits is shown on one line", () => {
  assertEquals(
    displayJson('{ "a" : [1,\n2], "b":null,"c":{} , "d":[ ]}', 80, PLAIN),
    '{"a": [1, 2], "b": null, "c": {}, "d": []}',
  );
});

Deno.test("JSON that does not fit is indented, but for what fits within", () => {
  const json = '{"a":[1,{"b":[]}],"c":{},"d":[20]}';
  assertEquals(
    displayJson(json, 22, PLAIN),
    `{
  "a": [1, {"b": []}],
  "c": {},
  "d": [20]
}`,
  );
  assertEquals(
    displayJson(json, 21, PLAIN),
    `{
  "a": [
    1,
    {"b": []}
  ],
  "c": {},
  "d": [20]
}`,
  );
});

Deno.test("it fits as long as it is not wider than the terminal", () => {
  const json = '{"key": [1, 2, 3]}';
  assertEquals(displayJson(json, json.length, PLAIN), json);
  assertEquals(
    displayJson(json, json.length - 1, PLAIN)?.includes("\n"),
    true,
  );
});

Deno.test("numbers are shown as they came, not rounded", () => {
  const json = "[12345678901234567890, 1.10, 1e400, -0.0]";
  assertEquals(displayJson(json, 80, PLAIN), json);
});

Deno.test("what is in a text is no structure", () => {
  const json = String.raw`{"a{": "[,:]}\"\\", "\"": "\\"}`;
  assertEquals(displayJson(json, 80, PLAIN), json);
});

Deno.test("keys, texts and the rest are told apart by colour", () => {
  assertEquals(
    displayJson('{"a":["b",1,true]}', 80, styleOf(true)),
    '{\x1b[1m"a"\x1b[22m: ["b", \x1b[35m1\x1b[39m, ' +
      "\x1b[35mtrue\x1b[39m]}",
  );
});

Deno.test("colours take no room on the line", () => {
  const json = '{"key": [1, 2, 3]}';
  assertEquals(
    displayJson(json, json.length, styleOf(true))?.includes("\n"),
    false,
  );
});

Deno.test("what is no JSON object or list is not set out", () => {
  for (
    const text of ["", "hello", "12", '"a"', "null", "{a: 1}", "[1,]", "{}x"]
  ) {
    assertEquals(displayJson(text, 80, PLAIN), undefined, text);
  }
});

Deno.test("space around JSON does not count", () => {
  assertEquals(displayJson(" \n[1]\r\n", 80, PLAIN), "[1]");
});

Deno.test("nobody reads a text of megabytes on a terminal", () => {
  const list = (length: number) => `[${"1".repeat(length - 2)}]`;
  assertEquals(displayJson(list(65_536), 80, PLAIN)?.startsWith("["), true);
  assertEquals(displayJson(list(65_537), 80, PLAIN), undefined);
});

Deno.test("no depth of nesting blows a message up", () => {
  const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
  assertEquals(displayJson(nested(100), 80, PLAIN)?.split("\n").length, 199);
  assertEquals(displayJson(nested(101), 80, PLAIN), undefined);
  assertEquals(displayJson(nested(101), 202, PLAIN), nested(101));
  assertEquals(displayJson(nested(32_768), 80, PLAIN), undefined);
});

Deno.test("what is shown is the same JSON, however wide the terminal is", () => {
  const value = fc.jsonValue().filter((value) =>
    typeof value === "object" && value !== null
  );
  fc.assert(fc.property(value, fc.nat(120), (value, width) => {
    const text = JSON.stringify(value);
    const shown = displayJson(text, width, PLAIN) ?? "";
    assertEquals(JSON.stringify(JSON.parse(shown)), text);
    const fits = shown.split("\n").length === 1;
    assertEquals(fits ? shown.length <= Math.max(width, 2) : true, true);
  }));
});
