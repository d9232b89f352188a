/** In which order a client tells what happens: section by section. */

import {
  assert,
  assertEquals,
  assertGreaterOrEqual,
  assertLess,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { setTimeout as sleep } from "node:timers/promises";
import { WebSocketStreamClient, type WSCallbacks, WSError } from "../mod.ts";
import type { Peer } from "../src/server/peer.ts";
import { serve } from "../src/server/server.ts";
import { forEachTransport } from "./support/transports.ts";
import { within } from "./support/events.ts";

const NEVER = new Promise<never>(() => {});

function only<T>(values: readonly T[]): T {
  const [value, ...more] = values;
  assert(value !== undefined && more.length === 0, `${values.length} values`);
  return value;
}

// A drop -------------------------------------------------------------------------

forEachTransport(
  "a drop: onError, onDisconnect, onRetry, onGap, onConnect",
  async (transport) => {
    await using world = await transport.openWorld();
    const { calls } = world;
    const before = Date.now();
    await world.peer.drop();
    await calls.until(() => calls.all("connect").length === 2);
    assertEquals(world.order, [
      "connect",
      "error",
      "disconnect",
      "retry",
      "gap",
      "connect",
    ]);
    const error = only(calls.all("error"));
    assertEquals(
      [error.code, error.severity, error.closeCode],
      ["CLOSED", "transient", 1006],
    );
    const { connectedFor, ...disconnect } = only(calls.all("disconnect"));
    assertGreaterOrEqual(connectedFor, 0);
    assertEquals(disconnect, {
      code: 1006,
      reason: "",
      wasClean: false,
      error,
      willRetry: true,
    });
    assertEquals(only(calls.all("retry")), { attempt: 1, delay: 1, error });
    const { from, to, ...gap } = only(calls.all("gap"));
    assertEquals(gap, { cause: error, attempts: 1 });
    assert(before <= from && from <= to && to <= Date.now());
    const [first, second] = calls.all("connect");
    assertEquals([first?.reconnected, first?.attempt], [false, 0]);
    assertEquals([second?.reconnected, second?.attempt], [true, 1]);
  },
);

forEachTransport(
  "an outage of several attempts: an onError and an onRetry for each, one onGap",
  async (transport) => {
    let refusals = 0;
    await using world = await transport.openWorld({
      server: {
        accept: () => refusals-- > 0 ? { status: 503 } : undefined,
      },
    });
    const { calls } = world;
    refusals = 2 * transport.requestsPerRefusal;
    await world.peer.drop();
    await calls.until(() => calls.all("connect").length === 2);
    assertEquals(world.order, [
      "connect",
      ...["error", "disconnect", "retry"],
      ...["error", "retry"],
      ...["error", "retry"],
      ...["gap", "connect"],
    ]);
    const codes = calls.all("error").map(({ code }) => code);
    assertEquals(codes, ["CLOSED", "HTTP_STATUS", "HTTP_STATUS"]);
    assertEquals(calls.all("retry").map(({ attempt }) => attempt), [1, 2, 3]);
    assertEquals(calls.all("retry").map(({ error }) => error), [
      ...calls.all("error"),
    ]);
    const { attempts, cause } = only(calls.all("gap"));
    assertEquals(attempts, 3);
    assertStrictEquals(cause, calls.all("error")[0]);
  },
);

forEachTransport(
  "what came in before a drop is delivered before it is told",
  async (transport) => {
    await using world = await transport.openWorld();
    const { calls } = world;
    world.peer.send("a");
    world.peer.send("b");
    world.peer.drop();
    await calls.until(() => calls.all("connect").length === 2);
    assertEquals(world.order.slice(0, 5), [
      "connect",
      "message",
      "message",
      "error",
      "disconnect",
    ]);
  },
);

const GATES: [name: string, onConnect: WSCallbacks["onConnect"]][] = [
  ["no gate", undefined],
  ["a gate that returns at once", () => {}],
  ["a gate that awaits nothing", async (session) => await session.send("hi")],
  ["a gate that takes the first", (session) => session.receive()],
];

for (const [name, onConnect] of GATES) {
  forEachTransport(
    `a server that speaks and hangs up at once is heard, with ${name}`,
    async (transport) => {
      const partings: ((peer: Peer) => void)[] = [
        (peer) => peer.drop(),
        (peer) => peer.close(),
      ];
      for (const part of partings) {
        await using server = serve({
          onPeer(peer) {
            for (const text of ["1", "2", "3"]) peer.send(text);
            part(peer);
          },
        });
        const order: string[] = [];
        const client = new WebSocketStreamClient({
          url: server.url,
          transport: transport.name,
          reconnect: false,
        }, {
          onConnect,
          onMessage: (data) => void order.push(String(data)),
          onDisconnect: () => void order.push("disconnect"),
        });
        await client.start();
        order.push("started");
        await client.closed;
        const taken = name.endsWith("takes the first") ? [] : ["1"];
        assertEquals(order, ["started", ...taken, "2", "3", "disconnect"]);
      }
    },
  );
}

for (const code of [1000, 1001]) {
  forEachTransport(
    `a close with ${code} is no error, but the reason of the retry`,
    async (transport) => {
      await using world = await transport.openWorld();
      const { calls } = world;
      world.peer.close(code, "bye");
      await calls.until(() => calls.all("connect").length === 2);
      assertEquals(world.order, [
        "connect",
        "disconnect",
        "retry",
        "gap",
        "connect",
      ]);
      const { connectedFor: _, ...disconnect } = only(calls.all("disconnect"));
      assertEquals(disconnect, {
        code,
        reason: "bye",
        wasClean: true,
        error: undefined,
        willRetry: true,
      });
      const { error } = only(calls.all("retry"));
      assertEquals([error.code, error.closeCode], ["CLOSED", code]);
      assertStrictEquals(only(calls.all("gap")).cause, error);
      assertEquals(world.client.stats.failures.CLOSED, 0);
    },
  );
}

forEachTransport("a close with another code is an error", async (transport) => {
  await using world = await transport.openWorld();
  const { calls } = world;
  world.peer.close(1011, "oops");
  await calls.next("gap");
  assertEquals(world.order.slice(0, 5), [
    "connect",
    "error",
    "disconnect",
    "retry",
    "gap",
  ]);
  const { code, reason, wasClean, error } = only(calls.all("disconnect"));
  assertEquals([code, reason, wasClean], [1011, "oops", true]);
  assertStrictEquals(error, only(calls.all("error")));
});

forEachTransport(
  "reconnect(): onDisconnect, onGap, onConnect, without error and retry",
  async (transport) => {
    await using world = await transport.openWorld();
    const { calls } = world;
    world.client.reconnect();
    await calls.until(() => calls.all("connect").length === 2);
    assertEquals(world.order, ["connect", "disconnect", "gap", "connect"]);
    const { error, willRetry, code } = only(calls.all("disconnect"));
    assertEquals([error, willRetry, code], [undefined, true, 1006]);
  },
);

// The gate -----------------------------------------------------------------------

forEachTransport(
  "a gate that rejects: onConnect, onError, onDisconnect, onRetry, onConnect",
  async (transport) => {
    let calls = 0;
    const thrown = new Error("no token");
    await using world = await transport.openWorld({
      callbacks: {
        onConnect: () => calls++ === 0 ? Promise.reject(thrown) : undefined,
      },
    });
    assertEquals(world.order, [
      "connect",
      "error",
      "disconnect",
      "retry",
      "connect",
    ]);
    const error = only(world.calls.all("error"));
    assertEquals([error.code, error.severity], ["CALLBACK", "transient"]);
    assertStrictEquals(error.cause, thrown);
    assertStrictEquals(only(world.calls.all("disconnect")).error, error);
    assertEquals(world.client.stats.failures.CALLBACK, 1);
  },
);

forEachTransport(
  "a gate that takes too long is a TIMEOUT, then the same",
  async (transport) => {
    let calls = 0;
    await using world = await transport.openWorld({
      config: { connectTimeout: 100 },
      callbacks: { onConnect: () => calls++ === 0 ? NEVER : undefined },
    });
    // On a busy machine other attempts take too long as well.
    const { order } = world;
    const gated = order.slice(order.indexOf("connect"));
    assertEquals(gated.slice(0, 4), [
      "connect",
      "error",
      "disconnect",
      "retry",
    ]);
    assertEquals(gated.at(-1), "connect");
    for (const { code } of world.calls.all("error")) {
      assertEquals(code, "TIMEOUT");
    }
  },
);

forEachTransport("a drop inside the gate: the same", async (transport) => {
  await using world = transport.world({
    callbacks: { onConnect: (session) => session.receive() },
  });
  const started = world.client.start();
  (await world.nextPeer()).drop();
  (await world.nextPeer()).send("welcome");
  await started;
  assertEquals(world.order, [
    "connect",
    "error",
    "disconnect",
    "retry",
    "connect",
  ]);
  assertEquals(only(world.calls.all("error")).code, "CLOSED");
});

forEachTransport(
  "a gate that fails after there was a connection: the gaps cover all that it held",
  async (transport) => {
    let calls = 0;
    await using world = await transport.openWorld({
      callbacks: {
        async onConnect(session) {
          if (calls++ !== 1) return;
          await session.receive();
          await sleep(10);
          throw new Error("no");
        },
      },
    });
    await world.nextPeer();
    await world.peer.drop();
    const second = await world.nextPeer();
    await sleep(10);
    const sent = Date.now();
    second.send("for the gate");
    second.send("lost with the gate");
    await world.calls.until(() => world.calls.all("connect").length === 3);
    const gaps = world.calls.all("gap");
    assertEquals(gaps.length, 2);
    const covering = gaps.filter(({ from, to }) => from <= sent && sent <= to);
    assertEquals(covering.length, 1, Deno.inspect({ gaps, sent }));
    assertEquals(world.calls.all("message"), []);
  },
);

forEachTransport(
  "gates that fail are failures, however long each of them took",
  async (transport) => {
    await using world = transport.world({
      config: { stableAfter: 10, connectTimeout: 400, maxRetries: 1 },
      callbacks: { onConnect: () => NEVER },
    });
    const error = await assertRejects(
      () => within(world.client.start(), "start"),
      WSError,
    );
    assertEquals(error.code, "RETRIES_EXHAUSTED");
    // On a busy machine the handshake may take too long, too.
    assertLess(world.calls.all("connect").length, 3);
  },
);

// The end ------------------------------------------------------------------------

forEachTransport(
  "stop(): onDisconnect with the code seen, no error, and the client is closed",
  async (transport) => {
    await using world = await transport.openWorld();
    const { calls, client } = world;
    assertEquals(await client.stop({ code: 4001, reason: "bye" }), {
      unsent: 0,
      unsentBytes: 0,
    });
    assertEquals(calls.names.slice(2), [
      "state",
      "state",
      "disconnect",
      "state",
    ]);
    assertEquals(calls.all("state"), [
      "connecting",
      "open",
      "closing",
      "closed",
    ]);
    const { connectedFor: _, ...disconnect } = only(calls.all("disconnect"));
    assertEquals(disconnect, {
      code: 4001,
      reason: "",
      wasClean: true,
      error: undefined,
      willRetry: false,
    });
    assertEquals(await client.closed, undefined);
  },
);

forEachTransport(
  "stop() of a peer that never answers: 1006, not clean, no error",
  async (transport) => {
    await using world = await transport.openWorld({
      config: { closeTimeout: 50 },
    });
    world.peer.blackhole();
    await within(world.client.stop(), "stop");
    const { code, wasClean, error, willRetry } = only(
      world.calls.all("disconnect"),
    );
    assertEquals([code, wasClean, error, willRetry], [
      1006,
      false,
      undefined,
      false,
    ]);
    assertEquals(world.calls.all("error"), []);
    world.peer.reset();
  },
);

forEachTransport(
  "stop() without a connection tells of no disconnect",
  async (transport) => {
    await using world = transport.world({
      config: {
        url: "ws://127.0.0.1:9",
        initialBackoff: 3_600_000,
        maxBackoff: 3_600_000,
      },
    });
    world.client.start();
    await world.until("waiting");
    await world.calls.next("retry");
    await within(world.client.stop(), "stop");
    assertEquals(world.order, ["error", "retry"]);
  },
);

forEachTransport(
  "a fatal end: onError, onDisconnect, then closed, then who waits is told",
  async (transport) => {
    const fatal = new WSError("go away", {
      code: "HANDSHAKE",
      severity: "fatal",
    });
    const { promise, reject } = Promise.withResolvers<void>();
    await using world = transport.world({
      config: { sendQueueMaxSize: 1 },
      callbacks: { onConnect: () => promise },
    });
    const { calls, client } = world;
    const told = (name: string) => (error: unknown) => {
      assertStrictEquals(error, fatal, name);
      calls.add("note", name);
    };
    client.start().catch(told("start"));
    await client.sendText("in the queue");
    client.sendText("waits for room").catch(told("send"));
    client.flush().catch(told("flush"));
    client.messages().next().catch(told("next"));
    client.closed.then(told("ended"));
    await calls.next("connect");
    reject(fatal);
    await client.closed;
    await calls.until(() => calls.all("note").length === 5);
    assertEquals(calls.names.slice(0, 6), [
      "state",
      "connect",
      "error",
      "disconnect",
      "drop",
      "state",
    ]);
    assertEquals(calls.all("drop"), [["in the queue", "ended"]]);
    assertEquals(calls.all("state"), ["connecting", "closed"]);
    assertEquals([...calls.all("note")].sort(), [
      "ended",
      "flush",
      "next",
      "send",
      "start",
    ]);
    assertStrictEquals(only(calls.all("error")), fatal);
    const { error, willRetry } = only(calls.all("disconnect"));
    assertStrictEquals(error, fatal);
    assertEquals(willRetry, false);
  },
);

forEachTransport(
  "a fatal close code ends the client, even 1000",
  async (transport) => {
    await using world = await transport.openWorld({
      config: { fatalCloseCodes: [1000] },
    });
    world.peer.close(1000, "no more");
    const error = await world.client.closed;
    assertEquals(world.order, ["connect", "error", "disconnect", "gap"]);
    assertEquals([error?.code, error?.severity], ["CLOSED", "fatal"]);
    assertStrictEquals(only(world.calls.all("error")), error);
  },
);

forEachTransport(
  "an end before there was a connection: onError, no onDisconnect",
  async (transport) => {
    await using world = transport.world({
      server: { accept: () => ({ status: 401 }) },
    });
    const error = await assertRejects(() => world.client.start(), WSError);
    assertEquals([error.code, error.status], ["HTTP_STATUS", 401]);
    assertEquals(world.order, ["error"]);
    assertStrictEquals(await world.client.closed, error);
  },
);

forEachTransport(
  "retries used up: the last error, then RETRIES_EXHAUSTED with it as its cause",
  async (transport) => {
    await using world = transport.world({
      config: { url: "ws://127.0.0.1:9", maxRetries: 2 },
    });
    const error = await assertRejects(() => world.client.start(), WSError);
    assertEquals(world.order, [
      ...["error", "retry"],
      ...["error", "retry"],
      ...["error", "error"],
    ]);
    const errors = world.calls.all("error");
    assertEquals([error.code, error.severity], ["RETRIES_EXHAUSTED", "fatal"]);
    assertStrictEquals(errors[3], error);
    assertStrictEquals(error.cause, errors[2]);
    assertStrictEquals(await world.client.closed, error);
  },
);

forEachTransport(
  "retries used up by a connection that fell: both errors, then onDisconnect",
  async (transport) => {
    await using world = await transport.openWorld({
      config: { maxRetries: 0 },
    });
    world.peer.drop();
    const error = await world.client.closed;
    assertEquals(world.order, [
      "connect",
      "error",
      "error",
      "disconnect",
      "gap",
    ]);
    assertEquals(error?.code, "RETRIES_EXHAUSTED");
    const disconnect = only(world.calls.all("disconnect"));
    assertEquals(disconnect.willRetry, false);
    assertStrictEquals(disconnect.error, error?.cause);
  },
);

forEachTransport(
  "without reconnect a drop ends the client with the very error",
  async (transport) => {
    await using world = await transport.openWorld({
      config: { reconnect: false },
    });
    world.peer.drop();
    const error = await world.client.closed;
    assertEquals(world.order, ["connect", "error", "disconnect", "gap"]);
    assertEquals([error?.code, error?.closeCode], ["CLOSED", 1006]);
    assertStrictEquals(only(world.calls.all("error")), error);
    assertEquals(only(world.calls.all("disconnect")).willRetry, false);
  },
);

forEachTransport(
  "without reconnect a close with 1000 ends the client without an error",
  async (transport) => {
    await using world = await transport.openWorld({
      config: { reconnect: false },
    });
    world.peer.close(1000);
    assertEquals(await world.client.closed, undefined);
    assertEquals(world.order, ["connect", "disconnect"]);
    const { error, willRetry } = only(world.calls.all("disconnect"));
    assertEquals([error, willRetry], [undefined, false]);
  },
);

forEachTransport(
  "without reconnect the first failure is the end",
  async (transport) => {
    await using world = transport.world({
      config: { url: "ws://127.0.0.1:9", reconnect: false },
    });
    const error = await assertRejects(() => world.client.start(), WSError);
    assertEquals(world.order, ["error"]);
    assertEquals([error.code, error.severity], ["CONNECT", "transient"]);
  },
);

const STOPPED_IN = [
  ["onError", ["connect", "error", "disconnect", "gap"]],
  ["onDisconnect", ["connect", "error", "disconnect", "gap"]],
  ["onRetry", ["connect", "error", "disconnect", "retry", "gap"]],
  ["onGap", ["connect", "error", "disconnect", "retry", "gap"]],
] as const;

for (const [name, order] of STOPPED_IN) {
  forEachTransport(
    `stop() in ${name} with an empty queue: no retry or connection is told after it`,
    async (transport) => {
      await using world = await transport.openWorld({
        callbacks: { [name]: () => void world.client.stop() },
      });
      await world.peer.drop();
      assertEquals(await within(world.client.closed, "the end"), undefined);
      assertEquals(world.order, order);
      const { willRetry } = only(world.calls.all("disconnect"));
      assertEquals(willRetry, name !== "onError");
    },
  );
}

// States -------------------------------------------------------------------------

forEachTransport(
  "the states of a whole life, each told with the one before it",
  async (transport) => {
    const changes: string[] = [];
    await using world = transport.world({
      callbacks: {
        onStateChange: (state, previous) =>
          changes.push(`${previous} ${state}`),
      },
    });
    assertEquals(world.client.state, "idle");
    await world.client.start();
    await world.peer.drop();
    await world.calls.until(() => world.calls.all("state").length === 5);
    await world.client.stop();
    assertEquals(changes, [
      "idle connecting",
      "connecting open",
      "open waiting",
      "waiting connecting",
      "connecting open",
      "open closing",
      "closing closed",
    ]);
  },
);

forEachTransport(
  "inside each callback the state is what the callback is about",
  async (transport) => {
    const seen: string[] = [];
    const note = (name: string) => () => {
      seen.push(`${name}: ${world.client.state}`);
    };
    await using world = transport.world({
      callbacks: {
        onConnect: note("connect"),
        onError: note("error"),
        onDisconnect: note("disconnect"),
        onRetry: note("retry"),
        onGap: note("gap"),
      },
    });
    await world.client.start();
    seen.push(`started: ${world.client.state}`);
    await world.peer.drop();
    await world.calls.until(() => world.calls.all("connect").length === 2);
    await world.client.stop();
    assertEquals(seen, [
      "connect: connecting",
      "started: open",
      "error: waiting",
      "disconnect: waiting",
      "retry: waiting",
      "gap: connecting",
      "connect: connecting",
      "disconnect: closing",
    ]);
  },
);

forEachTransport(
  "the gap of a reader that dropped messages comes before closed",
  async (transport) => {
    await using world = await transport.openWorld({
      config: { receiveBufferMaxSize: 1, receiveOverflow: "drop-newest" },
    });
    const { client, calls } = world;
    client.messages();
    for (const text of ["kept", "dropped", "dropped too"]) {
      world.peer.send(text);
    }
    await calls.until(() => calls.all("message").length === 3, "all messages");
    await client.stop();
    assertEquals(calls.names.slice(-3), ["disconnect", "gap", "state"]);
    assertEquals(only(calls.all("gap")).count, 2);
  },
);
