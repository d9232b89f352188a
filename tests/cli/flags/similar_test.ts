import { assertEquals } from "@std/assert";
import { similar } from "../../../src/cli/flags/similar.ts";

const WORDS = ["json", "header", "max-retries", "max-backoff"] as const;

Deno.test("who stopped too early, or too late, meant what begins so", () => {
  assertEquals(similar("head", WORDS), ["header"]);
  assertEquals(similar("max", WORDS), ["max-retries", "max-backoff"]);
  assertEquals(similar("jsonl", WORDS), ["json"]);
  assertEquals(similar("h", WORDS), [], "a letter is no beginning");
});

Deno.test("a slip is forgiven: a letter too many, too few, wrong or swapped", () => {
  for (const word of ["jsson", "jsn", "jsom", "josn", "xjson"]) {
    assertEquals(similar(word, WORDS), ["json"], word);
  }
});

Deno.test("two slips are, in a long word", () => {
  assertEquals(similar("max-rertys", WORDS), []);
  assertEquals(similar("max-retrise", WORDS), ["max-retries"]);
  assertEquals(similar("mxa-retreis", WORDS), ["max-retries"]);
  assertEquals(similar("josm", WORDS), []);
});

Deno.test("what is like nothing is like nothing", () => {
  assertEquals(similar("tokn", WORDS), []);
  assertEquals(similar("", WORDS), []);
});
