import { assertEquals } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { Alarm } from "../../src/server/alarm.ts";

Deno.test("an alarm rings after its time, and may be set again", async () => {
  using time = new FakeTime();
  const alarm = new Alarm(new Promise(() => {}));
  let rings = 0;
  for (const wait of [10, 20]) {
    alarm.wait(wait).then(() => rings++);
    await time.tickAsync(wait - 1);
    const before = rings;
    await time.tickAsync(1);
    assertEquals([before, rings], [wait / 10 - 1, wait / 10]);
  }
});

Deno.test("an alarm never waits longer than a minute", async () => {
  using time = new FakeTime();
  const alarm = new Alarm(new Promise(() => {}));
  const rung = alarm.wait(Infinity);
  await time.tickAsync(60_000);
  await rung;
});

Deno.test("the end rings it, and lets nobody wait any more", async () => {
  // Without fake time: the sanitizers see a timer that is left behind.
  const end = Promise.withResolvers<void>();
  const alarm = new Alarm(end.promise);
  const rung = alarm.wait(50_000);
  end.resolve();
  await rung;
  await alarm.wait(50_000);
});
