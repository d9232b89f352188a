import { assertEquals, assertRejects } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { Flushes } from "../../src/outbound/flushes.ts";

Deno.test("a flush waits for what was accepted before, and for no more", async () => {
  const flushes = new Flushes();
  const flush = flushes.wait(2, Infinity);
  flushes.settled(2);
  assertEquals(await stateOf(flush), "pending");
  flushes.settled(3);
  assertEquals(await flush, true);
});

Deno.test("a flush gives up when its time is over", async () => {
  using time = new FakeTime();
  const flushes = new Flushes();
  const flush = flushes.wait(1, 100);
  const patient = flushes.wait(1, 2 ** 40);
  await time.tickAsync(99);
  assertEquals(await stateOf(flush), "pending");
  await time.tickAsync(1);
  assertEquals(await flush, false);
  assertEquals(await stateOf(patient), "pending");
  flushes.settled(2);
  assertEquals(await patient, true);
});

Deno.test("a flush tells when something it waited for was lost", async () => {
  const flushes = new Flushes();
  const [before, after] = [flushes.wait(1, Infinity), flushes.wait(2, 1_000)];
  flushes.lose(2);
  flushes.settled(3);
  assertEquals([await before, await after], [true, false]);
});

Deno.test("what ends the client ends every flush, and its timer", async () => {
  const flushes = new Flushes();
  const waiting = [flushes.wait(1, 60_000), flushes.wait(2, Infinity)];
  flushes.fail(new Error("over"));
  for (const flush of waiting) {
    await assertRejects(() => flush, Error, "over");
  }
});

async function stateOf(promise: Promise<unknown>): Promise<unknown> {
  return await Promise.race([promise, Promise.resolve("pending")]);
}
