import {
  assertEquals,
  assertGreaterOrEqual,
  assertMatch,
  assertThrows,
} from "@std/assert";
import { feed } from "../../src/server/feed.ts";
import type { Peer } from "../../src/server/peer.ts";
import { serve } from "../../src/server/server.ts";
import { clientFrame, RawClient } from "../support/raw_client.ts";

Deno.test("a feed is numbered, and the first message comes at once", async () => {
  await using server = serve({ onPeer: feed({ rate: 0.001 }) });
  using client = await RawClient.connect(server.port);
  assertMatch(await client.readText() ?? "", /^\{"seq":0,"time":\d{13}\}$/);
});

Deno.test("a feed keeps its rate, ends after its count, and closes", async () => {
  await using server = serve({
    onPeer: feed({ rate: 1000, count: 40, message: String }),
  });
  const start = performance.now();
  using client = await RawClient.connect(server.port);
  for (let number = 0; number < 40; number++) {
    assertEquals(await client.readText(), String(number));
  }
  assertGreaterOrEqual(performance.now() - start, 39);
  assertEquals((await client.readFrame())?.opcode, 8);
});

Deno.test("a feed without a limit leaves time for others", async () => {
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  await using server = serve({ onPeer: feed({ rate: Infinity }) });
  using client = await RawClient.connect(server.port);
  for (let frames = 0; frames < 2000; frames++) await client.readFrame();
  clearInterval(timer);
  assertGreaterOrEqual(turns, 1);
  // It hears a close, too.
  const [peer] = server.peers;
  await client.write(clientFrame(8));
  client.readToEnd().catch(() => {});
  assertEquals((await peer?.closed)?.code, 1005);
});

Deno.test("what the client says does not hold up a feed", async () => {
  await using server = serve({ onPeer: feed({ rate: 1000, message: String }) });
  using client = await RawClient.connect(server.port);
  for (let i = 0; i < 3000; i++) await client.write(clientFrame(1, "chatter"));
  await client.write(clientFrame(9, "still there?"));
  for (;;) {
    const frame = await client.readFrame();
    if (frame?.opcode === 10) break;
  }
});

Deno.test("the feed of a peer that leaves ends at once", async () => {
  const ended = Promise.withResolvers<void>();
  const slow = feed({ rate: 0.001 });
  await using server = serve({
    onPeer: (peer: Peer) => slow(peer).then(ended.resolve),
  });
  using client = await RawClient.connect(server.port);
  await client.readFrame();
  client[Symbol.dispose]();
  await ended.promise;
});

Deno.test("a rate is more than 0", () => {
  for (const rate of [0, -1, NaN]) {
    assertThrows(() => feed({ rate }), RangeError, "more than 0");
  }
});
