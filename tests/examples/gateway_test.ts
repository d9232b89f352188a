import { assertEquals } from "@std/assert";
import type { Peer } from "../../src/server/peer.ts";
import { serve } from "../../src/server/server.ts";
import { Example } from "./example.ts";

interface Request {
  readonly op: number;
  readonly d: unknown;
}

/** Sends hello, and returns what the client says to it. */
async function hello(peer: Peer): Promise<Request> {
  await send(peer, { op: 10, d: { heartbeat_interval: 60_000 } });
  return await next(peer);
}

async function next(peer: Peer): Promise<Request> {
  return JSON.parse(String(await peer.receive()));
}

function send(peer: Peer, payload: object): Promise<void> {
  return peer.send(JSON.stringify(payload));
}

Deno.test("a session is resumed after a drop, begun anew when it is invalid, and given up when that is useless", async () => {
  const greetings: Request[] = [];
  const heartbeats: Request[] = [];
  await using server = serve({
    async onPeer(peer) {
      greetings.push(await hello(peer));
      switch (greetings.length) {
        case 1:
          await send(peer, {
            op: 0,
            s: 1,
            t: "READY",
            d: {
              session_id: "abc",
              resume_gateway_url: `${server.url}/resume`,
            },
          });
          await send(peer, { op: 0, s: 2, t: "MESSAGE_CREATE" });
          await send(peer, { op: 1 });
          heartbeats.push(await next(peer));
          await peer.close(4000, "unknown error");
          break;
        case 2:
          assertEquals(peer.request.path, "/resume");
          await send(peer, { op: 0, s: 3, t: "RESUMED" });
          await send(peer, { op: 9, d: false });
          break;
        case 3:
          assertEquals(peer.request.path, "/");
          await peer.close(4004, "authentication failed");
      }
    },
  });
  await using client = new Example("gateway.ts", {
    args: [server.url],
    net: [`127.0.0.1:${server.port}`],
    env: { GATEWAY_TOKEN: "secret" },
  });
  assertEquals(await client.finish(), 1);
  assertEquals(client.stdout.all, ["1 READY", "2 MESSAGE_CREATE", "3 RESUMED"]);
  assertEquals(heartbeats, [{ op: 1, d: 2 }]);
  const identify = { op: 2, d: { token: "secret", intents: 1 } };
  assertEquals(greetings, [
    identify,
    { op: 6, d: { token: "secret", session_id: "abc", seq: 2 } },
    identify,
  ]);
  await client.stderr.matching(/4004/);
});
