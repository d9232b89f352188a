import { assertEquals } from "@std/assert";
import { Entry } from "../../src/outbound/entry.ts";
import { MemoryIntake } from "../../src/outbound/intake.ts";

Deno.test("in memory a message is queued at once, with bytes of its own", async () => {
  const queued: Entry[] = [];
  const intake = new MemoryIntake((entry) => queued.push(entry));
  await intake.open();
  const bytes = new Uint8Array([1]);
  intake.take(new Entry(bytes, 1));
  bytes.fill(2);
  assertEquals(queued.map(({ data }) => data), [new Uint8Array([1])]);
  assertEquals([intake.isOpen, intake.staged.count], [true, 0]);
});
