/** The connect hook: `onConnect`, over both transports. */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import {
  type Message,
  type Session,
  WebSocketStreamClient,
  WSError,
} from "../../mod.ts";
import { nextAttempt, within } from "../support/events.ts";
import { type TransportCase, TRANSPORTS } from "../support/transports.ts";

const NEVER = new Promise<never>(() => {});
const FATAL = new WSError("bad credentials", {
  code: "HTTP_STATUS",
  severity: "fatal",
});

for (const transport of TRANSPORTS) testAll(transport);

function testAll({ name: transport, world: worldOf }: TransportCase): void {
  function test(name: string, fn: () => Promise<void>): void {
    Deno.test(`${transport}: ${name}`, fn);
  }

  // What a session tells -----------------------------------------------------------

  test("a session tells cause, attempt and URL of its connection", async () => {
    const seen: unknown[] = [];
    await using world = worldOf({
      callbacks: {
        onConnect: ({ cause, reconnected, attempt, url, response }) => {
          const status = response?.status;
          seen.push([cause, reconnected, attempt, status]);
          assertEquals(url, world.client.url ?? url);
        },
      },
    });
    await within(world.client.start(), "start");
    await world.peer.drop();
    await world.calls.until(() => world.calls.all("connect").length === 2);
    await world.until("open");
    world.client.reconnect({ graceful: true });
    await world.calls.until(() => world.calls.all("connect").length === 3);
    const status = transport === "tcp" ? 101 : undefined;
    assertEquals(seen, [
      ["start", false, 0, status],
      ["reconnect", true, 1, status],
      ["rotation", true, 0, status],
    ]);
  });

  test("the cause is 'start' until the client has been open", async () => {
    const causes: string[] = [];
    await using world = worldOf({
      callbacks: {
        onConnect: ({ cause, attempt }) => {
          causes.push(`${cause} ${attempt}`);
          if (attempt < 2) throw new Error("not yet");
        },
      },
    });
    await within(world.client.start(), "start");
    assertEquals(causes, ["start 0", "start 1", "start 2"]);
  });

  test("a session is of no use once the hook has settled", async () => {
    const sessions: Session[] = [];
    await using world = worldOf({
      callbacks: { onConnect: (session) => void sessions.push(session) },
    });
    await within(world.client.start(), "start");
    const [session] = sessions;
    assert(session !== undefined);
    assertThrows(
      () => session.send("late"),
      TypeError,
      "Cannot use session.send() as onConnect has settled",
    );
    await assertRejects(
      () => session.receive(),
      TypeError,
      "Cannot use session.receive() as onConnect has settled",
    );
  });

  test("the methods of a session work without it", async () => {
    await using world = worldOf({
      callbacks: {
        onConnect: async ({ send, receive }) => send(await receive()),
      },
    });
    const started = world.client.start();
    const peer = await world.nextPeer();
    await peer.send("challenge");
    assertEquals(await peer.receive(), "challenge");
    await started;
  });

  test("a receive() that nobody waited for takes no message after the hook", async () => {
    let forgotten: Promise<Message> | undefined;
    await using world = worldOf({
      callbacks: {
        onConnect: (session) => {
          forgotten = session.receive();
        },
      },
    });
    await within(world.client.start(), "start");
    await world.peer.send("a");
    assertEquals(await world.calls.next("message"), "a");
    await assertRejects(async () => await forgotten, TypeError, "has settled");
  });

  test("several receive() get the messages in the order of their calls", async () => {
    await using world = worldOf({
      callbacks: {
        onConnect: async (session) => {
          const all = [session.receive(), session.receive(), session.receive()];
          assertEquals(await Promise.all(all), ["1", "2", "3"]);
        },
      },
    });
    const started = world.client.start();
    const peer = await world.nextPeer();
    for (const text of ["1", "2", "3", "4"]) await peer.send(text);
    await started;
    assertEquals(await world.calls.next("message"), "4");
  });

  // Rejections ---------------------------------------------------------------------

  const PARTINGS = ["close", "drop", "close with a code"] as const;

  for (const parting of PARTINGS) {
    test(`a fatal rejection is not lost when the server hangs up at the same time: ${parting}`, async () => {
      await using world = worldOf({
        callbacks: {
          onConnect: async (session) => {
            session.send("login");
            if (await session.receive() === "denied") throw FATAL;
          },
        },
        server: {
          onPeer: async (peer) => {
            await peer.receive();
            peer.send("denied").catch(() => {});
            if (parting === "close") peer.close();
            else if (parting === "drop") peer.drop();
            else peer.close(1008, "bye");
          },
        },
      });
      const error = await assertRejects(
        () => within(world.client.start(), "start"),
        WSError,
      );
      assertStrictEquals(error, FATAL);
      assertEquals(world.order, ["connect", "error", "disconnect"]);
      assertEquals(world.arrivals.all("peer").length, 1);
    });
  }

  test("a fatal rejection a moment after the connection's end is not lost", async () => {
    await using world = worldOf({
      config: { closeTimeout: 2_000 },
      callbacks: {
        onConnect: async (session) => {
          try {
            await session.receive();
          } catch {
            await sleep(20);
            throw FATAL;
          }
        },
      },
      server: { onPeer: (peer) => void peer.drop() },
    });
    assertStrictEquals(
      await assertRejects(
        () => within(world.client.start(), "start"),
        WSError,
      ),
      FATAL,
    );
  });

  test("a hook that makes the end of its connection a fatal error is heard before that end", async () => {
    await using world = worldOf({
      callbacks: {
        onConnect: async (session) => {
          try {
            await session.receive();
          } catch {
            throw FATAL;
          }
        },
      },
      server: { onPeer: (peer) => void peer.drop() },
    });
    const started = within(world.client.start(), "start");
    assertStrictEquals(await assertRejects(() => started, WSError), FATAL);
    assertEquals(world.calls.all("error"), [FATAL]);
    assertEquals(world.order, ["connect", "error", "disconnect"]);
  });

  test("a transient rejection wins over a close at the same time", async () => {
    const thrown = new Error("no token");
    let hooks = 0;
    await using world = worldOf({
      callbacks: {
        onConnect: async (session) => {
          if (hooks++ > 0) return;
          await session.receive();
          throw thrown;
        },
      },
      server: {
        onPeer: (peer) => {
          peer.send("denied").catch(() => {});
          if (hooks === 0) peer.close(1011);
        },
      },
    });
    await within(world.client.start(), "start");
    const [error] = world.calls.all("error");
    // A close that was seen before is told instead: both are transient.
    assert(error?.cause === thrown || error?.closeCode === 1011);
    assertEquals(error.severity, "transient");
  });

  for (const late of [false, true]) {
    test(`a fatal close code ends the client, though the hook rejects ${late ? "a moment before" : "at the same time"}`, async () => {
      await using world = worldOf({
        config: { fatalCloseCodes: [4001], closeTimeout: 2_000 },
        callbacks: {
          onConnect: async (session) => {
            session.send("login");
            await session.receive();
            throw new Error("denied");
          },
        },
        server: {
          onPeer: async (peer) => {
            await peer.receive();
            peer.send("denied").catch(() => {});
            if (late) await sleep(30);
            peer.close(4001, "banned");
          },
        },
      });
      const error = await assertRejects(
        () => within(world.client.start(), "start"),
        WSError,
      );
      assertEquals(
        [error.code, error.closeCode, error.severity, error.reason],
        ["CLOSED", 4001, "fatal", "banned"],
      );
      assertEquals(world.arrivals.all("peer").length, 1);
    });
  }

  test("a hook that rejects on a server that never answers costs closeTimeout", async () => {
    let hooks = 0;
    await using world = worldOf({
      config: { closeTimeout: 50 },
      callbacks: {
        onConnect: () => {
          if (hooks++ === 0) throw new Error("no");
        },
      },
      server: {
        onPeer: (peer) => {
          if (peer.id === 0) peer.blackhole();
        },
      },
    });
    await within(world.client.start(), "start");
    world.arrivals.all("peer")[0]?.reset();
  });

  const LATE = [
    { thrown: new Error("late"), message: "onConnect threw: late" },
    { thrown: FATAL, message: FATAL.message },
  ];

  for (const { thrown, message } of LATE) {
    test(`what a hook throws once another connection is in use is reported: ${message}`, async () => {
      const late = Promise.withResolvers<void>();
      let hooks = 0;
      await using world = worldOf({
        config: { closeTimeout: 20 },
        callbacks: {
          onConnect: () => hooks++ === 0 ? late.promise : undefined,
        },
        server: {
          onPeer: (peer) => {
            if (peer.id === 0) peer.drop();
          },
        },
      });
      await within(world.client.start(), "start");
      late.reject(thrown);
      await world.calls.until(() =>
        world.calls.all("error").some((error) => error.message === message)
      );
      await world.client.stop();
      assertEquals(await world.client.closed, undefined);
    });
  }

  test("a fatal error that a hook throws after the client has ended is reported", async () => {
    const late = Promise.withResolvers<void>();
    await using world = worldOf({
      callbacks: { onConnect: () => late.promise },
    });
    world.client.start().catch(() => {});
    await world.calls.next("connect");
    await world.client.stop();
    late.reject(FATAL);
    assertStrictEquals(await world.calls.next("error"), FATAL);
  });

  test("the end of a connection is told though its hook goes on, and the next waits for that hook", async () => {
    const first = Promise.withResolvers<void>();
    const running: number[] = [];
    let hooks = 0;
    await using world = worldOf({
      config: { closeTimeout: 60_000 },
      callbacks: {
        onConnect: async () => {
          const hook = hooks++;
          running.push(hook);
          if (hook > 0) return;
          await first.promise;
          running.pop();
        },
      },
      server: {
        onPeer: (peer) => {
          if (peer.id === 0) peer.drop();
        },
      },
    });
    const started = world.client.start();
    await world.calls.next("disconnect");
    assertEquals(world.order, ["connect", "error", "disconnect"]);
    first.resolve();
    await within(started, "start");
    assertEquals(running, [1]);
    assertEquals(
      world.order,
      ["connect", "error", "disconnect", "retry", "connect"],
    );
  });

  for (const moment of ["at once", "a moment later"] as const) {
    test(`reconnect() does not wait for the hook of a connection that has ended: ${moment}`, async () => {
      let hooks = 0;
      await using world = worldOf({
        config: { closeTimeout: 60_000 },
        callbacks: { onConnect: () => hooks++ === 0 ? NEVER : undefined },
        server: {
          onPeer: (peer) => {
            if (peer.id === 0) peer.drop();
          },
        },
      });
      const started = world.client.start();
      await world.calls.next("disconnect");
      if (moment === "a moment later") await nextAttempt();
      world.client.reconnect();
      await within(started, "start");
    });

    test(`stop() does not wait for the hook of a connection that has ended: ${moment}`, async () => {
      await using world = worldOf({
        config: { closeTimeout: 60_000 },
        callbacks: { onConnect: () => NEVER },
        server: { onPeer: (peer) => void peer.drop() },
      });
      world.client.start().catch(() => {});
      await world.calls.next("disconnect");
      if (moment === "a moment later") await nextAttempt();
      await within(world.client.stop(), "stop()");
    });
  }

  test("the connection's own error that a hook passes on is reported once", async () => {
    await using world = worldOf({
      callbacks: { onConnect: (session) => session.receive() },
      server: {
        onPeer: (peer) =>
          peer.id === 0 ? peer.close(1012) : peer.send("welcome"),
      },
    });
    await within(world.client.start(), "start");
    const errors = world.calls.all("error");
    assertEquals(
      errors.map(({ code, closeCode }) => [code, closeCode]),
      [["CLOSED", 1012]],
    );
  });

  test("a hook that throws what is no error breaks nothing", async () => {
    for (const thrown of [undefined, null, "text", 7, {}]) {
      let hooks = 0;
      await using world = worldOf({
        callbacks: {
          onConnect: () => hooks++ === 0 ? Promise.reject(thrown) : undefined,
        },
      });
      await within(world.client.start(), "start");
      const [error] = world.calls.all("error");
      assertInstanceOf(error, WSError);
      assertEquals(error.code, "CALLBACK");
      assertStrictEquals(error.cause, thrown);
    }
  });

  // Bounds --------------------------------------------------------------------------

  test("a hook that hangs fails the attempt after connectTimeout", async () => {
    let hooks = 0;
    await using world = worldOf({
      config: { connectTimeout: 100 },
      callbacks: { onConnect: () => hooks++ === 0 ? NEVER : undefined },
    });
    await within(world.client.start(), "start");
    const [error] = world.calls.all("error");
    assertEquals([error?.code, error?.severity], ["TIMEOUT", "transient"]);
    const [first, ...later] = world.calls.all("connect");
    // On a busy machine an attempt without a hook may take too long as well.
    assert((later.at(-1)?.attempt ?? 0) > (first?.attempt ?? Infinity));
  });

  for (
    const bound of [
      { receiveBufferMaxSize: 10 },
      { receiveBufferMaxBytes: 1_000 },
    ]
  ) {
    test(`a server that floods a hook is bounded by ${Object.keys(bound)}`, async () => {
      let hooks = 0;
      await using world = worldOf({
        config: { ...bound, receiveOverflow: "disconnect" },
        callbacks: { onConnect: () => hooks++ === 0 ? NEVER : undefined },
        server: {
          onPeer: async (peer) => {
            if (peer.id > 0) return;
            for (let i = 0; i < 100; i++) {
              await peer.send(String(i).padEnd(100, "."));
            }
          },
        },
      });
      await within(world.client.start(), "start");
      const [error] = world.calls.all("error");
      assertEquals([error?.code, error?.severity], [
        "SLOW_CONSUMER",
        "transient",
      ]);
    });
  }

  for (
    const receiveOverflow of [
      "drop-oldest",
      "drop-newest",
      { conflate: () => "key" },
    ] as const
  ) {
    const policy = typeof receiveOverflow === "string"
      ? receiveOverflow
      : "conflate";
    test(`during a hook no message is too many for a reader with ${policy}`, async () => {
      await using world = worldOf({
        config: { receiveBufferMaxSize: 1, receiveOverflow },
        callbacks: {
          async onConnect(session) {
            assertEquals(await session.receive(), "0");
            // More than fit: tcp stops reading then.
            const enough = transport === "tcp" ? 2 : 20;
            while (world.client.stats.messagesReceived < enough) {
              await setImmediate();
            }
          },
        },
        server: {
          onPeer: async (peer) => {
            for (let i = 0; i < 20; i++) await peer.send(`${i}`);
          },
        },
      });
      await within(world.client.start(), "start");
      await world.calls.until(() => world.calls.all("message").length >= 19);
      const later = Array.from({ length: 19 }, (_, index) => `${index + 1}`);
      assertEquals(world.calls.all("message"), later);
      assertEquals(world.calls.all("error"), []);
    });
  }

  test("heartbeats run during the hook, and its server may dictate them", async () => {
    await using world = worldOf({
      config: {
        pingTimeout: 60_000,
        ping: { message: "ping", isPong: (data) => data === "pong" },
      },
      callbacks: {
        onConnect: async (session) => {
          session.setHeartbeat({ pingInterval: 20 });
          assertEquals(await session.receive(), "go");
        },
      },
      server: {
        onPeer: (peer) => {
          let pings = 0;
          peer.onmessage = (data) => {
            assertEquals(data, "ping");
            peer.send("pong");
            if (++pings === 3) peer.send("go");
          };
        },
      },
    });
    await within(world.client.start(), "start");
    const { rtt } = world.client.stats;
    assert(rtt !== undefined);
  });

  test("setHeartbeat() checks as the constructor does, and changes one connection", async () => {
    const errors: unknown[] = [];
    let hooks = 0;
    await using world = worldOf({
      callbacks: {
        onConnect: (session) => {
          for (
            const times of [
              { pingInterval: -1 },
              { pingTimeout: 0 },
              { idleTimeout: Number.NaN },
              { idle: 1 } as object,
            ]
          ) {
            try {
              session.setHeartbeat(times);
            } catch (error) {
              errors.push(error);
            }
          }
          if (hooks++ === 0) session.setHeartbeat({ idleTimeout: 50 });
        },
      },
    });
    await within(world.client.start(), "start");
    assertEquals(errors.length, 4);
    for (const error of errors) {
      assert(error instanceof RangeError || error instanceof TypeError);
    }
    const error = await world.calls.next("error");
    assertEquals(error.code, "HEARTBEAT");
    await world.calls.until(() => world.calls.all("connect").length === 2);
    await world.until("open");
    await sleep(300);
    assertEquals(world.client.state, "open");
    assertEquals(world.calls.all("error").length, 1);
  });

  // stop(), reconnect() and start() in and around it ------------------------------------

  test("stop() inside the hook ends the client at once", async () => {
    const results: unknown[] = [];
    await using world = worldOf({
      config: { closeTimeout: 60_000 },
      callbacks: {
        onConnect: async () => {
          results.push(await world.client.stop());
          await NEVER;
        },
      },
    });
    const started = world.client.start();
    started.catch(() => {});
    await within(world.client.closed, "the end");
    await assertRejects(() => started, WSError);
    assertEquals(results, [{ unsent: 0, unsentBytes: 0 }]);
    assertEquals(world.calls.all("disconnect").length, 1);
  });

  test("a signal that aborts inside the hook ends the client at once", async () => {
    const controller = new AbortController();
    await using world = worldOf({
      config: { closeTimeout: 60_000, signal: controller.signal },
      callbacks: {
        onConnect: () => {
          controller.abort();
          return NEVER;
        },
      },
    });
    world.client.start().catch(() => {});
    await within(world.client.closed, "the end");
  });

  test("reconnect() inside the hook does not wait for it", async () => {
    let hooks = 0;
    await using world = worldOf({
      config: { closeTimeout: 60_000 },
      callbacks: {
        onConnect: () => {
          if (hooks++ > 0) return undefined;
          world.client.reconnect();
          return NEVER;
        },
      },
    });
    await within(world.client.start(), "start");
    assertEquals(hooks, 2);
  });

  test("stop() from outside does not wait for the hook", async () => {
    await using world = worldOf({
      config: { connectTimeout: 60_000, closeTimeout: 1_000 },
      callbacks: { onConnect: () => NEVER },
    });
    world.client.start().catch(() => {});
    await world.calls.next("connect");
    await within(world.client.stop(), "stop()");
  });

  test("reconnect() during a hook that hangs dials at once", async () => {
    let hooks = 0;
    await using world = worldOf({
      config: { connectTimeout: 60_000, closeTimeout: 60_000 },
      callbacks: { onConnect: () => hooks++ === 0 ? NEVER : undefined },
    });
    const started = world.client.start();
    await world.calls.next("connect");
    world.client.reconnect();
    await within(started, "start");
    assertEquals(world.order, ["connect", "disconnect", "connect"]);
    const [{ error, willRetry } = {}] = world.calls.all("disconnect");
    assertEquals([error, willRetry], [undefined, true]);
    await world.client.stop({ drain: 0 });
  });

  for (const name of ["reconnect", "stop"] as const) {
    test(`a hook that receives and is ended by ${name}() is no error`, async () => {
      await using world = worldOf({
        callbacks: {
          onConnect: async (session) => {
            if (world.arrivals.all("peer").length < 2) await session.receive();
          },
        },
      });
      world.client.start().catch(() => {});
      await world.calls.next("connect");
      world.client[name]();
      if (name === "stop") await world.client.closed;
      else await world.until("open");
      await sleep(20);
      assertEquals(world.calls.all("error"), []);
    });
  }

  test("reconnect() in the onGap before a hook leaves that hook uncalled", async () => {
    await using world = worldOf({
      callbacks: {
        onGap: () => {
          if (world.calls.all("gap").length === 1) world.client.reconnect();
        },
      },
    });
    await within(world.client.start(), "start");
    await world.peer.drop();
    await world.calls.until(() => world.calls.all("connect").length === 2);
    await world.until("open");
    assertEquals(world.arrivals.all("peer").length, 3);
    assertEquals(world.calls.all("disconnect").length, 1);
    const { connects, disconnects } = world.client.stats;
    assertEquals([connects, disconnects], [3, 2]);
    // What the discarded connection may have brought is told as missed.
    assertEquals(world.calls.all("gap").length, 2);
  });

  test("stop() in the onGap before a hook ends the client", async () => {
    let hooks = 0;
    await using world = worldOf({
      config: { closeTimeout: 60_000 },
      callbacks: {
        onConnect: () => hooks++ === 0 ? undefined : NEVER,
        onGap: () => void world.client.stop({ drain: 0 }),
      },
    });
    await within(world.client.start(), "start");
    await world.peer.drop();
    await within(world.client.closed, "the end");
    assertEquals(
      world.calls.all("disconnect").length,
      world.calls.all("connect").length,
    );
  });

  // Sending in it -----------------------------------------------------------------------

  test("what client.send() accepts in a hook goes to that connection, behind session.send()", async () => {
    let hooks = 0;
    await using world = worldOf({
      callbacks: {
        onConnect: async (session) => {
          await world.client.send(`queued ${++hooks}`);
          session.send(`direct ${hooks}`);
        },
      },
    });
    await within(world.client.start(), "start");
    assertEquals(await world.peer.receive(), "direct 1");
    assertEquals(await world.peer.receive(), "queued 1");
    const second = world.nextPeer().then(() => world.nextPeer());
    world.client.reconnect();
    const peer = await second;
    assertEquals(await peer.receive(), "direct 2");
    assertEquals(await peer.receive(), "queued 2");
  });

  test("a message sent in a hook that fails goes to the next connection", async () => {
    let hooks = 0;
    await using world = worldOf({
      callbacks: {
        onConnect: async () => {
          if (hooks++ > 0) return;
          await world.client.send("kept");
          throw new Error("no");
        },
      },
    });
    await within(world.client.start(), "start");
    assertEquals(await world.peer.receive(), "kept");
  });

  test("hooks of two clients, one inside the other, know their own connection", async () => {
    await using outer = worldOf({
      callbacks: {
        onConnect: async () => {
          const inner = worldOf({
            config: { sendQueueMaxSize: 1 },
            callbacks: {
              onConnect: async () => {
                await inner.client.send("inner");
                await outer.client.send("outer");
                await assertRejects(
                  () => within(outer.client.flush(), "flush"),
                  WSError,
                  "inside onConnect",
                );
                await assertRejects(
                  () => inner.client.send("full"),
                  WSError,
                  "inside onConnect",
                );
              },
            },
          });
          await inner.client.start();
          assertEquals(await inner.peer.receive(), "inner");
          await inner[Symbol.asyncDispose]();
        },
      },
    });
    await outer.client.start();
    assertEquals(await outer.peer.receive(), "outer");
  });

  test("onConnect is looked up when it is called", async () => {
    const calls: string[] = [];
    const callbacks: { onConnect?: () => void } = {};
    await using world = worldOf({});
    const client = new WebSocketStreamClient(
      { url: world.server.url, transport },
      callbacks,
    );
    callbacks.onConnect = () => void calls.push("late");
    await client.start();
    assertEquals(calls, ["late"]);
    await client.stop();
    await setImmediate();
  });
}
