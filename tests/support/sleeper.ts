/**
 * A client in a process of its own, so that it can be stopped, or can block its
 * event loop, while its server goes on. Takes its `WSConfig` as JSON, blocks on
 * messages like `block 500` (ms), and tells what happens on stdout, a line each:
 * `name detail`.
 *
 * @module
 */

import { WebSocketStreamClient, type WSConfig } from "../../mod.ts";
import { spin } from "./spin.ts";

const config: WSConfig = JSON.parse(Deno.args[0] ?? "{}");

const client = new WebSocketStreamClient({
  ...config,
  ping: { message: "ping", isPong: (data) => data === "pong" },
}, {
  onConnect: (session) => tell("connect", String(session.reconnected)),
  onMessage: (data) => {
    const [, ms] = /^block (\d+)$/.exec(String(data)) ?? [];
    if (ms !== undefined) spin(Number(ms));
    tell("message", String(data));
  },
  onError: (error) => tell("error", error.message),
});
await client.start();
await client.closed;

function tell(name: string, detail: string): void {
  const line = new TextEncoder().encode(`${name} ${detail}\n`);
  Deno.stdout.writeSync(line);
}
