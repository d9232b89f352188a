import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { displayJson } from "../../../src/cli/output/json_display.ts";
import { styleOf } from "../../../src/cli/style.ts";

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
    '{\x1b[36m"a"\x1b[39m: [\x1b[32m"b"\x1b[39m, \x1b[33m1\x1b[39m, ' +
      "\x1b[33mtrue\x1b[39m]}",
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
