/** Rotations: one connection replaces another, over both transports. */

import { assert, assertEquals, assertLess } from "@std/assert";
import { setTimeout as sleep } from "node:timers/promises";
import type { Message, WSConfig } from "../../mod.ts";
import type { Peer } from "../../src/server/peer.ts";
import { serve } from "../../src/server/server.ts";
import { type TransportCase, TRANSPORTS } from "../support/transports.ts";
import { nextAttempt, within } from "../support/events.ts";

const NEVER = new Promise<never>(() => {});
/** Old enough soon. */
const SOON: Partial<WSConfig> = { maxConnectionAge: 300 };
const GRACEFUL = { graceful: true };

/** What a peer receives, in order, for a test that does not wait for it. */
function receivedBy(peer: Peer): Message[] {
  const received: Message[] = [];
  peer.onmessage = (data) => void received.push(data);
  return received;
}

/** Waits until this holds. */
async function eventually(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!holds()) {
    assert(performance.now() < deadline, `never: ${holds}`);
    await sleep(5);
  }
}

for (const transport of TRANSPORTS) testAll(transport);

/** Accepts the first request, and refuses the others for a minute. */
function refusingAllButTheFirst() {
  let requests = 0;
  const headers = { "retry-after": "60" };
  return {
    accept: () => requests++ === 0 ? undefined : { status: 503, headers },
    count: () => requests,
  };
}

function testAll(
  { name, world: worldOf, openWorld, guest, requestsPerRefusal }: TransportCase,
): void {
  function test(title: string, fn: () => Promise<void>): void {
    Deno.test(`${name}: ${title}`, fn);
  }

  test("a rotation: onConnect, then onDisconnect, and nothing else", async () => {
    await using world = await openWorld({ config: SOON });
    const first = await world.nextPeer();
    await world.calls.next("disconnect");
    assertEquals(world.order.slice(0, 3), ["connect", "connect", "disconnect"]);
    const [{ code, wasClean, error, willRetry } = {}] = world.calls.all(
      "disconnect",
    );
    assertEquals(
      [code, wasClean, error, willRetry],
      [1000, true, undefined, true],
    );
    assertEquals((await first.closed).code, 1000);
    const { rotations, downtime, retries } = world.client.stats;
    assertEquals([rotations > 0, downtime, retries], [true, 0, 0]);
    assertEquals(world.calls.all("state"), ["connecting", "open"]);
  });

  test("a rotation begins at 0.8 to 0.9 of the age, counted from the handshake", async () => {
    const arrived: number[] = [];
    await using world = await openWorld({
      // The hook takes a good part of the age.
      config: { maxConnectionAge: 2_000 },
      callbacks: {
        onConnect: ({ cause }) => cause === "start" ? sleep(600) : undefined,
      },
      server: { onPeer: () => void arrived.push(performance.now()) },
    });
    await world.nextPeer();
    await world.nextPeer();
    const [first = 0, second = 0] = arrived;
    // Early enough for a hook that takes as long as the last one.
    assertLess(second - first, 1_550);
    assert(second - first > 700, String(second - first));
  });

  test("a server that allows 2 s never has to end a connection of age 1.9 s", async () => {
    await using world = await openWorld({
      config: { maxConnectionAge: 1_900 },
      server: {
        onPeer: (peer) => {
          const limit = setTimeout(() => peer.close(1008, "too old"), 2_000);
          peer.closed.then(() => clearTimeout(limit));
        },
      },
    });
    await eventually(() => world.client.stats.rotations === 2);
    assertEquals(world.calls.all("gap"), []);
    assertEquals(world.calls.all("error"), []);
  });

  test("a server that keeps only the newest session is no hindrance", async () => {
    let newest: Peer | undefined;
    await using world = await openWorld({
      server: {
        onPeer: (peer) => {
          newest?.close(4009, "another session");
          newest = peer;
        },
      },
    });
    for (let rotation = 1; rotation <= 3; rotation++) {
      const dials = world.arrivals.all("peer").length;
      world.client.reconnect(GRACEFUL);
      await world.calls.until(() =>
        world.calls.all("disconnect").length === rotation
      );
      await world.until("open");
      assertEquals(world.arrivals.all("peer").length, dials + 1);
    }
    await world.client.send("to the newest");
    assertEquals(await world.peer.receive(), "to the newest");
    assertEquals(world.calls.all("retry"), []);
  });

  test("a session that is ended during its successor's hook is replaced by it", async () => {
    const hook = Promise.withResolvers<void>();
    await using world = await openWorld({
      callbacks: {
        onConnect: ({ cause }) => cause === "start" ? undefined : hook.promise,
      },
    });
    const first = await world.nextPeer();
    world.client.reconnect(GRACEFUL);
    await world.calls.until(() => world.calls.all("connect").length === 2);
    first.close(4009);
    await world.calls.next("disconnect");
    assertEquals(world.client.state, "connecting");
    hook.resolve();
    await world.until("open");
    assertEquals(world.arrivals.all("peer").length, 2);
    assertEquals(
      world.order,
      ["connect", "connect", "error", "disconnect", "gap"],
    );
  });

  for (const close of ["close", "drop"] as const) {
    test(`a successor that the server ends at once (${close}) leaves the old connection alone`, async () => {
      await using world = await openWorld({
        config: { initialBackoff: 60_000, maxBackoff: 60_000 },
        server: {
          onPeer: (peer) => {
            if (peer.id === 0) peer.onmessage = (data) => peer.send(data);
            else peer[close]();
          },
        },
      });
      const first = await world.nextPeer();
      world.client.reconnect(GRACEFUL);
      await (await world.nextPeer()).closed;
      await world.calls.next("disconnect");
      await world.client.send("still here");
      assertEquals(await world.calls.next("message"), "still here");
      assertEquals([first.state, world.client.state], ["open", "open"]);
      assertEquals(world.calls.all("gap"), []);
      assertEquals(world.client.stats.rotations, 0);
    });
  }

  test("Retry-After delays the next attempt of a rotation", async () => {
    const { accept, count } = refusingAllButTheFirst();
    await using world = await openWorld({ server: { accept } });
    world.client.reconnect(GRACEFUL);
    const { retryAfter } = await world.calls.next("error");
    assertEquals(retryAfter, 60_000);
    await sleep(300);
    assertEquals(count(), 1 + requestsPerRefusal);
    assertEquals(world.client.state, "open");
  });

  test("a connection that ends while its rotation waits is retried as any other", async () => {
    const { accept } = refusingAllButTheFirst();
    await using world = await openWorld({ server: { accept } });
    world.client.reconnect(GRACEFUL);
    await world.calls.next("error");
    await nextAttempt();
    await world.peer.drop();
    const { attempt, error } = await world.calls.next("retry");
    assertEquals([attempt, error.closeCode], [1, 1006]);
    const order = ["connect", "error", "error", "disconnect", "retry"];
    assertEquals(world.order.slice(0, 5), order);
  });

  test("a refused rotation, even a fatal one, is an error, and the old connection stays", async () => {
    let left = 0;
    await using world = await openWorld({
      server: { accept: () => left-- > 0 ? { status: 404 } : undefined },
      config: {
        classify: ({ status }) => status === 404 ? "fatal" : undefined,
      },
    });
    left = requestsPerRefusal;
    world.client.reconnect(GRACEFUL);
    const error = await world.calls.next("error");
    assertEquals([error.status, error.severity], [404, "fatal"]);
    await world.calls.next("disconnect");
    assertEquals(world.order, ["connect", "error", "connect", "disconnect"]);
    assertEquals(world.calls.all("state"), ["connecting", "open"]);
  });

  test("a hook that fails fatally in a rotation keeps the old connection", async () => {
    let hooks = 0;
    await using world = await openWorld({
      config: {
        classify: ({ code }) => code === "CALLBACK" ? "fatal" : undefined,
      },
      callbacks: {
        onConnect: () => {
          if (hooks++ === 1) throw new Error("no token");
        },
      },
    });
    const first = await world.nextPeer();
    world.client.reconnect(GRACEFUL);
    const { willRetry, error } = await world.calls.next("disconnect");
    assertEquals([willRetry, error?.severity], [true, "fatal"]);
    assertEquals(first.state, "open");
    // The next attempt of the same rotation succeeds.
    await world.calls.next("disconnect");
    assertEquals(world.client.stats.rotations, 1);
    assertEquals(world.calls.all("state"), ["connecting", "open"]);
    await world.client.stop();
    assertEquals(world.calls.all("gap"), []);
  });

  // The queue ----------------------------------------------------------------------

  test("messages sent in the hook of a rotation go to the new connection, behind earlier ones", async () => {
    await using world = await openWorld({
      callbacks: {
        onConnect: async ({ cause }) => {
          if (cause !== "rotation") return;
          await world.client.send("subscribe");
          world.client.trySend("subscribe more");
        },
      },
    });
    const first = await world.nextPeer();
    const old = receivedBy(first);
    await world.client.send("before");
    world.client.reconnect(GRACEFUL);
    const second = await world.nextPeer();
    await world.client.send("after");
    const received = [
      await second.receive(),
      await second.receive(),
    ];
    assertEquals(received, ["subscribe", "subscribe more"]);
    await first.closed;
    // "after" was sent before the hook was done or behind it: to one of them.
    const last = old.includes("after") ? undefined : await second.receive();
    assertEquals(old, last === undefined ? ["before", "after"] : ["before"]);
  });

  test("order is kept while the hook of a rotation has sent to the new connection", async () => {
    const hook = Promise.withResolvers<void>();
    await using world = await openWorld({
      callbacks: {
        onConnect: async ({ cause }) => {
          if (cause !== "rotation") return;
          await world.client.send("2");
          await hook.promise;
        },
      },
    });
    const first = await world.nextPeer();
    const old = receivedBy(first);
    await world.client.send("1");
    world.client.reconnect(GRACEFUL);
    const second = await world.nextPeer();
    await eventually(() => world.client.stats.queued === 1);
    await world.client.send("3");
    hook.resolve();
    assertEquals(await second.receive(), "2");
    assertEquals(await second.receive(), "3");
    await first.closed;
    assertEquals(old, ["1"]);
  });

  test("messages sent in the hook of a rotation that fails go to the old connection", async () => {
    await using world = await openWorld({
      config: { initialBackoff: 60_000, maxBackoff: 60_000 },
      callbacks: {
        onConnect: async ({ cause }) => {
          if (cause !== "rotation") return;
          await world.client.send("2");
          throw new Error("no");
        },
      },
    });
    const first = await world.nextPeer();
    await world.client.send("1");
    world.client.reconnect(GRACEFUL);
    assertEquals(await first.receive(), "1");
    assertEquals(await first.receive(), "2");
    assertEquals(first.state, "open");
  });

  test("sending goes on soon though the old server does not answer the close", async () => {
    await using world = await openWorld({ config: { closeTimeout: 60_000 } });
    const first = await world.nextPeer();
    first.blackhole();
    world.client.reconnect(GRACEFUL);
    const second = await world.nextPeer();
    await eventually(() => world.client.stats.rotations === 1);
    await world.client.send("on");
    const message = await within(second.receive(), "the message");
    assertEquals(message, "on");
    first.reset();
    await world.calls.next("disconnect");
  });

  test("the queue moves as soon as the old server has answered the close", async () => {
    await using world = await openWorld();
    const first = await world.nextPeer();
    const old = receivedBy(first);
    for (let i = 0; i < 50; i++) await world.client.send(`${i}`);
    world.client.reconnect(GRACEFUL);
    for (let i = 50; i < 100; i++) await world.client.send(`${i}`);
    const second = await world.nextPeer();
    const received = receivedBy(second);
    await first.closed;
    assert(await world.client.flush());
    await world.client.send("end");
    await eventually(() => received.includes("end"));
    const all = [...old, ...received];
    assertEquals(all, [
      ...Array.from({ length: 100 }, (_, i) => `${i}`),
      "end",
    ]);
  });

  test("the queue waits for an old connection that still sends, and moves when it has answered", async () => {
    await using world = await openWorld({ config: { closeTimeout: 30_000 } });
    const first = await world.nextPeer();
    first.stopReading();
    for (let i = 0; i < 12; i++) {
      await world.client.send(`${i} `.padEnd(1 << 20, "x"));
    }
    world.client.reconnect(GRACEFUL);
    const received = receivedBy(await world.nextPeer());
    await eventually(() => world.client.stats.rotations === 1);
    await world.client.send("12 ");
    // Longer than the queue waits when nothing is unsent.
    await sleep(900);
    assertEquals(received, []);
    const old = receivedBy(first);
    first.resumeReading();
    await eventually(() => received.at(-1) === "12 ");
    assertEquals(
      [...old, ...received].map((data) => Number(String(data).split(" ")[0])),
      Array.from({ length: 13 }, (_, i) => i),
    );
  });

  test("what an old connection had not sent when it was given up goes to the new one", async () => {
    await using world = await openWorld({ config: { closeTimeout: 300 } });
    const first = await world.nextPeer();
    first.blackhole();
    for (let i = 0; i < 12; i++) {
      await world.client.send(`${i} `.padEnd(1 << 20, "x"));
    }
    world.client.reconnect(GRACEFUL);
    const received = receivedBy(await world.nextPeer());
    await world.client.send("12 ");
    await eventually(() => received.at(-1) === "12 ");
    const numbers = received.map((data) => Number(String(data).split(" ")[0]));
    const [start = 12] = numbers;
    assertEquals(
      numbers,
      Array.from({ length: 13 - start }, (_, i) => start + i),
    );
    assert(world.client.stats.redelivered > 0);
    first.reset();
  });

  test("messages of both connections are delivered while they overlap", async () => {
    await using world = await openWorld({ config: { closeTimeout: 5_000 } });
    const first = await world.nextPeer();
    first.stopReading();
    world.client.reconnect(GRACEFUL);
    const second = await world.nextPeer();
    await second.send("new");
    assertEquals(await world.calls.next("message"), "new");
    await first.send("old");
    assertEquals(await world.calls.next("message"), "old");
    first.resumeReading();
    await world.calls.next("disconnect");
  });

  // Asked for ------------------------------------------------------------------------

  test("reconnect({ graceful, code, reason }) closes the old connection with them, after the new one is open", async () => {
    await using world = await openWorld();
    const first = await world.nextPeer();
    world.client.reconnect({ graceful: true, code: 4000, reason: "rotated" });
    await world.nextPeer();
    const { code, reason } = await first.closed;
    assertEquals([code, reason], [4000, "rotated"]);
    await world.calls.next("disconnect");
    assertEquals(world.order, ["connect", "connect", "disconnect"]);
    // Only this one: the next rotation closes with 1000 again.
    const second = world.peer;
    world.client.reconnect(GRACEFUL);
    assertEquals((await second.closed).code, 1000);
  });

  test("a code of reconnect() is for one rotation, not for the next one by age", async () => {
    await using world = await openWorld({
      config: { maxConnectionAge: 1_000 },
    });
    const first = await world.nextPeer();
    world.client.reconnect({ graceful: true, code: 4000 });
    const second = await world.nextPeer();
    assertEquals((await first.closed).code, 4000);
    assertEquals((await second.closed).code, 1000);
  });

  test("a graceful reconnect() without an open connection dials now", async () => {
    await using world = await openWorld({
      config: { initialBackoff: 60_000, maxBackoff: 60_000 },
    });
    await world.peer.drop();
    await world.until("waiting");
    world.client.reconnect(GRACEFUL);
    await world.until("open");
  });

  // The ends -------------------------------------------------------------------------

  test("a fatal close of the old connection during a hook ends the client", async () => {
    await using world = await openWorld({
      config: { fatalCloseCodes: [4001], connectTimeout: 60_000 },
      callbacks: {
        onConnect: ({ cause }) => cause === "start" ? undefined : NEVER,
      },
    });
    const first = await world.nextPeer();
    world.client.reconnect(GRACEFUL);
    const second = await world.nextPeer();
    await world.calls.until(() => world.calls.all("connect").length === 2);
    first.close(4001);
    const error = await within(world.client.closed, "the end");
    assertEquals([error?.closeCode, error?.severity], [4001, "fatal"]);
    await second.closed;
    assertEquals(world.calls.all("disconnect").length, 2);
  });

  test("a fatal close of the old connection gives up the dial to its URL, and another is dialled", async () => {
    const refusing = Promise.withResolvers<undefined>();
    let requests = 0;
    const arrived: Peer[] = [];
    await using one = serve({
      accept: () => requests++ > 0 ? refusing.promise : undefined,
      onPeer: (peer) => void arrived.push(peer),
    });
    await using other = serve({ onPeer: (peer) => void arrived.push(peer) });
    await using opened = await guest({
      url: [one.url, other.url],
      fatalCloseCodes: [4001],
    });
    opened.client.reconnect(GRACEFUL);
    await eventually(() => requests > 1);
    arrived[0]?.close(4001);
    await opened.calls.until(() => opened.calls.all("connect").length === 2);
    assertEquals(opened.calls.all("connect")[1]?.url, `${other.url}/`);
    refusing.resolve(undefined);
  });

  test("stop() during the hook of a rotation ends both connections", async () => {
    await using world = await openWorld({
      callbacks: {
        onConnect: ({ cause }) => cause === "start" ? undefined : NEVER,
      },
    });
    const first = await world.nextPeer();
    world.client.reconnect(GRACEFUL);
    const second = await world.nextPeer();
    await world.calls.until(() => world.calls.all("connect").length === 2);
    await within(world.client.stop(), "stop()");
    assertEquals((await first.closed).code, 1000);
    await second.closed;
    assertEquals(world.calls.all("disconnect").length, 2);
    assertEquals(world.calls.all("error"), []);
  });

  test("the end of a rotation's connection is told before the client is closed, however late it answers", async () => {
    await using world = await openWorld({
      callbacks: {
        onConnect: ({ cause }) => cause === "start" ? undefined : NEVER,
      },
    });
    world.client.reconnect(GRACEFUL);
    await world.calls.until(() => world.calls.all("connect").length === 2);
    world.peer.blackhole();
    let told = 0;
    const closed = world.client.closed.then(() => {
      told = world.calls.all("disconnect").length;
    });
    await within(world.client.stop(), "stop()");
    await closed;
    assertEquals(told, 2);
    world.peer.drop();
  });

  test("stop() at any moment of a take-over ends both connections", async () => {
    for (let hops = 0; hops < 16; hops++) {
      const stopLater = async () => {
        for (let hop = 0; hop < hops; hop++) await null;
        world.client.stop({ drain: 0 });
      };
      await using world = await openWorld({
        callbacks: {
          onConnect: ({ cause }) => void (cause === "rotation" && stopLater()),
        },
      });
      world.client.reconnect(GRACEFUL);
      await within(world.client.closed, `the end, ${hops} microtasks later`);
      const disconnects = world.calls.all("disconnect");
      assertEquals(disconnects.map(({ willRetry }) => willRetry), [
        false,
        false,
      ]);
    }
  });

  test("a new connection that ends while the old one closes is replaced", async () => {
    await using world = await openWorld({ config: { closeTimeout: 5_000 } });
    const first = await world.nextPeer();
    first.stopReading();
    world.client.reconnect(GRACEFUL);
    const second = await world.nextPeer();
    await eventually(() => world.client.stats.rotations === 1);
    second.drop();
    await world.nextPeer();
    await world.calls.until(() => world.calls.all("gap").length === 1, "a gap");
    assertEquals(world.calls.all("error").map(({ code }) => code), ["CLOSED"]);
    first.resumeReading();
  });

  test("a message sent in the hook of a new connection that ends before it gets the queue goes to the next one", async () => {
    await using world = await openWorld({
      config: { closeTimeout: 5_000 },
      callbacks: {
        onConnect: ({ cause }) => {
          if (cause === "rotation") world.client.trySend("kept");
        },
      },
    });
    const first = await world.nextPeer();
    first.blackhole();
    world.client.reconnect(GRACEFUL);
    const second = await world.nextPeer();
    await eventually(() => world.client.stats.rotations === 1);
    assertEquals(world.client.stats.queued, 1);
    second.drop();
    const third = await world.nextPeer();
    world.client.trySend("later");
    assertEquals(await within(third.receive(), "the first message"), "kept");
    assertEquals(await within(third.receive(), "the second one"), "later");
    first.reset();
  });

  test("a new connection that ends while the old one still sends is replaced at once", async () => {
    await using world = await openWorld({ config: { closeTimeout: 60_000 } });
    const first = await world.nextPeer();
    first.blackhole();
    // More than the kernels take, so that the old connection has unsent bytes.
    for (let i = 0; i < 15; i++) await world.client.send("x".repeat(1 << 20));
    await sleep(50);
    world.client.reconnect(GRACEFUL);
    const second = await world.nextPeer();
    await eventually(() => world.client.stats.rotations === 1);
    second.drop();
    receivedBy(await within(world.nextPeer(), "the third connection"));
    await world.calls.next("disconnect");
    first.reset();
    await world.calls.next("disconnect");
  });

  test("every old connection is told as disconnected before the client is closed", async () => {
    await using world = await openWorld({ config: { closeTimeout: 1_500 } });
    const first = await world.nextPeer();
    first.blackhole();
    world.client.reconnect(GRACEFUL);
    await eventually(() => world.client.stats.rotations === 1);
    // The second one answers its close at once, the first one never.
    await sleep(600);
    world.client.reconnect(GRACEFUL);
    await eventually(() => world.client.stats.rotations === 2);
    await world.client.stop({ drain: 0 });
    assertEquals(world.calls.all("disconnect").length, 3);
    assertEquals(world.calls.names.at(-1), "state");
    first.reset();
  });

  test("reconnect() gives up the dial of a rotation that hangs", async () => {
    let requests = 0;
    const hanging = Promise.withResolvers<undefined>();
    await using world = await openWorld({
      config: { connectTimeout: 60_000 },
      server: {
        accept: () => requests++ === 1 ? hanging.promise : undefined,
      },
    });
    world.client.reconnect(GRACEFUL);
    await eventually(() => requests === 2);
    world.client.reconnect();
    await within(
      world.calls.until(() => world.calls.all("connect").length === 2),
      "the next connection",
    );
    hanging.resolve(undefined);
  });

  test("reconnect() during the hook of a rotation keeps the new connection", async () => {
    const hook = Promise.withResolvers<void>();
    await using world = await openWorld({
      callbacks: {
        onConnect: ({ cause }) => cause === "start" ? undefined : hook.promise,
      },
    });
    world.client.reconnect(GRACEFUL);
    await world.calls.until(() => world.calls.all("connect").length === 2);
    world.client.reconnect();
    await world.calls.next("disconnect");
    hook.resolve();
    await world.until("open");
    assertEquals(world.arrivals.all("peer").length, 2);
  });

  test("a graceful reconnect() as soon as the client is open rotates", async () => {
    await using world = worldOf({
      callbacks: {
        onStateChange: (state) => {
          if (state === "open") world.client.reconnect(GRACEFUL);
        },
      },
    });
    await world.client.start();
    await eventually(() => world.client.stats.rotations === 1);
    await world.calls.next("disconnect");
  });

  test("a rotated client has been stable all the time", async () => {
    await using world = await openWorld({
      config: { stableAfter: 700, maxRetries: 0, retryBudget: 60_000 },
    });
    const begun = performance.now();
    for (let count = 1; performance.now() - begun < 800; count++) {
      world.client.reconnect(GRACEFUL);
      await world.calls.until(() =>
        world.calls.all("disconnect").length === count
      );
    }
    // No connection held for stableAfter, but all of them together.
    await world.peer.drop();
    await world.calls.next("gap");
    assertEquals(world.calls.all("retry").map(({ attempt }) => attempt), [1]);
  });

  test("lastMessageAt and connectedSince go on over a rotation", async () => {
    await using world = await openWorld();
    await world.peer.send("before");
    await world.calls.next("message");
    const { lastMessageAt } = world.client.stats;
    assert(lastMessageAt !== undefined);
    world.client.reconnect(GRACEFUL);
    await world.calls.next("disconnect");
    const stats = world.client.stats;
    assertEquals(stats.lastMessageAt, lastMessageAt);
    assert(stats.connectedSince !== undefined);
  });

  test("without reconnect there is no rotation at maxConnectionAge", async () => {
    await using world = await openWorld({
      config: { reconnect: false, maxConnectionAge: 50 },
    });
    await sleep(200);
    assertEquals(world.arrivals.all("peer").length, 1);
  });
}
