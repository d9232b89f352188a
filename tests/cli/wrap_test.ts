import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { wrap } from "../../src/cli/wrap.ts";

Deno.test("lines break between words, where the next one does not fit", () => {
  assertEquals(wrap("a bc def", 4), ["a bc", "def"]);
  assertEquals(wrap("a bc def", 5), ["a bc", "def"]);
  assertEquals(wrap("a bc def", 8), ["a bc def"]);
});

Deno.test("a word that is too long has a line to itself", () => {
  assertEquals(wrap("an extraordinary word", 5), [
    "an",
    "extraordinary",
    "word",
  ]);
});

Deno.test("no word is lost, no line is too wide, none could hold one more", () => {
  const words = fc.array(fc.stringMatching(/^[a-z]{1,12}$/), { minLength: 1 });
  fc.assert(
    fc.property(words, fc.integer({ min: 1, max: 40 }), (words, width) => {
      const lines = wrap(words.join(" "), width);
      assertEquals(lines.join(" "), words.join(" "));
      for (const [i, line] of lines.entries()) {
        assert(line.length <= width || !line.includes(" "), line);
        const [next] = lines[i + 1]?.split(" ") ?? [];
        assert(next === undefined || line.length + 1 + next.length > width);
      }
    }),
  );
});
