/**
 * A process that fills its disk with a spool, and prints what was accepted. It
 * is killed then; or it opens the spool again, sends everything and one more.
 */

import { Sender } from "../../src/send/sender.ts";
import { emptySpool, fillSpool, sendSoon } from "./fill_spool.ts";
import { DEFAULTS, STOPPED } from "./set_up.ts";

const [spool = "", what] = Deno.args;

async function opened(): Promise<Sender> {
  const sender = new Sender({ ...DEFAULTS, sendQueueMaxSize: 100_000, spool }, {
    notifier: {
      drop: (_, reason) => console.error(reason),
      error: (error) => console.error(error.message),
    },
    refuseToWait: () => undefined,
  });
  await sender.open();
  return sender;
}

const first = await opened();
const accepted = await fillSpool(first);
if (what === "killed") {
  const bytes = new TextEncoder().encode(accepted.join("\n"));
  for (let at = 0; at < bytes.length;) {
    at += Deno.stdout.writeSync(bytes.subarray(at));
  }
  Deno.kill(Deno.pid, "SIGKILL");
}
first.end(STOPPED);
await first.closed;
const sender = await opened();
const sent = await emptySpool(sender);
await sendSoon(sender, "one more".padEnd(50_000));
sender.end(STOPPED);
console.log(accepted.length, sent.join() === accepted.join());
