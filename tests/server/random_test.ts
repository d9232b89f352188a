import { assertAlmostEquals, assertEquals, assertNotEquals } from "@std/assert";
import { random } from "../../src/server/random.ts";

Deno.test("the numbers are the same for ever: runs can be repeated", () => {
  assertEquals([random(0), random(42, 1, 2), random(-7, 3)], [
    0.09012465178966522,
    0.9148864829912782,
    0.4226289775688201,
  ]);
});

Deno.test("seed, path and the path's length all matter", () => {
  assertNotEquals(random(1, 2, 3), random(2, 2, 3));
  assertNotEquals(random(1, 2, 3), random(1, 3, 2));
  assertNotEquals(random(1), random(1, 0));
});

Deno.test("the numbers are spread evenly, also for neighbours", () => {
  const tenths = new Array(10).fill(0);
  const count = 20_000;
  let sum = 0;
  for (let message = 0; message < count; message++) {
    const number = random(42, message % 7, message);
    tenths[Math.floor(number * 10)]++;
    sum += number;
  }
  assertAlmostEquals(sum / count, 0.5, 0.01);
  for (const tenth of tenths) assertAlmostEquals(tenth / count, 0.1, 0.01);
});
