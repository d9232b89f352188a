import {
  assertEquals,
  assertGreaterOrEqual,
  assertLess,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { setImmediate } from "node:timers/promises";
import { WSError } from "../../src/errors.ts";
import type { Message } from "../../src/message.ts";
import { broken, FakeLink } from "../support/fake_link.ts";

// The gate's time --------------------------------------------------------------

Deno.test("what came in before the link was made is held too", async () => {
  using test = new FakeLink({}, ["a", "b"]);
  assertEquals(await test.link.takeNext(), "a");
  assertEquals(await test.link.takeNext(), "b");
});

Deno.test("an end before the link was made is its end, after what came before", async () => {
  const end = { code: 4001, reason: "bye", wasClean: true };
  using test = new FakeLink({}, ["a"], end);
  assertEquals([test.link.isOver, test.link.isClosing], [false, true]);
  test.link.release();
  const { code, error } = await test.link.over;
  assertEquals([code, error?.code, error?.reason], [4001, "CLOSED", "bye"]);
  assertEquals(test.delivered, ["a"]);
});

Deno.test("until the release nothing is delivered, then all that was not taken, in order", async () => {
  using test = new FakeLink();
  test.socket.say("a", "b", "c");
  assertEquals(await test.link.takeNext(), "a");
  await setImmediate();
  assertEquals(test.delivered, []);
  test.link.release();
  await setImmediate();
  test.socket.say("d");
  assertEquals(test.delivered, ["b", "c", "d"]);
});

Deno.test("delivery begins a turn of the event loop after the release", async () => {
  using test = new FakeLink();
  test.socket.say("a");
  test.link.release();
  test.socket.say("b");
  for (let i = 0; i < 100; i++) await Promise.resolve();
  assertEquals(test.delivered, []);
  await setImmediate();
  assertEquals(test.delivered, ["a", "b"]);
});

Deno.test("those who wait for messages get them in the order in which they asked", async () => {
  using test = new FakeLink();
  const taken = [test.link.takeNext(), test.link.takeNext()];
  test.socket.say("a", "b", "c");
  assertEquals(await Promise.all(taken), ["a", "b"]);
  assertEquals(await test.link.takeNext(), "c");
});

Deno.test("who still waits when the taking has ended gets nothing of what comes later", async () => {
  using test = new FakeLink();
  const taken = [test.link.takeNext(), test.link.takeNext()];
  const errors = taken.map((promise) => promise.catch((error) => error));
  const error = new TypeError("too late");
  test.link.endTaking(error);
  test.link.release();
  test.socket.say("a");
  await setImmediate();
  test.socket.say("b");
  assertEquals(test.delivered, ["a", "b"]);
  for (const rejected of errors) assertStrictEquals(await rejected, error);
});

Deno.test("what is held may be as many messages and bytes as allowed, and no more", async () => {
  for (
    const [fits, tooMuch] of [
      [["a", "b"], ["a", "b", "c"]],
      [["12345", "67890"], ["12345", "678901"]],
      [["123", new Uint8Array(7)], ["1234", new Uint8Array(7)]],
    ] satisfies Message[][][]
  ) {
    const bounds = { holdMaxSize: 2, holdMaxBytes: 10 };
    using ok = new FakeLink(bounds, fits);
    assertEquals(ok.link.isOver, false);
    using test = new FakeLink(bounds, tooMuch);
    assertEquals(test.link.isOver, true);
    const { error, code } = await test.link.over;
    assertEquals([error?.code, error?.severity], [
      "SLOW_CONSUMER",
      "transient",
    ]);
    assertEquals(code, 1006);
  }
});

Deno.test("once the gate has passed nobody is cut off for what is held: it is delivered", async () => {
  using test = new FakeLink({ holdMaxSize: 2 }, ["a"]);
  test.link.release();
  test.socket.say("b", "c", "d");
  assertEquals(test.delivered, ["a", "b", "c", "d"]);
  await setImmediate();
  test.socket.say("e");
  assertEquals(test.delivered, ["a", "b", "c", "d", "e"]);
  assertEquals(test.link.isOver, false);
});

Deno.test("without a gate as much is held as comes before the release", async () => {
  using test = new FakeLink({ holdMaxSize: 1, hasGate: false }, ["a", "b"]);
  test.socket.say("c");
  test.link.release();
  await setImmediate();
  assertEquals(test.delivered, ["a", "b", "c"]);
});

Deno.test("what was taken makes room again", async () => {
  using test = new FakeLink({ holdMaxSize: 2, holdMaxBytes: 10 });
  for (let i = 0; i < 5; i++) {
    test.socket.say("12345", "67890");
    await test.link.takeNext();
    await test.link.takeNext();
  }
  assertEquals(test.link.isOver, false);
});

Deno.test("one message larger than all that may be held is held alone", async () => {
  using test = new FakeLink({ holdMaxSize: 2, holdMaxBytes: 3 }, ["1234"]);
  assertEquals(test.link.isOver, false);
  assertEquals(await test.link.takeNext(), "1234");
});

Deno.test("the gate sends past the queue", () => {
  using test = new FakeLink();
  test.link.sendDirectly("a");
  test.link.sendDirectly(new Uint8Array([1]));
  assertEquals(test.socket.sent, ["a", new Uint8Array([1])]);
});

Deno.test("the gate sends nothing that is no message", () => {
  using test = new FakeLink();
  for (const data of [5, null, undefined, new ArrayBuffer(1), ["a"], {}]) {
    assertThrows(
      () => test.link.sendDirectly(data as Message),
      TypeError,
      "'data' as it must be a string or a Uint8Array",
    );
  }
  assertEquals(test.socket.sent, []);
});

Deno.test("the gate of a link that is being closed sends nothing", () => {
  using test = new FakeLink();
  test.link.close(1000, "", 50);
  assertThrows(() => test.link.sendDirectly("a"), WSError);
  assertEquals(test.socket.sent, []);
});

// The queue ----------------------------------------------------------------------

Deno.test("the queue gets the socket when the link is told to carry, and not before", () => {
  using test = new FakeLink();
  test.link.release();
  assertEquals(test.socket.log, []);
  test.link.carry();
  assertEquals(test.socket.log, ["attach true"]);
});

Deno.test("a link that is closing or over gets no queue", async () => {
  using closing = new FakeLink();
  closing.link.close(1000, "", 50);
  closing.link.carry();
  assertEquals(closing.socket.log, ["close 1000  50"]);
  using over = new FakeLink();
  over.link.drop();
  await over.link.over;
  over.link.carry();
  assertEquals(over.socket.log, ["abandon"]);
});

Deno.test("the queue lets go before the socket does, so that it sees what is unsent", async () => {
  using test = new FakeLink();
  test.link.carry();
  test.socket.bufferedAmount = 7;
  test.link.fail(broken());
  await test.link.over;
  assertEquals(test.socket.log, ["attach true", "detach false 7", "abandon"]);
});

Deno.test("closing stops the queue first, and tells it whether the peer has read all", async () => {
  const ends = [
    { end: { code: 4000, wasClean: true }, delivered: true },
    // Its own close frame, sent at the same time as ours.
    { end: { code: 1001, wasClean: true }, delivered: false },
    { end: { code: 4000, wasClean: false }, delivered: false },
    { end: { code: 1006, wasClean: false }, delivered: false },
  ];
  for (const { end, delivered } of ends) {
    using test = new FakeLink();
    test.link.carry();
    const closed = test.link.close(4000, "bye", 50);
    test.socket.end(end);
    const { error, code } = await closed;
    assertEquals([error, code], [undefined, end.code]);
    assertEquals(test.socket.log, [
      "attach true",
      "pause",
      "close 4000 bye 50",
      `detach ${delivered} undefined`,
    ]);
  }
});

Deno.test("a second close waits for the first", async () => {
  using test = new FakeLink();
  const first = test.link.close(1000, "", 50);
  const second = test.link.close(4000, "again", 1);
  assertEquals(test.socket.log, ["close 1000  50"]);
  test.socket.end({ code: 1000, wasClean: true });
  assertEquals(await first, await second);
});

Deno.test("closing a link that is over changes nothing", async () => {
  using test = new FakeLink();
  const error = broken();
  test.link.fail(error);
  assertStrictEquals((await test.link.close(1000, "", 50)).error, error);
});

// Its end ------------------------------------------------------------------------

Deno.test("the end of the socket is the end of the link, with the error for it", async () => {
  using test = new FakeLink();
  test.link.carry();
  test.socket.end({ code: 1011, reason: "oops", wasClean: true });
  const end = await test.link.over;
  assertEquals([end.code, end.reason, end.wasClean], [1011, "oops", true]);
  assertEquals(end.error?.code, "CLOSED");
  assertEquals([end.error?.closeCode, end.error?.reason], [1011, "oops"]);
  assertGreaterOrEqual(end.connectedFor, 0);
  assertLess(end.connectedFor, 5_000);
  assertEquals(test.socket.log.at(-1), "detach false undefined");
});

Deno.test("between the end of the socket and that of the link the queue gives it nothing", async () => {
  using carrying = new FakeLink();
  carrying.link.carry();
  carrying.socket.end({ code: 1011, wasClean: true });
  await Promise.resolve();
  assertEquals(carrying.socket.log, ["attach true", "pause"]);
  await carrying.link.over;
  assertEquals(carrying.socket.log.at(-1), "detach false undefined");
  using late = new FakeLink();
  late.socket.end({ code: 1011, wasClean: true });
  await Promise.resolve();
  assertEquals([late.link.isClosing, late.link.isOver], [true, false]);
  late.link.carry();
  assertEquals(late.socket.log, []);
  await late.link.over;
});

Deno.test("a close that the peer was quicker with is not the answer to ours", async () => {
  using test = new FakeLink();
  test.link.carry();
  test.socket.end({ code: 1000, wasClean: true });
  await Promise.resolve();
  const { error } = await test.link.close(1000, "", 300);
  assertEquals([error?.code, error?.closeCode], ["CLOSED", 1000]);
  assertEquals(test.socket.log, [
    "attach true",
    "pause",
    "detach false undefined",
  ]);
});

Deno.test("a link that fails has ended with 1006 and that error; the peer is not waited for", async () => {
  using test = new FakeLink();
  const error = broken();
  test.link.fail(error);
  assertEquals(test.link.isOver, true);
  const end = await test.link.over;
  assertEquals([end.code, end.wasClean], [1006, false]);
  assertStrictEquals(end.error, error);
  assertEquals(test.socket.log, ["abandon"]);
});

Deno.test("a link that is closing is left to its close, whatever else goes wrong", async () => {
  using time = new FakeTime();
  using test = new FakeLink({
    heartbeat: { pingInterval: 0, pingTimeout: 20_000, idleTimeout: 100 },
  });
  test.link.close(1000, "", 3_000);
  test.link.fail(broken());
  await time.tickAsync(2_000);
  assertEquals(test.link.isOver, false);
  assertEquals(test.socket.log, ["close 1000  3000"]);
  test.socket.end({ code: 1000, wasClean: true });
  await time.nextAsync();
  const { code, error } = await test.link.over;
  assertEquals([code, error], [1000, undefined]);
});

Deno.test("a gate that holds too much is cut off, closing or not", async () => {
  using test = new FakeLink({ holdMaxSize: 1 });
  test.link.close(1000, "", 3_000);
  test.socket.say("a", "b");
  assertEquals((await test.link.over).error?.code, "SLOW_CONSUMER");
});

Deno.test("a link that is dropped has ended without an error", async () => {
  using test = new FakeLink();
  test.link.drop();
  const end = await test.link.over;
  assertEquals([end.code, end.error], [1006, undefined]);
});

Deno.test("the first end counts, later ones find nobody", async () => {
  using test = new FakeLink();
  test.link.carry();
  const error = broken("first");
  test.link.fail(error);
  test.link.fail(broken("second"));
  test.link.drop();
  test.socket.end({ code: 1000 });
  assertStrictEquals((await test.link.over).error, error);
  const detached = test.socket.log.filter((line) => line.startsWith("detach"));
  assertEquals(detached.length, 1);
});

Deno.test("after the end nothing is delivered", async () => {
  using test = new FakeLink();
  test.link.release();
  await setImmediate();
  test.socket.say("a");
  test.link.fail(broken());
  test.socket.say("b");
  await setImmediate();
  assertEquals(test.delivered, ["a"]);
});

Deno.test("what was released is delivered, even if the link ends in the same turn", async () => {
  using test = new FakeLink();
  test.socket.say("a");
  test.link.release();
  test.socket.say("b");
  test.link.fail(broken());
  assertEquals(test.delivered, ["a", "b"]);
  await setImmediate();
  assertEquals(test.delivered, ["a", "b"]);
});

Deno.test("a callback that ends the link while it gets what was held gets the rest too", async () => {
  const delivered: Message[] = [];
  using test = new FakeLink({
    deliver: (data) => {
      delivered.push(data);
      test.link.drop();
    },
  });
  test.socket.say("a", "b");
  test.link.release();
  await setImmediate();
  test.socket.say("c");
  assertEquals(delivered, ["a", "b"]);
});

Deno.test("a callback that ends the link while it ends anyway ends it once", () => {
  using test = new FakeLink({ deliver: () => test.link.drop() });
  test.link.carry();
  test.socket.say("a", "b");
  test.link.release();
  test.link.fail(broken());
  assertEquals(test.socket.log.filter((line) => line !== "abandon"), [
    "attach true",
    "detach false 0",
  ]);
});

Deno.test("who waits for a message when the link ends gets the link's error", async () => {
  const error = broken();
  using test = new FakeLink();
  const taken = [test.link.takeNext(), test.link.takeNext()];
  for (const promise of taken) promise.catch(() => {});
  test.link.fail(error);
  for (const promise of taken) {
    assertStrictEquals(await assertRejects(() => promise), error);
  }
});

Deno.test("after the end what was held can be taken, then comes the link's error", async () => {
  const error = broken();
  using test = new FakeLink({}, ["a"]);
  test.link.fail(error);
  assertEquals(await test.link.takeNext(), "a");
  assertStrictEquals(await assertRejects(() => test.link.takeNext()), error);
  assertStrictEquals(assertThrows(() => test.link.sendDirectly("b")), error);
});

Deno.test("a link that was dropped says to its gate that it is gone", async () => {
  using test = new FakeLink();
  test.link.drop();
  const error = await assertRejects(() => test.link.takeNext(), WSError);
  assertEquals([error.code, error.severity], ["CLOSED", "transient"]);
  assertThrows(() => test.link.sendDirectly("a"), WSError);
});

// Counting -----------------------------------------------------------------------

Deno.test("every message is counted once, held or live", async () => {
  using test = new FakeLink();
  test.socket.say("aé", new Uint8Array(3));
  test.link.release();
  test.socket.say("b");
  await setImmediate();
  test.socket.say("c", new Uint8Array(10));
  assertEquals(test.arrivals, { messages: 5, bytes: 2 + 3 + 1 + 1 + 10 });
  assertEquals(test.link.received, 5);
});

// Heartbeats -----------------------------------------------------------------------

const PING = {
  message: "ping",
  isPong: (data: Message) => data === "pong",
  answer: (data: Message) => data === "server ping" ? "answer" : undefined,
};
const HEARTBEAT = {
  ping: PING,
  pingInterval: 100,
  pingTimeout: 1_000,
  idleTimeout: 0,
};

Deno.test("the heartbeat's messages are neither held nor delivered, but counted", async () => {
  using test = new FakeLink({ heartbeat: HEARTBEAT });
  test.socket.say("pong", "a", "server ping");
  assertEquals(await test.link.takeNext(), "a");
  test.link.release();
  await setImmediate();
  test.socket.say("pong", "b", "server ping");
  assertEquals(test.delivered, ["b"]);
  assertEquals(test.arrivals.messages, 6);
});

Deno.test("the heartbeat sends by the socket in the gate, and ahead of the queue after it", () => {
  using test = new FakeLink({ heartbeat: HEARTBEAT });
  test.socket.say("server ping");
  assertEquals(test.socket.sent, ["answer"]);
  test.link.carry();
  test.socket.say("server ping");
  assertEquals(test.socket.sent, ["answer"]);
  assertEquals(test.socket.log, ["attach true", "urgent answer"]);
});

Deno.test("a pong gives its round-trip time", () => {
  using time = new FakeTime();
  using test = new FakeLink({ heartbeat: HEARTBEAT });
  time.tick(100);
  assertEquals(test.socket.sent, ["ping"]);
  test.socket.say("pong");
  assertEquals(test.roundTrips.length, 1);
});

Deno.test("a link whose pings stay unanswered fails, in its gate too", async () => {
  using time = new FakeTime();
  using test = new FakeLink({ heartbeat: HEARTBEAT });
  time.tick(100 + 1_000 + 1_000);
  assertEquals((await test.link.over).error?.code, "HEARTBEAT");
});

Deno.test("a link that is over looks after nothing any more", () => {
  using time = new FakeTime();
  using test = new FakeLink({ heartbeat: HEARTBEAT });
  test.link.drop();
  time.tick(10_000);
  assertEquals(test.socket.sent, []);
});

Deno.test("what a function of the heartbeat throws is told, and ends nothing", () => {
  const ping = {
    ...PING,
    isPong: () => {
      throw new Error("boom");
    },
  };
  using test = new FakeLink({ heartbeat: { ...HEARTBEAT, ping } });
  test.socket.say("a");
  assertEquals(test.errors.map(({ code }) => code), ["CALLBACK"]);
  assertEquals(test.link.isOver, false);
});
