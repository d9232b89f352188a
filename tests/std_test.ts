import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { abortable } from "@std/async/abortable";
import { delay } from "@std/async/delay";
import { retry, RetryError } from "@std/async/retry";
import { parseArgs } from "@std/cli/parse-args";
import { unicodeWidth } from "@std/cli/unicode-width";
import { FakeTime, TimeError } from "@std/testing/time";

/** Fails to compile unless the two types are the same. */
function assertType<Actual, Expected>(
  _: [Actual, Expected] extends [Expected, Actual] ? true : false,
): void {}

Deno.test("delay resolves when fake time has passed", async () => {
  using time = new FakeTime();
  let done = false;
  const waiting = delay(5_000).then(() => done = true);
  await time.tickAsync(4_999);
  await time.runMicrotasks();
  assertEquals(done, false);
  await time.tickAsync(1);
  await waiting;
  assertEquals(done, true);
});

Deno.test("delay splits what a timer cannot hold", async () => {
  using time = new FakeTime();
  const month = 30 * 24 * 3_600_000;
  let done = false;
  const waiting = delay(month).then(() => done = true);
  await time.tickAsync(month - 1);
  await time.runMicrotasks();
  assertEquals(done, false);
  await time.tickAsync(1);
  await waiting;
});

Deno.test("delay rejects with the reason of its signal", async () => {
  const stop = new AbortController();
  const waiting = delay(60_000, { signal: stop.signal });
  const reason = new Error("stopped");
  stop.abort(reason);
  assertStrictEquals(await assertRejects(() => waiting), reason);
});

Deno.test("abortable lets go of a promise that never settles", async () => {
  const stop = new AbortController();
  const waiting = abortable(new Promise<never>(() => {}), stop.signal);
  stop.abort(new Error("stopped"));
  await assertRejects(() => waiting, Error, "stopped");
});

Deno.test("retry tries as often as it may, then reports the cause", async () => {
  let attempts = 0;
  const error = await assertRejects(
    () =>
      retry(() => {
        attempts++;
        throw new Error("refused");
      }, { maxAttempts: 3, minTimeout: 0 }),
    RetryError,
  );
  assertEquals(attempts, 3);
  assert(error.cause instanceof Error);
  assertEquals(error.cause.message, "refused");
});

Deno.test("retry waits longer and longer", async () => {
  using time = new FakeTime(0);
  const attempts: number[] = [];
  const result = retry(() => {
    attempts.push(time.now);
    if (attempts.length < 4) throw new Error("refused");
    return "connected";
  }, { jitter: 0, minTimeout: 100, maxTimeout: 300 });
  while (attempts.length < 4) await time.nextAsync();
  assertEquals(await result, "connected");
  assertEquals(attempts, [0, 100, 300, 600]);
});

Deno.test("retry throws at once what is not retriable", async () => {
  let attempts = 0;
  await assertRejects(
    () =>
      retry(() => {
        attempts++;
        throw new TypeError("fatal");
      }, { isRetriable: (error) => !(error instanceof TypeError) }),
    TypeError,
    "fatal",
  );
  assertEquals(attempts, 1);
});

Deno.test("retry stops waiting when its signal aborts", async () => {
  const stop = new AbortController();
  const reason = new Error("stopped");
  const result = retry(() => {
    queueMicrotask(() => stop.abort(reason));
    throw new Error("refused");
  }, { minTimeout: 60_000, jitter: 0, signal: stop.signal });
  assertStrictEquals(await assertRejects(() => result), reason);
});

Deno.test("retry wants a whole number of attempts", async () => {
  await assertRejects(
    () => retry(() => {}, { maxAttempts: Infinity }),
    RangeError,
    "maxAttempts",
  );
});

Deno.test("parseArgs tells options, aliases and arguments apart", () => {
  const args = parseArgs(
    ["-H", "a: 1", "--header=b: 2", "--no-reconnect", "wss://h", "--", "-x"],
    {
      boolean: ["reconnect", "json"],
      string: ["header", "ca"],
      collect: ["header"],
      negatable: ["reconnect"],
      default: { reconnect: true },
      alias: { header: "H" },
      "--": true,
    },
  );
  assertEquals<unknown>(args, {
    _: ["wss://h"],
    "--": ["-x"],
    header: ["a: 1", "b: 2"],
    H: ["a: 1", "b: 2"],
    reconnect: false,
    json: false,
  });
  assertType<typeof args.header, string[]>(true);
  assertType<typeof args.H, string[]>(true);
  assertType<typeof args.ca, string | undefined>(true);
  assertType<typeof args.json, boolean>(true);
  assertType<typeof args["--"], string[]>(true);
  assertType<typeof args._, (string | number)[]>(true);
  assertType<typeof args.other, unknown>(true);
});

Deno.test("parseArgs hands over what it does not know", () => {
  const unknown: string[] = [];
  const args = parseArgs(["--bogus", "--json", "wss://h"], {
    boolean: ["json"],
    unknown: (arg, key) => {
      if (key === undefined) return true;
      unknown.push(arg);
      return false;
    },
  });
  assertEquals(unknown, ["--bogus"]);
  assertEquals<unknown>(args, { _: ["wss://h"], json: true });
});

Deno.test("unicodeWidth counts columns, not characters", () => {
  assertEquals(unicodeWidth("hello"), 5);
  assertEquals(unicodeWidth("天地"), 4);
  assertEquals(unicodeWidth("e\u0301\u200b\u0007"), 1);
  assertEquals(unicodeWidth("🦕"), 2);
});

Deno.test("FakeTime runs what is due, in order, and no more", () => {
  using time = new FakeTime(1_000);
  const ran: string[] = [];
  setTimeout(() => ran.push("b"), 20);
  setTimeout(() => ran.push("a"), 10);
  const interval = setInterval(() => ran.push("i"), 15);
  time.tick(20);
  assertEquals(ran, ["a", "i", "b"]);
  clearInterval(interval);
  time.tick(1_000);
  assertEquals(ran, ["a", "i", "b"]);
  assertEquals([time.start, time.now, Date.now()], [1_000, 2_020, 2_020]);
});

Deno.test("FakeTime gives numbers for its timers, as Deno does", () => {
  using _time = new FakeTime();
  const timer = setTimeout(() => {}, 10);
  const interval = setInterval(() => {}, 10);
  assertEquals([typeof timer, typeof interval], ["number", "number"]);
  Deno.unrefTimer(timer);
});

Deno.test("FakeTime goes from timer to timer", () => {
  using time = new FakeTime(0);
  const ran: number[] = [];
  setTimeout(() => ran.push(1), 10);
  setTimeout(() => {
    ran.push(2);
    setTimeout(() => ran.push(3), 5);
  }, 10);
  assertEquals(time.next(), true);
  assertEquals([ran, time.now], [[1, 2], 10]);
  time.runAll();
  assertEquals([ran, time.now], [[1, 2, 3], 15]);
  assertEquals(time.next(), false);
});

Deno.test("FakeTime.restoreFor lends real time", async () => {
  const { setTimeout: realSetTimeout } = globalThis;
  using time = new FakeTime(0);
  assert(globalThis.setTimeout !== realSetTimeout);
  await FakeTime.restoreFor(() =>
    assertStrictEquals(globalThis.setTimeout, realSetTimeout)
  );
  assert(globalThis.setTimeout !== realSetTimeout);
  time.restore();
  assertStrictEquals(globalThis.setTimeout, realSetTimeout);
  // `using` restores once more at the end, so fake it again.
  new FakeTime();
});

Deno.test("FakeTime cannot be nested, turned back or restored twice", () => {
  const time = new FakeTime(0);
  assertThrows(() => new FakeTime(), TimeError);
  assertThrows(() => time.now = -1, RangeError);
  time.restore();
  assertThrows(() => time.restore(), TimeError);
  assertThrows(() => new FakeTime("no date"), TypeError);
});
