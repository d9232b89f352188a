import { assertEquals } from "@std/assert";
import { LONGEST_TIMER } from "../src/longest_timer.ts";

Deno.test("a timer waits as long as the longest one, and one that is longer does not", async () => {
  const fired: string[] = [];
  const longest = setTimeout(() => fired.push("longest"), LONGEST_TIMER);
  const { promise, resolve } = Promise.withResolvers<void>();
  setTimeout(() => {
    fired.push("longer");
    resolve();
  }, LONGEST_TIMER + 1);
  await promise;
  clearTimeout(longest);
  assertEquals(fired, ["longer"]);
});
