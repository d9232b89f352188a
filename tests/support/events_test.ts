import { assertEquals, assertRejects } from "@std/assert";
import { Recorder, within } from "./events.ts";

Deno.test("events are taken by name, in order, whenever they come", async () => {
  const events = new Recorder<{ a: number; b: string }>();
  events.add("a", 1);
  const second = (events.next("a"), events.next("a"));
  events.on("b")("x");
  events.add("a", 2);
  assertEquals(await second, 2);
  assertEquals(await events.next("b"), "x");
  assertEquals(events.names, ["a", "b", "a"]);
  assertEquals(events.all("a"), [1, 2]);
});

Deno.test("a wait ends when an event makes the condition true", async () => {
  const events = new Recorder<{ a: number }>();
  let done = false;
  const wait = events.until(() => events.all("a").length === 2).then(() => {
    done = true;
  });
  events.add("a", 1);
  await Promise.resolve();
  assertEquals(done, false);
  events.add("a", 2);
  await wait;
});

Deno.test("a wait that takes too long fails, and says what there was", async () => {
  const events = new Recorder<{ a: number; b: number }>(1);
  events.add("a", 1);
  const error = await assertRejects(() => events.next("b"), Error);
  assertEquals(
    error.message,
    "event 1 of the name b did not come; there were 1 events, the last ones: a",
  );
});

Deno.test("what takes too long is named", async () => {
  await assertRejects(
    () => within(new Promise(() => {}), "the end of time", 1),
    Error,
    "the end of time took more than 1 ms",
  );
});
