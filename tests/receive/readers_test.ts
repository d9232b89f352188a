import {
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { FakeTime } from "@std/testing/time";
import type { Gap } from "../../src/callbacks.ts";
import type { ReceiveOverflow } from "../../src/config.ts";
import { WSError } from "../../src/errors.ts";
import type { ReadOptions } from "../../src/method_options.ts";
import type { Message } from "../../src/message.ts";
import { Readers } from "../../src/receive/readers.ts";

const NEVER = new AbortController().signal;
const CONFIG = {
  transport: "native",
  receiveBufferMaxSize: 100,
  receiveBufferMaxBytes: 1000,
  receiveOverflow: "disconnect",
  redeliver: "unflushed",
  pingTimeout: 1_000,
} as const;

const BROKEN = new WSError("broken", { code: "CLOSED", severity: "fatal" });

Deno.test("a reader gets messages from its creation on, before its first next()", async () => {
  const { readers } = setUp();
  deliver(readers, "early");
  const reader = readers.add();
  deliver(readers, "a");
  readers.end();
  assertEquals(await Array.fromAsync(reader), ["a"]);
});

Deno.test("readers of different speed each get everything", async () => {
  const { readers } = setUp();
  const [fast, slow] = [readers.add(), readers.add()];
  const seen: string[] = [];
  for (const message of ["a", "b", "c"]) {
    deliver(readers, message);
    seen.push(String((await fast.next()).value));
  }
  readers.end();
  assertEquals(seen, ["a", "b", "c"]);
  assertEquals(await Array.fromAsync(slow), ["a", "b", "c"]);
});

Deno.test("a reader that ends during a delivery does not disturb others", async () => {
  const { readers } = setUp();
  const first = readers.add({
    overflow: {
      conflate: () => {
        first.return?.();
        return "key";
      },
    },
  });
  const second = readers.add();
  deliver(readers, "a");
  assertEquals(readers.current.length, 1);
  assertEquals((await second.next()).value, "a");
  assertEquals((await first.next()).done, true);
});

Deno.test("the end reaches all readers, also those made later", async () => {
  const { readers } = setUp();
  const before = readers.add();
  deliver(readers, "a");
  readers.end(BROKEN);
  readers.end();
  deliver(readers, "late");
  assertEquals(readers.current.length, 0);
  assertEquals((await before.next()).value, "a");
  assertEquals(await assertRejects(() => before.next(), WSError), BROKEN);
  const after = readers.add();
  assertEquals(await assertRejects(() => after.next(), WSError), BROKEN);
});

Deno.test("a signal ends its reader at once, and loses its listener when the reader ends", async () => {
  const { readers } = setUp();
  const controller = new AbortController();
  const reader = readers.add({ signal: controller.signal });
  deliver(readers, "a");
  controller.abort();
  assertEquals((await reader.next()).done, true);
  assertEquals(readers.current.length, 0);

  const late = readers.add({ signal: controller.signal });
  assertEquals((await late.next()).done, true);
  assertEquals(readers.current.length, 0);

  const counted = countListeners(new AbortController().signal);
  const ended = readers.add({ signal: counted.signal });
  assertEquals(counted.listeners, 1);
  await ended.return?.();
  assertEquals(counted.listeners, 0);
});

Deno.test("bounds and policy come from the client unless given", async () => {
  const { readers, reported } = setUp({ maxSize: 1, overflow: "drop-newest" });
  const plain = readers.add();
  const own = readers.add({ bufferMaxSize: 2, overflow: "drop-oldest" });
  const bytes = readers.add({ bufferMaxSize: 9, bufferMaxBytes: 2 });
  for (const message of ["a", "b", "c"]) deliver(readers, message);
  readers.end();
  assertEquals(await Array.fromAsync(plain), ["a"]);
  assertEquals(await Array.fromAsync(own), ["b", "c"]);
  assertEquals(await Array.fromAsync(bytes), ["a", "b"]);
  assertEquals(reported.gaps.map(({ count }) => count).sort(), [1, 1, 2]);
});

const REFUSED: readonly (readonly [unknown, string, ErrorConstructor])[] = [
  [
    { bufferMaxSize: 0 },
    "Cannot use 'bufferMaxSize' as it must be a whole number from 1: current value is 0",
    RangeError,
  ],
  [{ bufferMaxSize: NaN }, "current value is NaN", RangeError],
  [{ bufferMaxBytes: 1.5 }, "Cannot use 'bufferMaxBytes'", RangeError],
  [{ bufferMaxBytes: "1" }, "Cannot use 'bufferMaxBytes'", TypeError],
  [{ overflow: "block" }, "Cannot use 'overflow'", TypeError],
  [{ overflow: { conflate: 1 } }, "Cannot use 'overflow.conflate'", TypeError],
  [{ signal: {} }, "Cannot use 'signal'", TypeError],
  [{ max: 1 }, "Cannot use 'max' in messages()", TypeError],
  [1, "Cannot use 'messages()'", TypeError],
];

Deno.test("wrong options throw with key, rule and value", () => {
  const { readers } = setUp();
  for (const [options, text, kind] of REFUSED) {
    // The types forbid these; programs without types write them.
    assertThrows(() => readers.add(options as ReadOptions), kind, text);
  }
  assertEquals(readers.current.length, 0);
  readers.add({ signal: undefined, overflow: undefined });
  assertEquals(readers.current.length, 1);
});

Deno.test("a reader made in onMessage starts with the next message", async () => {
  const { readers } = setUp();
  const { current } = readers;
  const reader = readers.add(); // as in onMessage
  readers.deliver("current", current);
  deliver(readers, "next");
  readers.end();
  assertEquals(await Array.fromAsync(reader), ["next"]);
});

Deno.test("readable is always the same, and keeps nothing before its first read", async () => {
  const { readers } = setUp();
  const { readable } = readers;
  assertStrictEquals(readers.readable, readable);
  const reader = readable.getReader();
  deliver(readers, "early");
  assertEquals(readers.current.length, 0);
  const first = reader.read();
  await Promise.resolve(); // a stream takes a moment to start
  deliver(readers, "a");
  deliver(readers, "b");
  assertEquals((await first).value, "a");
  assertEquals((await reader.read()).value, "b");
});

Deno.test("a readable that was never read ends with the client", async () => {
  for (const touch of ["before", "after"] as const) {
    const { readers } = setUp();
    if (touch === "before") readers.readable;
    readers.end(BROKEN);
    const reader = readers.readable.getReader();
    assertStrictEquals(await assertRejects(() => reader.closed), BROKEN);
    const stopped = setUp().readers;
    stopped.end();
    await stopped.readable.getReader().closed;
  }
});

// Gaps ---------------------------------------------------------------------------

Deno.test("dropped messages are a gap with times, cause and count", async () => {
  const { readers, reported } = setUp({ maxSize: 2, overflow: "drop-oldest" });
  const reader = readers.add();
  for (let i = 0; i < 5; i++) {
    reported.now = i;
    deliver(readers, `${i}`);
  }
  reported.now = 9;
  await reader.next();
  const [gap] = reported.gaps;
  const { cause, ...facts } = gap ?? {};
  assertEquals(facts, { from: 2, to: 9, attempts: 0, count: 3 });
  assertInstanceOf(cause, WSError);
  assertEquals([cause.code, cause.severity], ["SLOW_CONSUMER", "transient"]);
});

Deno.test("the default clock is the time of day", async () => {
  const gaps: Gap[] = [];
  const config = { ...CONFIG, receiveBufferMaxSize: 1 };
  const readers = new Readers({ ...config, receiveOverflow: "drop-oldest" }, {
    awaitsAcknowledgements: false,
    loop: { failCurrent: () => {}, setReadingPaused: () => {} },
    notifier: { gap: (gap) => gaps.push(gap), error: () => {} },
  });
  const before = Date.now();
  const reader = readers.add();
  deliver(readers, "a");
  deliver(readers, "b");
  await reader.next();
  const [gap] = gaps;
  assertEquals(gap !== undefined && gap.from >= before, true);
  assertEquals(gap !== undefined && gap.to <= Date.now(), true);
});

Deno.test("an exception in conflate is reported", () => {
  const { readers, reported } = setUp();
  readers.add({
    overflow: {
      conflate: () => {
        throw new Error("no key");
      },
    },
  });
  deliver(readers, "a");
  assertEquals(reported.errors.map(({ code }) => code), ["CALLBACK"]);
});

// Slow readers ---------------------------------------------------------------------

Deno.test("a slow reader is reported each time, and drained() waits until half is read", async () => {
  const { readers, reported } = setUp({ maxSize: 4 });
  const reader = readers.add();
  for (let i = 0; i < 6; i++) deliver(readers, `${i}`);
  assertEquals(reported.slow.map(({ code }) => code), [
    "SLOW_CONSUMER",
    "SLOW_CONSUMER",
  ]);
  const drained = settled(readers.drained(NEVER));
  await reader.next();
  assertEquals(await drained.now(), false);
  await reader.next();
  await drained.promise;
});

Deno.test("drained() waits for all slow readers, until they are read or end", async () => {
  const { readers } = setUp({ maxSize: 1 });
  const [first, second] = [readers.add(), readers.add()];
  deliver(readers, "a");
  deliver(readers, "b");
  const drained = settled(readers.drained(NEVER));
  await first.return?.();
  assertEquals(await drained.now(), false);
  await second.next();
  await drained.promise;
  await readers.drained(NEVER);
});

Deno.test("the wait for slow readers ends with its signal", async () => {
  const { readers } = setUp({ maxSize: 1 });
  readers.add();
  deliver(readers, "a");
  deliver(readers, "b");
  const controller = new AbortController();
  const waiting = readers.drained(controller.signal);
  const reason = new Error("stopped");
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => waiting), reason);
  await assertRejects(() => readers.drained(controller.signal));
});

Deno.test("the end ends the wait for slow readers", async () => {
  const { readers } = setUp({ maxSize: 1 });
  readers.add();
  deliver(readers, "a");
  deliver(readers, "b");
  const waiting = readers.drained(NEVER);
  readers.end();
  await waiting;
});

Deno.test("takeDropped() returns what a slow reader missed, once", () => {
  const { readers, reported } = setUp({ maxSize: 1 });
  assertEquals(readers.takeDropped(), undefined);
  readers.add();
  reported.now = 10;
  for (const message of ["a", "b", "c"]) deliver(readers, message);
  reported.now = 30;
  assertEquals(readers.takeDropped(), { from: 10, to: 30, count: 2 });
  assertEquals(readers.takeDropped(), undefined);
  readers.end();
  assertEquals(reported.gaps, []);
});

Deno.test("what a slow reader missed is a gap of its own when the client ends first", () => {
  const { readers, reported } = setUp({ maxSize: 1 });
  readers.add();
  reported.now = 10;
  deliver(readers, "a");
  deliver(readers, "b");
  reported.now = 30;
  readers.end();
  const [gap] = reported.gaps;
  assertEquals([gap?.from, gap?.to, gap?.attempts, gap?.count], [10, 30, 0, 1]);
  assertEquals(reported.gaps.length, 1);
});

Deno.test("the error says which reader is slow, and that it was never read", async () => {
  const { readers, reported } = setUp({ maxSize: 1 });
  readers.add();
  const second = readers.add();
  const reading = second.next();
  for (const message of "abc") deliver(readers, message);
  await reading;
  const advice = ". It was never read: read it, or end it with return()";
  const text = "messages()) is too slow: its buffer of at most 1 messages " +
    "and 1000 bytes is full";
  assertEquals(reported.slow.map(({ message }) => message), [
    `Reader 1 (${text}${advice}`,
    `Reader 1 (${text}${advice}`,
    `Reader 2 (${text}`,
  ]);
  const { readers: others, reported: reportedOthers } = setUp({ maxSize: 1 });
  await others.readable.cancel();
  assertEquals(reportedOthers.slow, []);
});

// Pausing --------------------------------------------------------------------------

Deno.test("reading resumes when the slowest reader has drained to half", async () => {
  const { readers, reported } = setUp({ maxSize: 2, overflow: "pause" });
  const [first, second] = [readers.add(), readers.add()];
  for (const message of "ab") deliver(readers, message);
  assertEquals([reported.pauses, reported.resumes, readers.isPaused], [
    2,
    0,
    true,
  ]);
  await first.next();
  assertEquals([reported.resumes, readers.isPaused], [0, true]);
  await second.next();
  assertEquals([reported.resumes, readers.isPaused], [1, false]);
  assertEquals([reported.slow, reported.gaps], [[], []]);
});

Deno.test("reading resumes when a full reader ends", async () => {
  for (const end of ["return", "signal", "client"] as const) {
    const { readers, reported } = setUp({ maxSize: 1, overflow: "pause" });
    const controller = new AbortController();
    const reader = readers.add({ signal: controller.signal });
    deliver(readers, "a");
    if (end === "return") await reader.return?.();
    if (end === "signal") controller.abort();
    if (end === "client") readers.end();
    assertEquals([reported.pauses, reported.resumes], [1, 1], end);
  }
});

Deno.test("drained() does not wait for a paused reader", async () => {
  const { readers } = setUp({ maxSize: 1, overflow: "pause" });
  readers.add();
  deliver(readers, "a");
  await readers.drained(NEVER);
});

Deno.test("a pause without progress is reported once if acknowledgements are awaited", async () => {
  using time = new FakeTime();
  const { readers, reported } = setUp({
    maxSize: 4,
    overflow: "pause",
    awaitsAcknowledgements: true,
  });
  const reader = readers.add();
  const codes = () => reported.errors.map(({ code }) => code);
  for (const message of ["a", "b", "c", "d"]) deliver(readers, message);
  time.tick(999);
  await reader.next();
  time.tick(1_000);
  assertEquals(codes(), []);
  time.tick(10_000);
  assertEquals(codes(), ["SLOW_CONSUMER"]);
  await reader.next();
  assertEquals(reported.resumes, 1);
  deliver(readers, "e");
  deliver(readers, "f");
  time.tick(1_000);
  assertEquals(codes(), ["SLOW_CONSUMER", "SLOW_CONSUMER"]);
  readers.end();
});

for (
  const [what, options] of [
    ["nothing waits for acknowledgements", { overflow: "pause" }],
    ["readers do not pause", {
      overflow: "disconnect",
      awaitsAcknowledgements: true,
    }],
  ] as const
) {
  Deno.test(`a pause is not reported while ${what}`, () => {
    using time = new FakeTime();
    const { readers, reported } = setUp({ maxSize: 1, ...options });
    readers.add();
    deliver(readers, "a");
    time.tick(10_000);
    assertEquals(reported.errors, []);
    readers.end();
  });
}

// Support ----------------------------------------------------------------------------

interface Reported {
  now: number;
  pauses: number;
  resumes: number;
  readonly slow: WSError[];
  readonly gaps: Gap[];
  readonly errors: WSError[];
}

interface Options {
  maxSize?: number;
  maxBytes?: number;
  overflow?: ReceiveOverflow;
  awaitsAcknowledgements?: boolean;
}

function setUp(
  options: Options = {},
): { readers: Readers; reported: Reported } {
  const { maxSize = 100, maxBytes = 1000, overflow = "disconnect" } = options;
  const { awaitsAcknowledgements = false } = options;
  const reported: Reported = {
    now: 0,
    pauses: 0,
    resumes: 0,
    slow: [],
    gaps: [],
    errors: [],
  };
  const readers = new Readers({
    transport: "tcp",
    receiveBufferMaxSize: maxSize,
    receiveBufferMaxBytes: maxBytes,
    receiveOverflow: overflow,
    redeliver: awaitsAcknowledgements
      ? { id: String, acknowledged: () => undefined }
      : "unflushed",
    pingTimeout: 1_000,
  }, {
    awaitsAcknowledgements,
    loop: {
      failCurrent: (error) => reported.slow.push(error),
      setReadingPaused(isPaused) {
        if (isPaused) reported.pauses++;
        else reported.resumes++;
      },
    },
    notifier: {
      gap: (gap) => reported.gaps.push(gap),
      error: (error) => reported.errors.push(error),
    },
    now: () => reported.now,
  });
  return { readers, reported };
}

function deliver(readers: Readers, message: Message): void {
  readers.deliver(message, readers.current);
}

/** A promise, and whether it is settled once everything due now has run. */
function settled(promise: Promise<unknown>) {
  let isSettled = false;
  promise.then(() => isSettled = true);
  return {
    promise,
    async now(): Promise<boolean> {
      await new Promise((resolve) => setTimeout(resolve));
      return isSettled;
    },
  };
}

/** Counts who listens to a signal. */
function countListeners(signal: AbortSignal) {
  const counted = { signal, listeners: 0 };
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = function (
    ...args: Parameters<AbortSignal["addEventListener"]>
  ) {
    counted.listeners++;
    addEventListener.apply(signal, args);
  };
  signal.removeEventListener = function (
    ...args: Parameters<AbortSignal["removeEventListener"]>
  ) {
    counted.listeners--;
    removeEventListener.apply(signal, args);
  };
  return counted;
}
