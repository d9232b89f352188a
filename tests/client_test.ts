import {
  assert,
  assertEquals,
  assertGreater,
  assertInstanceOf,
  assertLess,
  assertNotStrictEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import {
  type ClientState,
  connect,
  type Message,
  type Session,
  type TransportName,
  WebSocketStreamClient,
  type WSCallbacks,
  WSError,
} from "../mod.ts";
import { echo } from "../src/server/behaviours.ts";
import type { World, WorldOptions } from "./support/client_world.ts";
import { forEachTransport } from "./support/transports.ts";
import { Recorder, within } from "./support/events.ts";
import { silence, TcpPeer, upgrade } from "./support/tcp_peer.ts";

const NEVER = new Promise<never>(() => {});
/** Nobody listens there. */
const DEAD = "ws://127.0.0.1:9";
const FOREVER = { initialBackoff: 3_600_000, maxBackoff: 3_600_000 };
const NOTHING_LEFT = { unsent: 0, unsentBytes: 0 };

async function rejection(promise: Promise<unknown>): Promise<WSError> {
  return await assertRejects(
    () => within(promise, "rejection"),
    WSError,
  );
}

// Starting -----------------------------------------------------------------------

forEachTransport(
  "a client that was made is idle, and connects nowhere",
  async (transport) => {
    await using world = transport.world();
    await setImmediate();
    assertEquals(world.client.state, "idle");
    assertEquals([world.client.url, world.client.protocol], [
      undefined,
      undefined,
    ]);
    assertEquals(world.arrivals.all("peer").length, 0);
  },
);

forEachTransport(
  "start() resolves at the first open, once onConnect has settled",
  async (transport) => {
    const gate = Promise.withResolvers<void>();
    await using world = transport.world({
      callbacks: { onConnect: () => gate.promise },
    });
    let hasStarted = false;
    const started = world.client.start().then(() => hasStarted = true);
    await world.calls.next("connect");
    await setImmediate();
    assertEquals([hasStarted, world.client.state], [false, "connecting"]);
    gate.resolve();
    await started;
    assertEquals(world.client.state, "open");
  },
);

forEachTransport(
  "start() goes on through failures until there is a connection",
  async (transport) => {
    let left = 2 * transport.requestsPerRefusal;
    await using world = transport.world({
      server: { accept: () => left-- > 0 ? { status: 503 } : undefined },
    });
    await world.client.start();
    assertEquals(world.client.stats.retries, 2);
  },
);

forEachTransport(
  "a second start() rejects, and leaves the first alone",
  async (transport) => {
    await using world = transport.world();
    const first = world.client.start();
    await assertRejects(
      () => world.client.start(),
      TypeError,
      "Cannot start the client as it was started before: " +
        "current state is connecting",
    );
    await first;
    await assertRejects(() => world.client.start(), TypeError, "state is open");
    assertEquals(world.client.state, "open");
  },
);

forEachTransport(
  "start() after the end rejects with what ended the client",
  async (transport) => {
    await using stopped = transport.world();
    await stopped.client.stop();
    assertEquals((await rejection(stopped.client.start())).code, "STOPPED");
    await using failed = transport.world({
      server: { accept: () => ({ status: 401 }) },
    });
    const error = await rejection(failed.client.start());
    assertStrictEquals(await rejection(failed.client.start()), error);
    await failed.client.stop();
    assertStrictEquals(await rejection(failed.client.start()), error);
    await using served = await transport.openWorld({
      config: { reconnect: false },
    });
    served.peer.close();
    await served.client.closed;
    const { code, message } = await rejection(served.client.start());
    assertEquals(code, "STOPPED");
    assertEquals(
      message,
      "The server closed the connection and 'reconnect' is off",
    );
  },
);

Deno.test("wrong options and callbacks throw when the client is made", () => {
  assertThrows(() => new WebSocketStreamClient({ url: "http://h" }), TypeError);
  assertThrows(
    () => new WebSocketStreamClient({ url: DEAD, maxRetries: -1 }),
    RangeError,
  );
  const callbacks = { onOpen: () => {} } as WSCallbacks;
  assertThrows(
    () => new WebSocketStreamClient({ url: DEAD }, callbacks),
    TypeError,
    "'onOpen'",
  );
});

forEachTransport(
  "an open client tells its URL and subprotocol, a closed one does not",
  async (transport) => {
    await using world = await transport.openWorld({
      config: { subprotocols: ["chat", "other"] },
      server: { subprotocols: ["chat"] },
    });
    const { client } = world;
    assertEquals([client.url, client.protocol], [
      `${world.server.url}/`,
      "chat",
    ]);
    await client.stop();
    assertEquals([client.url, client.protocol], [undefined, undefined]);
  },
);

// Stopping -----------------------------------------------------------------------

interface Situation {
  readonly name: ClientState | "in the gate" | "dialing";
  readonly options?: WorldOptions;
  /** Brings the client there. */
  readonly reach: (world: World) => unknown;
}

const SITUATIONS: readonly Situation[] = [
  { name: "idle", reach: () => {} },
  { name: "connecting", reach: (world) => void world.client.start() },
  {
    name: "dialing",
    options: { server: { accept: () => NEVER } },
    reach: async (world) => {
      world.client.start();
      await sleep(10);
    },
  },
  {
    name: "waiting",
    options: { config: { url: DEAD, ...FOREVER } },
    reach: async (world) => {
      world.client.start();
      await world.calls.next("retry");
    },
  },
  {
    name: "in the gate",
    options: { callbacks: { onConnect: () => NEVER } },
    reach: async (world) => {
      world.client.start();
      await world.calls.next("connect");
    },
  },
  { name: "open", reach: (world) => world.client.start() },
  {
    name: "closing",
    reach: async (world) => {
      await world.client.start();
      world.client.stop();
    },
  },
  {
    name: "closed",
    reach: async (world) => {
      await world.client.start();
      await world.client.stop();
    },
  },
];

for (const { name, options, reach } of SITUATIONS) {
  forEachTransport(
    `stop() ends a client that is ${name}, once and for all`,
    async (transport) => {
      await using world = transport.world(options);
      const { client } = world;
      await reach(world);
      const stopped = client.stop();
      assertStrictEquals(client.stop(), stopped, "all calls share one promise");
      const isOver = client.state === "closed";
      assertEquals(client.state, isOver ? "closed" : "closing");
      assertEquals(await within(stopped, "stop"), NOTHING_LEFT);
      assertEquals(client.state, "closed");
      assertEquals(await client.closed, undefined);
      assertStrictEquals(client.stop({ code: 4000 }), stopped);
      for (
        const promise of [
          client.start(),
          client.send("a"),
          client.sendText("a"),
          client.sendBinary(new Uint8Array(1)),
          client.flush(),
        ]
      ) assertEquals((await rejection(promise)).code, "STOPPED");
      assertEquals(client.trySend("a"), false);
      const end = { value: undefined, done: true };
      assertEquals<unknown>(await client.messages().next(), end);
      assertEquals(world.calls.all("error").filter(isStopped), []);
      assertEquals(world.calls.all("state").at(-1), "closed");
    },
  );

  forEachTransport(
    `an abort ends a client that is ${name}`,
    async (transport) => {
      const controller = new AbortController();
      const { signal } = controller;
      await using world = transport.world({
        ...options,
        config: { ...options?.config, signal },
      });
      await reach(world);
      controller.abort(new Error("enough"));
      assertEquals(
        await within(world.client.closed, "closed"),
        undefined,
      );
      assertEquals(world.client.state, "closed");
    },
  );
}

function isStopped({ code }: WSError): boolean {
  return code === "STOPPED";
}

forEachTransport(
  "who waits when the client is stopped gets STOPPED",
  async (transport) => {
    await using world = transport.world({
      config: { url: DEAD, ...FOREVER, sendQueueMaxSize: 1 },
    });
    const { client } = world;
    const waiting = [client.start()];
    await client.sendText("a");
    waiting.push(client.sendText("b"));
    const flushed = client.flush();
    const next = client.messages().next();
    await world.calls.next("retry");
    client.stop({ drain: 0 });
    for (const promise of [...waiting, flushed]) {
      const { code, severity } = await rejection(promise);
      assertEquals([code, severity], ["STOPPED", "fatal"]);
    }
    assertEquals((await within(next, "next")).done, true);
    assertEquals(await client.stop(), { unsent: 1, unsentBytes: 1 });
  },
);

forEachTransport("an abort is the cause of STOPPED", async (transport) => {
  const reason = new Error("enough");
  const controller = new AbortController();
  await using world = transport.world({
    config: { url: DEAD, ...FOREVER, signal: controller.signal },
  });
  const started = world.client.start();
  controller.abort(reason);
  const error = await rejection(started);
  assertEquals(error.code, "STOPPED");
  assertStrictEquals(error.cause, reason);
});

forEachTransport(
  "an abort cuts short what a stop() still waits for",
  async (transport) => {
    const controller = new AbortController();
    await using world = transport.world({
      config: { url: DEAD, ...FOREVER, signal: controller.signal },
    });
    world.client.start();
    await world.client.sendText("never");
    const stopped = world.client.stop({ drain: 3_600_000 });
    controller.abort();
    assertEquals(await within(stopped, "stop"), {
      unsent: 1,
      unsentBytes: 5,
    });
  },
);

forEachTransport(
  "an abort cuts short the close of a server that does not read, and tells what is in the socket",
  async (transport) => {
    const controller = new AbortController();
    const config = { signal: controller.signal, closeTimeout: 3_600_000 };
    await using world = await transport.openWorld({ config });
    const { client } = world;
    world.peer.stopReading();
    // More than the buffers of the kernel hold.
    const message = new Uint8Array(256 * 1024);
    for (let i = 0; i < 60; i++) client.trySend(message);
    // The sockets of both sides are in this process: each look lets them work.
    let sent = 0;
    for (let looks = 0; looks < 20; looks++) {
      await sleep(5);
      if (sent !== client.stats.messagesSent) looks = 0;
      sent = client.stats.messagesSent;
    }
    const { queued } = client.stats;
    const stopped = client.stop({ drain: 0 });
    controller.abort();
    const { unsent, unsentBytes } = await within(stopped, "stop");
    assertGreater(unsent, queued);
    assertEquals(unsentBytes, unsent * message.length);
  },
);

forEachTransport(
  "an abort cuts short the close of a connection that reconnect() has ended",
  async (transport) => {
    const controller = new AbortController();
    await using server = new TcpPeer(upgrade({ then: silence }));
    await using guest = await transport.guest({
      url: server.url,
      signal: controller.signal,
      closeTimeout: 3_600_000,
    });
    guest.client.reconnect({ code: 4000 });
    await guest.calls.next("disconnect");
    const stopped = guest.client.stop();
    controller.abort();
    await within(stopped, "stop");
  },
);

forEachTransport(
  "a signal that was aborted before the client was made ends it at once",
  async (transport) => {
    const reason = new Error("enough");
    await using world = transport.world({
      config: { signal: AbortSignal.abort(reason) },
    });
    assertEquals(await within(world.client.closed, "closed"), undefined);
    for (const promise of [world.client.start(), world.client.send("a")]) {
      const error = await rejection(promise);
      assertEquals(error.code, "STOPPED");
      assertStrictEquals(error.cause, reason);
    }
    assertEquals(world.arrivals.all("peer").length, 0);
  },
);

forEachTransport(
  "a client that has ended is not kept by its signal",
  async (transport) => {
    const { signal } = new AbortController();
    const listeners = new Set<unknown>();
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (type: string, listener: EventListener) => {
      listeners.add(listener);
      addEventListener.call(signal, type, listener);
    };
    signal.removeEventListener = (type: string, listener: EventListener) => {
      listeners.delete(listener);
      removeEventListener.call(signal, type, listener);
    };
    await using world = await transport.openWorld({ config: { signal } });
    assertEquals(listeners.size, 1);
    await world.client.stop();
    assertEquals(listeners.size, 0);
  },
);

forEachTransport(
  "a wrong option of stop() throws at once, and stops nothing",
  async (transport) => {
    await using world = await transport.openWorld();
    assertThrows(() => world.client.stop({ code: 1006 }), RangeError);
    assertThrows(
      () => world.client.stop({ reason: "a".repeat(124) }),
      RangeError,
    );
    assertThrows(() => world.client.stop({ drain: NaN }), RangeError);
    assertEquals(world.client.state, "open");
  },
);

forEachTransport(
  "stop() says with which code and reason it closes",
  async (transport) => {
    await using world = await transport.openWorld();
    await world.client.stop({ code: 4999, reason: "über" });
    assertEquals(await world.peer.closed, {
      code: 4999,
      reason: "über",
      wasClean: true,
    });
  },
);

forEachTransport("stop() sends what is queued first", async (transport) => {
  await using world = await transport.openWorld();
  const texts = Array.from({ length: 500 }, (_, index) => String(index));
  for (const text of texts) world.client.sendText(text);
  assertEquals(await world.client.stop(), NOTHING_LEFT);
  const received: unknown[] = [];
  for await (const message of world.peer) received.push(message);
  assertEquals(received, texts);
});

forEachTransport(
  "stop() goes on reconnecting while there is something to send",
  async (transport) => {
    let left = 2 * transport.requestsPerRefusal;
    await using world = transport.world({
      server: { accept: () => left-- > 0 ? { status: 503 } : undefined },
    });
    world.client.start();
    await world.client.sendText("a");
    const states: ClientState[] = [];
    const stopped = world.client.stop({ drain: 2_000 });
    await world.calls.next("connect");
    states.push(world.client.state);
    assertEquals(await stopped, NOTHING_LEFT);
    assertEquals(await world.peer.receive(), "a");
    assertEquals(states, ["closing"]);
  },
);

forEachTransport("stop() says what it could not send", async (transport) => {
  await using world = transport.world({ config: { url: DEAD, ...FOREVER } });
  world.client.start();
  await world.client.sendText("ab");
  await world.client.sendBinary(new Uint8Array(3));
  const result = await world.client.stop({ drain: 30 });
  assertEquals(result, { unsent: 2, unsentBytes: 5 });
});

forEachTransport(
  "stop() of a client that never started says what it could not send",
  async (transport) => {
    await using world = transport.world();
    await world.client.sendText("ab");
    assertEquals(await world.client.stop(), { unsent: 1, unsentBytes: 2 });
  },
);

forEachTransport(
  "stop() is bounded, whatever the peer does",
  async (transport) => {
    const deeds: [name: string, deed: (world: World) => void][] = [
      ["is mute", (world) => world.peer.blackhole()],
      ["reads nothing", (world) => world.peer.stopReading()],
      ["resets", (world) => world.peer.reset()],
      ["drops", (world) => void world.peer.drop()],
      ["closes too", (world) => void world.peer.close(4000)],
    ];
    for (const [name, deed] of deeds) {
      await using world = await transport.openWorld({
        config: { closeTimeout: 50 },
      });
      deed(world);
      // By default it would be three seconds.
      await within(world.client.stop(), `stop of a peer that ${name}`, 2_500);
      assertEquals(await world.client.closed, undefined);
      world.peer.reset();
    }
  },
);

forEachTransport(
  "a message that comes after stop() was called, and before the end, is delivered",
  async (transport) => {
    await using world = await transport.openWorld();
    world.peer.onmessage = (data) => world.peer.send(`echo ${data}`);
    const reading = world.client.messages().next();
    await world.client.sendText("a");
    await world.client.stop();
    assertEquals<unknown>(await reading, { value: "echo a", done: false });
  },
);

const STOPPING: (keyof WSCallbacks)[] = [
  "onConnect",
  "onMessage",
  "onDisconnect",
  "onError",
  "onRetry",
  "onGap",
  "onStateChange",
];

for (const name of STOPPING) {
  forEachTransport(
    `stop() inside ${name} ends the client, and is not waited for`,
    async (transport) => {
      const results: unknown[] = [];
      await using world = transport.world({
        callbacks: {
          async [name]() {
            const stopped = world.client.stop();
            assertStrictEquals(world.client.stop(), stopped);
            results.push(await stopped);
          },
        },
        server: {
          onPeer(peer) {
            peer.send("a");
            peer.drop();
          },
        },
      });
      world.client.start();
      assertEquals(
        await within(world.client.closed, "closed"),
        undefined,
      );
      await setImmediate();
      assert(results.length > 0);
      for (const result of results) assertEquals(result, NOTHING_LEFT);
      assertEquals(world.client.state, "closed");
      assertEquals(world.client.stats.failures.CALLBACK, 0);
    },
  );
}

forEachTransport(
  "stop() as soon as the state is closed says what was not sent, too",
  async (transport) => {
    const results: unknown[] = [];
    await using world = transport.world({
      callbacks: {
        async onStateChange(state) {
          if (state === "closed") results.push(await world.client.stop());
        },
      },
      server: { accept: () => ({ status: 401 }) },
    });
    await world.client.sendText("abc");
    await rejection(world.client.start());
    await world.client.stop();
    assertEquals(results, [{ unsent: 1, unsentBytes: 3 }]);
  },
);

forEachTransport(
  "as soon as the state is closed, who comes late is told why",
  async (transport) => {
    const errors: Promise<WSError>[] = [];
    await using world = transport.world({
      callbacks: {
        onStateChange(state) {
          if (state === "closed") errors.push(rejection(world.client.start()));
        },
      },
      server: { accept: () => ({ status: 401 }) },
    });
    const error = await rejection(world.client.start());
    assertEquals(await Promise.all(errors), [error]);
  },
);

forEachTransport(
  "start() inside onStateChange of stop() rejects",
  async (transport) => {
    const outcomes: Promise<unknown>[] = [];
    await using world = transport.world({
      callbacks: {
        onStateChange: () =>
          void outcomes.push(rejection(world.client.start())),
      },
    });
    await world.client.stop();
    assertEquals(outcomes.length, 2);
    for (const reason of outcomes) assertInstanceOf(await reason, WSError);
  },
);

forEachTransport(
  "a client is stopped at the end of its scope",
  async (transport) => {
    await using world = transport.world();
    {
      await using client = await connect(world.server.url, {
        transport: transport.name,
      });
      assertEquals(client.state, "open");
    }
    const { code } = await world.peer.closed;
    assertEquals(code, 1000);
  },
);

// Callbacks ----------------------------------------------------------------------

for (const name of [...STOPPING, "onDrop"] as const) {
  if (name === "onConnect" || name === "onError") continue;
  forEachTransport(
    `an ${name} that throws or rejects breaks nothing, and is told as CALLBACK`,
    async (transport) => {
      for (const rejects of [false, true]) {
        let calls = 0;
        await using world = transport.world({
          config: { sendQueueMaxSize: 1, overflow: "drop-newest" },
          callbacks: {
            [name]() {
              calls++;
              if (rejects) return Promise.reject(new Error("boom"));
              throw new Error("boom");
            },
          },
        });
        const { client } = world;
        await client.sendText("a");
        await client.sendText("b");
        await client.start();
        world.peer.send("a");
        await world.calls.next("message");
        await world.peer.drop();
        await world.calls.until(() => world.calls.all("connect").length === 2);
        await world.until("open");
        assert(calls > 0);
        await client.stop();
        await setImmediate();
        assertEquals(client.stats.failures.CALLBACK, calls);
        const told = world.calls.all("error").filter(({ code }) =>
          code === "CALLBACK"
        );
        assertEquals(told.length, calls);
        assertEquals(told[0]?.message, `${name} threw: boom`);
      }
    },
  );
}

forEachTransport("an onError that throws breaks nothing", async (transport) => {
  await using world = await transport.openWorld({
    callbacks: {
      onError() {
        throw new Error("boom");
      },
    },
  });
  await world.peer.drop();
  await world.calls.until(() => world.calls.all("connect").length === 2);
  assertEquals(world.calls.all("error").length, 1);
  assertEquals(world.client.stats.failures.CALLBACK, 1);
});

// The first messages ---------------------------------------------------------------

/** A server that speaks at once. */
const GREETING: WorldOptions = {
  server: {
    onPeer(peer) {
      for (const data of ["1", "2", "3"]) peer.send(data);
    },
  },
};

forEachTransport(
  "what follows `await start()` runs before the first message is delivered",
  async (transport) => {
    for (const onConnect of [undefined, () => {}, () => sleep(5)]) {
      for (let i = 0; i < 5; i++) {
        await using world = transport.world({
          ...GREETING,
          callbacks: { onConnect },
        });
        await world.client.start();
        assertEquals(world.calls.all("message"), []);
        const reader = world.client.messages();
        const seen = [];
        for (let i = 0; i < 3; i++) seen.push((await reader.next()).value);
        assertEquals(seen, ["1", "2", "3"]);
      }
    }
  },
);

forEachTransport(
  "what follows `await connect()` runs before the first message is delivered",
  async (transport) => {
    await using world = transport.world(GREETING);
    for (let i = 0; i < 5; i++) {
      const messages: Message[] = [];
      await using client = await connect(world.server.url, {
        transport: transport.name,
      }, {
        onMessage: (data) => messages.push(data),
      });
      assertEquals(messages, []);
      const seen: unknown[] = [];
      for await (const message of client) {
        seen.push(message);
        if (seen.length === 3) break;
      }
      assertEquals(seen, ["1", "2", "3"]);
      assertEquals(messages, ["1", "2", "3"]);
    }
  },
);

forEachTransport(
  "each reader gets what comes in from its call on",
  async (transport) => {
    await using world = await transport.openWorld();
    const early = world.client.messages();
    world.peer.send("1");
    assertEquals((await early.next()).value, "1");
    const late = world.client[Symbol.asyncIterator]();
    world.peer.send("2");
    assertEquals((await late.next()).value, "2");
    assertEquals((await early.next()).value, "2");
  },
);

// The gate -------------------------------------------------------------------------

forEachTransport(
  "what the gate sends goes out before the queue, which waits until it settles",
  async (transport) => {
    const gate = Promise.withResolvers<void>();
    await using world = transport.world({
      callbacks: {
        async onConnect(session) {
          session.send("login");
          await gate.promise;
          session.send(new Uint8Array([1]));
        },
      },
    });
    const { client } = world;
    await client.sendText("queued before");
    client.start();
    const peer = await world.nextPeer();
    await client.sendText("queued in the gate");
    assertEquals(await peer.receive(), "login");
    assertEquals(await client.flush(20), false);
    gate.resolve();
    assertEquals(await peer.receive(), new Uint8Array([1]));
    assertEquals(await peer.receive(), "queued before");
    assertEquals(await peer.receive(), "queued in the gate");
  },
);

forEachTransport(
  "the gate receives in order, and what it leaves is delivered after it",
  async (transport) => {
    const received: Message[] = [];
    await using world = transport.world({
      ...GREETING,
      callbacks: {
        async onConnect({ receive }) {
          received.push(await receive(), await receive());
          await sleep(5);
          world.calls.add("note", "passed");
        },
      },
    });
    await world.client.start();
    assertEquals(await world.calls.next("message"), "3");
    assertEquals(received, ["1", "2"]);
    assertEquals(world.order, ["connect", "note", "message"]);
  },
);

forEachTransport("every connection has its gate", async (transport) => {
  const sessions: Session[] = [];
  await using world = await transport.openWorld({
    callbacks: {
      onConnect(session) {
        sessions.push(session);
        session.send(`hello ${sessions.length}`);
      },
    },
  });
  for (let i = 1; i <= 3; i++) {
    const peer = await world.nextPeer();
    assertEquals(await peer.receive(), `hello ${i}`);
    await peer.drop();
  }
  const [first, second] = sessions;
  assert(first !== undefined && second !== undefined);
  assertNotStrictEquals(first, second);
  assertThrows(() => first.send("late"), TypeError);
});

forEachTransport(
  "flush() and a send on a full queue inside the gate reject at once",
  async (transport) => {
    const errors: unknown[] = [];
    const note = (error: unknown) => void errors.push(error);
    await using world = transport.world({
      config: { sendQueueMaxSize: 1 },
      callbacks: {
        async onConnect() {
          const { client } = world;
          await client.flush().catch(note);
          await client.sendText("b").catch(note);
          assertEquals(client.trySend("c"), false);
        },
      },
    });
    await world.client.sendText("a");
    await within(world.client.start(), "start");
    assertEquals(errors.length, 2);
    for (const error of errors) {
      assertInstanceOf(error, WSError);
      assertEquals(error.code, "QUEUE_FULL");
      assert(error.message.includes("inside onConnect"), error.message);
    }
    assertEquals(world.client.stats.failures.CALLBACK, 0);
  },
);

forEachTransport(
  "inside the gate a flush of nothing and a send with room do not wait",
  async (transport) => {
    await using world = transport.world({
      callbacks: {
        async onConnect() {
          assertEquals(await world.client.flush(), true);
          await world.client.sendText("a");
        },
      },
    });
    await within(world.client.start(), "start");
    assertEquals(await world.peer.receive(), "a");
  },
);

forEachTransport(
  "outside the gate, while it is pending, flush() and send wait for it",
  async (transport) => {
    const gate = Promise.withResolvers<void>();
    await using world = transport.world({
      config: { sendQueueMaxSize: 1 },
      callbacks: { onConnect: () => gate.promise },
    });
    const { client } = world;
    await client.sendText("a");
    client.start();
    await world.calls.next("connect");
    const flushed = client.flush();
    const sent = client.sendText("b");
    gate.resolve();
    assertEquals(await within(flushed, "flush"), true);
    await within(sent, "send");
  },
);

// Sending ------------------------------------------------------------------------

forEachTransport(
  "texts and bytes arrive as what they are",
  async (transport) => {
    await using world = await transport.openWorld();
    const { client, peer } = world;
    const bytes = new Uint8Array([0, 255]);
    await client.send("a");
    await client.send(bytes);
    await client.sendText("");
    await client.sendBinary(bytes);
    assertEquals(client.trySend("b"), true);
    const received = [];
    for (let i = 0; i < 5; i++) received.push(await peer.receive());
    assertEquals(received, ["a", bytes, "", bytes, "b"]);
    const { messagesSent, bytesSent } = client.stats;
    assertEquals([messagesSent, bytesSent], [5, 1 + 2 + 0 + 2 + 1]);
  },
);

forEachTransport(
  "what is no message is refused by name of what it should be",
  async (transport) => {
    await using world = transport.world();
    const { client } = world;
    for (const data of [5, null, undefined, {}, new ArrayBuffer(1), ["a"]]) {
      const message = data as Message;
      await assertRejects(() => client.send(message), TypeError);
      assertThrows(() => client.trySend(message), TypeError);
      await assertRejects(
        () => client.sendText(data as string),
        TypeError,
        "Cannot send as text what is not a string",
      );
      await assertRejects(
        () => client.sendBinary(data as Uint8Array),
        TypeError,
        "Cannot send as binary what is not a Uint8Array",
      );
    }
    assertEquals(client.stats.queued, 0);
  },
);

forEachTransport(
  "flush() waits until what was accepted is on the network, or its time ran out",
  async (transport) => {
    await using world = transport.world({ config: { url: DEAD, ...FOREVER } });
    const { client } = world;
    assertEquals(await client.flush(), true);
    await client.sendText("a");
    assertEquals(await client.flush(0), false);
    assertEquals(await client.flush(10), false);
    for (const ms of [NaN, -1]) {
      assertThrows(() => client.flush(ms), RangeError, "'ms'");
    }
  },
);

forEachTransport("the streams are the same each time", async (transport) => {
  await using world = await transport.openWorld();
  const { client } = world;
  assertStrictEquals(client.readable, client.readable);
  assertStrictEquals(client.writable, client.writable);
  world.peer.onmessage = (data) => world.peer.send(`echo ${data}`);
  const writer = client.writable.getWriter();
  const reader = client.readable.getReader();
  await writer.write("a");
  assertEquals<unknown>(await reader.read(), { value: "echo a", done: false });
});

forEachTransport(
  "what hooks send on connections that are dropped at once goes to the next ones",
  async (transport) => {
    const DROPPED = 20;
    const got = new Recorder<{ message: Message }>();
    let hooks = 0;
    await using world = transport.world({
      config: { stableAfter: 0, redeliver: "none" },
      callbacks: {
        onConnect: () => world.client.sendText(`from hook ${hooks++}`),
      },
      server: {
        onPeer(peer) {
          peer.onmessage = got.on("message");
          if (world.arrivals.all("peer").length <= DROPPED) peer.drop();
        },
      },
    });
    world.client.start();
    await got.until(
      () => got.all("message").includes(`from hook ${DROPPED}`),
      "the last message",
    );
    assertEquals(await world.client.flush(), true);
  },
);

// Programs -------------------------------------------------------------------------

/** Runs a program with the client in a process of its own. */
async function run(
  url: string,
  transport: TransportName,
  program: string,
) {
  const script = `
    import { connect, WebSocketStreamClient } from ${
    JSON.stringify(new URL("../mod.ts", import.meta.url))
  };
    const url = ${JSON.stringify(url)};
    const transport = ${JSON.stringify(transport)};
    ${program}
  `;
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--quiet", "--allow-net=127.0.0.1", "-"],
    cwd: new URL("..", import.meta.url),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  });
  await using child = command.spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(script));
  await writer.close();
  const { code, stdout, stderr } = await within(child.output(), "exit", 30_000);
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

forEachTransport("a program ends by itself after stop()", async (transport) => {
  await using world = transport.world({ server: { onPeer: echo } });
  const { code, out, err } = await run(
    world.server.url,
    transport.name,
    `
    const client = new WebSocketStreamClient({
      url,
      transport,
      ping: { message: "ping" },
      maxConnectionAge: 60_000,
      idleTimeout: 60_000,
    });
    await client.start();
    await client.sendText("a");
    for await (const message of client) break;
    await client.stop();
    console.log(performance.now());
    addEventListener("unload", () => console.log(performance.now()));
    `,
  );
  assertEquals([code, err], [0, ""]);
  assertEquals((await world.peer.closed).code, 1000);
  const [stopped = 0, ended = Infinity] = out.trim().split("\n").map(Number);
  // The first of the timers that could hold it fires after twenty seconds.
  assertLess(ended - stopped, 10_000);
});

forEachTransport(
  "promises that nobody awaits end no program",
  async (transport) => {
    await using world = transport.world({
      server: { accept: () => ({ status: 401 }) },
    });
    const { code, out, err } = await run(
      world.server.url,
      transport.name,
      `
    const client = new WebSocketStreamClient({
      url,
      transport,
      sendQueueMaxSize: 1,
    });
    client.start();
    client.start();
    client.sendText("a");
    client.sendText("b");
    client.sendText(5);
    client.sendBinary("a");
    client.flush();
    client.messages().next();
    client.readable.getReader().read().catch(() => {});
    const error = await client.closed;
    client.start();
    client.sendText("c");
    client.flush();
    client.stop();
    client.messages().next();
    await new Promise((resolve) => setTimeout(resolve, 10));
    console.log(error.code);
    const gated = new WebSocketStreamClient({
      url: "ws://127.0.0.1:9",
      transport,
    });
    gated.start();
    gated.stop();
    connect(url, { transport });
    await new Promise((resolve) => setTimeout(resolve, 50));
    `,
    );
    assertEquals([code, out, err], [0, "HTTP_STATUS\n", ""]);
  },
);
