import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { histogram, quantile } from "../../../src/cli/ping/histogram.ts";

Deno.test("one time alone makes no histogram", () => {
  assertEquals(histogram([]), []);
  assertEquals(histogram([1]), []);
});

Deno.test("the longest bar is of the most frequent times", () => {
  const rows = histogram([1, 1, 1, 1, 8, 8]);
  assertEquals(rows.length > 1, true);
  assert(rows[0]?.endsWith(" 4  " + "#".repeat(40)), rows[0]);
  assert(rows.at(-1)?.endsWith(" 2  " + "#".repeat(20)), rows.at(-1));
});

Deno.test("every time is counted, in at most ten rows that fit a terminal", () => {
  const time = fc.double({ min: 0, max: 1e6, noNaN: true });
  fc.assert(fc.property(fc.array(time, { minLength: 2 }), (times) => {
    const rows = histogram(times);
    assert(rows.length >= 1 && rows.length <= 10);
    assert(rows.every((row) => row.length <= 80));
    const counts = rows.map((row) =>
      Number(/ (\d+)(?: {2}#+)?$/.exec(row)?.[1])
    );
    assertEquals(counts.reduce((a, b) => a + b, 0), times.length);
  }));
});

Deno.test("a quantile is one of the times", () => {
  assertEquals(quantile([4, 1, 3, 2], 0.5), 2);
  assertEquals(quantile([4, 1, 3, 2], 0.99), 4);
  assertEquals(quantile([4, 1, 3, 2], 0), 1);
});

Deno.test("rows of equal ratio go from the least to the greatest time", () => {
  const bar = "#".repeat(40);
  assertEquals(histogram([1, 1, 1.9]), [
    `  up to    1.2 ms      2  ${bar}`,
    "  up to    1.4 ms      0",
    "  up to    1.7 ms      0",
    `  up to    2.0 ms      1  ${bar.slice(20)}`,
  ]);
  const wide = histogram([1, 1000, 1000, 1000]);
  assertEquals(wide.length, 10);
  assertEquals(wide[0], `  up to    2.0 ms      1  ${bar.slice(26)}`);
  assertEquals(wide[9], `  up to     1.0 s      3  ${bar}`);
});
