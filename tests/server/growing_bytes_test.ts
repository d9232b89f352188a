import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { GrowingBytes } from "../../src/server/growing_bytes.ts";

Deno.test("bytes come out of the front as they went in at the end", () => {
  fc.assert(fc.property(
    fc.array(fc.tuple(fc.uint8Array({ maxLength: 300 }), fc.nat(300))),
    (steps) => {
      const bytes = new GrowingBytes();
      const model: number[] = [];
      for (const [chunk, count] of steps) {
        bytes.append(chunk);
        model.push(...chunk);
        const taken = Math.min(count, model.length);
        bytes.discard(taken);
        model.splice(0, taken);
        assertEquals([...bytes.view()], model);
        assertEquals(bytes.length, model.length);
      }
    },
  ));
});

Deno.test("cleared bytes are gone, and room is made again", () => {
  const bytes = new GrowingBytes();
  bytes.append(new Uint8Array(300_000).fill(1));
  bytes.clear();
  assertEquals(bytes.length, 0);
  bytes.append(Uint8Array.of(7));
  assertEquals([...bytes.view()], [7]);
  // A buffer as large as the one that was cleared is not held on to.
  assertEquals(bytes.view().buffer.byteLength < 300_000, true);
});
