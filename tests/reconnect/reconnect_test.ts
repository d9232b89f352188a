/** `reconnect()`, `start()` with bounds, outages and gaps, over both transports. */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertLess,
  assertMatch,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Message,
  WebSocketStreamClient,
  type WSCallbacks,
  type WSConfig,
  WSError,
} from "../../mod.ts";
import { serve } from "../../src/server/server.ts";
import { within } from "../support/events.ts";
import { silence, TcpPeer, upgrade } from "../support/tcp_peer.ts";
import { type TransportCase, TRANSPORTS } from "../support/transports.ts";
import { runMemoryScript } from "../support/memory_script.ts";

const FOREVER: Partial<WSConfig> = {
  initialBackoff: 600_000,
  maxBackoff: 600_000,
};

/** A port where nobody listens. */
function deadUrl(): string {
  // A port that no test gets: a free one could be another test's a moment later.
  return `ws://127.0.0.1:9/${deadUrls++}`;
}
let deadUrls = 0;

for (const transport of TRANSPORTS) testAll(transport);

function testAll({ name, world: worldOf, openWorld }: TransportCase): void {
  function test(title: string, fn: () => Promise<void>): void {
    Deno.test(`${name}: ${title}`, fn);
  }

  test("an open client keeps nothing of the connections before", async () => {
    const script = new URL("./kept_errors.ts", import.meta.url);
    const printed = await runMemoryScript(script, name);
    assertEquals(printed, "0 of 3\n");
  });

  // reconnect() ----------------------------------------------------------------------

  test("reconnect() drops the connection and dials at once", async () => {
    await using world = await openWorld({ config: FOREVER });
    const first = await world.nextPeer();
    world.client.reconnect();
    await world.nextPeer();
    await first.closed;
    await world.until("open");
    assertEquals(world.order, ["connect", "disconnect", "gap", "connect"]);
    assertEquals(world.client.stats.retries, 0);
  });

  test("reconnect({ code, reason }) tells the server why, and does not wait for its answer", async () => {
    await using world = await openWorld({ config: { closeTimeout: 60_000 } });
    const first = await world.nextPeer();
    world.client.reconnect({ code: 4000, reason: "again" });
    await within(world.nextPeer(), "the next connection");
    const { code, reason } = await first.closed;
    assertEquals([code, reason], [4000, "again"]);
  });

  test("reconnect() drops the dial in progress, without an error", async () => {
    await using peer = new TcpPeer([silence, upgrade()]);
    const world = worldOf({
      config: { url: peer.url, connectTimeout: 60_000, ...FOREVER },
    });
    await using _ = world;
    const started = world.client.start();
    await waitFor(() => peer.connections === 1);
    world.client.reconnect();
    await within(started, "start");
    assertEquals(world.calls.all("error"), []);
    assertEquals(world.order, ["connect"]);
  });

  test("reconnect() ends a wait", async () => {
    let left = 0;
    await using world = await openWorld({
      config: FOREVER,
      server: { accept: () => left-- > 0 ? { status: 503 } : undefined },
    });
    await world.peer.drop();
    await world.until("waiting");
    world.client.reconnect();
    await within(world.until("open"), "open");
    assertEquals(world.calls.all("retry").length, 1);
  });

  test("the retry() of a skipped wait tells the shorter delay", async () => {
    await using world = await openWorld({
      config: FOREVER,
      callbacks: {
        onDisconnect: () => world.client.reconnect(),
      },
    });
    await world.peer.drop();
    const { delay } = await world.calls.next("retry");
    assertLess(delay, 1_001);
    await world.until("open");
  });

  const PLACES = [
    "onError",
    "onDisconnect",
    "onRetry",
    "onGap",
    "onStateChange",
    "onConnect",
    "onMessage",
  ] as const satisfies readonly (keyof WSCallbacks)[];

  /**
   * How often a client dials that calls `reconnect()` in this callback, and in
   * how many seconds: at least until it has dialled twice.
   */
  async function dialsWith(
    place: (typeof PLACES)[number],
  ): Promise<{ dials: number; seconds: number }> {
    let dials = 0;
    const second = Promise.withResolvers<void>();
    const dialled = (): void => {
      if (++dials === 2) second.resolve();
    };
    const reconnect = (): void => client.reconnect();
    await using server = serve({
      onPeer: async (peer) => {
        dialled();
        if (place === "onMessage") await peer.send("hello");
        else if (place === "onGap" && dials > 1) return;
        else if (place !== "onConnect") await peer.drop();
      },
    });
    const client = new WebSocketStreamClient({
      transport: name,
      url: server.url,
      ...(place === "onGap" ? { initialBackoff: 1 } : FOREVER),
      ...(place === "onError" || place === "onRetry"
        ? { url: deadUrlCounting(dialled) }
        : {}),
    }, { [place]: reconnect });
    const startedAt = performance.now();
    client.start().catch(() => {});
    await Promise.all([
      within(second.promise, `a second dial with ${place}`),
      sleep(1_300),
    ]);
    const seconds = (performance.now() - startedAt) / 1_000;
    await client.stop({ drain: 0 });
    return { dials, seconds };
  }

  test("reconnect() inside a callback, again and again, dials about once a second", async () => {
    const all = await Promise.all(PLACES.map(dialsWith));
    for (const [index, { dials, seconds }] of all.entries()) {
      assertLess(dials, 4 + seconds, PLACES[index]);
    }
  });

  test("reconnect() before start() and after the end does nothing", async () => {
    await using world = worldOf();
    world.client.reconnect();
    world.client.reconnect({ graceful: true });
    assertEquals(world.client.state, "idle");
    await world.client.start();
    assertEquals(world.arrivals.all("peer").length, 1);
    await world.client.stop();
    world.client.reconnect();
    assertEquals(world.client.state, "closed");
  });

  test("a reconnect() storm from outside dials once a second at most", async () => {
    await using world = await openWorld();
    const startedAt = performance.now();
    const storm = setInterval(() => world.client.reconnect(), 5);
    await sleep(1_200);
    clearInterval(storm);
    const seconds = (performance.now() - startedAt) / 1_000;
    assertLess(world.arrivals.all("peer").length, 3 + seconds);
  });

  test("a transport that throws something unexpected fails the attempt, which is reported and retried", async () => {
    const thrown = new TypeError("not the transport's word");
    const original = { WebSocket, connect: Deno.connect };
    await using world = worldOf({ config: { maxRetries: 1 } });
    try {
      globalThis.WebSocket = new Proxy(WebSocket, {
        construct() {
          throw thrown;
        },
      });
      Deno.connect = () => {
        throw thrown;
      };
      const error = await assertRejects(
        () => within(world.client.start(), "start"),
        WSError,
      );
      assertEquals(error.code, "RETRIES_EXHAUSTED");
    } finally {
      globalThis.WebSocket = original.WebSocket;
      Deno.connect = original.connect;
    }
    assertEquals(world.order, ["error", "retry", "error", "error"]);
    const [error] = world.calls.all("error");
    assertEquals([error?.code, error?.severity], ["CONNECT", "transient"]);
    assertStrictEquals(rootCause(error), thrown);
  });

  // Budget --------------------------------------------------------------------------

  test("a dial takes no longer than the retry budget", async () => {
    await using peer = new TcpPeer(silence);
    await using world = worldOf({
      config: { url: peer.url, retryBudget: 300, connectTimeout: 60_000 },
    });
    const error = await assertRejects(
      () => within(world.client.start(), "start"),
      WSError,
    );
    assertEquals(error.code, "RETRIES_EXHAUSTED");
  });

  test("a connect hook takes no longer than the retry budget", async () => {
    await using world = worldOf({
      config: { retryBudget: 300, connectTimeout: 60_000 },
      callbacks: { onConnect: () => new Promise(() => {}) },
    });
    const error = await assertRejects(
      () => within(world.client.start(), "start"),
      WSError,
    );
    assertEquals(error.code, "RETRIES_EXHAUSTED");
    assertInstanceOf(error.cause, WSError);
    assertEquals(error.cause.code, "TIMEOUT");
  });

  test("waiting for a slow reader costs no budget", async () => {
    await using world = await openWorld({
      config: {
        retryBudget: 300,
        maxRetries: 0,
        stableAfter: 60_000,
        receiveBufferMaxSize: 4,
        receiveOverflow: "disconnect",
      },
    });
    const reader = world.client.messages();
    for (let i = 0; i < 6; i++) world.peer.send(`${i}`).catch(() => {});
    const { code } = await world.calls.next("error");
    assertEquals(code, "SLOW_CONSUMER");
    await sleep(600);
    assertEquals(world.client.state, "waiting");
    for (let i = 0; i < 4; i++) await reader.next();
    await within(world.until("open"), "open");
    // The first connection was open for a moment, which does count.
    assertEquals(world.calls.all("connect").length, 2);
  });

  test("a rotation does not need any budget", async () => {
    await using world = await openWorld({
      config: { retryBudget: 400, stableAfter: 60_000 },
    });
    await sleep(450);
    world.client.reconnect({ graceful: true });
    await waitFor(() => world.client.stats.rotations === 1);
    assertEquals(world.calls.all("error"), []);
  });

  // start() with bounds ------------------------------------------------------------------

  test("start({ timeout }) ends a client that is not open by then", async () => {
    await using world = worldOf({ config: { url: deadUrl() } });
    const error = await assertRejects(
      () => world.client.start({ timeout: 200 }),
      WSError,
    );
    assertEquals([error.code, error.severity], ["TIMEOUT", "fatal"]);
    assertMatch(
      error.message,
      /within 200 ms of start\(\); the last error: No/,
    );
    assertInstanceOf(error.cause, WSError);
    assertEquals(error.cause.code, "CONNECT");
    assertStrictEquals(await world.client.closed, error);
    assertEquals(world.client.state, "closed");
    assertStrictEquals(world.calls.all("error").at(-1), error);
  });

  test("start({ timeout }) ends a client in its hook", async () => {
    await using world = worldOf({
      config: { connectTimeout: 60_000 },
      callbacks: { onConnect: () => new Promise(() => {}) },
    });
    const error = await assertRejects(
      () => within(world.client.start({ timeout: 200 }), "start"),
      WSError,
    );
    assertEquals(error.code, "TIMEOUT");
    // On a busy machine the time may be up before the hook has begun.
    const { connect, disconnect } = Object.groupBy(world.order, (name) => name);
    assertEquals(disconnect?.length, connect?.length);
  });

  test("start({ timeout }) bounds the first open only", async () => {
    await using world = worldOf();
    await world.client.start({ timeout: 300 });
    await sleep(400);
    assertEquals(world.client.state, "open");
  });

  test("start({ signal }) ends the client when it aborts before the first open", async () => {
    const reason = new Error("changed my mind");
    const controller = new AbortController();
    await using world = worldOf({ config: { url: deadUrl(), ...FOREVER } });
    const started = world.client.start({ signal: controller.signal });
    await world.until("waiting");
    controller.abort(reason);
    const error = await assertRejects(() => within(started, "start"), WSError);
    assertEquals([error.code, error.cause], ["STOPPED", reason]);
    assertEquals(await world.client.closed, undefined);
    assertEquals(world.client.state, "closed");
  });

  test("start({ signal }) that has aborted connects nowhere", async () => {
    await using world = worldOf();
    const error = await assertRejects(
      () => world.client.start({ signal: AbortSignal.abort("no") }),
      WSError,
    );
    assertEquals([error.code, error.cause], ["STOPPED", "no"]);
    await world.client.closed;
    assertEquals(world.arrivals.all("peer").length, 0);
  });

  test("start({ signal }) that aborts after the first open does nothing", async () => {
    const controller = new AbortController();
    await using world = worldOf();
    await world.client.start({ signal: controller.signal });
    controller.abort();
    await world.client.send("still here");
    assertEquals(await world.peer.receive(), "still here");
  });

  // Outages ------------------------------------------------------------------------------

  test("each outage is one gap, which lasts from the drop to the next connection", async () => {
    await using world = await openWorld({
      config: { initialBackoff: 100, maxBackoff: 100 },
    });
    const before = Date.now();
    await world.peer.drop();
    const { from, to, attempts, cause } = await world.calls.next("gap");
    assert(from >= before - 5 && to <= Date.now() + 5);
    assert(to - from >= 95, `${to - from} ms`);
    assertEquals([attempts, cause.code], [1, "CLOSED"]);
    await world.until("open");
    const { downtime } = world.client.stats;
    assert(downtime >= 95 && downtime < 5_000);
  });

  test("the outage that is open at the end is told before the state is closed", async () => {
    await using world = await openWorld({ config: FOREVER });
    await world.peer.drop();
    await world.calls.next("retry");
    await world.client.stop({ drain: 0 });
    assertEquals(world.calls.names.slice(-3), ["state", "gap", "state"]);
    assertEquals(world.calls.all("state").at(-1), "closed");
  });

  test("a client that was never open has no gap and no downtime", async () => {
    await using world = worldOf({ config: { url: deadUrl() } });
    world.client.start().catch(() => {});
    await world.calls.until(() => world.calls.all("retry").length > 3);
    await world.client.stop();
    assertEquals(world.calls.all("gap"), []);
    assertEquals(world.client.stats.downtime, 0);
  });

  test("a stopped client tells no gap of its own end", async () => {
    await using world = await openWorld();
    await world.client.stop();
    assertEquals(world.calls.all("gap"), []);
  });

  test("a clock that is set forward or back changes no downtime and no gap", async () => {
    const now = Date.now;
    for (const step of [3_600_000, -3_600_000]) {
      await using world = await openWorld({
        config: { initialBackoff: 200, maxBackoff: 200 },
      });
      await world.peer.drop();
      await world.until("waiting");
      try {
        Date.now = () => now() + step;
        const { from, to } = await world.calls.next("gap");
        await world.until("open");
        assert(to - from >= 150 && to - from < 10_000, `${to - from} ms`);
      } finally {
        Date.now = now;
      }
      const { downtime } = world.client.stats;
      assert(downtime >= 150 && downtime < 10_000, `${downtime} ms`);
    }
  });

  // What arrives ---------------------------------------------------------------------------

  test("staleTimeout ends a connection on which only pongs arrive", async () => {
    await using world = await openWorld({
      config: {
        staleTimeout: 300,
        pingInterval: 20,
        ping: { message: "ping", isPong: (data) => data === "pong" },
      },
      server: {
        onPeer: (peer) => {
          peer.onmessage = () => peer.send("pong");
        },
      },
    });
    const error = await world.calls.next("error");
    assertEquals(error.code, "HEARTBEAT");
    assertMatch(error.message, /nothing was delivered for 300 ms/);
    assertEquals(world.calls.all("message"), []);
  });

  test("decode sees every message first, and what it returns counts", async () => {
    await using world = await openWorld({
      config: {
        decode: (data) => `decoded ${data}`,
        ping: {
          answer: (data) => data === "decoded ping" ? "pong" : undefined,
        },
      },
      callbacks: {
        onConnect: async (session) => {
          assertEquals(await session.receive(), "decoded hello");
        },
      },
      server: {
        onPeer: async (peer) => {
          await peer.send("hello");
          await peer.send("ping");
          await peer.send("data");
        },
      },
    });
    assertEquals(await world.calls.next("message"), "decoded data");
    assertEquals(await world.peer.receive(), "pong");
  });

  test("a message that decode throws for is reported and told as a gap, and the next one comes", async () => {
    const thrown = new Error("not gzip");
    await using world = await openWorld({
      config: {
        decode: (data: Message) => {
          if (data === "bad") throw thrown;
          return data;
        },
      },
    });
    await world.peer.send("bad");
    await world.peer.send("good");
    assertEquals(await world.calls.next("message"), "good");
    assertEquals(world.order, ["connect", "error", "gap", "message"]);
    const [error] = world.calls.all("error");
    assertInstanceOf(error, WSError);
    assertEquals([error.code, error.cause], ["CALLBACK", thrown]);
    const [gap] = world.calls.all("gap");
    assertEquals([gap?.count, gap?.attempts, gap?.cause], [1, 0, error]);
    assertEquals(world.client.state, "open");
  });

  // Several URLs ---------------------------------------------------------------------------

  test("each failed attempt goes on with the next URL at once", async () => {
    await using world = worldOf();
    await using guest = worldOf({
      config: { url: [deadUrl(), deadUrl(), world.server.url], ...FOREVER },
    });
    await within(guest.client.start(), "start");
    assertEquals(guest.calls.all("retry").map(({ delay }) => delay), [0, 0]);
    assertEquals(guest.client.url, `${world.server.url}/`);
  });

  test("a URL that refuses fatally is out, and the client ends when all are", async () => {
    await using refusing = worldOf({
      server: { accept: () => ({ status: 404 }) },
    });
    await using guest = worldOf({
      config: { url: [`${refusing.server.url}/a`, `${refusing.server.url}/b`] },
    });
    const error = await assertRejects(() => guest.client.start(), WSError);
    assertEquals([error.code, error.status], ["HTTP_STATUS", 404]);
    assertEquals(guest.calls.all("error").map(({ url }) => url?.at(-1)), [
      "a",
      "b",
    ]);
  });

  test("a client that was open outlives 404 and 429, and a third 401 ends it", async () => {
    const statuses: number[] = [];
    await using world = await openWorld({
      server: {
        accept: () => {
          const status = statuses[0];
          return status === undefined ? undefined : { status };
        },
      },
      callbacks: {
        onRetry: ({ error }) => {
          if (error.status !== undefined) statuses.shift();
        },
      },
    });
    statuses.push(404, 429, 401, 403, 500, 401, 403, 401);
    await world.peer.drop();
    const error = await within(world.client.closed, "the end");
    assertEquals([error?.status, error?.severity], [401, "fatal"]);
    const severities = world.calls.all("error").slice(1).map((
      { status, severity },
    ) => `${status} ${severity}`);
    assertEquals(severities, [
      "404 transient",
      "429 transient",
      "401 transient",
      "403 transient",
      "500 transient",
      "401 transient",
      "403 transient",
      "401 fatal",
    ]);
  });

  test("functions are called once for each attempt", async () => {
    let left = 2;
    const calls = { url: 0, headers: 0, subprotocols: 0 };
    await using world = worldOf({
      server: { accept: () => left-- > 0 ? { status: 503 } : undefined },
    });
    const client = new WebSocketStreamClient({
      transport: name,
      url: () => {
        calls.url++;
        return world.server.url;
      },
      headers: async () => {
        await null;
        return { "x-attempt": `${++calls.headers}` };
      },
      subprotocols: () => {
        calls.subprotocols++;
        return [];
      },
      initialBackoff: 1,
    });
    await client.start();
    const attempts = name === "native" ? 2 : 3;
    assertEquals(calls, {
      url: attempts,
      headers: attempts,
      subprotocols: attempts,
    });
    const { request } = await world.nextPeer();
    assertEquals(request.headers.get("x-attempt"), `${attempts}`);
    await client.stop();
  });

  test("a function that returns nonsense once is fatal before the first open, and transient later", async () => {
    let value: unknown = "no URL";
    await using world = worldOf();
    const url = (): string => String(value);
    await using strict = worldOf({ config: { url } });
    const error = await assertRejects(() => strict.client.start(), WSError);
    assertEquals([error.code, error.severity], ["CONNECT", "fatal"]);

    value = world.server.url;
    await using later = worldOf({ config: { url } });
    await later.client.start();
    value = "no URL";
    later.client.reconnect();
    const transient = await later.calls.next("error");
    assertEquals([transient.code, transient.severity], [
      "CONNECT",
      "transient",
    ]);
    value = world.server.url;
    await later.until("open");
  });
}

/** A URL function that counts its calls and leads nowhere. */
function deadUrlCounting(count: () => void): () => string {
  const url = deadUrl();
  return () => {
    count();
    return url;
  };
}

/** Waits until this holds. */
async function waitFor(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!holds()) {
    assert(performance.now() < deadline, `never: ${holds}`);
    await sleep(5);
  }
}

function rootCause(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined
    ? rootCause(error.cause)
    : error;
}
