/**
 * Prints how many bytes of JavaScript's heap a text takes that a program keeps:
 * of 64 bytes and of 1000, if it is one of many that came together; of 64
 * bytes, if texts come one at a time; and of 64 bytes, if all are kept and the
 * decoder is stopped after each. Needs `--v8-flags=--expose-gc`.
 */

import { collectGarbage } from "../../bench/harness.ts";
import { Decoder } from "../../src/protocol/decoder.ts";
import { concat, frame, Opcode } from "./frames.ts";

const KEPT = 4_000;

interface Reads {
  readonly size: number;
  /** How many texts a read brings. */
  readonly atOnce: number;
  /** Keeps each of them, and stops the decoder; else the first one. */
  readonly all?: boolean;
}

function bytesPerKept({ size, atOnce, all = false }: Reads): number {
  const one = frame("server", Opcode.text, "x".repeat(size));
  const buffer = concat(...Array(atOnce).fill(one));
  const kept: unknown[] = [];
  let count = 0;
  const decoder = new Decoder("client", {
    onMessage: (data) => {
      if (all || count++ % atOnce === 0) kept.push(data);
      if (all) decoder.stop();
    },
    onPing: () => {},
    onPong: () => {},
    onClose: () => {},
  });
  collectGarbage();
  const before = Deno.memoryUsage().heapUsed;
  while (kept.length < KEPT) {
    for (let at = 0; at < buffer.length;) {
      at = decoder.decode(buffer, at, buffer.length);
    }
  }
  collectGarbage();
  return (Deno.memoryUsage().heapUsed - before) / kept.length;
}

const READS: readonly Reads[] = [
  { size: 64, atOnce: 900 },
  { size: 1000, atOnce: 60 },
  { size: 64, atOnce: 1 },
  { size: 64, atOnce: 900, all: true },
];
// Compiled code is in the heap, too.
for (const reads of READS) bytesPerKept(reads);
console.log(...READS.map(bytesPerKept));
