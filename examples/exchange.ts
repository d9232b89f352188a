#!/usr/bin/env -S deno run --allow-net=stream.example.com
/**
 * An exchange with rules of its own, as many have them.
 *
 * - Connections are cut after 24 hours. `maxConnectionAge` opens the next one
 *   before that; both deliver for a moment, and the ids tell what came twice.
 * - Five messages a second are allowed. What is sent waits for its turn, across
 *   reconnects too, and heartbeats count.
 * - Messages are gzip frames. `decode` unpacks each one, before anything else
 *   looks at it.
 * - The server dictates the heartbeat in its first message, and pings by
 *   messages that must be answered.
 *
 *     ./exchange.ts wss://stream.example.com/v1 BTC-USD,ETH-USD
 *
 * @module
 */

import { gunzipSync } from "node:zlib";
import { type Message, WebSocketStreamClient } from "@ws-stream/client";

/** Any message of the exchange: each has some of these. */
interface Frame {
  readonly op?: "welcome" | "pong";
  readonly pingInterval?: number;
  readonly pingTimeout?: number;
  readonly ping?: number;
  readonly trade?: {
    readonly id: number;
    readonly symbol: string;
    readonly price: number;
  };
}

const [
  url = "wss://stream.example.com/v1",
  list = "BTC-USD,ETH-USD",
  maxAge = "86400000", // A day.
] = Deno.args;
const symbols = list.split(",");

let lastId = 0;

const client = new WebSocketStreamClient({
  url,
  maxConnectionAge: Number(maxAge),
  sendRate: { messages: 5, interval: 1_000 },
  decode: (data) =>
    typeof data === "string"
      ? data
      : new TextDecoder().decode(gunzipSync(data)),
  ping: {
    message: () => JSON.stringify({ op: "ping", at: Date.now() }),
    isPong: (data) => parse(data).op === "pong",
    answer: (data) => {
      const { ping } = parse(data);
      return ping === undefined ? undefined : JSON.stringify({ pong: ping });
    },
  },
}, {
  async onConnect(session) {
    const { pingInterval, pingTimeout } = parse(await session.receive());
    session.setHeartbeat({ pingInterval, pingTimeout });
    console.error(`${session.cause}: heartbeat every ${pingInterval} ms`);
    session.send(JSON.stringify({ op: "subscribe", symbols }));
  },
  onMessage(data) {
    const { trade } = parse(data);
    if (trade === undefined || trade.id <= lastId) return;
    lastId = trade.id;
    console.log(`${trade.id} ${trade.symbol} ${trade.price}`);
  },
  onError: (error) => console.error(error.message),
});

await client.start();
for (const symbol of symbols) {
  await client.sendText(JSON.stringify({ op: "snapshot", symbol }));
}
const error = await client.closed;
if (error !== undefined) throw error;

function parse(data: Message): Frame {
  return JSON.parse(String(data));
}
