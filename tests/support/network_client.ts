/**
 * The client of `network_test.ts`, in a process of its own. It sends
 * `message N` all the time until its stdin ends, then waits until all are
 * acknowledged. It tells, a line each: `connect`, `tick PEER N`,
 * `disconnect CODE WHY`, `retry WHY`, `flushed COUNT`.
 *
 * @module
 */

import { WebSocketStreamClient } from "../../mod.ts";

const PERIOD = 20;
const [url = "", transport, pingInterval, pingTimeout] = Deno.args;

const client = new WebSocketStreamClient({
  url,
  pingInterval: Number(pingInterval),
  pingTimeout: Number(pingTimeout),
  ...(transport === "tcp"
    // It sends ping frames by itself.
    ? { transport }
    : { ping: { message: "ping", isPong: (data) => data === "pong" } }),
  connectTimeout: 400,
  initialBackoff: 50,
  maxBackoff: 100,
  redeliver: {
    id: (data) => String(data),
    acknowledged: (data) => {
      const [, id] = /^ack (.*)$/.exec(String(data)) ?? [];
      return id;
    },
  },
}, {
  onConnect: () => tell("connect"),
  onMessage: (data) => {
    if (/^tick /.test(String(data))) tell(String(data));
  },
  onDisconnect: ({ code, error, willRetry }) => {
    // Not of our own stop().
    if (willRetry) tell(`disconnect ${code} ${error?.code}`);
  },
  onRetry: ({ error }) => tell(`retry ${error.code}`),
});
await client.start();

let count = 0;
const timer = setInterval(() => client.sendText(`message ${count++}`), PERIOD);
for await (const _nothing of Deno.stdin.readable);
clearInterval(timer);
await client.flush();
tell(`flushed ${count}`);
await client.stop();

function tell(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
