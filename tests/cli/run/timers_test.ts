import { assertEquals } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { after, every } from "../../../src/cli/run/timers.ts";

const DAY = 86_400_000;

/** Time passes, and what follows from it happens. */
async function pass(time: FakeTime, ms: number): Promise<void> {
  await time.tickAsync(ms);
  await time.runMicrotasks();
}

Deno.test("after a time it calls, once", async () => {
  using time = new FakeTime();
  let calls = 0;
  const done = after(500, new AbortController().signal, () => calls++);
  await pass(time, 499);
  assertEquals(calls, 0);
  await pass(time, 1);
  assertEquals(calls, 1);
  await pass(time, 5000);
  assertEquals(calls, 1);
  await done;
});

Deno.test("it calls again and again until the signal aborts", async () => {
  using time = new FakeTime();
  const over = new AbortController();
  let calls = 0;
  const done = every(100, over.signal, () => {
    if (++calls === 3) over.abort();
  });
  await pass(time, 99);
  assertEquals(calls, 0);
  await pass(time, 1);
  assertEquals(calls, 1);
  for (let i = 0; i < 10; i++) await pass(time, 100);
  assertEquals(calls, 3);
  await done;
});

Deno.test("a month is a month, and not at once", async () => {
  using time = new FakeTime();
  const over = new AbortController();
  const calls: string[] = [];
  const timers = [
    after(30 * DAY, over.signal, () => calls.push("after")),
    every(30 * DAY, over.signal, () => calls.push("every")),
  ];
  await pass(time, 30 * DAY - 1);
  assertEquals(calls, []);
  await pass(time, 1);
  assertEquals(calls.sort(), ["after", "every"]);
  over.abort();
  await Promise.all(timers);
});

Deno.test("an aborted signal takes the timers away", async () => {
  const over = new AbortController();
  let calls = 0;
  const timers = [
    after(30 * DAY, over.signal, () => calls++),
    every(30 * DAY, over.signal, () => calls++),
  ];
  over.abort();
  await Promise.all([
    ...timers,
    after(0, over.signal, () => calls++),
    every(0, over.signal, () => calls++),
  ]);
  assertEquals(calls, 0);
});

Deno.test("without a time nothing happens", async () => {
  const { signal } = new AbortController();
  const fail = () => {
    throw new Error("it was called");
  };
  await after(undefined, signal, fail);
  await every(undefined, signal, fail);
});
