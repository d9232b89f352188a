import { assertEquals } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { Newcomer } from "../../src/server/newcomer.ts";
import type { Transport } from "../../src/server/listener.ts";

function transport() {
  let closed = 0;
  const bare: Transport = {
    read: () => new Promise(() => {}),
    write: () => new Promise(() => {}),
    closeWrite: () => Promise.resolve(),
    close: () => closed++,
  };
  return { bare, closed: () => closed };
}

Deno.test("who has not shaken hands after 10 s is given up", async () => {
  using time = new FakeTime();
  const { bare, closed } = transport();
  const newcomer = new Newcomer(bare, async (gone) => void await gone);
  await time.tickAsync(9_999);
  assertEquals(closed(), 0);
  await time.tickAsync(1);
  assertEquals(closed(), 1);
  await newcomer.done;
});

Deno.test("a handshake that ends in time is left alone", async () => {
  // Without fake time: the sanitizers see a timer that is left behind.
  const { bare, closed } = transport();
  await new Newcomer(bare, () => Promise.resolve()).done;
  assertEquals(closed(), 0);
});

Deno.test("a newcomer can be given up at once", async () => {
  const { bare, closed } = transport();
  const newcomer = new Newcomer(bare, async (gone) => void await gone);
  newcomer.end();
  await newcomer.done;
  assertEquals(closed(), 1);
});
