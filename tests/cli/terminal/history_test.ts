import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  appendHistory,
  readHistory,
} from "../../../src/cli/terminal/history.ts";
import { TempFile } from "../../support/temp_file.ts";

Deno.test("a file that is not there is an empty history", () => {
  using temp = new TempFile();
  assertEquals(readHistory(`${temp.path}.none`), []);
});

Deno.test("any line comes back as it was", () => {
  using temp = new TempFile();
  const text = fc.string({ minLength: 1, unit: "grapheme" })
    .map((text) => text.replaceAll("\r", "") + "\\\n\\n");
  fc.assert(
    fc.property(fc.array(text, { maxLength: 20 }), (lines) => {
      const path = `${temp.folder}/${crypto.randomUUID()}`;
      lines.forEach((line) => appendHistory(path, line));
      assertEquals(readHistory(path), lines);
    }),
    { numRuns: 50 },
  );
});

Deno.test({
  name: "only the owner may read it",
  ignore: Deno.build.os === "windows",
  fn: () => {
    using temp = new TempFile();
    const path = `${temp.folder}/history`;
    appendHistory(path, "secret");
    assertEquals((Deno.statSync(path).mode ?? 0) & 0o777, 0o600);
  },
});

Deno.test("a file that has grown long is cut to the latest lines", () => {
  using temp = new TempFile();
  const path = `${temp.folder}/history`;
  const lines = Array.from({ length: 1001 }, (_, i) => String(i));
  Deno.writeTextFileSync(path, lines.join("\n") + "\n");
  const latest = readHistory(path);
  assertEquals([latest.length, latest[0], latest.at(-1)], [500, "501", "1000"]);
  assert(Deno.readTextFileSync(path).startsWith("501\n"));
});
