import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { byteLength } from "../src/message.ts";

Deno.test("the length of a text is what the runtime encodes, lone surrogates included", () => {
  const encoder = new TextEncoder();
  const texts = fc.array(fc.integer({ min: 0, max: 0x10ffff }))
    .map((points) => String.fromCodePoint(...points));
  const surrogates = fc.array(fc.integer({ min: 0xd7ff, max: 0xe000 }))
    .map((codes) => String.fromCharCode(...codes));
  fc.assert(fc.property(texts, surrogates, (a, b) => {
    const text = a + b + a;
    assertEquals(byteLength(text), encoder.encode(text).byteLength);
  }));
});

Deno.test("the length of a binary message is that of its view", () => {
  assertEquals(byteLength(new Uint8Array(new ArrayBuffer(9), 2, 3)), 3);
});

Deno.test("nothing has no length", () => {
  assertEquals([byteLength(""), byteLength(new Uint8Array())], [0, 0]);
});
