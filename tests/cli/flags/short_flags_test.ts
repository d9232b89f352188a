import { assertEquals } from "@std/assert";
import { spellOut } from "../../../src/cli/flags/short_flags.ts";

Deno.test("one-letter flags are spelled out, one word each", () => {
  assertEquals(spellOut("-q"), ["--quiet"]);
  assertEquals(spellOut("-qv0"), ["--quiet", "--verbose", "--null"]);
});

Deno.test("what follows a letter that takes a value is its value", () => {
  assertEquals(spellOut("-n3"), ["--count=3"]);
  assertEquals(spellOut("-qn3"), ["--quiet", "--count=3"]);
  assertEquals(spellOut("-nq"), ["--count=q"]);
  assertEquals(spellOut("-HX-A: -b\n=c"), ["--header=X-A: -b\n=c"]);
  assertEquals(spellOut("-o-"), ["--output=-"]);
});

Deno.test("one = between a letter and its value does not count", () => {
  assertEquals(spellOut("-n=3"), ["--count=3"]);
  assertEquals(spellOut("-o==x"), ["--output==x"]);
  assertEquals(spellOut("-n="), ["--count="]);
});

Deno.test("the value may be the next word", () => {
  assertEquals(spellOut("-n"), ["--count"]);
  assertEquals(spellOut("-qH"), ["--quiet", "--header"]);
});

Deno.test("a value after a toggle stays to be seen", () => {
  assertEquals(spellOut("-q=false"), ["--quiet=false"]);
  assertEquals(spellOut("-vq="), ["--verbose", "--quiet="]);
});

Deno.test("letters that are no flags stay", () => {
  assertEquals(spellOut("-z"), ["-z"]);
  assertEquals(spellOut("-qz🌍n3"), ["--quiet", "-z", "-🌍", "--count=3"]);
  assertEquals(spellOut("-h"), ["-h"]);
});

Deno.test("all other words are as they were", () => {
  for (const word of ["--count=3", "--", "-", "", "wss://a/-q", "---q", "n"]) {
    assertEquals(spellOut(word), [word]);
  }
});
