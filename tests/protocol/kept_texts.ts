/**
 * Prints how many bytes of JavaScript's heap a text takes that a program keeps
 * while it drops hundreds of others: of 64 bytes and of 1000 on a busy feed,
 * and of 64 bytes on a feed that brings one at a time. Needs
 * `--v8-flags=--expose-gc`.
 */

import { collectGarbage } from "../../bench/harness.ts";
import { Decoder } from "../../src/protocol/decoder.ts";
import { concat, frame, Opcode } from "./frames.ts";

const KEPT = 2_000;
const BUFFER = 64 * 1024;

function bytesPerKept(size: number, atOnce: number): number {
  const one = frame("server", Opcode.text, "x".repeat(size));
  const buffer = concat(...Array.from({ length: atOnce }, () => one));
  const kept: unknown[] = [];
  let count = 0;
  const decoder = new Decoder("client", {
    onMessage: (data) => {
      if (count++ % atOnce === 0) kept.push(data);
    },
    onPing: () => {},
    onPong: () => {},
    onClose: () => {},
  });
  collectGarbage();
  const before = Deno.memoryUsage().heapUsed;
  while (kept.length < KEPT) decoder.decode(buffer, 0, buffer.length);
  collectGarbage();
  return (Deno.memoryUsage().heapUsed - before) / kept.length;
}

console.log(
  bytesPerKept(64, Math.floor(BUFFER / 66)),
  bytesPerKept(1000, Math.floor(BUFFER / 1004)),
  bytesPerKept(64, 1),
);
