import { assertEquals } from "@std/assert";
import { encodeBase64 } from "../../src/lifecycle/base64.ts";

Deno.test("bytes become Base64 as in RFC 4648, section 10", () => {
  const vectors = ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE="];
  for (const [length, expected] of vectors.entries()) {
    const bytes = new TextEncoder().encode("foobar".slice(0, length));
    assertEquals(encodeBase64(bytes), expected);
  }
  assertEquals(encodeBase64(Uint8Array.of(0xfb, 0xff, 0xfe)), "+//+");
});
