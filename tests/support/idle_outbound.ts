/** A process in which messages wait for everything that they can wait for. */

import { Outbound } from "../../src/outbound/outbound.ts";
import { FakeSink } from "./fake_sink.ts";

const out = new Outbound({
  sendQueueMaxSize: 2,
  sendQueueMaxBytes: 1_000_000,
  overflow: "wait",
  redeliver: "unflushed",
  spool: Deno.args[0],
}, {
  onDrop: () => {},
  onError: (error) => {
    throw error;
  },
  mayWait: () => undefined,
});
await out.open();
// On a socket that has stalled, in the queue, and before it; and a row that is
// to be erased.
out.attach(new FakeSink());
await out.send("x".repeat(300_000));
await out.send("replaced", { key: "k" });
await out.send("expires", { key: "k", ttl: 3_600_000 });
await out.send("queued");
out.send("waits", { ttl: 3_600_000 });
await new Promise((resolve) => setTimeout(resolve, 5));
console.log("idle");
