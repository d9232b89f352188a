import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { byteLength } from "../src/message.ts";

Deno.test("the length of a text is what the runtime encodes, lone surrogates included", () => {
  const encoder = new TextEncoder();
  const units = fc.string({ unit: "binary" });
  const surrogates = fc.array(fc.integer({ min: 0xd7ff, max: 0xe000 }))
    .map((codes) => String.fromCharCode(...codes));
  fc.assert(fc.property(units, surrogates, (a, b) => {
    const text = a + b + a;
    assertEquals(byteLength(text), encoder.encode(text).byteLength);
  }));
});

Deno.test("the length of a binary message is that of its view", () => {
  assertEquals(byteLength(new Uint8Array(new ArrayBuffer(9), 2, 3)), 3);
});
