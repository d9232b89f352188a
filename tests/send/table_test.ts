/** What a sender does with one kind of message, socket or program at a time. */

import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { FakeTime } from "@std/testing/time";
import fc from "fast-check";
import type { SendOverflow } from "../../src/config.ts";
import { WSError } from "../../src/errors.ts";
import type { SendConfig, Sender } from "../../src/send/sender.ts";
import type { SpoolFile } from "../../src/send/spool_file.ts";
import { nextTurn } from "../../src/turns.ts";
import { FakeSocket, TCP, toText } from "./fake_socket.ts";
import { outcome, setUp, STOPPED } from "./set_up.ts";
import { runMemoryScript } from "../support/memory_script.ts";

const seed = Number(Deno.env.get("MODEL_SEED") ?? Date.now() % 2 ** 31);

Deno.test("the policy for a full queue holds from the first message on, also before a spool is open", async () => {
  interface Row {
    readonly overflow: SendOverflow;
    readonly third: string;
    readonly tried: boolean;
    readonly dropped: string[];
  }
  const rows: Row[] = [
    { overflow: "wait", third: "pending", tried: false, dropped: [] },
    { overflow: "reject", third: "QUEUE_FULL", tried: false, dropped: [] },
    {
      overflow: "drop-oldest",
      third: "ok",
      tried: true,
      dropped: ["overflow a", "overflow b"],
    },
    {
      overflow: "drop-newest",
      third: "ok",
      tried: false,
      // trySend() has told already that it did not accept the last one.
      dropped: ["overflow c"],
    },
  ];
  for (const spool of [undefined, "never opened"]) {
    for (const { overflow, third, tried, dropped: expected } of rows) {
      const { sender, dropped } = setUp({
        overflow,
        spool,
        sendQueueMaxSize: 2,
      });
      sender.send("a");
      sender.send("b");
      const result = outcome(sender.send("c"));
      assertEquals(sender.trySend("d"), tried, overflow);
      const isStaged = spool !== undefined && overflow === "drop-oldest";
      assertEquals(await result, isStaged ? "pending" : third, overflow);
      assertEquals([dropped, sender.stats.queued], [expected, 2], overflow);
      sender.end(STOPPED);
    }
  }
});

Deno.test("under reject the queue stays bounded, however many are sent before there is a connection", async () => {
  const { sender } = setUp({ overflow: "reject", sendQueueMaxSize: 10 });
  const results = await Promise.allSettled(
    Array.from({ length: 20_000 }, (_, i) => sender.send(`${i}`)),
  );
  const refused = results.filter(({ status }) => status === "rejected");
  assertEquals([refused.length, sender.stats.queued], [19_990, 10]);
  sender.end(STOPPED);
});

Deno.test("send rejects whatever it is given, and never throws", async () => {
  const thrower = {
    get ttl(): number {
      throw new Error("a getter");
    },
  };
  const wrong: readonly (readonly unknown[])[] = [
    [],
    [null],
    [5],
    [Symbol("s")],
    [{}],
    [new ArrayBuffer(1)],
    ["a", null],
    ["a", 5],
    ["a", { ttl: 0 }],
    ["a", { ttl: "1" }],
    ["a", { key: 5 }],
    ["a", { signal: {} }],
    ["a", { tll: 5 }],
    ["a", thrower],
    ["x".repeat(20)],
    ["a", { signal: AbortSignal.abort() }],
  ];
  const { sender } = setUp({ sendQueueMaxBytes: 10 });
  for (const args of wrong) {
    const promise = Reflect.apply(sender.send, sender, args);
    await assertRejects(() => promise);
  }
  assertThrows(() => Reflect.apply(sender.trySend, sender, [5]), TypeError);
  assertEquals(sender.stats.queued, 0);
  sender.end(STOPPED);
});

Deno.test("a program that sends again what is dropped comes back", () => {
  for (const overflow of ["drop-oldest", "drop-newest"] as const) {
    let drops = 0;
    const { sender, turns } = setUp({ overflow, sendQueueMaxSize: 2 }, {
      onDrop: (data) => {
        drops++;
        sender.trySend(data);
      },
    });
    for (const text of ["a", "b", "c"]) sender.send(text);
    for (let i = 0; i < 5; i++) turns.pass();
    assertEquals([drops, sender.stats.queued], [1, 2], overflow);
    sender.end(STOPPED);
  }
});

Deno.test("two messages that replace each other in onDrop let the event loop go on", () => {
  let drops = 0;
  const { sender, turns } = setUp({}, {
    onDrop: (data) => {
      drops++;
      sender.trySend(data, { key: "k" });
    },
  });
  sender.trySend("a", { key: "k" });
  sender.trySend("b", { key: "k" });
  assertEquals(drops, 1);
  turns.pass();
  assertEquals([drops, sender.stats.queued], [2, 1]);
  sender.end(STOPPED);
});

Deno.test("whatever the program does inside onDrop, it finds a queue at rest", () => {
  const seen: unknown[] = [];
  const { sender } = setUp({ sendQueueMaxSize: 2, overflow: "drop-oldest" }, {
    onDrop: (data, reason) => {
      seen.push([
        toText(data),
        reason,
        sender.stats.queued,
        sender.stats.dropped,
      ]);
      if (reason === "overflow") seen.push(sender.clearQueue());
    },
  });
  for (const text of ["a", "b", "c"]) sender.trySend(text);
  assertEquals(seen, [["a", "overflow", 2, 1], 2]);
  sender.end(STOPPED);
  assertEquals(seen.slice(2), [["b", "cleared", 0, 3], ["c", "cleared", 0, 3]]);
});

Deno.test("a socket that reports its progress is never looked at in between", () => {
  const { sender, turns } = setUp();
  const socket = new FakeSocket(TCP);
  sender.attach(socket);
  for (let i = 0; i < 600; i++) sender.trySend("x".repeat(1024));
  const given = socket.sent.length;
  assertEquals(given, 256);
  assertEquals([turns.count, socket.looks], [0, 1]);
  socket.drain(100);
  sender.onProgress();
  assertEquals(socket.sent.length, given, "less than half has left");
  socket.drain(100);
  sender.onProgress();
  assertEquals(socket.sent.length, 456);
  assertEquals(turns.count, 0);
  sender.end(STOPPED);
});

Deno.test("what is sent while the socket is given a message goes out after it", () => {
  const { sender } = setUp();
  const socket = new FakeSocket(TCP, (data) => {
    if (data === "b") sender.trySend("c");
  });
  sender.attach(socket);
  sender.trySend("a");
  sender.trySend("b");
  assertEquals(socket.texts, ["a", "b", "c"]);
  sender.end(STOPPED);
});

Deno.test("flush sees an empty message leave a socket that reports its progress", async () => {
  const { sender, turns } = setUp();
  const socket = new FakeSocket(TCP);
  sender.attach(socket);
  sender.trySend("");
  const flushed = sender.flush();
  for (let i = 0; i < 3; i++) {
    socket.drainEmpty();
    turns.pass();
  }
  assertEquals(await outcome(flushed), true);
  assertEquals(turns.count, 0);
  sender.end(STOPPED);
});

Deno.test("an empty message leaves after a turn, however many are queued meanwhile", async () => {
  for (const count of [0, 1, 15, 16, 100]) {
    const { sender, turns } = setUp();
    sender.attach(new FakeSocket());
    sender.trySend("");
    const flushed = sender.flush();
    turns.pass();
    for (let i = 0; i < count; i++) sender.trySend("x");
    turns.pass();
    assertEquals(await outcome(flushed), true, `${count}`);
    sender.end(STOPPED);
  }
});

Deno.test("an empty message behind urgent bytes leaves a turn after them", async () => {
  const { sender, turns } = setUp();
  const socket = new FakeSocket();
  sender.attach(socket);
  sender.trySend("a");
  sender.sendUrgent("!");
  sender.trySend("");
  const flushed = sender.flush();
  socket.drain(1);
  turns.pass();
  socket.drain(1);
  turns.pass();
  assertEquals(await outcome(flushed), "pending");
  turns.pass();
  assertEquals(await outcome(flushed), true);
  sender.end(STOPPED);
});

Deno.test("a native socket that does not move is looked at less and less often", () => {
  using time = new FakeTime();
  const { sender, turns } = setUp();
  const socket = new FakeSocket();
  sender.attach(socket);
  sender.trySend("a");
  let looks = 0;
  while (turns.pass()) looks++;
  assertEquals(looks, 32);
  const before = socket.looks;
  time.tick(1 + 2 + 4 + 8 + 16 * 10);
  assertEquals(socket.looks - before, 14);
  socket.drain();
  time.tick(16);
  assertEquals(
    [turns.count, time.next()],
    [0, false],
    "nothing is left to see",
  );
  sender.trySend("b");
  assertEquals(turns.count, 1, "it moves again: once a turn");
  sender.end(STOPPED);
});

Deno.test("on a real event loop it goes on after a stall by itself", async () => {
  const { sender } = setUp({}, { turn: nextTurn });
  const socket = new FakeSocket();
  sender.attach(socket);
  for (let i = 0; i < 200; i++) sender.trySend("x".repeat(4096));
  assertEquals(socket.sent.length, 64);
  while (socket.looks < 40) await new Promise((go) => setTimeout(go, 1));
  socket.drain();
  while (socket.sent.length < 128) await new Promise((go) => setTimeout(go, 1));
  sender.end(STOPPED);
});

Deno.test("sendRate holds over any time of its length, and what is urgent counts", () => {
  using time = new FakeTime(0);
  const clock = { monotonic: () => time.now, wall: () => 0 };
  const sendRate = { messages: 2, interval: 100 };
  const { sender } = setUp({ sendRate }, { clock });
  const left: [string, number][] = [];
  const connect = () =>
    sender.attach(
      new FakeSocket(TCP, (data) => left.push([toText(data), time.now])),
    );
  connect();
  for (const text of ["a", "b", "c", "d", "e", "f"]) sender.trySend(text);
  time.tick(50);
  sender.detach({ flushed: true });
  connect();
  time.tick(60);
  sender.sendUrgent("!");
  time.tick(100);
  sender.countUnqueued();
  time.tick(1_000);
  assertEquals(left, [
    ["a", 0],
    ["b", 0],
    ["c", 100],
    ["d", 100],
    ["!", 110],
    ["e", 200],
    // Not at 200: "!" was one of two.
    ["f", 210],
  ]);
  sender.end(STOPPED);
});

Deno.test("a message for the connection that is being set up waits for it, and what comes later waits behind it", () => {
  const { sender } = setUp();
  const [oldTarget, newTarget] = [{}, {}];
  const old = new FakeSocket();
  sender.attach(old, oldTarget);
  sender.trySend("1");
  sender.trySend("2", undefined, newTarget);
  sender.trySend("3");
  assertEquals(old.texts, ["1"]);
  old.drain();
  sender.detach({ flushed: true });
  const next = new FakeSocket();
  sender.attach(next, newTarget);
  assertEquals(next.texts, ["2", "3"]);
  sender.end(STOPPED);
});

Deno.test("what was meant for a connection that has ended goes to the next one", () => {
  const { sender } = setUp();
  const target = {};
  sender.attach(new FakeSocket({ ...TCP, bytes: 1 }), target);
  sender.trySend("1", undefined, target);
  sender.trySend("2", undefined, target);
  assertEquals(sender.stats.queued, 1);
  sender.detach({ flushed: true });
  assertEquals(sentBy(sender), ["2"]);
  sender.end(STOPPED);
});

Deno.test("flush is true when all had left before the connection took the rest along", async () => {
  const { sender } = setUp({ redeliver: "none" });
  const socket = new FakeSocket();
  sender.attach(socket);
  sender.trySend("left");
  const flushed = outcome(sender.flush());
  sender.trySend("lost");
  socket.drain(1);
  sender.detach({ flushed: false });
  assertEquals([await flushed, sender.stats.lost], [true, 1]);
  sender.end(STOPPED);
});

Deno.test("when the disk takes nothing, a message and what it replaced on the way there are both refused", async () => {
  const { sender, turns, dropped } = await onDisk({
    write: () => {
      throw new Error("the disk is full");
    },
  });
  const old = outcome(sender.send("old", { key: "k" }));
  const tried = sender.trySend("tried", { key: "k" });
  const last = outcome(sender.send("last", { key: "k" }));
  turns.pass();
  assertEquals([await old, tried, await last], ["SPOOL", true, "SPOOL"]);
  assertEquals([dropped, sender.stats.queued], [["replaced tried"], 0]);
  sender.end(STOPPED);
});

Deno.test("messages that were replaced on the way to the disk are dropped in order, once the last one is there", async () => {
  const { sender, turns, dropped } = await onDisk({});
  const all = ["a", "b", "c"].map((text) => sender.send(text, { key: "k" }));
  assertEquals([await outcome(Promise.race(all)), dropped], ["pending", []]);
  turns.pass();
  await Promise.all(all);
  assertEquals(dropped, ["replaced a", "replaced b"]);
  assertEquals(sentBy(sender), ["c"]);
  sender.end(STOPPED);
});

Deno.test("flush waits for all before it, also when one of them is replaced on the disk", async () => {
  const { sender, turns } = await onDisk({});
  sender.send("old", { key: "k" });
  sender.send("b");
  turns.pass();
  const flushed = sender.flush();
  sender.send("new", { key: "k" });
  turns.pass();
  assertEquals(await outcome(flushed), "pending");
  const socket = new FakeSocket(TCP);
  sender.attach(socket);
  assertEquals(socket.texts, ["new", "b"]);
  socket.drain();
  sender.onProgress();
  assertEquals(await outcome(flushed), true);
  sender.end(STOPPED);
});

Deno.test("what cannot be erased is not sent at most once: it is tried again until it can be", async () => {
  using time = new FakeTime();
  let isBroken = true;
  const erased: number[] = [];
  const { sender, turns, errors } = await onDisk({
    write: (messages, rows) => {
      if (isBroken && messages.length === 0) throw new Error("disk I/O error");
      erased.push(...rows);
    },
  }, { redeliver: "none" });
  const socket = new FakeSocket(TCP);
  sender.attach(socket);
  sender.trySend("a");
  turns.pass();
  time.tick(5_000);
  turns.pass();
  assertEquals([socket.texts, sender.stats.queued], [[], 1]);
  assertEquals(errors.map(({ code, message }) => [code, message]), [
    ["SPOOL", "Cannot write the spool queue: disk I/O error"],
  ]);
  isBroken = false;
  time.tick(1_000);
  assertEquals([socket.texts, erased], [["a"], [1]]);
  sender.end(STOPPED);
});

Deno.test("a message whose replacement the disk does not take stays there", async () => {
  using time = new FakeTime();
  let isFull = false;
  const erased: number[] = [];
  const { sender, turns } = await onDisk({
    write: (messages, rows) => {
      if (isFull && messages.length > 0) throw new Error("the disk is full");
      erased.push(...rows);
    },
    erase: (rows) => erased.push(...rows),
  });
  sender.send("old", { key: "k" });
  turns.pass();
  isFull = true;
  const newer = outcome(sender.send("new", { key: "k" }));
  turns.pass();
  time.tick(1_000);
  assertEquals([await newer, sender.stats.queued, erased], ["SPOOL", 1, []]);
  assertEquals(sentBy(sender), ["old"]);
  sender.end(STOPPED);
});

Deno.test("a row that cannot be erased is reported once, and erased when the disk works again", async () => {
  using time = new FakeTime();
  let isBroken = true;
  const erased: number[] = [];
  const { sender, turns, errors } = await onDisk({
    erase: (rows) => {
      if (isBroken) throw new Error("disk I/O error");
      erased.push(...rows);
    },
  });
  sender.trySend("a");
  turns.pass();
  const socket = new FakeSocket(TCP);
  sender.attach(socket);
  socket.drain();
  sender.onProgress();
  time.tick(3_000);
  turns.pass();
  assertEquals(errors.length, 1);
  isBroken = false;
  time.tick(1_000);
  assertEquals(erased, [1]);
  sender.end(STOPPED);
});

Deno.test("nothing leaves before all that was in the spool is back", async () => {
  const messages = Array.from({ length: 100_000 }, (_, i) => (
    { row: i + 1, data: `${i}`, expires: Infinity, key: undefined }
  ));
  const { sender, turns } = setUp({ spool: "queue", sendQueueMaxSize: 1e6 }, {
    openSpool: () => Promise.resolve({ file: fakeFile({}), messages }),
  });
  const socket = new FakeSocket({ ...TCP, bytes: 1e9 });
  sender.attach(socket);
  const opening = sender.open();
  while (sender.stats.queued === 0) {
    await new Promise<void>((resolve) => nextTurn(resolve));
  }
  sender.trySend("later");
  assertEquals(socket.sent.length, 0);
  await opening;
  assertEquals(socket.sent.length, 100_000);
  turns.pass();
  assertEquals(socket.texts.at(-1), "later");
  sender.end(STOPPED);
});

Deno.test("a spool that cannot be closed is reported, and rejects nothing", async () => {
  const { sender, errors, turns } = await onDisk({
    close() {
      throw new Error("no disk");
    },
  });
  sender.end(STOPPED);
  await sender.closed;
  turns.pass();
  assertEquals(errors.map(({ code, message }) => [code, message]), [
    ["SPOOL", "Cannot write the spool queue: no disk"],
  ]);
});

Deno.test("of messages with one id an acknowledgement is for the one that is first in the queue", () => {
  const { sender } = setUp({
    redeliver: { id: () => 1, acknowledged: () => 1 },
  });
  sender.trySend("a", { key: "k" });
  sender.trySend("b");
  sender.trySend("c", { key: "k" });
  sender.acknowledge("");
  assertEquals(sentBy(sender), ["b"]);
  sender.end(STOPPED);
});

Deno.test("when the connection that is being set up fails, its messages go to whatever comes", () => {
  const { sender } = setUp();
  const target = {};
  const socket = new FakeSocket();
  sender.attach(socket);
  sender.trySend("1", undefined, target);
  assertEquals(socket.texts, []);
  sender.release(target);
  assertEquals(socket.texts, ["1"]);
  sender.end(STOPPED);
});

Deno.test("after a close with 1009 the largest message in flight is dropped, the others are sent again", async () => {
  const modes = ["unflushed", "none", {
    id: String,
    acknowledged: String,
  }] as const;
  for (const redeliver of modes) {
    const { sender, dropped } = setUp({ redeliver });
    const socket = new FakeSocket(TCP);
    sender.attach(socket);
    for (const text of ["a", "too large", "b"]) sender.trySend(text);
    const flushed = outcome(sender.flush());
    sender.detach({ flushed: false, tooLarge: true });
    assertEquals(dropped, ["too-large too large"]);
    const next = new FakeSocket(TCP);
    sender.attach(next);
    const again = redeliver === "none" ? [] : ["a", "b"];
    assertEquals([next.texts, sender.stats.lost], [
      again,
      redeliver === "none" ? 2 : 0,
    ]);
    next.drain();
    sender.onProgress();
    if (redeliver !== "none") {
      for (const text of again) sender.acknowledge(text);
    }
    assertEquals(await flushed, false);
    sender.end(STOPPED);
  }
});

Deno.test("a close with 1009 for a message that has left the socket drops no other", () => {
  const { sender, dropped } = setUp();
  const socket = new FakeSocket(TCP);
  sender.attach(socket);
  for (const text of ["too large", "a"]) sender.trySend(text);
  socket.drain(1);
  sender.detach({ flushed: false, tooLarge: true });
  assertEquals([dropped, sender.stats.queued], [[], 1]);
  sender.end(STOPPED);
});

Deno.test("what ends with the client is reported, and nothing more is accepted", async () => {
  const late: Promise<unknown>[] = [];
  const reported: string[] = [];
  const { sender } = setUp({ sendQueueMaxSize: 3 }, {
    onDrop: (data, reason) => {
      reported.push(`${reason} ${data}`);
      late.push(outcome(sender.send("late")));
      sender.end(STOPPED);
    },
  });
  sender.attach(new FakeSocket());
  sender.trySend("in flight");
  sender.detach({ flushed: false });
  sender.trySend("queued");
  sender.trySend("keyed", { key: "k", ttl: 1_000 });
  const waiting = outcome(sender.send("waits"));
  assertEquals(sender.end(STOPPED), { unsent: 3, unsentBytes: 20 });
  assertEquals(reported, ["ended in flight", "ended queued", "ended keyed"]);
  assertEquals(await waiting, "STOPPED");
  assertEquals(await Promise.all(late), ["STOPPED", "STOPPED", "STOPPED"]);
  assertEquals([sender.stats.queued, sender.stats.dropped], [0, 3]);
});

Deno.test("a sender that ends the client inside onDrop is told the rest before end returns", () => {
  const reported: string[] = [];
  const { sender } = setUp({ sendQueueMaxSize: 2, overflow: "drop-oldest" }, {
    onDrop: (data, reason) => {
      reported.push(`${reason} ${data}`);
      if (reason !== "overflow") return;
      sender.end(STOPPED);
      reported.push("end returned");
    },
  });
  for (const text of ["a", "b", "c"]) sender.trySend(text);
  assertEquals(reported, [
    "overflow a",
    "ended b",
    "ended c",
    "end returned",
  ]);
});

Deno.test("thousands of messages that expire one after the other do so in order, whatever leaves in between", () => {
  console.log(`MODEL_SEED=${seed}`);
  const ttls = fc.array(fc.integer({ min: 1, max: 400 }), {
    minLength: 50,
    maxLength: 300,
    size: "max",
  });
  fc.assert(
    fc.property(ttls, fc.nat(6), (all, aborted) => {
      using time = new FakeTime(0);
      const expired: [number, number][] = [];
      const clock = { monotonic: () => time.now, wall: () => 0 };
      const { sender } = setUp({}, {
        clock,
        onDrop: (data, reason) => {
          if (reason === "expired") expired.push([Number(data), time.now]);
        },
      });
      const controller = new AbortController();
      all.forEach((ttl, i) => {
        const signal = i % 7 < aborted ? controller.signal : undefined;
        sender.trySend(`${ttl}`, { ttl, signal });
      });
      controller.abort();
      time.tick(1_000);
      assertEquals(
        expired.map(([, at]) => at),
        all.filter((_, i) => i % 7 >= aborted).sort((a, b) => a - b),
      );
      for (const [ttl, at] of expired) assertEquals(at, ttl);
      assertEquals([sender.stats.queued, time.next()], [0, false]);
      sender.end(STOPPED);
    }),
    { seed, numRuns: 30 },
  );
});

Deno.test("a long queue keeps its order, whatever leaves it from the middle", () => {
  const { sender } = setUp({ sendQueueMaxSize: 100_000 });
  const controller = new AbortController();
  const expected: string[] = [];
  for (let i = 0; i < 30_000; i++) {
    if (i % 3 === 0) sender.trySend(`${i}`, { signal: controller.signal });
    else {
      sender.trySend(`${i}`);
      expected.push(`${i}`);
    }
    if (i === 20_000) controller.abort();
  }
  const socket = new FakeSocket({ ...TCP, bytes: 1e9 });
  sender.attach(socket);
  assertEquals(socket.texts.length, expected.length);
  assertEquals(socket.texts.join() === expected.join(), true);
  socket.drain();
  sender.onProgress();
  assertEquals(sender.stats.queued, 0);
  sender.end(STOPPED);
});

Deno.test("a newer message does not overtake one with its key that still waits", () => {
  const { sender } = setUp({ sendQueueMaxBytes: 10 });
  const { signal, abort } = aborting();
  sender.trySend("1", { key: "k" });
  sender.trySend("2".repeat(9));
  sender.send("3".repeat(10), { key: "k", signal }).catch(() => {});
  sender.send("4".repeat(10), { key: "k" });
  abort();
  assertEquals(sender.trySend("5", { key: "k" }), false);
  assertEquals(sentBy(sender), ["1", "2".repeat(9), "4".repeat(10)]);
  sender.end(STOPPED);
});

Deno.test("what takes up no more room than what it replaces is accepted, also while returned messages exceed the bounds", () => {
  const { sender } = setUp({ sendQueueMaxBytes: 100 });
  sender.attach(new FakeSocket({ ...TCP, bytes: 60 }));
  sender.trySend("x".repeat(70));
  sender.trySend("y".repeat(70), { key: "k" });
  sender.detach({ flushed: false });
  assertEquals(sender.stats.queuedBytes, 140);
  assertEquals(sender.trySend("z".repeat(71), { key: "k" }), false);
  assertEquals(sender.trySend("z".repeat(70), { key: "k" }), true);
  assertEquals(sender.trySend("z", { key: "k" }), true);
  sender.end(STOPPED);
});

Deno.test("urgent bytes in the socket keep their place when the queue grows", () => {
  const { sender } = setUp();
  const socket = new FakeSocket({ ...TCP, bytes: 100 });
  sender.attach(socket);
  for (let i = 0; i < 5; i++) sender.trySend("x".repeat(10));
  socket.drain();
  sender.onProgress();
  sender.trySend("y".repeat(60));
  sender.sendUrgent("!".repeat(50));
  for (let i = 0; i < 40; i++) sender.trySend(`${i % 10}`);
  socket.drain();
  sender.onProgress();
  const given = socket.sent.length;
  assertEquals(given, 5 + 2 + 40);
  // None of the last ones has left.
  sender.detach({ flushed: false });
  assertEquals(sender.stats.queued, 40);
  sender.end(STOPPED);
});

Deno.test("the error of an acknowledgement or an id goes to onError, and ends nothing", async () => {
  const { sender, errors } = setUp({
    redeliver: {
      id: (data) => {
        if (data === "bad") throw new Error("no id");
        return toText(data);
      },
      acknowledged: (data) => {
        if (data === "bad") throw new Error("no list");
        return toText(data).split(",");
      },
    },
  });
  assertEquals(await outcome(sender.send("bad")), "CALLBACK");
  assertEquals(sender.trySend("bad"), false);
  sender.trySend("a");
  sender.attach(new FakeSocket());
  sender.acknowledge("bad");
  assertEquals(sender.stats.unacknowledged, 1);
  sender.acknowledge("x,a,a");
  assertEquals(sender.stats.unacknowledged, 0);
  assertEquals(errors.map(({ code }) => code), [
    "CALLBACK",
    "CALLBACK",
    "CALLBACK",
  ]);
  sender.end(STOPPED);
});

Deno.test("the error of an id of the wrong kind does not show it, as it may be the message", async () => {
  const parsed = ['{"password":"hunter2"}', '["hunter2"]', "null"]
    .map((json) => () => JSON.parse(json));
  for (const id of [...parsed, () => NaN]) {
    const { sender, errors } = setUp({
      redeliver: { id, acknowledged: String },
    });
    assertEquals(await outcome(sender.send("a")), "CALLBACK");
    const [error] = errors;
    assertEquals(Deno.inspect(error).includes("hunter2"), false);
    assertMatch(
      error?.message ?? "",
      /redeliver\.id\(\)' as it must be a string or a finite number: current value is /,
    );
    sender.end(STOPPED);
  }
});

Deno.test("a message without options takes no memory of its own", async () => {
  const script = new URL("./send_allocation.ts", import.meta.url);
  const printed = await runMemoryScript(script);
  const [perMessage = NaN, perSender = NaN] = printed
    .split(" ").map(Number);
  assert(perMessage < 16, `${perMessage} bytes a message`);
  assert(perSender < 400, `${perSender} bytes an idle sender`);
});

Deno.test("what was refused because it would wait for itself does not enter the queue", async () => {
  const refusal = new WSError("in the hook", {
    code: "QUEUE_FULL",
    severity: "transient",
  });
  const { sender } = setUp({ sendQueueMaxSize: 1 }, {
    refuseToWait: () => refusal,
  });
  await sender.send("a");
  assertEquals(await outcome(sender.send("b", { key: "k" })), "QUEUE_FULL");
  assertEquals(await outcome(sender.flush()), "QUEUE_FULL");
  assertEquals(sentBy(sender), ["a"]);
  sender.end(STOPPED);
});

/** A sender with a spool on this disk, which otherwise does nothing. */
async function onDisk(
  own: Partial<SpoolFile>,
  config: Partial<SendConfig> = {},
): Promise<ReturnType<typeof setUp>> {
  const file = fakeFile(own);
  const made = setUp({ spool: "queue", ...config }, {
    openSpool: () => Promise.resolve({ file, messages: [] }),
  });
  await made.sender.open();
  return made;
}

function fakeFile(own: Partial<SpoolFile>): SpoolFile {
  return {
    write: () => {},
    erase: () => {},
    clear: () => {},
    shrink: () => false,
    close: () => {},
    ...own,
  };
}

function aborting(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}

function sentBy(sender: Sender): string[] {
  const socket = new FakeSocket({ ...TCP, bytes: 1e9 });
  sender.attach(socket);
  return socket.texts;
}
