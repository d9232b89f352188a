import {
  assertEquals,
  assertGreaterOrEqual,
  assertLess,
  assertMatch,
  assertThrows,
} from "@std/assert";
import { broadcast, echo, feed } from "../../src/server/behaviours.ts";
import type { Peer } from "../../src/server/peer.ts";
import { serve } from "../../src/server/server.ts";
import { clientFrame, RawClient } from "../support/raw_client.ts";

Deno.test("an echo sends everything back", async () => {
  await using server = serve({ onPeer: echo });
  using client = await RawClient.connect(server.port);
  await client.write(clientFrame(1, "text"));
  await client.write(clientFrame(2, "bytes"));
  assertEquals((await client.readFrame())?.opcode, 1);
  assertEquals(await client.readText(), "bytes");
});

Deno.test("an echo slows down a client that does not read", async () => {
  await using server = serve({ onPeer: echo });
  using client = await RawClient.connect(server.port);
  const frame = clientFrame(2, new Uint8Array(256 * 1024));
  let written = 0;
  let enough = false;
  const writing = (async () => {
    for (; !enough; written++) await client.write(frame);
  })();
  for (let before = 0; before === 0 || before < written;) {
    before = written;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const [peer] = server.peers;
  // A message or two above the mark at which reading stops.
  assertLess(peer?.bufferedAmount ?? Infinity, 1024 * 1024);
  // And all of it comes back when the client does read.
  enough = true;
  let echoed = 0;
  for (; echoed < written; echoed++) await client.readFrame();
  await writing;
  for (; echoed < written; echoed++) await client.readFrame();
});

Deno.test("a broadcast reaches all the others", async () => {
  await using server = serve({ onPeer: broadcast() });
  using one = await RawClient.connect(server.port);
  using two = await RawClient.connect(server.port);
  using three = await RawClient.connect(server.port);
  await one.write(clientFrame(1, "from one"));
  assertEquals(await two.readText(), "from one");
  assertEquals(await three.readText(), "from one");
  await two.write(clientFrame(1, "from two"));
  // Its own message did not come back before this one.
  assertEquals(await one.readText(), "from two");
});

Deno.test("who leaves a broadcast is left out", async () => {
  await using server = serve({ onPeer: broadcast() });
  using one = await RawClient.connect(server.port);
  using two = await RawClient.connect(server.port);
  using three = await RawClient.connect(server.port);
  const [, second] = server.peers;
  two[Symbol.dispose]();
  await second?.closed;
  await one.write(clientFrame(1, "x"));
  assertEquals(await three.readText(), "x");
});

Deno.test("who reads a broadcast too slowly is closed, the others are served", async () => {
  await using server = serve({ onPeer: broadcast(100_000), closeTimeout: 10 });
  using one = await RawClient.connect(server.port);
  using slow = await RawClient.connect(server.port);
  const [, slowPeer] = server.peers;
  const frame = clientFrame(2, new Uint8Array(64 * 1024));
  let gone = false;
  slowPeer?.closed.then(() => {
    gone = true;
  });
  while (!gone) await one.write(frame);
  assertEquals(slowPeer?.state, "closed");
  assertEquals(server.peers.size, 1);
  slow[Symbol.dispose]();
});

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
