import {
  assert,
  assertEquals,
  assertGreaterOrEqual,
  assertLess,
  assertStrictEquals,
} from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { type WSConfig, WSError } from "../../mod.ts";
import type { Link, LinkEnd } from "../../src/lifecycle/link.ts";
import {
  findSuccessor,
  type RotationOptions,
} from "../../src/lifecycle/rotation.ts";
import { World } from "../support/client_world.ts";
import { within } from "../support/events.ts";
import { broken, FakeLink } from "../support/fake_link.ts";

const AGE = 10_000;

/** An old link, and the successors that are dialled for it. */
class Bench implements Disposable {
  readonly time = new FakeTime();
  readonly old = new FakeLink();
  readonly dialled: FakeLink[] = [];
  readonly failures: (readonly [
    error: WSError | undefined,
    end: LinkEnd | undefined,
  ])[] = [];
  readonly stop = new AbortController();
  readonly found: Promise<Link | undefined>;
  /** What `findSuccessor` came to; `null` as long as it has not. */
  result: Link | undefined | null = null;

  constructor(options: Partial<RotationOptions> = {}) {
    this.found = findSuccessor(this.old.link, {
      config: {
        maxConnectionAge: AGE,
        initialBackoff: 100,
        maxBackoff: 200,
        backoffMultiplier: 2,
        jitter: 0,
      },
      chance: () => 0.5,
      stop: this.stop.signal,
      dial: () => Promise.resolve(this.next()),
      pass: () => Promise.resolve(),
      onFailed: (error, end) => this.failures.push([error, end]),
      ...options,
    });
    this.found.then((link) => this.result = link);
  }

  /** A new connection. */
  next(): Link {
    const test = new FakeLink();
    this.dialled.push(test);
    return test.link;
  }

  async pass(ms: number): Promise<void> {
    await this.time.tickAsync(ms);
    await this.time.runMicrotasks();
  }

  [Symbol.dispose](): void {
    this.stop.abort();
    for (const test of [this.old, ...this.dialled]) test.link.drop();
    this.time.restore();
  }
}

for (const [chance, due] of [[0, 9_000], [0.5, 9_500], [0.99, 9_990]]) {
  Deno.test(`with chance ${chance} a link is replaced after ${due} of ${AGE} ms`, async () => {
    using bench = new Bench({ chance: () => chance ?? 0 });
    await bench.pass((due ?? 0) - 1);
    assertEquals(bench.dialled.length, 0);
    await bench.pass(1);
    assertEquals(bench.dialled.length, 1);
    assertStrictEquals(bench.result, bench.dialled[0]?.link);
  });
}

Deno.test("a successor is one that has passed its gate", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  using bench = new Bench({ pass: () => promise });
  await bench.pass(AGE);
  assertEquals([bench.dialled.length, bench.result], [1, null]);
  resolve();
  await bench.pass(0);
  assertStrictEquals(bench.result, bench.dialled[0]?.link);
  assertEquals(bench.failures, []);
});

Deno.test("a failed attempt is told, and made again after the backoff, which grows", async () => {
  const error = broken();
  let fails = 3;
  using bench: Bench = new Bench({
    dial: () =>
      fails-- > 0 ? Promise.reject(error) : Promise.resolve(bench.next()),
  });
  await bench.pass(9_500);
  assertEquals(bench.failures, [[error, undefined]]);
  const told: number[] = [];
  for (const wait of [99, 1, 199, 1, 199, 1]) {
    await bench.pass(wait);
    told.push(bench.failures.length);
  }
  assertEquals(told, [1, 2, 2, 3, 3, 3]);
  assertStrictEquals(bench.result, bench.dialled[0]?.link);
});

Deno.test("a fatal failure is a failure like any other: the old link stays", async () => {
  const fatal = new WSError("no", { code: "HTTP_STATUS", severity: "fatal" });
  using bench = new Bench({ dial: () => Promise.reject(fatal) });
  await bench.pass(9_500);
  await bench.pass(100);
  assertEquals(bench.failures, [[fatal, undefined], [fatal, undefined]]);
  assertEquals([bench.old.link.isOver, bench.result], [false, null]);
});

Deno.test("a gate that fails is told with the end of its link, and tried again", async () => {
  let fails = 1;
  const error = broken();
  using bench = new Bench({
    pass: (link) => {
      if (fails-- > 0) link.fail(error);
      return Promise.resolve();
    },
  });
  await bench.pass(9_500);
  const [[told, end] = []] = bench.failures;
  assertStrictEquals(told, error);
  assertEquals(end?.code, 1006);
  await bench.pass(100);
  assertStrictEquals(bench.result, bench.dialled[1]?.link);
});

Deno.test("when the old link ends first nothing is dialled", async () => {
  using bench = new Bench();
  await bench.pass(5_000);
  bench.old.link.drop();
  await bench.pass(0);
  assertEquals(bench.result, undefined);
  await bench.pass(AGE);
  assertEquals(bench.dialled.length, 0);
});

Deno.test("when the old link ends, or the client stops, a dial is given up", async () => {
  for (const end of ["old", "stop"]) {
    let signal: AbortSignal | undefined;
    using bench = new Bench({
      dial: (given) => {
        signal = given;
        return new Promise((_, reject) =>
          given.addEventListener("abort", () => reject(given.reason))
        );
      },
    });
    await bench.pass(AGE);
    assertEquals([signal?.aborted, bench.result], [false, null]);
    if (end === "old") bench.old.link.drop();
    else bench.stop.abort();
    await bench.pass(0);
    assertEquals([signal?.aborted, bench.result], [true, undefined]);
    assertEquals(bench.failures, []);
  }
});

Deno.test("when the old link ends in the gate of the new one, the new one is dropped", async () => {
  using bench = new Bench({ pass: async (link) => void await link.over });
  await bench.pass(AGE);
  bench.old.link.fail(broken());
  await bench.pass(0);
  assertEquals(bench.dialled.map(({ link }) => link.isOver), [true]);
  assertEquals(bench.result, undefined);
  assertEquals(bench.failures.length, 1, "its onConnect was called");
});

Deno.test("a connection that comes about too late is dropped, without its gate", async () => {
  const { promise, resolve } = Promise.withResolvers<Link>();
  const gates: Link[] = [];
  using bench = new Bench({
    dial: () => promise,
    pass: (link) => Promise.resolve(void gates.push(link)),
  });
  await bench.pass(AGE);
  bench.stop.abort();
  resolve(bench.next());
  await bench.pass(0);
  assertEquals(bench.dialled.map(({ link }) => link.isOver), [true]);
  assertEquals([bench.result, gates, bench.failures], [undefined, [], []]);
});

// The whole client -----------------------------------------------------------------

/** Old enough to be replaced soon, and not before a test has looked. */
const SOON = { maxConnectionAge: 150 };

Deno.test("a rotation: onConnect, then onDisconnect with 1000; no error, retry or gap", async () => {
  await using world = await World.open({ config: SOON });
  const { calls, client } = world;
  const first = await world.nextPeer();
  await calls.next("disconnect");
  assertEquals(world.order.slice(0, 3), ["connect", "connect", "disconnect"]);
  const { code, wasClean, error, willRetry, connectedFor } =
    calls.all("disconnect")[0] ?? {};
  assertEquals([code, wasClean, error, willRetry], [
    1000,
    true,
    undefined,
    true,
  ]);
  assertGreaterOrEqual(connectedFor, 0.9 * SOON.maxConnectionAge);
  const [, second] = calls.all("connect");
  assertEquals([second?.reconnected, second?.attempt], [true, 0]);
  assertEquals(await first.closed, { code: 1000, reason: "", wasClean: true });
  assertEquals(calls.all("state"), ["connecting", "open"]);
  const { rotations, connects, disconnects, retries, downtime } = client.stats;
  assertEquals([rotations, connects, disconnects], [1, 2, 1]);
  assertEquals([retries, downtime], [0, 0]);
  assert(
    ["error", "retry", "gap"].every((name) => !world.order.includes(name)),
  );
});

Deno.test("what is sent keeps its order over rotations, and nothing is lost or doubled", async () => {
  const received: string[] = [];
  await using world = await World.open({
    config: { maxConnectionAge: 40 },
    server: {
      onPeer(peer) {
        peer.onmessage = (data) => received.push(String(data));
      },
    },
  });
  let sent = 0;
  while (world.client.stats.rotations < 3) {
    await world.client.sendText(String(sent++));
    if (sent % 10 === 0) await new Promise((next) => setTimeout(next, 1));
  }
  await world.client.flush();
  await world.client.stop();
  assertEquals(received, Array.from({ length: sent }, (_, i) => String(i)));
  assertGreaterOrEqual(sent, 10);
});

/** A world whose first peer reads nothing more, and whose second has taken over. */
async function overlapping(config: Partial<WSConfig>) {
  const world = await World.open({ config: { ...SOON, ...config } });
  const first = await world.nextPeer();
  first.stopReading();
  // The read that was under way when it stalled gets this one.
  await world.client.sendText("last");
  assertEquals(await first.receive(), "last");
  const second = await world.nextPeer();
  second.send("hello");
  assertEquals(await world.calls.next("message"), "hello");
  assertEquals(world.client.stats.rotations, 1);
  return { world, first, second };
}

Deno.test("messages of both are delivered while they overlap", async () => {
  const { world, first, second } = await overlapping({ closeTimeout: 2_000 });
  await using _ = world;
  first.send("old");
  assertEquals(await world.calls.next("message"), "old");
  second.send("new");
  assertEquals(await world.calls.next("message"), "new");
  assertEquals(world.calls.all("disconnect"), []);
  first.resumeReading();
  await world.calls.next("disconnect");
});

Deno.test("the queue waits until the old connection has answered its close frame", async () => {
  const { world, first, second } = await overlapping({ closeTimeout: 2_000 });
  await using _ = world;
  await world.client.sendText("a");
  assertEquals(await world.client.flush(30), false);
  first.resumeReading();
  assertEquals(await second.receive(), "a");
  assertEquals(await first.receive(), undefined);
});

Deno.test("an old connection that never answers is given up, and the queue moves on", async () => {
  const { world, first, second } = await overlapping({ closeTimeout: 30 });
  await using _ = world;
  await world.client.sendText("a");
  assertEquals(await second.receive(), "a");
  const { code, wasClean, error } = await world.calls.next("disconnect");
  assertEquals([code, wasClean, error], [1006, false, undefined]);
  assertEquals(world.calls.all("error"), []);
  first.reset();
});

Deno.test("a new connection that ends while the old one closes is replaced at once", async () => {
  const { world, first, second } = await overlapping({ closeTimeout: 4_000 });
  await using _ = world;
  const dropped = performance.now();
  second.drop();
  await world.nextPeer();
  world.client.reconnect();
  await world.nextPeer();
  assertLess(performance.now() - dropped, 2_000);
  assertEquals(world.calls.all("error").map(({ code }) => code), ["CLOSED"]);
  first.reset();
});

Deno.test("a rotation that fails, even fatally, is an error, and the old connection stays", async () => {
  let asked = 0;
  await using world = await World.open({
    config: SOON,
    server: {
      accept: () => [2, 3].includes(++asked) ? { status: 401 } : undefined,
    },
  });
  const { calls, client } = world;
  const error = await calls.next("error");
  assertEquals([error.status, error.severity], [401, "fatal"]);
  assertEquals(client.state, "open");
  assertEquals(world.peer.state, "open");
  await calls.next("disconnect");
  assertEquals(world.order, ["connect", "error", "connect", "disconnect"]);
});

Deno.test("a new connection that is closed with 1001 in its gate is no error", async () => {
  let calls = 0;
  await using world = await World.open({
    config: SOON,
    callbacks: {
      onConnect: (session) => calls++ === 1 ? session.receive() : undefined,
    },
  });
  await world.nextPeer();
  const second = await world.nextPeer();
  second.close(1001);
  const { code, error, willRetry } = await world.calls.next("disconnect");
  assertEquals([code, error, willRetry], [1001, undefined, true]);
  assertEquals(world.client.state, "open");
  await world.calls.next("disconnect");
  assertEquals(world.calls.all("error"), []);
});

Deno.test("a drop during a rotation is told like any other", async () => {
  let calls = 0;
  const gate = Promise.withResolvers<void>();
  await using world = await World.open({
    config: SOON,
    callbacks: { onConnect: () => calls++ === 1 ? gate.promise : undefined },
  });
  const first = await world.nextPeer();
  await world.nextPeer();
  await world.calls.until(() => world.calls.all("connect").length === 2);
  first.drop();
  await world.calls.until(() => world.calls.all("connect").length === 3);
  gate.resolve();
  assertEquals(world.order.slice(0, 4), [
    "connect",
    "connect",
    "disconnect",
    "error",
  ]);
  const [rotated, dropped] = world.calls.all("disconnect");
  assertEquals([rotated?.error, rotated?.code], [undefined, 1006]);
  assertEquals(dropped?.error?.closeCode, 1006);
  assertEquals(world.calls.all("gap").length, 1);
});

Deno.test("stop() during a rotation ends both connections", async () => {
  let calls = 0;
  await using world = await World.open({
    config: SOON,
    callbacks: {
      onConnect: () => calls++ === 1 ? new Promise(() => {}) : undefined,
    },
  });
  const first = await world.nextPeer();
  const second = await world.nextPeer();
  await world.calls.until(() => world.calls.all("connect").length === 2);
  await world.client.stop();
  assertEquals((await first.closed).code, 1000);
  await second.closed;
  assertEquals(world.calls.all("disconnect").length, 2);
  assertEquals(world.calls.all("error"), []);
});

Deno.test("stop() at any moment of a take-over ends both connections", async () => {
  for (let hops = 0; hops < 16; hops++) {
    let calls = 0;
    const stopLater = async () => {
      for (let hop = 0; hop < hops; hop++) await null;
      world.client.stop({ drain: 0 });
    };
    await using world: World = await World.open({
      config: { maxConnectionAge: 10 },
      callbacks: { onConnect: () => void (calls++ === 1 && stopLater()) },
    });
    await within(world.client.closed, `the end, ${hops} microtasks later`);
    const disconnects = world.calls.all("disconnect");
    assertEquals(disconnects.length, 2);
    assertEquals(disconnects.map(({ willRetry }) => willRetry), [false, false]);
  }
});

Deno.test("a client that was rotated has been connected all the time", async () => {
  await using world = await World.open({
    config: { ...SOON, stableAfter: 200, maxRetries: 0, retryBudget: 60_000 },
  });
  await (await world.nextPeer()).send("before");
  await world.calls.next("message");
  const { lastMessageAt } = world.client.stats;
  await world.calls.next("disconnect");
  assertEquals(world.client.stats.lastMessageAt, lastMessageAt);
  await world.calls.next("disconnect");
  // Each of the connections was too short to be stable, but not all together.
  await world.peer.drop();
  await world.calls.next("gap");
  assertLess(world.client.stats.downtime, 1_000);
});
