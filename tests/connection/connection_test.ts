/** One connection between its socket, the queue and the readers. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { setImmediate } from "node:timers";
import { setTimeout as sleep } from "node:timers/promises";
import type { Message } from "../../mod.ts";
import type { Peer } from "../../src/server/peer.ts";
import { within } from "../support/events.ts";
import type { Guest } from "../support/client_world.ts";
import { TcpPeer, type TcpScript, upgrade } from "../support/tcp_peer.ts";
import { forEachTransport } from "../support/transports.ts";

const TCP = { only: "tcp" } as const;

function padded(index: number): string {
  return `${index} `.padEnd(2_000, ".");
}

function indexOf(data: Message): number {
  return Number(String(data).split(" ")[0]);
}

/** More than a receive buffer of ten and the kernels hold. */
async function floodOnce(peer: Peer): Promise<void> {
  if (peer.id > 0) return;
  for (let i = 0; i < 5_000; i++) await peer.send(padded(i));
}

/** The same, but a close frame of the client comes behind all of it. */
function sendAllAtOnce(peer: Peer): void {
  if (peer.id > 0) return;
  for (let i = 0; i < 5_000; i++) peer.send(padded(i));
}

forEachTransport(
  "a flood waits in the network while the hook runs, and then comes in order",
  async (transport) => {
    await using world = transport.world({
      config: { receiveBufferMaxSize: 10 },
      callbacks: { onConnect: () => sleep(100) },
      server: { onPeer: floodOnce },
    });
    await world.client.start();
    const { calls } = world;
    await calls.until(() => calls.all("message").length === 5_000, "all of it");
    assert(calls.all("message").every((data, i) => indexOf(data) === i));
    assertEquals(calls.all("error"), []);
  },
  TCP,
);

forEachTransport(
  "a hook reads through a flood that is larger than the receive buffer",
  async (transport) => {
    await using world = transport.world({
      config: { receiveBufferMaxSize: 10 },
      callbacks: {
        onConnect: async (session) => {
          for (let i = 0; i < 5_000; i++) {
            assertEquals(indexOf(await session.receive()), i);
            if (i % 1_000 === 0) await sleep(10);
          }
        },
      },
      server: { onPeer: floodOnce },
    });
    await within(world.client.start(), "start");
    assertEquals(world.calls.all("error"), []);
  },
  TCP,
);

forEachTransport(
  "a new connection is not read while a reader has no room",
  async (transport) => {
    await using world = transport.world({
      config: { receiveBufferMaxSize: 10 },
      server: {
        onPeer: async (peer) => {
          for (let i = 0; peer.state === "open"; i++) {
            await peer.send(padded(i));
          }
        },
        onError: () => {},
      },
    });
    await world.client.start();
    const reader = world.client.messages();
    world.client.reconnect({ graceful: true });
    await world.calls.next("disconnect");
    // Whatever was in flight has arrived by then.
    await sleep(300);
    const { messagesReceived } = world.client.stats;
    await sleep(300);
    assertEquals(world.client.stats.messagesReceived, messagesReceived);
    await reader.return?.();
    await world.calls.until(
      () => world.client.stats.messagesReceived > messagesReceived + 1_000,
      "more messages",
    );
  },
  TCP,
);

forEachTransport(
  "the hook of a rotation receives while a reader has no room",
  async (transport) => {
    const full = Promise.withResolvers<void>();
    let first: Peer | undefined;
    await using world = await transport.openWorld({
      config: { receiveBufferMaxSize: 10, connectTimeout: 2_000 },
      callbacks: {
        onConnect: async (session) => {
          if (session.cause !== "rotation") return;
          session.send("auth");
          assertEquals(await session.receive(), "welcome");
        },
        onMessage: (data) => data === "9" ? full.resolve() : undefined,
      },
      server: {
        onPeer: (peer) => {
          first ??= peer;
          peer.onmessage = async () => {
            for (let i = 0; i < 10; i++) first?.send(String(i));
            await full.promise;
            await peer.send("welcome");
          };
        },
      },
    });
    const reader = world.client.messages();
    world.client.reconnect({ graceful: true });
    await world.calls.next("disconnect");
    assertEquals(world.calls.all("error"), []);
    assertEquals(world.client.stats.rotations, 1);
    for (let i = 0; i < 10; i++) {
      assertEquals((await reader.next()).value, String(i));
    }
  },
  TCP,
);

forEachTransport(
  "a connection whose reading is paused is closed in order once its reader has read",
  async (transport) => {
    // Both sides wait for what is in the network before the close frames.
    const closeTimeout = 20_000;
    await using world = await transport.openWorld({
      config: { receiveBufferMaxSize: 10, closeTimeout },
      server: { closeTimeout, onPeer: sendAllAtOnce },
    });
    const reader = world.client.messages();
    await world.calls.until(() => world.calls.all("message").length >= 10);
    const stopped = world.client.stop();
    const read = await within(Array.fromAsync(reader), "all messages");
    await stopped;
    assertEquals(read.length, 5_000);
    assert(read.every((data, i) => indexOf(data) === i));
    const { code, wasClean } = await world.calls.next("disconnect");
    assertEquals([code, wasClean], [1000, true]);
  },
  TCP,
);

forEachTransport(
  "a reader that has no room gets all of a connection that is being replaced",
  async (transport) => {
    const closeTimeout = 20_000;
    await using world = await transport.openWorld({
      config: { receiveBufferMaxSize: 10, closeTimeout },
      callbacks: {
        // The queue moves when the old connection is being closed.
        onConnect: ({ cause }) =>
          cause === "rotation" ? world.client.send("moved") : undefined,
      },
      server: { closeTimeout, onPeer: sendAllAtOnce },
    });
    await world.nextPeer();
    const reader = world.client.messages();
    await world.calls.until(() => world.calls.all("message").length >= 10);
    world.client.reconnect({ graceful: true });
    assertEquals(await (await world.nextPeer()).receive(), "moved");
    for (let i = 0; i < 5_000; i++) {
      const { value = "" } = await within(reader.next(), `message ${i}`);
      assertEquals(indexOf(value), i);
    }
    const { code, wasClean } = await world.calls.next("disconnect");
    assertEquals([code, wasClean], [1000, true]);
  },
  TCP,
);

/** Sends messages as long as the client takes them, and reads nothing. */
const floodForEver: TcpScript = upgrade({
  then: async ({ write }) => {
    const messages = new Uint8Array(1_000 * 127);
    for (let at = 0; at < messages.length; at += 127) {
      messages.set([0x82, 125], at);
    }
    for (;;) await write(messages);
  },
});

for (
  const [what, end] of [
    ["stop()", ({ client }: Guest) => client.stop()],
    ["a rotation", async ({ client, calls }: Guest) => {
      client.reconnect({ graceful: true });
      await calls.next("disconnect");
    }],
  ] as const
) {
  forEachTransport(
    `${what} gives a full reader another buffer of a flood, and no more`,
    async (transport) => {
      await using server = new TcpPeer([floodForEver, upgrade()]);
      await using guest = await transport.guest({
        url: server.url,
        receiveBufferMaxSize: 10,
      });
      const reader = guest.client.messages();
      await guest.calls.until(() => guest.calls.all("message").length >= 10);
      const most = guest.client.stats.messagesReceived + 10;
      await end(guest);
      assertEquals(guest.client.stats.messagesReceived, most);
      await guest.client.stop();
      assertEquals((await Array.fromAsync(reader)).length, most);
    },
    TCP,
  );
}

forEachTransport(
  "nothing is delivered from a connection that reconnect() has left",
  async (transport) => {
    await using world = await transport.openWorld();
    const first = await world.nextPeer();
    first.stopReading();
    world.client.reconnect({ code: 4000 });
    first.send("late").catch(() => {});
    const second = await world.nextPeer();
    await first.flush();
    await second.send("new");
    assertEquals(await world.calls.next("message"), "new");
    first.resumeReading();
    await first.closed;
    assertEquals(world.calls.all("message"), ["new"]);
  },
);

forEachTransport(
  "stop() waits for the close of a connection that reconnect() has left",
  async (transport) => {
    const closeTimeout = 20_000;
    await using world = await transport.openWorld({
      config: { closeTimeout },
      server: { closeTimeout },
    });
    const { client, calls } = world;
    const first = await world.nextPeer();
    first.stopReading();
    // The read that was pending.
    await client.send("last");
    assertEquals(await first.receive(), "last");
    client.reconnect({ code: 4000 });
    await calls.next("disconnect");
    await world.nextPeer();
    await world.until("open");
    const stopped = client.stop().then(() => calls.add("note", "stopped"));
    await calls.next("disconnect");
    await new Promise((resolve) => setImmediate(resolve));
    calls.add("note", "read");
    first.resumeReading();
    await stopped;
    assertEquals(calls.all("note"), ["read", "stopped"]);
    assertEquals((await first.closed).code, 4000);
  },
);

const ACKNOWLEDGED = {
  id: (data: Message) => String(data).slice(0, 1),
  acknowledged: (data: Message) =>
    String(data).startsWith("ack ") ? String(data).slice(4) : undefined,
};

forEachTransport(
  "after a close with 1009 the largest message in flight is dropped, and the queue goes on",
  async (transport) => {
    await using world = await transport.openWorld({
      config: { redeliver: ACKNOWLEDGED },
      server: {
        maxMessageBytes: 1_000,
        onPeer: (peer) => {
          peer.onmessage = (data) => {
            if (peer.id > 0) peer.send(`ack ${String(data).slice(0, 1)}`);
          };
        },
      },
    });
    await world.client.send("1");
    await world.client.send("2".repeat(5_000));
    await world.client.send("3");
    const [data, reason] = await world.calls.next("drop");
    assertEquals([data.length, reason], [5_000, "too-large"]);
    assertEquals(await world.client.flush(5_000), true);
    assertEquals(world.arrivals.all("peer").length, 2);
    assertEquals(world.client.stats.dropped, 1);
  },
);

forEachTransport(
  "an acknowledgement that the hook takes counts",
  async (transport) => {
    await using world = await transport.openWorld({
      config: { redeliver: ACKNOWLEDGED },
      callbacks: {
        onConnect: async (session) => {
          if (!session.reconnected) return;
          assertEquals(await session.receive(), "ack 1");
        },
      },
      server: {
        onPeer: (peer) => peer.id === 0 ? undefined : peer.send("ack 1"),
      },
    });
    const first = await world.nextPeer();
    await world.client.send("1");
    await world.client.send("2");
    assertEquals(await first.receive(), "1");
    assertEquals(await first.receive(), "2");
    await first.drop();
    const second = await world.nextPeer();
    assertEquals(await second.receive(), "2");
    assertEquals(world.client.stats.unacknowledged, 1);
  },
);

for (const method of ["send", "flush"] as const) {
  forEachTransport(
    `a loop that reads and awaits ${method}() behind unread acknowledgements is told`,
    async (transport) => {
      await using world = await transport.openWorld({
        config: {
          redeliver: ACKNOWLEDGED,
          receiveBufferMaxSize: 10,
          sendQueueMaxSize: 5,
          pingTimeout: 200,
        },
        server: {
          onPeer: (peer) => {
            for (let i = 0; i < 100; i++) peer.send(`tick ${i}`);
            peer.onmessage = (data) => peer.send(`ack ${data}`);
          },
        },
      });
      const { client, calls } = world;
      const reading = (async () => {
        let sent = 0;
        for await (const _message of client) {
          await client.send(String(sent++));
          if (method === "flush") await client.flush();
        }
      })();
      const { code, severity, message } = await calls.next("error");
      assertEquals([code, severity], ["SLOW_CONSUMER", "transient"]);
      assertMatch(
        message,
        /^Reader 1 \(messages\(\)\) is full and was not read/,
      );
      assertEquals([client.state, calls.all("disconnect")], ["open", []]);
      await client.stop({ drain: 0 });
      await reading.catch(() => {});
    },
    TCP,
  );
}
