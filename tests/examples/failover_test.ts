import { assertEquals } from "@std/assert";
import type { Peer } from "../../src/server/peer.ts";
import { serve } from "../../src/server/server.ts";
import { Example } from "./example.ts";

/** A feed of which each connection brings the next five numbers. */
function numbers(): (peer: Peer) => Promise<void> {
  return async (peer) => {
    const { after } = JSON.parse(String(await peer.receive()));
    for (let seq = after + 1; seq <= after + 5; seq++) {
      await peer.send(JSON.stringify({ seq }));
    }
  };
}

Deno.test("when one server goes the other goes on where it stopped", async () => {
  await using eu = serve({ onPeer: numbers() });
  await using us = serve({ onPeer: numbers() });
  await using client = new Example("failover.ts", {
    args: [eu.url, us.url],
    net: [`127.0.0.1:${eu.port}`, `127.0.0.1:${us.port}`],
  });
  await client.stdout.matching(/^5$/);
  await eu.close();
  await client.stdout.matching(/^10$/);
  await client.kill("SIGKILL");
  assertEquals(
    client.stdout.all,
    ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"],
  );
  await client.stderr.matching(new RegExp(`connected to ${us.url}`));
});
