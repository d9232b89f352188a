import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import { Hold } from "../../src/lifecycle/hold.ts";
import type { Message } from "../../src/message.ts";

const BOUNDS = { holdMaxSize: 3, holdMaxBytes: 10 };

Deno.test("messages are taken in the order in which they came", async () => {
  const hold = new Hold(BOUNDS);
  hold.push("a");
  hold.push("b");
  assertEquals(await hold.take(), "a");
  hold.push("c");
  assertEquals(hold.takeAll(), ["b", "c"]);
  assertEquals(hold.takeAll(), []);
});

Deno.test("who waits is served before anything is held", async () => {
  const hold = new Hold(BOUNDS);
  const taken = [hold.take(), hold.take()];
  hold.push("a");
  hold.push("b");
  hold.push("c");
  assertEquals(await Promise.all(taken), ["a", "b"]);
  assertEquals(hold.size, 1);
});

Deno.test("a push past the bounds says so", () => {
  const sizes = new Hold(BOUNDS);
  const pushed = ["a", "b", "c", "d"].map((data) => sizes.push(data));
  assertEquals(pushed, [true, true, true, false]);
  const bytes = new Hold(BOUNDS);
  assertEquals([bytes.push("12345"), bytes.push("67890")], [true, true]);
  assertEquals(bytes.push(""), true);
  const more = new Hold(BOUNDS);
  assertEquals([more.push("12345"), more.push("678901")], [true, false]);
});

Deno.test("one message alone is held, however large", () => {
  const hold = new Hold(BOUNDS);
  assertEquals(hold.push(new Uint8Array(11)), true);
  assertEquals(hold.push("a"), false);
});

Deno.test("what was taken leaves room", async () => {
  const hold = new Hold(BOUNDS);
  for (let i = 0; i < 10; i++) {
    assertEquals([hold.push("12345"), hold.push("67890")], [true, true]);
    if (i % 2 === 0) hold.takeAll();
    else await Promise.all([hold.take(), hold.take()]);
  }
});

Deno.test("after the end what is held can be taken, then comes the error", async () => {
  const hold = new Hold(BOUNDS);
  const waiting = hold.take().catch((error) => error);
  const error = new Error("over");
  hold.end(error);
  assertStrictEquals(await waiting, error);
  hold.push("a");
  assertEquals(await hold.take(), "a");
  assertStrictEquals(await assertRejects(() => hold.take()), error);
});

Deno.test("every message is taken once, in order, whoever takes it", async () => {
  const step = fc.constantFrom("push", "take", "takeAll");
  await fc.assert(fc.asyncProperty(fc.array(step), async (steps) => {
    const hold = new Hold({ holdMaxSize: 1_000, holdMaxBytes: 10_000 });
    const taken: string[] = [];
    const pending: Promise<unknown>[] = [];
    let pushed = 0;
    for (const step of steps) {
      if (step === "push") hold.push(String(pushed++));
      if (step === "takeAll") taken.push(...hold.takeAll().map(String));
      if (step !== "take") continue;
      const note = (data: unknown) => taken.push(String(data));
      const done = hold.take().then(note, () => {});
      pending.push(done);
      if (hold.size > 0) await done; // so that the order is that of the calls
    }
    hold.end(new Error("over"));
    await Promise.all(pending);
    taken.push(...hold.takeAll().map(String));
    taken.sort((a, b) => Number(a) - Number(b));
    assertEquals(taken, Array.from({ length: pushed }, (_, i) => String(i)));
  }));
});

Deno.test("what is taken is told, what is left for others is not", async () => {
  const told: Message[] = [];
  const hold = new Hold({
    holdMaxSize: 10,
    holdMaxBytes: 100,
    onTaken: (data) => told.push(data),
  });
  hold.push("a");
  await hold.take();
  const waiting = hold.take();
  hold.push("b");
  hold.push("c");
  await waiting;
  assertEquals([told, hold.takeAll()], [["a", "b"], ["c"]]);
});
