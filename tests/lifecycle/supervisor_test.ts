import {
  assert,
  assertEquals,
  assertGreater,
  assertGreaterOrEqual,
  assertInstanceOf,
  assertLess,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import { type WSCallbacks, type WSConfig, WSError } from "../../mod.ts";
import { serve } from "../../src/server/server.ts";
import { World, type WorldOptions } from "../support/client_world.ts";
import { within } from "../support/events.ts";

const NEVER = new Promise<never>(() => {});
/** Nobody listens there. */
const DEAD = "ws://127.0.0.1:9";
/** Longer than a test may take: only what cuts it short ends it. */
const FOREVER = { initialBackoff: 3_600_000, maxBackoff: 3_600_000 };

/** A server that refuses so many attempts, each with 503. */
function refusing(attempts: number): WorldOptions["server"] {
  let left = 2 * attempts; // each attempt asks twice: the second time for why
  return { accept: () => left-- > 0 ? { status: 503 } : undefined };
}

// Waiting ------------------------------------------------------------------------

Deno.test("waits grow from attempt to attempt, and are told before they begin", async () => {
  await using world = new World({
    config: { url: DEAD, initialBackoff: 1, maxBackoff: 6, maxRetries: 4 },
  });
  await assertRejects(() => world.client.start(), WSError, "5 attempts");
  const retries = world.calls.all("retry");
  assertEquals(
    retries.map(({ attempt, delay }) => [attempt, delay]),
    [[1, 1], [2, 2], [3, 4], [4, 6]],
  );
  assertEquals(world.client.stats.retries, 4);
});

Deno.test("the wait that is told is the one that is waited", async () => {
  let asked = 0;
  await using world = new World({
    config: { initialBackoff: 60_000, maxBackoff: 60_000 },
    server: {
      accept() {
        asked++;
        return { status: 503 };
      },
    },
  });
  using time = new FakeTime();
  world.client.start();
  await world.calls.next("error");
  while (world.calls.all("retry").length === 0) await time.tickAsync(1);
  assertEquals(asked, 2);
  await time.tickAsync(59_990);
  await setImmediate();
  assertEquals([asked, world.client.state], [2, "waiting"]);
  await time.tickAsync(10);
  await world.calls.next("error");
  assertEquals(asked, 4);
  await world.client.stop();
});

Deno.test("reconnect() cuts the wait short", async () => {
  await using world = new World({ config: FOREVER, server: refusing(1) });
  const started = world.client.start();
  await world.calls.next("retry");
  world.client.reconnect();
  await within(started, "start", 1_000);
  assertEquals(world.order, ["error", "retry", "connect"]);
});

const WAITING_CALLBACKS = [
  "onStateChange",
  "onError",
  "onDisconnect",
  "onRetry",
] as const satisfies (keyof WSCallbacks)[];

for (const name of WAITING_CALLBACKS) {
  Deno.test(`reconnect() inside ${name} cuts the wait that follows short`, async () => {
    let calls = 0;
    const reconnect = () => {
      if (world.client.state === "waiting" && calls++ === 0) {
        world.client.reconnect();
      }
    };
    await using world = new World({
      config: FOREVER,
      callbacks: { [name]: reconnect },
    });
    await world.client.start();
    await world.peer.drop();
    await world.calls.until(() => world.calls.all("connect").length === 2);
    assertEquals(calls, 1);
  });
}

Deno.test("reconnect() while dialing, or before the start, changes nothing", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  await using world = new World({
    config: FOREVER,
    server: {
      async accept() {
        await promise;
        return undefined;
      },
    },
  });
  world.client.reconnect();
  const started = world.client.start();
  await world.until("connecting");
  world.client.reconnect();
  resolve();
  await started;
  await setImmediate();
  assertEquals(world.order, ["connect"]);
  assertEquals(world.client.stats.connects, 1);
});

Deno.test("reconnect() in the gate drops that connection and dials at once", async () => {
  let calls = 0;
  await using world = new World({
    config: FOREVER,
    callbacks: { onConnect: () => calls++ === 0 ? NEVER : undefined },
  });
  const started = world.client.start();
  await world.calls.next("connect");
  world.client.reconnect();
  await within(started, "start", 1_000);
  assertEquals(world.order, ["connect", "disconnect", "connect"]);
});

Deno.test("reconnect() many times over makes one new connection", async () => {
  await using world = await World.open({ config: FOREVER });
  for (let i = 0; i < 10; i++) world.client.reconnect();
  await world.calls.until(() => world.calls.all("connect").length === 2);
  await world.client.stop();
  assertEquals(world.client.stats.connects, 2);
});

Deno.test("a reconnect() cuts no later wait short", async () => {
  await using world = await World.open({ config: FOREVER });
  world.client.reconnect();
  await world.nextPeer();
  const peer = await world.nextPeer();
  await world.until("open");
  await peer.drop();
  await world.calls.next("retry");
  await sleep(20);
  assertEquals(world.client.state, "waiting");
});

Deno.test("reconnect() after stop() changes nothing", async () => {
  await using world = await World.open();
  const stopped = world.client.stop();
  world.client.reconnect();
  await stopped;
  world.client.reconnect();
  const { code, wasClean } = await world.calls.next("disconnect");
  assertEquals([code, wasClean, world.client.state], [1000, true, "closed"]);
});

// Giving up ----------------------------------------------------------------------

Deno.test("an attempt that hangs ends with the retry budget, not with its own limit", async () => {
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using world = new World({
    config: {
      url: `ws://127.0.0.1:${silent.addr.port}`,
      retryBudget: 100,
      connectTimeout: 60_000,
    },
  });
  const error = await assertRejects(
    () => within(world.client.start(), "start", 2_000),
    WSError,
  );
  assertEquals(error.code, "RETRIES_EXHAUSTED");
  assertInstanceOf(error.cause, WSError);
  assertEquals(error.cause.code, "TIMEOUT");
});

Deno.test("the retry budget begins with start(), not when the client is made", async () => {
  await using world = new World({ config: { retryBudget: 60 } });
  await sleep(80);
  await world.client.start();
  assertEquals(world.order, ["connect"]);
});

Deno.test("an error that is fatal is the end, a transient one is not", async () => {
  for (const [status, fatal] of [[401, true], [404, true], [503, false]]) {
    let asked = 0;
    await using world = new World({
      server: {
        accept: () => asked++ < 2 ? { status: Number(status) } : undefined,
      },
    });
    const started = world.client.start();
    if (fatal) await assertRejects(() => started, WSError, String(status));
    else await started;
  }
});

Deno.test("a refusal with Retry-After is tried again, after it", async () => {
  let asked = 0;
  await using world = new World({
    config: FOREVER,
    server: {
      accept() {
        if (asked++ >= 2) return undefined;
        return { status: 429, headers: { "retry-after": "7200" } };
      },
    },
  });
  const started = world.client.start();
  const { delay, error } = await world.calls.next("retry");
  assertEquals([error.status, error.retryAfter], [429, 7_200_000]);
  assertGreaterOrEqual(delay, 3_600_000);
  assertLess(delay, 1.1 * 3_600_000);
  world.client.reconnect();
  await started;
});

const ENDING: [config: Partial<WSConfig>, code: number][] = [
  [{ fatalCloseCodes: [4001, 4002] }, 4002],
  [{ fatalCloseCodes: (code) => code >= 4000 }, 4500],
  [
    { classify: ({ closeCode }) => closeCode === 1008 ? "fatal" : undefined },
    1008,
  ],
];

for (const [config, code] of ENDING) {
  Deno.test(`a close with ${code} is the end with ${Deno.inspect(config)}`, async () => {
    await using world = await World.open({ config });
    world.peer.close(code);
    const error = await world.client.closed;
    assertEquals([error?.closeCode, error?.severity], [code, "fatal"]);
    assertEquals(world.order, ["connect", "error", "disconnect"]);
  });

  Deno.test(`a close with 1011 is not the end with ${Deno.inspect(config)}`, async () => {
    await using world = await World.open({ config });
    world.peer.close(1011);
    await world.calls.until(() => world.calls.all("connect").length === 2);
  });
}

Deno.test("classify may make a fatal error transient", async () => {
  let asked = 0;
  await using world = await World.open({
    config: {
      classify: ({ status }) => status === 401 ? "transient" : undefined,
    },
    server: { accept: () => asked++ < 2 ? { status: 401 } : undefined },
  });
  assertEquals(world.order, ["error", "retry", "connect"]);
  assertEquals(world.calls.all("error")[0]?.severity, "transient");
});

Deno.test("a classify that throws is reported, and the verdict stays ours", async () => {
  await using world = await World.open({
    config: {
      classify() {
        throw new Error("boom");
      },
    },
  });
  world.peer.close(1011);
  await world.calls.until(() => world.calls.all("connect").length === 2);
  const codes = world.calls.all("error").map(({ code }) => code);
  assertEquals(codes, ["CALLBACK", "CLOSED"]);
});

// Endpoints ----------------------------------------------------------------------

Deno.test("after a failure the next URL is tried at once", async () => {
  await using other = serve({ onPeer: () => {} });
  await using world = new World({
    config: { ...FOREVER, url: [DEAD, other.url] },
  });
  await within(world.client.start(), "start", 1_000);
  assertEquals(world.order, ["error", "retry", "connect"]);
  assertEquals(world.calls.all("retry")[0]?.delay, 0);
  assertEquals(world.client.url, `${other.url}/`);
});

Deno.test("a URL that refuses fatally is never tried again, the others are", async () => {
  let asked = 0;
  await using other = serve({
    onPeer: (peer) => void peer.drop(),
    accept() {
      asked++;
      return { status: 403 };
    },
  });
  await using world = new World();
  await using failover = new World({
    config: { url: [other.url, world.server.url], stableAfter: 0 },
  });
  await failover.client.start();
  for (let i = 0; i < 3; i++) {
    await (await world.nextPeer()).drop();
    await failover.calls.until(() =>
      failover.calls.all("connect").length === i + 2
    );
  }
  assertEquals(asked, 2); // for one attempt
  assertEquals(failover.calls.all("error")[0]?.severity, "fatal");
  await failover.until("open");
});

Deno.test("the client ends when every URL has refused fatally", async () => {
  const refuse = { onPeer: () => {}, accept: () => ({ status: 403 }) };
  await using one = serve(refuse);
  await using two = serve(refuse);
  await using world = new World({ config: { url: [one.url, two.url] } });
  const error = await assertRejects(() => world.client.start(), WSError);
  assertEquals([error.status, error.severity], [403, "fatal"]);
  assertEquals(error.url, `${two.url}/`);
  assertEquals(world.order, ["error", "retry", "error"]);
});

Deno.test("a URL that was stable is tried first next time", async () => {
  await using world = new World();
  const url = world.server.url;
  await using failing = new World({
    config: { url: [DEAD, url], stableAfter: 0 },
  });
  await failing.client.start();
  await (await world.nextPeer()).drop();
  await world.nextPeer();
  await failing.until("open");
  assertEquals(failing.order.slice(3), [
    "error",
    "disconnect",
    "retry",
    "gap",
    "connect",
  ]);
});

Deno.test("when the URL that was stable refuses after reconnect(), the next is tried at once", async () => {
  let accepts = true;
  await using one = new World({
    server: { accept: () => accepts ? undefined : { status: 503 } },
  });
  await using two = new World();
  await using world = await World.open({
    config: {
      url: [one.server.url, two.server.url],
      stableAfter: 0,
      initialBackoff: 3_600_000,
      maxBackoff: 3_600_000,
    },
  });
  accepts = false;
  world.client.reconnect();
  await two.nextPeer();
  await world.until("open");
});

// Providers ----------------------------------------------------------------------

Deno.test("URL, headers and subprotocols are asked for at each attempt", async () => {
  let attempt = 0;
  await using world: World = new World({
    server: { subprotocols: ["v1", "v2"] },
    config: {
      url: () => Promise.resolve(`${world.server.url}/?attempt=${++attempt}`),
      headers: () => ({ "x-attempt": String(attempt) }),
      subprotocols: () => Promise.resolve(`v${attempt}`),
    },
  });
  await world.client.start();
  assertEquals(world.client.protocol, "v1");
  await world.peer.drop();
  await world.calls.until(() => world.calls.all("connect").length === 2);
  const seen = world.arrivals.all("peer").map(({ request, protocol }) => [
    request.path,
    request.headers.get("x-attempt"),
    protocol,
  ]);
  assertEquals(seen, [["/?attempt=1", "1", "v1"], ["/?attempt=2", "2", "v2"]]);
});

Deno.test("a provider that throws is a failed attempt, one that returns nonsense the end", async () => {
  const cause = new Error("no token yet");
  let calls = 0;
  await using world = new World({
    config: {
      url() {
        if (++calls === 1) throw cause;
        return "https://example.com";
      },
    },
  });
  await assertRejects(() => world.client.start(), WSError);
  const [first, second] = world.calls.all("error");
  assertEquals([first?.code, first?.severity], ["CONNECT", "transient"]);
  assertStrictEquals(first?.cause, cause);
  assertEquals([second?.code, second?.severity], ["CONNECT", "fatal"]);
});

Deno.test("a provider that never returns is bounded by the connect timeout", async () => {
  await using world = new World({
    config: { headers: () => NEVER, connectTimeout: 30, maxRetries: 0 },
  });
  const error = await assertRejects(() => world.client.start(), WSError);
  assertInstanceOf(error.cause, WSError);
  assertEquals(error.cause.code, "TIMEOUT");
});

// Looking ------------------------------------------------------------------------

Deno.test("a client tells what it has lived through", async () => {
  await using world = await World.open();
  const { client, calls } = world;
  await world.peer.send("hello");
  await calls.next("message");
  const { lastMessageAt = 0 } = client.stats; // as of this look
  const before = Date.now();
  await world.peer.drop();
  await calls.until(() => calls.all("connect").length === 2);
  await world.until("open");
  const { connects, disconnects, retries, failures } = client.stats;
  assertEquals([connects, disconnects, retries], [2, 1, 1]);
  assertEquals(failures.CLOSED, 1);
  const { connectedSince = 0 } = client.stats;
  assertGreater(lastMessageAt, before - 1_000);
  assert(lastMessageAt <= before);
  assertGreaterOrEqual(connectedSince, before);
  await client.stop();
  assertEquals(client.stats.connectedSince, undefined);
  assertEquals(client.stats.lastMessageAt, lastMessageAt);
});
