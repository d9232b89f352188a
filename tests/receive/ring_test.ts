import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { Ring } from "../../src/receive/read_buffer.ts";

Deno.test("a ring behaves as a queue for random pushes, shifts and clears", () => {
  const step = fc.oneof(
    { weight: 30, arbitrary: fc.nat() },
    { weight: 25, arbitrary: fc.constant("shift") },
    { weight: 1, arbitrary: fc.constant("clear") },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const ring = new Ring<number>();
      const model: number[] = [];
      for (const step of steps) {
        if (typeof step === "number") {
          ring.push(step);
          model.push(step);
        } else if (step === "shift") {
          assertEquals(ring.shift(), model.shift());
        } else {
          ring.clear();
          model.length = 0;
        }
        assertEquals(ring.length, model.length);
      }
      while (model.length > 0) assertEquals(ring.shift(), model.shift());
      assertEquals(ring.shift(), undefined);
    }),
  );
});
