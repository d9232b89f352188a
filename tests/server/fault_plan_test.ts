import {
  assertAlmostEquals,
  assertEquals,
  assertGreater,
  assertLess,
  assertNotEquals,
} from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { parseChaos } from "../../src/server/chaos.ts";
import {
  FaultInjector,
  FaultPlan,
  type FaultTarget,
  random,
} from "../../src/server/fault_plan.ts";

function plan(spec: string, seed = 42, connection = 0): FaultPlan {
  return new FaultPlan(parseChaos(spec, seed), connection);
}

/** The numbers of the first 1000 messages that have a fault. */
function faulty(one: FaultPlan, direction: "in" | "out" = "out"): number[] {
  return Array.from({ length: 1000 }, (_, message) => message)
    .filter((message) => one.faultAt(direction, message) !== undefined);
}

Deno.test("the same seed and connection get the same faults, in any order", () => {
  const backwards = Array.from({ length: 1000 }, (_, i) => 999 - i)
    .filter((message) => plan("drop=5%").faultAt("out", message) !== undefined);
  assertEquals(faulty(plan("drop=5%")), backwards.reverse());
});

Deno.test("other seeds, connections and directions get other faults", () => {
  const one = faulty(plan("drop=5%")).join();
  for (
    const other of [
      faulty(plan("drop=5%", 43)),
      faulty(plan("drop=5%", 42, 1)),
      faulty(plan("drop=5%"), "in"),
    ]
  ) assertEquals(other.join() === one, false);
});

Deno.test("a chance of 5 % occurs at about 5 % of the messages", () => {
  const count = faulty(plan("drop=5%")).length;
  assertGreater(count, 30);
  assertLess(count, 70);
});

Deno.test("0 % never occurs, 100 % always, the first item wins", () => {
  assertEquals(faulty(plan("drop=0%")), []);
  assertEquals(plan("drop=0%,close=4000=100%,reset=100%").faultAt("in", 0), {
    kind: "close",
    code: 4000,
  });
});

Deno.test("two items with the same chance occur independently", () => {
  const kinds = new Set<string | undefined>();
  const one = plan("drop=10%,reset=10%");
  for (const message of faulty(one)) {
    kinds.add(one.faultAt("out", message)?.kind);
  }
  assertEquals(kinds, new Set(["drop", "reset"]));
});

Deno.test("every Nth handshake is refused", () => {
  const refused = Array.from(
    { length: 9 },
    (_, connection) =>
      plan("refuse=503/3,refuse=429/4", 1, connection).refusal(),
  );
  const none = undefined;
  assertEquals(refused, [none, none, 503, 429, none, 503, none, 429, 503]);
});

Deno.test("faults at an age are not faults at a message", () => {
  const one = plan("drop@1s,half-open@20ms");
  assertEquals(faulty(one), []);
  assertEquals(one.timedFaults(), [
    { after: 1000, fault: { kind: "drop" } },
    { after: 20, fault: { kind: "half-open" } },
  ]);
});

Deno.test("latency is uniform in its range, and repeatable", () => {
  const latencies = Array.from(
    { length: 1000 },
    (_, message) => plan("latency=50..200ms").latency(message),
  );
  assertEquals(plan("latency=50..200ms").latency(7), latencies[7]);
  assertEquals(latencies.every((ms) => ms >= 50 && ms < 200), true);
  assertLess(Math.min(...latencies), 55);
  assertGreater(Math.max(...latencies), 195);
  assertEquals(plan("latency=1s").hasLatency, true);
  assertEquals(plan("drop").hasLatency, false);
  assertEquals(plan("drop").latency(0), 0);
});

function inject(spec: string) {
  const log: string[] = [];
  const end = Promise.withResolvers<void>();
  const target: FaultTarget = {
    closed: end.promise,
    close: (code, reason) =>
      Promise.resolve(void log.push(`${code} ${reason}`)),
    drop: () => Promise.resolve(void log.push("drop")),
    reset: () => Promise.resolve(void log.push("reset")),
    blackhole: () => void log.push("black hole"),
  };
  const injector = new FaultInjector(
    new FaultPlan(parseChaos(spec, 42), 0),
    target,
  );
  return { injector, log, end: end.resolve };
}

Deno.test("each fault does what its name says", () => {
  const kinds = [
    ["drop=100%", "drop"],
    ["reset=100%", "reset"],
    ["half-open=100%", "black hole"],
    ["close=1011=100%", "1011 chaos"],
  ] as const;
  for (const [spec, done] of kinds) {
    const { injector, log } = inject(spec);
    assertEquals(injector.passes("out"), false);
    assertEquals(log, [done]);
  }
});

Deno.test("messages pass until the first fault, and none afterwards", () => {
  const plan = new FaultPlan(parseChaos("drop=5%", 42), 0);
  let first = 0;
  while (plan.faultAt("in", first) === undefined) first++;
  const { injector, log } = inject("drop=5%");
  for (let message = 0; message < first; message++) {
    assertEquals(injector.passes("in"), true);
  }
  assertEquals(log, []);
  for (let message = 0; message < 100; message++) {
    assertEquals(injector.passes("in"), false);
    assertEquals(injector.passes("out"), false);
  }
  assertEquals(log, ["drop"]);
});

Deno.test("a fault at an age occurs at that age, the first one only", () => {
  using time = new FakeTime();
  const { injector, log } = inject("close=1012@30s,drop@40s");
  time.tick(29_999);
  assertEquals(injector.passes("out"), true);
  assertEquals(log, []);
  time.tick(1);
  assertEquals(log, ["1012 chaos"]);
  assertEquals(injector.passes("out"), false);
  time.tick(20_000);
  assertEquals(log, ["1012 chaos"]);
});

Deno.test("the end of the connection ends its timers", async () => {
  using time = new FakeTime();
  const { log, end } = inject("drop@1s");
  end();
  await time.tickAsync(2000);
  assertEquals(log, []);
});

Deno.test("the numbers are the same for ever: runs can be repeated", () => {
  assertEquals([random(0), random(42, 1, 2), random(-7, 3)], [
    0.09012465178966522,
    0.9148864829912782,
    0.4226289775688201,
  ]);
});

Deno.test("seed, path and the path's length all matter", () => {
  assertNotEquals(random(1, 2, 3), random(2, 2, 3));
  assertNotEquals(random(1, 2, 3), random(1, 3, 2));
  assertNotEquals(random(1), random(1, 0));
});

Deno.test("the numbers are spread evenly, also for neighbours", () => {
  const tenths = new Array(10).fill(0);
  const count = 20_000;
  let sum = 0;
  for (let message = 0; message < count; message++) {
    const number = random(42, message % 7, message);
    tenths[Math.floor(number * 10)]++;
    sum += number;
  }
  assertAlmostEquals(sum / count, 0.5, 0.01);
  for (const tenth of tenths) assertAlmostEquals(tenth / count, 0.1, 0.01);
});
