import { assertEquals, assertThrows } from "@std/assert";
import { many, one, toggle, word } from "../../../src/cli/args/flag.ts";
import { UsageError } from "../../../src/cli/args/values.ts";

const facts = { group: "General", of: ["connect"], help: "Helps." } as const;

Deno.test("a toggle, a value and many of them are told apart", () => {
  assertEquals(toggle(facts).kind, "toggle");
  assertEquals(one(Number, { ...facts, value: "N" }).kind, "one");
  assertEquals(many(Number, { ...facts, value: "N" }).kind, "many");
});

Deno.test("a flag keeps what was said of it, and its parser", () => {
  const flag = one(Number, { ...facts, value: "N", default: "3", off: 0 });
  assertEquals(flag.parse("12"), 12);
  const { parse: _, ...rest } = flag;
  assertEquals(rest, {
    kind: "one",
    ...facts,
    value: "N",
    default: "3",
    off: 0,
  });
});

Deno.test("a word is one of its words, which the help and the completions show", () => {
  const flag = word(["raw", "hex"], { ...facts, default: "raw" });
  assertEquals(flag.kind, "one");
  assertEquals(flag.value, "raw|hex");
  assertEquals(flag.words, ["raw", "hex"]);
  assertEquals(flag.parse("hex"), "hex");
  assertThrows(() => flag.parse("base64"), UsageError, "one of raw, hex");
});
