import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { Rtt } from "../../src/connection/rtt.ts";

Deno.test("there are no round-trip times before the first pong", () => {
  assertEquals(new Rtt().stats(), undefined);
});

Deno.test("one time is all of them", () => {
  const rtt = new Rtt();
  rtt.add(7);
  assertEquals(rtt.stats(), { last: 7, min: 7, mean: 7, p99: 7 });
});

Deno.test("last, min and mean are of all times, the percentile of the last 1000", () => {
  fc.assert(fc.property(
    fc.array(fc.integer({ min: 0, max: 500 }), { minLength: 1, maxLength: 30 }),
    fc.integer({ min: 1, max: 100 }),
    (pattern, repeat) => {
      const times = Array.from({ length: repeat }, () => pattern).flat();
      const rtt = new Rtt();
      for (const time of times) rtt.add(time);
      const recent = times.slice(-1000).toSorted((a, b) => a - b);
      assertEquals(rtt.stats(), {
        last: times.at(-1) ?? NaN,
        min: Math.min(...times),
        mean: times.reduce((sum, time) => sum + time, 0) / times.length,
        p99: recent[Math.ceil(recent.length * 0.99) - 1] ?? NaN,
      });
    },
  ));
});
