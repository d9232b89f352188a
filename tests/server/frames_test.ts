import { assertEquals, assertThrows } from "@std/assert";
import {
  asOpcode,
  encodeFrame,
  headerSize,
  Opcode,
  ProtocolError,
  writeHeader,
} from "../../src/server/frames.ts";

Deno.test("a length is written in its shortest form", () => {
  const first = (length: number) => {
    const header = new Uint8Array(headerSize(length));
    writeHeader(header, 0, Opcode.binary, length);
    return [...header];
  };
  assertEquals(first(0), [0x82, 0]);
  assertEquals(first(125), [0x82, 125]);
  assertEquals(first(126), [0x82, 126, 0, 126]);
  assertEquals(first(65535), [0x82, 126, 255, 255]);
  assertEquals(first(65536), [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
});

Deno.test("a header is written where it belongs, also far into a buffer", () => {
  const target = new Uint8Array(40).subarray(10);
  writeHeader(target, 5, Opcode.text, 70_000);
  assertEquals([...target.subarray(4, 16)], [
    ...[0, 0x81, 127, 0, 0, 0, 0],
    ...[0, 1, 17, 112, 0],
  ]);
});

Deno.test("a frame is final and not masked (RFC 6455, 5.7)", () => {
  const hello = new TextEncoder().encode("Hello");
  assertEquals(
    [...encodeFrame(Opcode.text, hello)],
    [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f],
  );
});

Deno.test("ten of the sixteen opcodes are reserved", () => {
  const sound = [0, 1, 2, 8, 9, 10];
  for (let value = 0; value < 16; value++) {
    if (sound.includes(value)) assertEquals(asOpcode(value), value);
    else {assertEquals(
        assertThrows(() => asOpcode(value), ProtocolError).closeCode,
        1002,
      );}
  }
});
