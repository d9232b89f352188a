import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { SharedRing } from "../../../src/cli/output/shared_ring.ts";

type Step =
  | { readonly kind: "put"; readonly count: number }
  | { readonly kind: "take"; readonly most: number }
  | { readonly kind: "mark" }
  | { readonly kind: "take-to-mark" };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("put" as const), count: fc.nat(40) }),
  fc.record({ kind: fc.constant("take" as const), most: fc.nat(40) }),
  fc.record({ kind: fc.constant("mark" as const) }),
  fc.record({ kind: fc.constant("take-to-mark" as const) }),
);

Deno.test("a ring gives every byte once and in order, beyond 2^32 of them", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(16, 32),
      fc.array(step, { minLength: 300, maxLength: 600 }),
      (capacity, steps) => {
        // Each side has its own view, as the two threads have.
        const memory = SharedRing.memory(capacity);
        const [ring, reader] = [new SharedRing(memory), new SharedRing(memory)];
        let [put, taken, mark] = [0, 0, 0];
        let end = ring.end;
        for (const step of steps) {
          switch (step.kind) {
            case "put": {
              const bytes = Uint8Array.from(
                { length: step.count },
                (_, i) => put + i,
              );
              const count = ring.put(bytes);
              assertEquals(
                count,
                Math.min(step.count, capacity - (put - taken)),
              );
              put += count;
              break;
            }
            case "take": {
              const bytes = reader.next(step.most);
              assertEquals(
                [...bytes],
                [...bytes].map((_, i) => (taken + i) % 256),
              );
              if (step.most > 0) assertEquals(bytes.length > 0, put > taken);
              reader.take(bytes.length);
              taken += bytes.length;
              break;
            }
            case "mark":
              [mark, end] = [put, ring.end];
              break;
            case "take-to-mark":
              reader.takeTo(end);
              taken = Math.max(taken, mark);
              break;
            default:
              step satisfies never;
          }
          assertEquals(ring.waiting, put - taken);
          assertEquals(reader.room, capacity - (put - taken));
        }
      },
    ),
  );
});
