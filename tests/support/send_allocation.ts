/**
 * Prints how many bytes of JavaScript's heap each of many texts takes that go
 * straight to a socket which takes them at once. Needs `--v8-flags=--expose-gc`.
 */

import { collectGarbage, median } from "../../bench/harness.ts";
import { Outbound } from "../../src/outbound/outbound.ts";
import { ManualWaits } from "./fake_sink.ts";

const TEXT = "x".repeat(64);
/** Few enough to leave no work for the garbage collector. */
const MANY = 2_000;
/** Few enough to fit into the window. */
const BETWEEN_TURNS = 128;

let bufferedAmount = 0;
const waits = new ManualWaits();
const out = new Outbound({
  sendQueueMaxSize: 1000,
  sendQueueMaxBytes: 1_000_000,
  overflow: "wait",
  redeliver: "unflushed",
}, {
  onDrop: () => {},
  onError: (error) => {
    throw error;
  },
  mayWait: () => undefined,
  waits,
});
out.attach({
  send: () => bufferedAmount += TEXT.length,
  get bufferedAmount() {
    return bufferedAmount;
  },
});

function sendMany(): void {
  for (let i = 1; i <= MANY; i++) {
    if (!out.trySend(TEXT)) throw new Error("it was not accepted");
    if (i % BETWEEN_TURNS > 0) continue;
    bufferedAmount = 0;
    waits.pass();
  }
}

const costs: number[] = [];
for (let round = 0; round < 150; round++) {
  collectGarbage();
  const before = Deno.memoryUsage().heapUsed;
  sendMany();
  costs.push((Deno.memoryUsage().heapUsed - before) / MANY);
}
// By then all of it is compiled, and what the collector still does in the
// background is seldom.
console.log(median(costs.slice(100)));
