import { assertEquals, assertGreater, assertLess } from "@std/assert";
import { parseChaos } from "../../src/server/chaos.ts";
import { Fate } from "../../src/server/fate.ts";

function fate(spec: string, seed = 42, connection = 0): Fate {
  return new Fate(parseChaos(spec, seed), connection);
}

/** The numbers of the first 1000 messages that are struck. */
function struck(one: Fate, direction: "in" | "out" = "out"): number[] {
  return Array.from({ length: 1000 }, (_, message) => message)
    .filter((message) => one.blowAt(direction, message) !== undefined);
}

Deno.test("the same seed and connection have the same fate, in any order", () => {
  const backwards = Array.from({ length: 1000 }, (_, i) => 999 - i)
    .filter((message) => fate("drop=5%").blowAt("out", message) !== undefined);
  assertEquals(struck(fate("drop=5%")), backwards.reverse());
});

Deno.test("other seeds, connections and directions have other fates", () => {
  const one = struck(fate("drop=5%")).join();
  for (
    const other of [
      struck(fate("drop=5%", 43)),
      struck(fate("drop=5%", 42, 1)),
      struck(fate("drop=5%"), "in"),
    ]
  ) assertEquals(other.join() === one, false);
});

Deno.test("a chance of 5 % strikes about 5 % of the messages", () => {
  const count = struck(fate("drop=5%")).length;
  assertGreater(count, 30);
  assertLess(count, 70);
});

Deno.test("0 % never strikes, 100 % always, the first item wins", () => {
  assertEquals(struck(fate("drop=0%")), []);
  assertEquals(fate("drop=0%,close=4000=100%,reset=100%").blowAt("in", 0), {
    kind: "close",
    code: 4000,
  });
});

Deno.test("two items with the same chance strike on their own", () => {
  const kinds = new Set<string | undefined>();
  const one = fate("drop=10%,reset=10%");
  for (const message of struck(one)) {
    kinds.add(one.blowAt("out", message)?.kind);
  }
  assertEquals(kinds, new Set(["drop", "reset"]));
});

Deno.test("every Nth handshake is refused", () => {
  const refused = Array.from(
    { length: 9 },
    (_, connection) =>
      fate("refuse=503/3,refuse=429/4", 1, connection).refusal(),
  );
  const none = undefined;
  assertEquals(refused, [none, none, 503, 429, none, 503, none, 429, 503]);
});

Deno.test("blows of an age are not blows of a message", () => {
  const one = fate("drop@1s,half-open@20ms");
  assertEquals(struck(one), []);
  assertEquals(one.timedBlows(), [
    { after: 1000, blow: { kind: "drop" } },
    { after: 20, blow: { kind: "half-open" } },
  ]);
});

Deno.test("latency is uniform in its range, and repeatable", () => {
  const latencies = Array.from(
    { length: 1000 },
    (_, message) => fate("latency=50..200ms").latency(message),
  );
  assertEquals(fate("latency=50..200ms").latency(7), latencies[7]);
  assertEquals(latencies.every((ms) => ms >= 50 && ms < 200), true);
  assertLess(Math.min(...latencies), 55);
  assertGreater(Math.max(...latencies), 195);
  assertEquals(fate("latency=1s").delays, true);
  assertEquals(fate("drop").delays, false);
  assertEquals(fate("drop").latency(0), 0);
});
