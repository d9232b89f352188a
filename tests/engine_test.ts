import {
  assert,
  assertEquals,
  assertGreaterOrEqual,
  assertMatch,
  assertNotStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  WebSocketStreamClient,
  type WSCallbacks,
  type WSError,
} from "../mod.ts";
import { Engine } from "../src/engine.ts";
import { resolveConfig } from "../src/resolve_config.ts";
import { echo } from "../src/server/behaviours.ts";
import type { PeerClose } from "../src/server/peer.ts";
import { serve } from "../src/server/server.ts";
import { World } from "./support/client_world.ts";
import { within } from "./support/events.ts";

Deno.test("a message goes to the ledger, then to the callback, then to the readers", async () => {
  const order: string[] = [];
  await using world = await World.open({
    config: {
      redeliver: {
        id: String,
        acknowledged(data) {
          order.push("ledger");
          return String(data);
        },
      },
      receiveOverflow: {
        conflate(data) {
          order.push("reader");
          return String(data);
        },
      },
    },
    callbacks: {
      onMessage() {
        order.push(`callback, unacknowledged ${client.stats.unacknowledged}`);
      },
    },
    server: { onPeer: echo },
  });
  const { client } = world;
  const reader = client.messages();
  await client.sendText("a");
  await world.calls.next("message");
  assertEquals(order, ["ledger", "callback, unacknowledged 0", "reader"]);
  assertEquals((await reader.next()).value, "a");
});

Deno.test("an error of our own ends the client, and leaves no connection behind", async () => {
  const left = Promise.withResolvers<PeerClose>();
  await using server = serve({
    onPeer: (peer) => void peer.closed.then(left.resolve),
  });
  const ended = Promise.withResolvers<WSError | undefined>();
  const engine = new Engine(
    resolveConfig({ url: server.url }),
    {},
    {},
    (state, error) => {
      if (state === "open") throw new Error("ours");
      if (state === "closed") ended.resolve(error);
    },
  );
  engine.run();
  assertMatch((await ended.promise)?.message ?? "", /ours/);
  const { wasClean } = await within(left.promise, "letting the server go");
  assertEquals(wasClean, true);
});

Deno.test("what onConnect is when the client is made is what is called", async () => {
  await using server = serve({ onPeer: () => {} });
  const called: string[] = [];
  const callbacks: WSCallbacks = { onConnect: () => void called.push("first") };
  const client = new WebSocketStreamClient({ url: server.url }, callbacks);
  Object.assign(callbacks, { onConnect: () => void called.push("second") });
  await client.start();
  await client.stop();
  assertEquals(called, ["first"]);
});

Deno.test("what the gate receives acknowledges too, and is not sent again", async () => {
  let connections = 0;
  await using world: World = await World.open({
    config: { redeliver: { id: String, acknowledged: String } },
    callbacks: {
      onConnect: async (session) => {
        if (session.reconnected) await session.receive();
      },
    },
    server: {
      onPeer(peer) {
        peer.onmessage = (data) => world.calls.add("note", String(data));
        if (++connections === 2) peer.send("a");
      },
    },
  });
  const { calls, client } = world;
  await client.sendText("a");
  await client.sendText("b");
  await calls.until(() => calls.all("note").length === 2);
  await world.peer.drop();
  await calls.until(() => calls.all("note").length === 3);
  assertEquals(calls.all("note"), ["a", "b", "b"]);
  assertEquals([client.stats.unacknowledged, client.stats.redelivered], [1, 1]);
});

Deno.test("without ledger and callback the readers get it all the same", async () => {
  await using world = await World.open({ server: { onPeer: echo } });
  const reader = world.client.messages();
  await world.client.sendText("a");
  assertEquals((await reader.next()).value, "a");
});

Deno.test("a client that has done nothing has nothing to tell", () => {
  const config = resolveConfig({ url: "ws://127.0.0.1:9" });
  const engine = new Engine(config, {}, {}, () => {});
  const { failures, ...stats } = engine.stats();
  assertEquals(stats, {
    messagesSent: 0,
    messagesReceived: 0,
    bytesSent: 0,
    bytesReceived: 0,
    connects: 0,
    disconnects: 0,
    retries: 0,
    rotations: 0,
    queued: 0,
    queuedBytes: 0,
    unacknowledged: 0,
    dropped: 0,
    redelivered: 0,
    rtt: undefined,
    connectedSince: undefined,
    lastMessageAt: undefined,
    downtime: 0,
  });
  assertEquals(Object.values(failures).filter((count) => count !== 0), []);
});

Deno.test("what passes is counted, in messages and in bytes", async () => {
  const before = Date.now();
  await using world = await World.open({
    config: {
      sendQueueMaxSize: 2,
      overflow: "drop-newest",
      ping: { message: "ping", isPong: (data) => data === "ping" },
      pingInterval: 1,
    },
    server: { onPeer: echo },
  });
  const { client, calls } = world;
  await client.sendText("aé");
  await client.sendBinary(new Uint8Array(5));
  client.trySend("dropped");
  await calls.next("message");
  await calls.next("message");
  await client.stop();
  const stats = client.stats;
  assertEquals(stats.dropped, calls.all("drop").length);
  assertGreaterOrEqual(stats.messagesSent, 2);
  assertGreaterOrEqual(stats.bytesSent, 3 + 5);
  assertGreaterOrEqual(stats.messagesReceived, 2);
  assertGreaterOrEqual(stats.bytesReceived, 2 + 5);
  assertEquals([stats.queued, stats.queuedBytes], [0, 0]);
  assert(stats.lastMessageAt !== undefined && stats.lastMessageAt >= before);
});

Deno.test("the round-trip time of the heartbeat is told", async () => {
  await using world = await World.open({
    config: {
      ping: { message: "ping", isPong: (data) => data === "ping" },
      pingInterval: 5,
    },
    server: {
      onPeer(peer) {
        let pings = 0;
        peer.onmessage = (data) => {
          peer.send(data);
          if (++pings === 3) peer.send("enough");
        };
      },
    },
  });
  await world.calls.next("message");
  const { rtt } = world.client.stats;
  assert(rtt !== undefined);
  assert(0 < rtt.min && rtt.min <= rtt.mean && rtt.mean <= rtt.p99);
  assertEquals(world.calls.all("message"), ["enough"]);
});

Deno.test("a snapshot stays as it is", async () => {
  await using world = await World.open();
  const before = world.client.stats;
  await world.peer.drop();
  await world.calls.next("gap");
  assertEquals([before.disconnects, before.failures.CLOSED], [0, 0]);
  assertNotStrictEquals(world.client.stats.failures, before.failures);
  assertEquals(world.client.stats.failures.CLOSED, 1);
});

Deno.test("a reader that is too slow drops the link, and one gap tells of both", async () => {
  await using world = await World.open({ config: { receiveBufferMaxSize: 2 } });
  const { client, calls } = world;
  const reader = client.messages();
  for (const text of ["1", "2", "3"]) world.peer.send(text);
  const error = await calls.next("error");
  assertEquals(error.code, "SLOW_CONSUMER");
  await calls.next("retry");
  assertEquals((await reader.next()).value, "1");
  const gap = await calls.next("gap");
  assertEquals([gap.cause.code, gap.count], ["SLOW_CONSUMER", 1]);
  assertEquals((await reader.next()).value, "2");
});

Deno.test("callbacks that nobody calls are refused", () => {
  const config = resolveConfig({ url: "ws://127.0.0.1:9" });
  const callbacks = { onOpen: () => {} } as WSCallbacks;
  assertThrows(() => new Engine(config, callbacks, {}, () => {}), TypeError);
});

Deno.test("onConnect is called as a method of the callbacks, like the others", async () => {
  class Feed {
    readonly #greeting = "hello";
    onConnect(session: { send(data: string): void }) {
      session.send(this.#greeting);
    }
  }
  await using world = new World();
  const { WebSocketStreamClient } = await import("../mod.ts");
  const { url } = world.server;
  await using client = new WebSocketStreamClient({ url }, new Feed());
  await client.start();
  assertEquals(await world.peer.receive(), "hello");
});
