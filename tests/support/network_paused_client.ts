/**
 * The client of `network_test.ts` that stops reading: nobody reads its messages,
 * and it keeps ten of them. A line on its stdin makes it go on: `send` sends
 * 16 KiB again and again, `read` reads. It tells, a line each: `tick PEER N`
 * when a message has arrived, `full` when it has stopped reading, `read` when a
 * message is read, `disconnect CODE WHY`.
 *
 * @module
 */

import { WebSocketStreamClient } from "../../mod.ts";

const KEPT = 10;
const PERIOD = 20;
const [url = "", pingInterval, pingTimeout] = Deno.args;

let arrived = 0;
const client = new WebSocketStreamClient({
  url,
  transport: "tcp",
  pingInterval: Number(pingInterval),
  pingTimeout: Number(pingTimeout),
  receiveBufferMaxSize: KEPT,
  receiveOverflow: "pause",
  reconnect: false,
}, {
  onMessage: (data) => {
    tell(String(data));
    if (++arrived === KEPT) tell("full");
  },
  onDisconnect: ({ code, error }) => tell(`disconnect ${code} ${error?.code}`),
});
const messages = client.messages();
await client.start();

for await (
  const line of Deno.stdin.readable.pipeThrough(new TextDecoderStream())
) {
  if (line === "send\n") {
    setInterval(() => client.trySend("x".repeat(16 * 1024)), PERIOD);
  } else {
    for await (const _message of messages) tell("read");
  }
}

function tell(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
