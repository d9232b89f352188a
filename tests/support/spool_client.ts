/**
 * A process that sends numbers from `from` on, and prints each as soon as it is
 * accepted; with `from` "drain" it only sends what is left, and ends.
 */

import { WebSocketStreamClient } from "../../mod.ts";

const [url = "", spool = "", mode, from = ""] = Deno.args;
const client = new WebSocketStreamClient({
  url,
  spool,
  redeliver: mode === "acknowledged"
    ? { id: String, acknowledged: String }
    : "unflushed",
  sendQueueMaxSize: 100_000,
  initialBackoff: 1,
  maxBackoff: 20,
});
const started = client.start();
if (from === "drain") {
  await started;
  const { unsent } = await client.stop({ drain: 20_000 });
  Deno.exit(unsent);
}
const encoder = new TextEncoder();
for (let number = Number(from);; number += 5) {
  await Promise.all([0, 1, 2, 3, 4].map(async (index) => {
    await client.send(`${number + index}`);
    Deno.stdout.writeSync(encoder.encode(`${number + index}\n`));
  }));
}
