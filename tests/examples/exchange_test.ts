import { gzipSync } from "node:zlib";
import { assertEquals } from "@std/assert";
import type { Peer } from "../../src/server/peer.ts";
import { serve } from "../../src/server/server.ts";
import { Recorder } from "../support/events.ts";
import { Example, LIMIT } from "./example.ts";

interface Request {
  readonly op?: string;
  readonly symbol?: string;
  readonly pong?: number;
}

Deno.test("the exchange's rules are kept: rotation, gzip, its heartbeat", async () => {
  const events = new Recorder<{
    subscribe: Peer;
    snapshot: string;
    pong: number;
    ping: undefined;
  }>(LIMIT);
  let id = 0;
  const send = (peer: Peer, frame: object) =>
    peer.send(new Uint8Array(gzipSync(JSON.stringify(frame))));
  await using server = serve({
    async onPeer(peer) {
      await send(peer, {
        op: "welcome",
        pingInterval: 50,
        pingTimeout: 60_000,
      });
      await send(peer, { ping: 7 });
      for await (const message of peer) {
        const request: Request = JSON.parse(String(message));
        if (request.pong !== undefined) events.add("pong", request.pong);
        if (request.op === "subscribe") {
          events.add("subscribe", peer);
          id++;
          await send(peer, { trade: { id, symbol: "BTC-USD", price: 1 } });
        }
        if (request.op === "snapshot") {
          events.add("snapshot", request.symbol ?? "");
        }
        if (request.op === "ping") {
          events.add("ping", undefined);
          await send(peer, { op: "pong" });
        }
      }
    },
  });
  await using client = new Example("exchange.ts", {
    args: [server.url, "BTC-USD,ETH-USD", "2000"],
    net: [`127.0.0.1:${server.port}`],
  });
  assertEquals(await events.next("pong"), 7);
  const first = await events.next("subscribe");
  await events.next("ping");
  assertEquals(await events.next("snapshot"), "BTC-USD");
  assertEquals(await events.next("snapshot"), "ETH-USD");

  const second = await events.next("subscribe");
  assertEquals(second === first, false);
  await client.stdout.matching(/^2 BTC-USD 1$/);
  await client.stderr.matching(/^rotation: heartbeat every 50 ms$/);
  assertEquals(client.stdout.all.slice(0, 2), ["1 BTC-USD 1", "2 BTC-USD 1"]);
});
