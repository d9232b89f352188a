import { assertEquals, assertThrows } from "@std/assert";
import { ProtocolError } from "../../src/server/frames.ts";
import { decodeText } from "../../src/server/utf8.ts";

Deno.test("a text is decoded whole, byte order mark included", () => {
  const text = "\ufeffGrüße, 世界 🌍\0";
  assertEquals(decodeText(new TextEncoder().encode(text)), text);
});

Deno.test("what is not UTF-8 is refused with 1007", () => {
  const broken = [
    [0xff],
    [0xc3], // half a character
    [0xc0, 0xaf], // longer than need be
    [0xed, 0xa0, 0x80], // a surrogate
    [0xf4, 0x90, 0x80, 0x80], // beyond U+10FFFF
  ];
  for (const bytes of broken) {
    const error = assertThrows(
      () => decodeText(Uint8Array.from(bytes)),
      ProtocolError,
    );
    assertEquals(error.closeCode, 1007);
  }
});
