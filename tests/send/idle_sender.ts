/** A process in which messages wait for everything that they can wait for. */

import { Sender } from "../../src/send/sender.ts";
import { FakeSocket } from "./fake_socket.ts";
import { DEFAULTS } from "./set_up.ts";

const sender = new Sender({
  ...DEFAULTS,
  sendQueueMaxSize: 2,
  spool: Deno.args[0],
  sendRate: { messages: 1, interval: 3_600_000 },
}, {
  notifier: {
    drop: () => {},
    error: (error) => {
      throw error;
    },
  },
  refuseToWait: () => undefined,
});
await sender.open();
// On a socket that has stalled, in the queue behind the rate, and before it;
// and a row that is to be erased.
sender.attach(new FakeSocket());
await sender.send("x".repeat(300_000));
await sender.send("replaced", { key: "k" });
await sender.send("expires", { key: "k", ttl: 3_600_000 });
await sender.send("queued");
sender.send("waits", { ttl: 3_600_000 });
await new Promise((resolve) => setTimeout(resolve, 5));
console.log("idle");
