import { assertEquals } from "@std/assert";
import { matches } from "../../../src/cli/run/message_match.ts";

Deno.test("a text matches if the pattern is found anywhere in it", () => {
  assertEquals(matches(/po.g/, '{"op":"pong"}'), true);
  assertEquals(matches(/^pong$/, "pong!"), false);
});

Deno.test("a binary message matches by its bytes as UTF-8, sound or not", () => {
  assertEquals(matches(/^ü$/, Uint8Array.of(0xc3, 0xbc)), true);
  assertEquals(matches(/b$/, Uint8Array.of(0xff, 0x62)), true);
  assertEquals(matches(/a/, Uint8Array.of(0x62)), false);
});
