import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { StuckWriter } from "../../src/connection/stuck_writer.ts";

const MIB = 1024 * 1024;

Deno.test("an empty socket is never stuck", () => {
  const writer = new StuckWriter(100);
  for (let now = 0; now < 1_000; now += 50) {
    writer.look(0, 0, now);
    assertEquals(writer.due, now + 100);
  }
});

Deno.test("the time runs from when bytes last left", () => {
  const writer = new StuckWriter(100);
  writer.look(10, 10, 0);
  writer.look(10, 10, 50);
  assertEquals(writer.due, 100);
  writer.look(10, 9, 60);
  assertEquals(writer.due, 160);
  writer.look(10, 9, 90);
  assertEquals(writer.due, 160);
  assertEquals(writer.verdict, "9 bytes have not moved for 100 ms");
});

Deno.test("each MiB has the time for itself, less has all of it", () => {
  const writer = new StuckWriter(100);
  for (
    const [buffered, timeout] of [
      [1, 100],
      [MIB, 100],
      [MIB * 1.5, 150],
      [MIB * 16, 1_600],
    ] as const
  ) {
    writer.look(buffered, buffered, 0);
    assertEquals(writer.timeout, timeout);
  }
});

Deno.test("it is stuck if and only if nothing leaves, however much is handed over", () => {
  const step = fc.record({
    characters: fc.nat(1_000),
    bytesEach: fc.constantFrom(1, 2, 3),
  });
  fc.assert(fc.property(
    fc.array(step, { minLength: 2, maxLength: 30 }),
    fc.boolean(),
    (steps, leaves) => {
      const writer = new StuckWriter(100);
      let handed = 0;
      let buffered = 65_536;
      writer.look(handed, buffered, 0);
      steps.forEach(({ characters, bytesEach }, index) => {
        handed += characters;
        // A paced writer hands over as much as has left.
        if (!leaves) buffered += characters * bytesEach;
        else if (characters === 0) buffered--;
        writer.look(handed, buffered, index + 1);
      });
      assertEquals(writer.due - writer.timeout, leaves ? steps.length : 0);
    },
  ));
});
