import { assertEquals } from "@std/assert";
import { broadcast } from "../../src/server/behaviours.ts";
import type { Peer } from "../../src/server/peer.ts";
import { serve } from "../../src/server/server.ts";
import { Recorder } from "../support/events.ts";
import { Example, LIMIT } from "./example.ts";

Deno.test("what is typed in one chat is read in the other, after a drop too", async () => {
  const events = new Recorder<{ join: Peer }>(LIMIT);
  const room = broadcast();
  await using server = serve({
    async onPeer(peer) {
      await peer.receive(); // The line that joins the room.
      room(peer);
      events.add("join", peer);
    },
  });
  const start = (name: string) =>
    new Example("chat.ts", {
      args: [name, server.url],
      net: [`127.0.0.1:${server.port}`],
    });
  await using ann = start("Ann");
  await using bob = start("Bob");
  await ann.stderr.matching(/^\* connected$/);
  await bob.stderr.matching(/^\* connected$/);
  // Until both are in the room a line would reach nobody.
  const peers = [await events.next("join"), await events.next("join")];

  await ann.type("hello");
  await bob.stdout.matching(/^Ann: hello$/);

  for (const peer of peers) await peer.drop();
  await ann.stderr.matching(/^\* connected$/, 2);
  await bob.stderr.matching(/^\* connected$/, 2);
  await events.next("join");
  await events.next("join");
  await bob.type("back again");
  await ann.stdout.matching(/^Bob: back again$/);

  assertEquals(await ann.finish(), 0);
  await ann.stderr.matching(/^\* goodbye$/);
});
