import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { WriteStall } from "../../src/connection/heartbeat.ts";

const MIB = 1024 * 1024;

Deno.test("an empty socket is never stalled", () => {
  const stall = new WriteStall(100);
  for (let now = 0; now < 1_000; now += 50) {
    stall.check(0, 0, now);
    assertEquals(stall.due, now + 100);
  }
});

Deno.test("the time runs from when bytes last left", () => {
  const stall = new WriteStall(100);
  stall.check(0, 10, 0);
  stall.check(0, 10, 50);
  assertEquals(stall.due, 100);
  stall.check(1, 9, 60);
  assertEquals(stall.due, 160);
  stall.check(1, 9, 90);
  assertEquals(stall.due, 160);
  assertEquals(stall.reason, "9 bytes have not moved for 100 ms");
});

Deno.test("each MiB has the timeout, and less than one has all of it", () => {
  const stall = new WriteStall(100);
  for (
    const [buffered, timeout] of [
      [1, 100],
      [MIB, 100],
      [MIB * 1.5, 150],
      [MIB * 16, 1_600],
    ] as const
  ) {
    stall.check(0, buffered, 0);
    assertEquals(stall.due, timeout);
  }
});

Deno.test("it is stalled if and only if nothing leaves, however much is written", () => {
  const step = fc.record({
    characters: fc.nat(1_000),
    bytesEach: fc.constantFrom(1, 2, 3),
  });
  fc.assert(fc.property(
    fc.array(step, { minLength: 2, maxLength: 30 }),
    fc.boolean(),
    (steps, leaves) => {
      const stall = new WriteStall(100);
      let written = 0;
      let buffered = 65_536;
      stall.check(written - buffered, buffered, 0);
      steps.forEach(({ characters, bytesEach }, index) => {
        written += characters;
        // The queue writes as much as has left.
        if (!leaves) buffered += characters * bytesEach;
        else if (characters === 0) buffered--;
        stall.check(written - buffered, buffered, index + 1);
      });
      // Less than a MiB: the timeout is 100.
      assertEquals(stall.due - 100, leaves ? steps.length : 0);
    },
  ));
});
