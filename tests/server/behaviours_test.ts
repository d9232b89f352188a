import { assertEquals, assertLess } from "@std/assert";
import { broadcast, echo } from "../../src/server/behaviours.ts";
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
