#!/usr/bin/env -S deno run --allow-net=chat.example.com
/**
 * A chat in the terminal.
 *
 * - It joins the room on each connection; what was typed meanwhile follows.
 * - A line that could not be sent within a minute is dropped, and the writer is
 *   told: an answer that comes too late is worse than none.
 *
 *     ./chat.ts Ann wss://chat.example.com/room
 *
 * @module
 */

import { createInterface } from "node:readline";
import process from "node:process";
import { WebSocketStreamClient } from "@ws-stream/client";

interface Line {
  readonly from: string;
  readonly text: string;
}

const [name = "guest", url = "wss://chat.example.com/room"] = Deno.args;

const client = new WebSocketStreamClient({ url }, {
  onConnect(session) {
    session.send(JSON.stringify({ join: name }));
    console.error("* connected");
  },
  onMessage(data) {
    const { from, text }: Line = JSON.parse(String(data));
    console.log(`${from}: ${text}`);
  },
  onDisconnect({ willRetry }) {
    console.error(willRetry ? "* connection lost" : "* goodbye");
  },
  onDrop(data, reason) {
    const { text }: Line = JSON.parse(String(data));
    console.error(`* not sent (${reason}): ${text}`);
  },
});
await client.start();

for await (const text of createInterface({ input: process.stdin })) {
  if (text === "") continue;
  await client.sendText(JSON.stringify({ from: name, text }), { ttl: 60_000 });
}
await client.stop();
