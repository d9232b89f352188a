/**
 * Prints how many bytes of JavaScript's heap each of many texts takes that go
 * straight to a socket which takes them at once, and how many a sender that only
 * exists. Needs `--v8-flags=--expose-gc`.
 */

import { collectGarbage, median } from "../../bench/harness.ts";
import { Sender } from "../../src/send/sender.ts";
import { ManualTurns, NATIVE } from "./fake_socket.ts";
import { DEFAULTS } from "./set_up.ts";

const TEXT = "x".repeat(64);
/** Few enough to leave no work for the garbage collector. */
const MANY = 2_000;
/** Few enough to fit into the window. */
const BETWEEN_TURNS = 128;

let bufferedAmount = 0;
const turns = new ManualTurns();
const hooks = {
  notifier: {
    drop: () => {},
    error: () => {},
  },
  refuseToWait: () => undefined,
  turn: turns.turn,
};
const sender = new Sender(DEFAULTS, hooks);
sender.attach({
  send: () => bufferedAmount += TEXT.length,
  get bufferedAmount() {
    return bufferedAmount;
  },
  sendWindow: NATIVE,
});

function sendMany(): void {
  for (let i = 1; i <= MANY; i++) {
    if (!sender.trySend(TEXT)) throw new Error("it was not accepted");
    if (i % BETWEEN_TURNS > 0) continue;
    bufferedAmount = 0;
    turns.pass();
  }
}

const costs: number[] = [];
for (let round = 0; round < 150; round++) {
  collectGarbage();
  const before = Deno.memoryUsage().heapUsed;
  sendMany();
  costs.push((Deno.memoryUsage().heapUsed - before) / MANY);
}
const idle: Sender[] = new Array(10_000);
collectGarbage();
const before = Deno.memoryUsage().heapUsed;
for (let i = 0; i < idle.length; i++) idle[i] = new Sender(DEFAULTS, hooks);
collectGarbage();
const perSender = (Deno.memoryUsage().heapUsed - before) / idle.length;
// By then all of it is compiled, and what the collector still does in the
// background is seldom.
console.log(median(costs.slice(100)), perSender);
