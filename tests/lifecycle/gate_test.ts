import {
  assert,
  assertEquals,
  assertFalse,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import type { Session } from "../../src/callbacks.ts";
import { WSError } from "../../src/errors.ts";
import {
  type GateOptions,
  isInsideGate,
  passGate,
} from "../../src/lifecycle/gate.ts";
import { broken, FakeLink } from "../support/fake_link.ts";

const NEVER = new Promise<never>(() => {});

/** A gate on a fake link. */
class FakeGate extends FakeLink {
  readonly owner = {};
  readonly reported: WSError[] = [];

  pass(
    onConnect: GateOptions["onConnect"],
    options: Partial<GateOptions> = {},
  ): Promise<void> {
    return passGate(this.link, {
      onConnect,
      reconnected: false,
      attempt: 0,
      timeout: 10_000,
      owner: this.owner,
      onError: (error) => this.reported.push(error),
      ...options,
    });
  }
}

Deno.test("a session tells where it is connected, and how it came about", async () => {
  using test = new FakeGate();
  const sessions: Session[] = [];
  const note = (session: Session) => void sessions.push(session);
  await test.pass(note);
  await test.pass(note, { reconnected: true, attempt: 3 });
  assertEquals(
    sessions.map(({ url, protocol, reconnected, attempt }) => [
      url,
      protocol,
      reconnected,
      attempt,
    ]),
    [
      ["ws://example.com/feed", "chat", false, 0],
      ["ws://example.com/feed", "chat", true, 3],
    ],
  );
});

Deno.test("a gate authenticates by sending and receiving", async () => {
  using test = new FakeGate();
  await test.pass(async (session) => {
    session.send("login");
    test.socket.say("welcome", "first");
    assertEquals(await session.receive(), "welcome");
    session.send("subscribe");
  });
  assertEquals(test.socket.sent, ["login", "subscribe"]);
  test.link.release();
  await setImmediate();
  assertEquals(test.delivered, ["first"]);
});

Deno.test("the gate passes when the promise of onConnect settles, and not before", async () => {
  using test = new FakeGate();
  const { promise, resolve } = Promise.withResolvers<void>();
  let hasPassed = false;
  const passed = test.pass(() => promise).then(() => hasPassed = true);
  await setImmediate();
  assertFalse(hasPassed);
  resolve();
  await passed;
  assertFalse(test.link.isOver);
});

Deno.test("methods of a session work without it", async () => {
  using test = new FakeGate();
  test.socket.say("a");
  await test.pass(async ({ send, receive }) => send(await receive()));
  assertEquals(test.socket.sent, ["a"]);
});

Deno.test("a session is of no use once the gate has passed", async () => {
  using test = new FakeGate();
  const { promise, resolve } = Promise.withResolvers<Session>();
  await test.pass(resolve);
  const session = await promise;
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
  assertEquals(test.socket.sent, []);
});

Deno.test("a receive() that nobody waited for takes no message after the gate", async () => {
  using test = new FakeGate();
  let forgotten: Promise<unknown> | undefined;
  await test.pass((session) => {
    forgotten = session.receive();
  });
  test.socket.say("a");
  test.link.release();
  await setImmediate();
  assertEquals(test.delivered, ["a"]);
  await assertRejects(async () => await forgotten, TypeError, "has settled");
});

Deno.test("a receive() that is not awaited ends no program when the link ends", async () => {
  using test = new FakeGate();
  const passed = test.pass((session) => {
    session.receive();
    return NEVER;
  });
  test.link.fail(broken());
  await passed;
  await setImmediate();
});

// Failing ------------------------------------------------------------------------

Deno.test("an onConnect that throws or rejects fails the link, transiently", async () => {
  const cause = new Error("no token");
  for (
    const onConnect of [
      () => {
        throw cause;
      },
      () => Promise.reject(cause),
      async () => {
        await setImmediate();
        throw cause;
      },
    ]
  ) {
    using test = new FakeGate();
    await test.pass(onConnect);
    assert(test.link.isOver);
    const { error } = await test.link.over;
    assertEquals(error?.code, "CALLBACK");
    assertEquals(error?.severity, "transient");
    assertEquals(error?.message, "onConnect threw: no token");
    assertStrictEquals(error?.cause, cause);
    assertEquals(test.reported, [], "it is told as the end of the link");
  }
});

Deno.test("a WSError that onConnect throws is the link's, whatever its severity", async () => {
  for (const severity of ["transient", "fatal"] as const) {
    using test = new FakeGate();
    const thrown = new WSError("go away", { code: "HANDSHAKE", severity });
    await test.pass(() => Promise.reject(thrown));
    assertStrictEquals((await test.link.over).error, thrown);
  }
});

Deno.test("an onConnect that takes too long fails the link, and is not waited for", async () => {
  using time = new FakeTime();
  using test = new FakeGate();
  const passed = test.pass(() => NEVER, { timeout: 500 });
  await time.tickAsync(499);
  assertFalse(test.link.isOver);
  await time.tickAsync(1);
  await passed;
  const { error } = await test.link.over;
  assertEquals([error?.code, error?.severity], ["TIMEOUT", "transient"]);
  assertEquals(error?.message, "onConnect did not settle within 500 ms");
});

Deno.test("a gate that has passed in time is not timed out later", async () => {
  using time = new FakeTime();
  using test = new FakeGate();
  await test.pass(() => {}, { timeout: 500 });
  await time.tickAsync(1_000);
  assertFalse(test.link.isOver);
});

Deno.test("a limit longer than a timer can be is not over at once", async () => {
  using test = new FakeGate();
  await test.pass(() => sleep(5), { timeout: 2 ** 32 });
  assertFalse(test.link.isOver);
});

Deno.test("a link that ends in the gate ends it, and onConnect is not waited for", async () => {
  using test = new FakeGate();
  const passed = test.pass(() => NEVER);
  const error = broken();
  test.link.fail(error);
  await passed;
  assertStrictEquals((await test.link.over).error, error);
});

Deno.test("in the gate of a link that has ended the link's error is thrown, and told once", async () => {
  using test = new FakeGate();
  const error = broken();
  const thrown: unknown[] = [];
  await test.pass(async (session) => {
    const waiting = session.receive();
    test.link.fail(error);
    try {
      await waiting;
    } catch (cause) {
      thrown.push(cause);
    }
    await session.receive();
  });
  await setImmediate();
  assertEquals(thrown, [error]);
  assertEquals(test.reported, []);
});

Deno.test("what onConnect throws after its link has ended is reported, and no more", async () => {
  using test = new FakeGate();
  const { promise, reject } = Promise.withResolvers<void>();
  const passed = test.pass(() => promise);
  const error = broken();
  test.link.fail(error);
  await passed;
  reject(new Error("late"));
  await setImmediate();
  assertEquals(test.reported.map(({ message }) => message), [
    "onConnect threw: late",
  ]);
  assertStrictEquals((await test.link.over).error, error);
});

Deno.test("a gate that throws while its link is closed leaves the peer time to answer", async () => {
  using test = new FakeGate();
  let passed = false;
  const gate = Promise.withResolvers<void>();
  const passing = test.pass(async (session) => {
    await gate.promise;
    session.send("too late");
  }).then(() => passed = true);
  test.link.close(1000, "", 300);
  gate.resolve();
  await setImmediate();
  assertEquals([test.link.isOver, passed], [false, false]);
  test.socket.end({ code: 1000, wasClean: true });
  await passing;
  const { code, wasClean, error } = await test.link.over;
  assertEquals([code, wasClean, error], [1000, true, undefined]);
  assertEquals(test.reported, []);
});

// Inside ---------------------------------------------------------------------------

Deno.test("the gate's owner is known inside it, across awaits and timers, and nowhere else", async () => {
  using test = new FakeGate();
  const { owner } = test;
  const seen: boolean[] = [];
  const look = () => seen.push(isInsideGate(owner));
  const outside = setImmediate().then(() => assertFalse(isInsideGate(owner)));
  assertFalse(isInsideGate(owner));
  await test.pass(async () => {
    look();
    await setImmediate();
    look();
    await new Promise<void>((resolve) =>
      setTimeout(() => {
        look();
        resolve();
      }, 0)
    );
    await Promise.all([1].map(look));
    seen.push(isInsideGate({})); // another owner's
  });
  assertEquals(seen, [true, true, true, true, false]);
  assertFalse(isInsideGate(owner));
  await outside;
});

Deno.test("a gate inside that of another client is inside both", async () => {
  using outer = new FakeGate();
  using inner = new FakeGate();
  const seen: boolean[][] = [];
  const look = () =>
    seen.push([isInsideGate(outer.owner), isInsideGate(inner.owner)]);
  await outer.pass(async () => {
    await inner.pass(async () => {
      await setImmediate();
      look();
    });
    look();
  });
  assertEquals(seen, [[true, true], [true, false]]);
});

Deno.test("what onConnect started and left running is outside once the gate has passed", async () => {
  using test = new FakeGate();
  const { promise, resolve } = Promise.withResolvers<void>();
  let later: Promise<boolean> | undefined;
  await test.pass(() => {
    later = promise.then(() => isInsideGate(test.owner));
  });
  resolve();
  assertEquals(await later, false);
});
