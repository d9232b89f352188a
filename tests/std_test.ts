import { assertEquals } from "@std/assert";
import { delay } from "@std/async/delay";
import { FakeTime } from "@std/testing/time";

Deno.test("delay follows fake time", async () => {
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
