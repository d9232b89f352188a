import { assertEquals, assertThrows } from "@std/assert";
import { formatTable, median } from "../../bench/harness.ts";

Deno.test("a table has its numbers under each other, rounded to three digits", () => {
  const table = {
    title: "Speed",
    columns: ["who", "messages/s", "s"],
    rows: [["we", 1_234_567, 0.25], ["the others", 12, 10.049]],
    notes: ["as it was"],
  };
  assertEquals(formatTable(table, "a machine").split("\n"), [
    "Speed",
    "a machine",
    "",
    "who         messages/s     s",
    "----------  ----------  ----",
    "we           1,230,000  0.25",
    "the others          12    10",
    "as it was",
  ]);
});

Deno.test("the median is the middle one, or the lower of two", () => {
  assertEquals(median([3, 1, 2]), 2);
  assertEquals(median([4, 1, 3, 2]), 2);
  assertThrows(() => median([]), RangeError);
});
