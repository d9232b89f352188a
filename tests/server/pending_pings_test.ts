import { assertEquals } from "@std/assert";
import { PendingPings } from "../../src/server/pending_pings.ts";

Deno.test("each ping is settled by its own pong", async () => {
  const pings = new PendingPings();
  const first = pings.add();
  const second = pings.add();
  const settled: string[] = [];
  first.answered.then(() => settled.push("first"));
  second.answered.then(() => settled.push("second"));
  pings.answer(new Uint8Array(second.payload));
  await second.answered;
  assertEquals(settled, ["second"]);
  pings.answer(new Uint8Array(first.payload));
  assertEquals(await first.answered, true);
});

Deno.test("a pong that nobody asked for means nothing", async () => {
  const pings = new PendingPings();
  const { answered } = pings.add();
  pings.answer(Uint8Array.of(0xff, 0xff, 0xff, 0xff));
  pings.answer(new Uint8Array());
  pings.answer(new Uint8Array(125));
  pings.abandon();
  assertEquals(await answered, false);
});
