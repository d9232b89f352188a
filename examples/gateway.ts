#!/usr/bin/env -S deno run --allow-net=gateway.example.com --allow-env=GATEWAY_TOKEN
/**
 * A gateway like Discord's: hello, heartbeat, identify, resume.
 *
 * - The server says hello, with the heartbeat that it wants.
 * - A lost session is resumed at the last number, at an address that the server
 *   named; missed events are sent again.
 * - Some close codes end the session, and the next connection begins a new one.
 *   Others say that trying again is useless; the program ends.
 *
 *     GATEWAY_TOKEN=... ./gateway.ts wss://gateway.example.com
 *
 * @module
 */

import { type Message, WebSocketStreamClient } from "@ws-stream/client";

const DISPATCH = 0;
const HEARTBEAT = 1;
const IDENTIFY = 2;
const RESUME = 6;
const RECONNECT = 7;
const INVALID_SESSION = 9;
const HEARTBEAT_ACK = 11;

/** What the server sends: an operation, and for events a number and a name. */
interface Payload {
  readonly op: number;
  readonly s?: number;
  readonly t?: string;
  readonly d?: {
    readonly heartbeat_interval?: number;
    readonly session_id?: string;
    readonly resume_gateway_url?: string;
  };
}

const [gateway = "wss://gateway.example.com"] = Deno.args;
const token = Deno.env.get("GATEWAY_TOKEN");

let session: { readonly id: string; readonly url: string } | undefined;
let lastNumber: number | null = null;

const client = new WebSocketStreamClient({
  url: () => session?.url ?? gateway,
  // Wrong token, shard, version or intents.
  fatalCloseCodes: [4004, 4010, 4011, 4012, 4013, 4014],
  ping: {
    message: heartbeat,
    isPong: (data) => parse(data).op === HEARTBEAT_ACK,
    answer: (data) => parse(data).op === HEARTBEAT ? heartbeat() : undefined,
  },
}, {
  async onConnect(connection) {
    const { d: hello } = parse(await connection.receive());
    const pingInterval = hello?.heartbeat_interval;
    connection.setHeartbeat({ pingInterval, pingTimeout: pingInterval });
    connection.send(JSON.stringify(
      session === undefined ? { op: IDENTIFY, d: { token, intents: 1 } } : {
        op: RESUME,
        d: { token, session_id: session.id, seq: lastNumber },
      },
    ));
  },
  onMessage(data) {
    const { op, s, t, d } = parse(data);
    switch (op) {
      case DISPATCH:
        lastNumber = s ?? lastNumber;
        if (t === "READY") {
          session = {
            id: d?.session_id ?? "",
            url: d?.resume_gateway_url ?? gateway,
          };
        }
        console.log(`${s} ${t}`);
        break;
      case RECONNECT:
        client.reconnect();
        break;
      case INVALID_SESSION:
        forget();
        client.reconnect();
    }
  },
  onDisconnect({ code }) {
    // Invalid number, or the session timed out.
    if (code === 4007 || code === 4009) forget();
  },
  onError: (error) => console.error(error.message),
});

await client.start();
const error = await client.closed;
if (error !== undefined) throw error;

function heartbeat(): string {
  return JSON.stringify({ op: HEARTBEAT, d: lastNumber });
}

function forget(): void {
  session = undefined;
  lastNumber = null;
}

function parse(data: Message): Payload {
  return JSON.parse(String(data));
}
