/**
 * Readers and streams of a client, over real sockets and both transports.
 *
 * @module
 */

import {
  assertEquals,
  assertGreater,
  assertNotStrictEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import type { Message, ReadOptions, TransportName } from "../mod.ts";
import { World } from "./support/client_world.ts";
import { spin } from "./support/spin.ts";

const TRANSPORTS: readonly TransportName[] = ["native", "tcp"];

/** A test for each transport, with the config that chooses it. */
function overEach(
  name: string,
  test: (transport: TransportName) => Promise<void>,
): void {
  for (const transport of TRANSPORTS) {
    Deno.test(`${transport}: ${name}`, () => test(transport));
  }
}

overEach(
  "a reader made in onMessage starts with the next message",
  async (transport) => {
    const readers: AsyncIterator<Message>[] = [];
    await using world = await World.open({
      config: { transport },
      callbacks: {
        onMessage: (data) => {
          if (data === "now") readers.push(world.client.messages());
        },
      },
    });
    world.peer.sendMany(["now", "next"]);
    await world.calls.until(() => world.calls.all("message").length === 2);
    assertEquals((await readers[0]?.next())?.value, "next");
  },
);

overEach(
  "a readable that is never read keeps nothing and stops nothing",
  async (transport) => {
    await using world = await World.open({
      config: { transport, receiveBufferMaxSize: 2 },
    });
    const { client, calls } = world;
    const stream = client.readable.getReader();
    const count = 100;
    world.peer.sendMany(Array.from({ length: count }, (_, i) => String(i)));
    await calls.until(() => calls.all("message").length === count);
    const first = stream.read();
    world.peer.send("after the first read");
    assertEquals((await first).value, "after the first read");
    assertEquals([calls.all("error"), client.stats.connects], [[], 1]);
  },
);

overEach(
  "the error names the reader that is too slow, and says that it was never read",
  async (transport) => {
    await using world = await World.open({ config: { transport } });
    const options: ReadOptions = { bufferMaxSize: 1, overflow: "disconnect" };
    world.client.messages(options);
    world.peer.sendMany(["a", "b"]);
    const error = await world.calls.next("error");
    assertEquals(error.code, "SLOW_CONSUMER");
    assertStringIncludes(error.message, "Reader 1 (messages())");
    assertStringIncludes(error.message, "never read");
  },
);

overEach(
  "a conflating reader keeps the latest of each key within its bytes",
  async (transport) => {
    await using world = await World.open({ config: { transport } });
    const { client, calls } = world;
    const reader = client.messages({
      bufferMaxBytes: 10,
      overflow: { conflate: (data) => String(data).charAt(0) },
    });
    const quotes = ["a1", "b1", "c1", "a2", "b222222", `c${"2".repeat(99)}`];
    world.peer.sendMany(quotes);
    await calls.until(() => calls.all("message").length === quotes.length);
    assertEquals((await reader.next()).value, quotes.at(-1));
    const gap = await calls.next("gap");
    assertEquals([gap.cause.code, gap.count], ["SLOW_CONSUMER", 2]);
  },
);

// Bursts -----------------------------------------------------------------------------

for (const how of ["for await", "readable"] as const) {
  Deno.test(`tcp: ${how} gets a burst as it is received`, async () => {
    await using world = await World.open({ config: { transport: "tcp" } });
    const { client, peer } = world;
    const messages = how === "readable" ? client.readable : client.messages();
    const count = 20_000;
    peer.sendMany(Array.from({ length: count }, (_, i) => `${i}`.padEnd(64)));
    let next = 0;
    let most = 0;
    for await (const message of messages) {
      most = Math.max(most, client.stats.messagesReceived - next);
      assertEquals(Number(message), next);
      if (++next === count) break;
    }
    // The first read of 256 KiB brings 4,000.
    assertGreater(1_000, most);
  });

  Deno.test(`tcp: ${how} with slow code does not keep timers waiting`, async () => {
    await using world = await World.open({ config: { transport: "tcp" } });
    const { client, peer } = world;
    const messages = how === "readable" ? client.readable : client.messages();
    let left = 500;
    peer.sendMany(Array.from({ length: left }, String));
    let most = 0;
    let sinceTurn = 0;
    const timer = setInterval(() => sinceTurn = 0, 1);
    for await (const _ of messages) {
      most = Math.max(most, ++sinceTurn);
      spin(1);
      if (--left === 0) break;
    }
    clearInterval(timer);
    assertGreater(100, most);
  });
}

// Pausing --------------------------------------------------------------------------

Deno.test("tcp: a slow reader slows the server down and loses nothing", async () => {
  await using world = await World.open({
    config: { transport: "tcp", receiveBufferMaxSize: 10 },
  });
  const { client, calls, peer } = world;
  const reader = client.messages();
  const count = 3_000;
  const text = "x".repeat(10_000);
  let sent = 0;
  const sending = (async () => {
    for (; sent < count; sent++) await peer.send(`${sent} ${text}`);
  })();
  assertEquals(await number(reader), 0);
  // The kernels take far less than 30 MB; the rest waits in the server.
  assertGreater(count, sent);
  for (let i = 1; i < count; i++) assertEquals(await number(reader), i);
  await sending;
  assertEquals([calls.all("error"), calls.all("gap")], [[], []]);
  assertEquals(client.stats.connects, 1);
});

Deno.test("tcp: while a reader is full nothing more is delivered to the others", async () => {
  await using world = await World.open({
    config: { transport: "tcp", receiveBufferMaxSize: 10 },
  });
  const { client, calls, peer } = world;
  const slow = client.messages();
  const fast = client.messages({ bufferMaxSize: 1_000_000 });
  const count = 5_000;
  peer.sendMany(Array.from({ length: count }, (_, i) => String(i)));
  await calls.until(() => calls.all("message").length >= 10);
  // A round trip later nothing more has come than the buffer of the slow one.
  await client.send("still there?");
  assertEquals(await peer.receive(), "still there?");
  assertEquals(calls.all("message").length, 10);
  const numbers = Array.from({ length: count }, (_, i) => i);
  const [first, second] = await Promise.all([
    Array.fromAsync(numbers, () => number(slow)),
    Array.fromAsync(numbers, () => number(fast)),
  ]);
  assertEquals([first, second], [numbers, numbers]);
});

Deno.test("tcp: the feed goes on when a full reader ends", async () => {
  await using world = await World.open({
    config: { transport: "tcp", receiveBufferMaxSize: 2 },
  });
  const { client, calls, peer } = world;
  const controller = new AbortController();
  client.messages({ signal: controller.signal });
  peer.sendMany(["0", "1", "2", "3", "4"]);
  await calls.until(() => calls.all("message").length === 2);
  controller.abort();
  await calls.until(() => calls.all("message").length === 5);
});

Deno.test("tcp: a full reader does not hold up stop()", async () => {
  await using world = await World.open({
    config: { transport: "tcp", receiveBufferMaxSize: 2 },
  });
  const { client, calls, peer } = world;
  const reader = client.messages();
  peer.sendMany(["0", "1", "2"]);
  await calls.until(() => calls.all("message").length === 2);
  await client.stop();
  const disconnect = await calls.next("disconnect");
  assertEquals([disconnect.code, disconnect.wasClean], [1000, true]);
  assertEquals(await Array.fromAsync(reader), ["0", "1", "2"]);
});

// Writing --------------------------------------------------------------------------

overEach(
  "writes wait while the queue is full, whatever its policy is",
  async (transport) => {
    for (const overflow of ["wait", "reject"] as const) {
      await using world = new World({
        config: { transport, overflow, sendQueueMaxSize: 2 },
      });
      const { client } = world;
      const texts = Array.from({ length: 20 }, (_, i) => String(i));
      const piping = ReadableStream.from(texts).pipeTo(client.writable);
      await client.start();
      await piping;
      const peer = await world.nextPeer();
      const got = await Array.fromAsync(texts, () => peer.receive());
      assertEquals(got, texts, overflow);
    }
  },
);

overEach(
  "a message larger than the queue is reported, and the pipe goes on",
  async (transport) => {
    await using world = await World.open({
      config: { transport, sendQueueMaxBytes: 10 },
    });
    const texts = ["a", "x".repeat(11), "b"];
    await ReadableStream.from(texts).pipeTo(world.client.writable);
    const error = await world.calls.next("error");
    assertEquals(error.code, "TOO_LARGE");
    const { peer } = world;
    assertEquals([await peer.receive(), await peer.receive()], ["a", "b"]);
  },
);

overEach("after one pipe there can be another", async (transport) => {
  await using world = await World.open({ config: { transport } });
  const { client, peer } = world;
  const { writable } = client;
  await ReadableStream.from(["first"]).pipeTo(writable);
  assertNotStrictEquals(client.writable, writable);
  await ReadableStream.from(["second"]).pipeTo(client.writable);
  assertEquals([await peer.receive(), await peer.receive()], [
    "first",
    "second",
  ]);
});

overEach(
  "an abort takes back only the message that waits for room in the queue",
  async (transport) => {
    await using world = new World({
      config: { transport, sendQueueMaxSize: 1 },
    });
    const { client } = world;
    await client.send("accepted");
    const writer = client.writable.getWriter();
    const written = assertRejects(
      () => writer.write("waiting"),
      Error,
      "enough",
    );
    await writer.abort(new Error("enough"));
    await written;
    await client.start();
    await client.send("later");
    const peer = await world.nextPeer();
    assertEquals([await peer.receive(), await peer.receive()], [
      "accepted",
      "later",
    ]);
  },
);

overEach("a writer learns of the end of the client", async (transport) => {
  await using world = await World.open({ config: { transport } });
  const writer = world.client.writable.getWriter();
  await world.client.stop();
  const error = await assertRejects(() => writer.closed, Error);
  assertEquals(Reflect.get(error, "code"), "STOPPED");
});

async function number(reader: AsyncIterator<Message>): Promise<number> {
  return Number.parseInt(String((await reader.next()).value));
}
