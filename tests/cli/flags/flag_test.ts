import { assertEquals, assertThrows } from "@std/assert";
import { many, one, toggle, word } from "../../../src/cli/flags/flag.ts";
import { UsageError } from "../../../src/cli/flags/values.ts";

const FACTS = { group: "General", of: ["demo"], help: "It is." } as const;

Deno.test("each kind of flag knows its kind and keeps its facts", () => {
  assertEquals(toggle(FACTS), { kind: "toggle", ...FACTS });
  assertEquals(one(Number, { ...FACTS, value: "N", default: "7" }), {
    kind: "one",
    parse: Number,
    value: "N",
    default: "7",
    ...FACTS,
  });
  assertEquals(many(String, { ...FACTS, value: "S" }).kind, "many");
});

Deno.test("a flag of words takes those and no others, and tells them", () => {
  const flag = word(["a", "b"], { ...FACTS, default: "a" });
  assertEquals([flag.value, flag.words, flag.parse("b")], [
    "a|b",
    ["a", "b"],
    "b",
  ]);
  assertThrows(() => flag.parse("c"), UsageError, "one of a, b");
});
