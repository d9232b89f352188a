/** A process on a disk that is full after a megabyte. Prints what it saw. */

import { WSError } from "../../src/errors.ts";
import { Sender } from "../../src/send/sender.ts";
import { FakeSocket } from "./fake_socket.ts";
import { DEFAULTS, STOPPED } from "./set_up.ts";

const path = Deno.args[0] ?? "";
const sender = new Sender({ ...DEFAULTS, sendQueueMaxSize: 8, spool: path }, {
  notifier: {
    drop: () => {},
    error: () => {},
  },
  refuseToWait: () => undefined,
});
await sender.open();
const accepted: string[] = [];
const told: string[] = [];
let text = "";

async function send(message: string): Promise<string> {
  let result = "ok";
  try {
    await sender.send(message);
    accepted.push(message);
  } catch (error) {
    if (!(error instanceof WSError)) throw error;
    result = `${error.code} ${error.severity}`;
    text = error.message;
  }
  told.push(result);
  return result;
}

// Together more than fit, but one at a time.
const socket = new FakeSocket();
const alone: string[] = [];
sender.attach(socket);
for (let i = 1; i <= 40; i++) {
  alone.push(await send(`${i} `.padEnd(100_000, "x")));
  while (!(await sender.flush(1))) socket.drain();
}
sender.detach({ flushed: true });
// One that does not fit does not take its neighbours along.
const [first, large, second] = await Promise.all([
  send("41"),
  send("x".repeat(2_000_000)),
  send("42"),
]);
// More than fit, and more than the queue has room for.
const many = Array.from(
  { length: 30 },
  (_, i) => send(`${i + 43} `.padEnd(200_000, "x")),
);
await Promise.race([
  Promise.all(many),
  new Promise((resolve) => setTimeout(resolve, 500)),
]);
sender.attach(socket);
while (!(await sender.flush(1))) socket.drain();
await Promise.all(many);
while (!(await sender.flush(1))) socket.drain();
console.log(JSON.stringify({
  alone: alone.filter((result) => result === "ok").length,
  large,
  neighbours: [first, second],
  untold: 73 - told.length,
  names: text.includes(path) && /full|larger|take|no room/.test(text),
  sentInOrder: socket.texts.join() ===
    accepted.toSorted((a, b) => parseInt(a) - parseInt(b)).join(),
}));
sender.end(STOPPED);
