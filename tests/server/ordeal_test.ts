import { assertEquals } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { parseChaos } from "../../src/server/chaos.ts";
import { Fate } from "../../src/server/fate.ts";
import { Ordeal, type Sufferer } from "../../src/server/ordeal.ts";

function suffer(spec: string) {
  const log: string[] = [];
  const end = Promise.withResolvers<void>();
  const sufferer: Sufferer = {
    closed: end.promise,
    close: (code, reason) =>
      Promise.resolve(void log.push(`${code} ${reason}`)),
    drop: () => Promise.resolve(void log.push("drop")),
    reset: () => Promise.resolve(void log.push("reset")),
    mute: () => void log.push("mute"),
  };
  const ordeal = new Ordeal(new Fate(parseChaos(spec, 42), 0), sufferer);
  return { ordeal, log, end: end.resolve };
}

Deno.test("each kind of blow does what it is called", () => {
  const kinds = [
    ["drop=100%", "drop"],
    ["reset=100%", "reset"],
    ["half-open=100%", "mute"],
    ["close=1011=100%", "1011 chaos"],
  ] as const;
  for (const [spec, done] of kinds) {
    const { ordeal, log } = suffer(spec);
    assertEquals(ordeal.passes("out"), false);
    assertEquals(log, [done]);
  }
});

Deno.test("messages pass until one is struck, and none afterwards", () => {
  const fate = new Fate(parseChaos("drop=5%", 42), 0);
  let first = 0;
  while (fate.blowAt("in", first) === undefined) first++;
  const { ordeal, log } = suffer("drop=5%");
  for (let message = 0; message < first; message++) {
    assertEquals(ordeal.passes("in"), true);
  }
  assertEquals(log, []);
  for (let message = 0; message < 100; message++) {
    assertEquals(ordeal.passes("in"), false);
    assertEquals(ordeal.passes("out"), false);
  }
  assertEquals(log, ["drop"]);
});

Deno.test("blows of an age fall at that age, the first one only", () => {
  using time = new FakeTime();
  const { ordeal, log } = suffer("close=1012@30s,drop@40s");
  time.tick(29_999);
  assertEquals(ordeal.passes("out"), true);
  assertEquals(log, []);
  time.tick(1);
  assertEquals(log, ["1012 chaos"]);
  assertEquals(ordeal.passes("out"), false);
  time.tick(20_000);
  assertEquals(log, ["1012 chaos"]);
});

Deno.test("the end of the connection ends its timers", async () => {
  using time = new FakeTime();
  const { log, end } = suffer("drop@1s");
  end();
  await time.tickAsync(2000);
  assertEquals(log, []);
});
