/**
 * A process on a disk that is full after a megabyte: it sends until it is told
 * so, then tells what it accepted; when its standard input ends, and with it
 * the shortage, it sends everything, and accepts one more.
 */

import { WSError } from "../../src/errors.ts";
import { Outbound } from "../../src/outbound/outbound.ts";
import { FakeSink } from "./fake_sink.ts";

const out = new Outbound({
  sendQueueMaxSize: 10_000,
  sendQueueMaxBytes: 100_000_000,
  overflow: "wait",
  redeliver: "unflushed",
  spool: Deno.args[0],
}, { onDrop: () => {}, onError: () => {}, mayWait: () => undefined });
await out.open();

function message(number: number): string {
  return `${number} `.padEnd(5_000, "x");
}

let accepted = 0;
let refusal: unknown;
while (refusal === undefined) {
  try {
    await out.send(message(accepted));
    accepted++;
  } catch (error) {
    refusal = error;
  }
}
if (!(refusal instanceof WSError)) throw refusal;
console.log(accepted, refusal.code, refusal.severity, out.queued);
await Deno.stdin.read(new Uint8Array(1));

await out.send(message(accepted));
const sink = new FakeSink();
out.attach(sink);
while (!(await out.flush(1))) sink.drain();
out.detach();
console.log(sink.texts.map((text) => parseInt(text)).join());
out.end(new WSError("over", { code: "STOPPED", severity: "fatal" }));
