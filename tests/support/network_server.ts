/**
 * The server of `network_test.ts`, in a process of its own. It acknowledges
 * `message N`, answers pings, and sends each client ticks all the time. It
 * tells, a line each: `listening PORT`, `got PEER message N`, `gone PEER`.
 *
 * @module
 */

import type { Peer } from "../../src/server/peer.ts";
import { serve } from "../../src/server/server.ts";

const TICK = 20;
const [hostname = "127.0.0.1"] = Deno.args;

const { port } = serve({ hostname, onPeer });
tell(`listening ${port}`);

function onPeer(peer: Peer): void {
  let ticks = 0;
  const timer = setInterval(() => {
    peer.send(`tick ${peer.id} ${ticks++}`);
  }, TICK);
  peer.closed.then(() => {
    clearInterval(timer);
    tell(`gone ${peer.id}`);
  });
  peer.onmessage = (data) => {
    if (data === "ping") return peer.send("pong");
    tell(`got ${peer.id} ${data}`);
    peer.send(`ack ${data}`);
  };
}

function tell(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
