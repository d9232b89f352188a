import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { Ring } from "../../src/inbound/ring.ts";

Deno.test("a ring gives entries back in order, however it grows and wraps", () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant("push" as const), count: fc.nat(40) }),
    fc.record({ do: fc.constant("shift" as const), count: fc.nat(40) }),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
    const ring = new Ring<number>();
    const model: number[] = [];
    let next = 0;
    for (const { do: action, count } of steps) {
      for (let i = 0; i < count; i++) {
        if (action === "push") {
          assertEquals(ring.push(next), next);
          model.push(next++);
        } else {
          assertEquals(ring.shift(), model.shift());
        }
        assertEquals(ring.length, model.length);
        assertEquals(ring.head, next - model.length);
      }
    }
  }));
});

Deno.test("an entry can be replaced where it stands, after growing too", () => {
  const ring = new Ring<string>();
  ring.push("a");
  const position = ring.push("b");
  for (let i = 0; i < 100; i++) ring.push("c");
  assertEquals(ring.replace(position, "B"), "b");
  assertEquals([ring.shift(), ring.shift(), ring.shift()], ["a", "B", "c"]);
});

Deno.test("a cleared ring is empty, and goes on", () => {
  const ring = new Ring<string>();
  for (let i = 0; i < 20; i++) ring.push("a");
  ring.clear();
  assertEquals([ring.length, ring.shift()], [0, undefined]);
  ring.push("b");
  assertEquals([ring.length, ring.shift()], [1, "b"]);
});
