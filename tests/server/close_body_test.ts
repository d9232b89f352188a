import { assertEquals, assertThrows } from "@std/assert";
import {
  decodeCloseBody,
  encodeCloseBody,
  isCloseCode,
} from "../../src/server/close_body.ts";
import { ProtocolError } from "../../src/server/frames.ts";

Deno.test("a close frame carries the codes of the registry, and no others", () => {
  const allowed = [1000, 1003, 1007, 1014, 3000, 4000, 4999];
  const refused = [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 1000.5, NaN];
  for (const code of allowed) assertEquals(isCloseCode(code), true, `${code}`);
  for (const code of refused) assertEquals(isCloseCode(code), false, `${code}`);
});

Deno.test("code and reason come back as they went", () => {
  const body = encodeCloseBody(3001, "auf Wiedersehen, Grüße");
  assertEquals(decodeCloseBody(body), {
    code: 3001,
    reason: "auf Wiedersehen, Grüße",
  });
});

Deno.test("a body is read from the middle of a buffer too", () => {
  const bytes = Uint8Array.of(9, 9, 0x03, 0xe8, 0x78, 9);
  assertEquals(decodeCloseBody(bytes.subarray(2, 5)), {
    code: 1000,
    reason: "x",
  });
});

Deno.test("no body is code 1005", () => {
  assertEquals(decodeCloseBody(new Uint8Array()), { code: 1005, reason: "" });
});

Deno.test("a reason has at most 123 bytes, not characters", () => {
  assertEquals(encodeCloseBody(1000, "x".repeat(123)).length, 125);
  assertThrows(
    () => encodeCloseBody(1000, "ü".repeat(62)),
    RangeError,
    "124 bytes",
  );
});

Deno.test("a code that may not be sent is refused both ways", () => {
  assertThrows(() => encodeCloseBody(1006, ""), RangeError, "1006");
  const closeCode = (...body: number[]) =>
    assertThrows(() => decodeCloseBody(Uint8Array.from(body)), ProtocolError)
      .closeCode;
  assertEquals(closeCode(0x03, 0xed), 1002);
  assertEquals(closeCode(0x03), 1002);
  assertEquals(closeCode(0x03, 0xe8, 0xff), 1007);
});
