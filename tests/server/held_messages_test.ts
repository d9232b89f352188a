import { assertEquals } from "@std/assert";
import { HeldMessages } from "../../src/server/held_messages.ts";

function held() {
  const failures: unknown[] = [];
  return {
    failures,
    messages: new HeldMessages((error) => failures.push(error)),
  };
}

Deno.test("what nobody takes is held, and taken in order", async () => {
  const { messages } = held();
  messages.deliver("a");
  messages.deliver("b");
  assertEquals(await messages.take(), "a");
  assertEquals(await messages.take(), "b");
});

Deno.test("takers wait their turn", async () => {
  const { messages } = held();
  const both = Promise.all([messages.take(), messages.take()]);
  messages.deliver("a");
  messages.deliver("b");
  assertEquals(await both, ["a", "b"]);
});

Deno.test("a callback gets what is held first, then each at once", () => {
  const { messages } = held();
  const got: unknown[] = [];
  messages.deliver("a");
  messages.callback = (data) => got.push(data);
  messages.deliver("b");
  assertEquals(got, ["a", "b"]);
});

Deno.test("a callback may remove itself while it is given what is held", async () => {
  const { messages } = held();
  const got: unknown[] = [];
  for (const data of ["a", "b", "c"]) messages.deliver(data);
  messages.callback = (data) => {
    got.push(data);
    messages.callback = undefined;
  };
  assertEquals(got, ["a"]);
  assertEquals(await messages.take(), "b");
});

Deno.test("what a callback throws or rejects with is handed on", async () => {
  const { messages, failures } = held();
  const thrown = new Error();
  const rejected = new Error();
  messages.callback = () => {
    throw thrown;
  };
  messages.deliver("a");
  messages.callback = () => Promise.reject(rejected);
  messages.deliver("b");
  await Promise.resolve();
  assertEquals(failures, [thrown, rejected]);
});

Deno.test("it is full by count, and has room again when one is taken", async () => {
  const { messages } = held();
  for (let i = 0; i < 1023; i++) messages.deliver("");
  assertEquals(messages.full, false);
  messages.deliver("");
  assertEquals(messages.full, true);
  const room = messages.room();
  await messages.take();
  await room;
  assertEquals(messages.full, false);
});

Deno.test("it is full by size, of texts and bytes", async () => {
  const { messages } = held();
  messages.deliver("x".repeat(512 * 1024));
  assertEquals(messages.full, false);
  messages.deliver(new Uint8Array(512 * 1024));
  assertEquals(messages.full, true);
  const room = messages.room();
  await messages.take();
  await room;
  assertEquals(messages.full, false);
});

Deno.test("at the end what is held can be taken, then there is nothing", async () => {
  const { messages } = held();
  messages.deliver("a");
  messages.end();
  assertEquals(await messages.take(), "a");
  assertEquals(await messages.take(), undefined);
});

Deno.test("the end lets takers and the reader go", async () => {
  const { messages } = held();
  const taken = messages.take();
  const room = messages.room();
  messages.end();
  await room;
  assertEquals(await taken, undefined);
});
