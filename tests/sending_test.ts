/**
 * What goes out, over real sockets: through links that die, to peers that do
 * not read, and what of it arrives.
 *
 * @module
 */

import {
  assert,
  assertEquals,
  assertLess,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import type { Message } from "../mod.ts";
import { serve } from "../src/server/server.ts";
import type { World } from "./support/client_world.ts";
import { forEachTransport } from "./support/transports.ts";
import { Recorder } from "./support/events.ts";
import { TcpPeer, upgrade } from "./support/tcp_peer.ts";

const MIB = 1024 * 1024;

forEachTransport(
  "with acknowledgements nothing is missing, and nothing out of order, whatever becomes of the links",
  async (transport) => {
    const COUNT = 3_000;
    const links: number[][] = [];
    const arrivals = new Recorder<{ number: number }>(30_000);
    await using world = transport.world({
      config: { redeliver: { id: String, acknowledged: String, window: 200 } },
      server: {
        onPeer(peer) {
          const link: number[] = [];
          links.push(link);
          // Where it ends differs from link to link; the last one stays.
          const end = links.length < 15 ? 100 + 37 * links.length : Infinity;
          peer.onmessage = (data) => {
            link.push(Number(data));
            arrivals.add("number", Number(data));
            if (link.length === end) {
              return links.length % 2 === 0 ? peer.drop() : peer.reset();
            }
            return peer.send(data);
          };
        },
        onError: () => {},
      },
    });
    const started = world.client.start();
    for (let number = 0; number < COUNT; number++) {
      await world.client.send(`${number}`);
    }
    await started;
    assertEquals(await world.client.flush(), true);

    for (const link of links) {
      assertEquals(
        link,
        link.toSorted((a, b) => a - b),
      );
    }
    const first = [...new Set(arrivals.all("number"))];
    assertEquals(first, Array.from({ length: COUNT }, (_, number) => number));
    assert(links.length >= 10, `${links.length} links`);
    assertEquals(world.client.stats.unacknowledged, 0);
    assert(world.client.stats.redelivered > 0);
  },
);

forEachTransport(
  "what a dead link still had in its socket is sent whole on the next one",
  async (transport) => {
    const arrivals = new Recorder<{ message: Message }>();
    let isFirst = true;
    await using world = await transport.openWorld({
      server: {
        onPeer(peer) {
          if (isFirst) peer.stopReading();
          isFirst = false;
          peer.onmessage = arrivals.on("message");
        },
      },
    });
    const large = "x".repeat(12 * MIB);
    const bytes = new Uint8Array(100).fill(1);
    await world.client.send(large);
    await world.client.send(bytes);
    bytes.fill(2);
    await world.client.send("last");
    assertEquals(await world.client.flush(50), false, "the peer reads nothing");
    await world.peer.drop();
    assertEquals(await world.client.flush(), true);
    const messages = [
      await arrivals.next("message"),
      await arrivals.next("message"),
      await arrivals.next("message"),
    ];
    assertEquals(messages[0]?.length, large.length);
    assertEquals(messages.slice(1), [new Uint8Array(100).fill(1), "last"]);
    // The large one, and whatever was given to the socket beside it.
    assert(world.client.stats.redelivered >= 1);
  },
);

forEachTransport(
  "sent at most once, what a dead link had in its socket does not come again",
  async (transport) => {
    const arrivals = new Recorder<{ message: Message }>();
    let isFirst = true;
    await using world = await transport.openWorld({
      config: { redeliver: "none" },
      server: {
        onPeer(peer) {
          if (isFirst) peer.stopReading();
          isFirst = false;
          peer.onmessage = arrivals.on("message");
        },
      },
    });
    await world.client.send("x".repeat(12 * MIB));
    await world.client.send("queued behind it");
    const flush = world.client.flush();
    await world.peer.drop();
    assertEquals(await arrivals.next("message"), "queued behind it");
    assertEquals(await flush, false);
  },
);

forEachTransport(
  "to a peer that does not read no more goes than the kernels take",
  async (transport) => {
    const stalled = serve({ onPeer: (peer) => peer.stopReading() });
    await using world = await transport.openWorld({
      config: { url: stalled.url, sendQueueMaxBytes: MIB },
    });
    const { client } = world;
    const message = "x".repeat(16 * 1024);
    let sent = 0;
    do {
      while (client.trySend(message)) sent++;
      assertLess(sent, 4_096, "64 MiB are more than kernels take");
    } while (await client.flush(300));
    // The kernels may have taken some since the queue was full.
    while (client.stats.queuedBytes < MIB) {
      if (client.trySend(message)) sent++;
      else await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const { bytesSent, queuedBytes } = client.stats;
    assertEquals(queuedBytes, MIB);
    assertEquals(bytesSent + queuedBytes, sent * message.length);
    const waiting = client.send("x".repeat(MIB));
    await client.stop({ drain: 0 });
    await stalled.close();
    assertEquals(await waiting.catch(({ code }) => code), "STOPPED");
  },
);

forEachTransport(
  "the socket copies bytes at once: what is done to them later does not go out",
  async (transport) => {
    const arrivals = new Recorder<{ message: Message }>();
    await using world = await transport.openWorld({
      server: {
        onPeer: (peer) => void (peer.onmessage = arrivals.on("message")),
      },
    });
    const bytes = new Uint8Array(100_000).fill(1);
    assertEquals(world.client.trySend(bytes), true);
    bytes.fill(2);
    const message = await arrivals.next("message");
    assertEquals(message, new Uint8Array(100_000).fill(1));
  },
);

forEachTransport(
  "the error for an object in place of a message shows nothing of it",
  async (transport) => {
    // What JSON.stringify() was forgotten for may be the login.
    const make = (): Message => JSON.parse('{"token":"secret"}');
    await using world = await transport.openWorld({
      config: {
        ping: { message: make },
        pingInterval: 20,
        decode: make,
        maxRetries: 0, // for what the hook below throws
      },
      callbacks: {
        onConnect(session) {
          assertThrows(() => session.send(make()), TypeError, "is an object");
        },
      },
    });
    const { client, calls, peer } = world;
    const failed = await assertRejects(() => client.send(make()), TypeError);
    peer.send("x");
    const seen = (name: string) =>
      calls.all("error").find(({ message }) => message.startsWith(name));
    await calls.until(
      () => seen("ping") !== undefined && seen("decode") !== undefined,
      "both errors",
    );
    for (const error of [failed, seen("ping"), seen("decode")]) {
      assertMatch(`${error?.message}`, /current value is an object$/);
      assertEquals(Deno.inspect(error).includes("secret"), false);
    }
  },
);

forEachTransport(
  "bytes that the program has transferred are no message, and break nothing",
  async (transport) => {
    const detached = () => {
      const bytes = Uint8Array.of(1, 2, 3);
      bytes.buffer.transfer();
      return bytes;
    };
    const says = "as it must be a Uint8Array that is not detached";
    const arrivals = new Recorder<{ message: Message }>();
    await using world = await transport.openWorld({
      config: {
        ping: {
          message: detached,
          answer: (data) => data === "ping" ? detached() : undefined,
        },
        pingInterval: 20,
        decode: (data) => data === "zipped" ? detached() : data,
      },
      callbacks: {
        onConnect(session) {
          assertThrows(() => session.send(detached()), TypeError, says);
        },
      },
      server: {
        onPeer: (peer) => void (peer.onmessage = arrivals.on("message")),
      },
    });
    const { client, calls, peer } = world;
    await assertRejects(() => client.send(detached()), TypeError, says);
    await assertRejects(
      () => client.sendBinary(detached(), {}),
      TypeError,
      says,
    );
    assertThrows(() => client.trySend(detached()), TypeError, says);
    for (const message of ["ping", "zipped", "last"]) peer.send(message);
    // A message whose answer is none is delivered.
    assertEquals(await calls.next("message"), "ping");
    assertEquals(await calls.next("message"), "last");
    const threw = (name: string) =>
      calls.all("error").some(({ code, message }) =>
        code === "CALLBACK" && message.startsWith(`${name} threw`)
      );
    for (const name of ["ping.message", "ping.answer", "decode"]) {
      await calls.until(() => threw(name), `an error of ${name}`);
    }
    await client.send(new Uint8Array());
    assertEquals(await arrivals.next("message"), new Uint8Array());
    assertEquals(client.stats.disconnects, 0);
  },
);

for (const redeliver of ["unflushed", "none"] as const) {
  for (
    const [what, frame] of [
      ["the server's close frame", [0x88, 2, 0x03, 0xf4]],
      ["a frame that breaks the protocol", [0x83, 0]],
    ] as const
  ) {
    forEachTransport(
      `messages sent between ${what} and its hang-up go to the next connection (${redeliver})`,
      async (transport) => {
        const answered = Promise.withResolvers<void>();
        const hangUp = Promise.withResolvers<void>();
        await using first = new TcpPeer(upgrade({
          async then({ conn, write }) {
            await write(Uint8Array.from(frame));
            await conn.read(new Uint8Array(64));
            answered.resolve();
            await hangUp.promise;
          },
        }));
        const urls = [first.url];
        const arrivals = new Recorder<{ message: Message }>();
        await using world: World = transport.world({
          config: { redeliver, url: () => urls.shift() ?? world.server.url },
          server: {
            onPeer: (peer) => void (peer.onmessage = arrivals.on("message")),
          },
        });
        const { client } = world;
        await client.start();
        await answered.promise;
        const sent = Array.from({ length: 10 }, (_, index) => `${index}`);
        for (const message of sent) await client.send(message);
        hangUp.resolve();
        assertEquals(await client.flush(), true);
        await arrivals.until(() => arrivals.all("message").length >= 10);
        assertEquals(arrivals.all("message"), sent);
        assertEquals([client.stats.lost, client.stats.redelivered], [0, 0]);
      },
    );
  }
}

for (const compression of [false, true]) {
  forEachTransport(
    `a message sent just before the server's close frame is read goes to the next connection (${
      compression ? "compressed" : "plain"
    })`,
    async (transport) => {
      const headers = compression
        ? { "sec-websocket-extensions": "permessage-deflate" }
        : undefined;
      // A message, and in the same segment the close frame.
      const bytes = [0x81, 2, 0x67, 0x6f, 0x88, 2, 0x03, 0xf4];
      const isKept = async (): Promise<boolean> => {
        await using first = new TcpPeer(upgrade({
          headers,
          async then({ conn, write, gone }) {
            await conn.read(new Uint8Array(64)); // "ready"
            await write(Uint8Array.from(bytes));
            await gone();
          },
        }));
        const urls = [first.url];
        const arrivals = new Recorder<{ message: Message }>();
        await using world: World = transport.world({
          config: { compression, url: () => urls.shift() ?? world.server.url },
          callbacks: {
            // Quick: after a slow callback the message would leave before the
            // close frame is read.
            onMessage: () => void world.client.trySend("x".repeat(2_000)),
          },
          server: {
            onPeer: (peer) => void (peer.onmessage = arrivals.on("message")),
          },
        });
        await world.client.start();
        // Large enough to load all that sending takes.
        await world.client.send("ready".padEnd(2_000));
        await world.nextPeer();
        await world.client.send("after it");
        return (await arrivals.next("message")).length === 2_000;
      };
      // A busy machine may be slow at the wrong moment, but not every time.
      let tries = 0;
      while (!await isKept()) assertLess(++tries, 5);
    },
    { only: "tcp" },
  );
}

forEachTransport(
  "stop() sees the code of a server that has closed and does not hang up",
  async (transport) => {
    const answered = Promise.withResolvers<void>();
    await using server = new TcpPeer(upgrade({
      async then({ conn, write, gone }) {
        await write(Uint8Array.of(0x88, 2, 0x03, 0xf4));
        await conn.read(new Uint8Array(64));
        answered.resolve();
        await gone();
      },
    }));
    await using guest = await transport.guest({
      url: server.url,
      closeTimeout: 0,
      initialBackoff: 30_000,
      maxBackoff: 30_000,
    });
    await answered.promise;
    const { client } = guest;
    await client.stop();
    assertEquals(guest.calls.all("disconnect").map(({ code }) => code), [1012]);
  },
);

forEachTransport(
  "a graceful reconnect() does not hide the code of a server that has closed",
  async (transport) => {
    const answered = Promise.withResolvers<void>();
    const hangUp = Promise.withResolvers<void>();
    await using first = new TcpPeer(upgrade({
      async then({ conn, write }) {
        await write(Uint8Array.of(0x88, 2, 0x0f, 0xa1));
        await conn.read(new Uint8Array(64));
        answered.resolve();
        await hangUp.promise;
      },
    }));
    const urls = [first.url];
    await using world: World = transport.world({
      config: {
        url: () => urls.shift() ?? world.server.url,
        fatalCloseCodes: [4001],
      },
    });
    const { client } = world;
    await client.start();
    await answered.promise;
    client.reconnect({ graceful: true });
    hangUp.resolve();
    assertEquals((await client.closed)?.closeCode, 4001);
  },
);
