/** A process that opens a spool and tells what came of it; `hold` keeps it. */

import { WSError } from "../../src/errors.ts";
import { Sender } from "../../src/send/sender.ts";
import { DEFAULTS, STOPPED } from "./set_up.ts";

const [path = "", what] = Deno.args;
const sender = new Sender({ ...DEFAULTS, spool: path }, {
  notifier: {
    drop: () => {},
    error: (error) => console.log(error.message),
  },
  refuseToWait: () => undefined,
});
try {
  await sender.open();
  const { queued } = sender.stats;
  if (what !== "open") await sender.send("sent");
  console.log(`open ${queued}`);
  if (what === "hold") await new Promise((end) => setTimeout(end, 60_000));
} catch (error) {
  if (!(error instanceof WSError)) throw error;
  console.log(error.code, error.severity, error.message);
}
sender.end(STOPPED);
