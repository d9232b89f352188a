import { assertEquals, assertThrows } from "@std/assert";
import { type FaultTime, parseChaos } from "../../src/server/chaos.ts";

const items = (spec: string) => parseChaos(spec, 1).items;
const chance = (chance: number): FaultTime => ({ kind: "chance", chance });
const age = (after: number): FaultTime => ({ kind: "age", after });

Deno.test("the specification of the manual is understood", () => {
  const spec = "drop=5%,close=1011@30s,refuse=503/10,latency=50..200ms," +
    "half-open,reset";
  assertEquals(parseChaos(spec, 42), {
    seed: 42,
    items: [
      { kind: "fault", fault: { kind: "drop" }, time: chance(0.05) },
      {
        kind: "fault",
        fault: { kind: "close", code: 1011 },
        time: age(30_000),
      },
      { kind: "refuse", status: 503, every: 10 },
      { kind: "latency", least: 50, most: 200 },
      { kind: "fault", fault: { kind: "half-open" }, time: chance(0.01) },
      { kind: "fault", fault: { kind: "reset" }, time: chance(0.01) },
    ],
  });
});

Deno.test("each item has its short and its long form", () => {
  assertEquals(items("reset@1.5s, drop=0.5% ,half-open@2m"), [
    { kind: "fault", fault: { kind: "reset" }, time: age(1500) },
    { kind: "fault", fault: { kind: "drop" }, time: chance(0.005) },
    { kind: "fault", fault: { kind: "half-open" }, time: age(120_000) },
  ]);
  assertEquals(items("close=4000,close=4001=100%"), [
    { kind: "fault", fault: { kind: "close", code: 4000 }, time: chance(0.01) },
    { kind: "fault", fault: { kind: "close", code: 4001 }, time: chance(1) },
  ]);
  assertEquals(items("refuse=429"), [
    { kind: "refuse", status: 429, every: 1 },
  ]);
  assertEquals(items("latency=20ms"), [
    { kind: "latency", least: 20, most: 20 },
  ]);
  assertEquals(items("latency=500ms..2s"), [
    { kind: "latency", least: 500, most: 2000 },
  ]);
});

const WRONG: readonly [string, string][] = [
  ["", "one of drop, reset"],
  ["drop,", "one of drop, reset"],
  ["explode", '"explode" as it must be one of drop, reset'],
  [
    "drop=5",
    'followed by =P% (0 to 100), @T or nothing: current value is "=5"',
  ],
  ["drop=101%", "0 to 100"],
  ["drop=-1%", "0 to 100"],
  ["drops", "one of drop, reset"],
  ["drop@", "times such as"],
  ["drop@5", "times such as"],
  ["drop@5h", "times such as"],
  ["drop@99999m", "24 days at most"],
  ["close", "a code that may be sent"],
  ["close=1006", 'a code that may be sent: current value is "=1006"'],
  ["close=1011x", "0 to 100"],
  ["refuse", "refuse=STATUS"],
  ["refuse=101", "200 to 599"],
  ["refuse=600", "200 to 599"],
  ["refuse=503/0", "1 or more"],
  ["refuse=503/x", "1 or more"],
  ["latency", "latency=T"],
  ["latency=50", "times such as"],
  ["latency=2s..50ms", "from less to more"],
  ["latency=1s,latency=2s", "without a second latency"],
];

for (const [spec, text] of WRONG) {
  Deno.test(`the specification ${JSON.stringify(spec)} is refused`, () => {
    assertThrows(() => parseChaos(spec, 1), TypeError, text);
  });
}

Deno.test("a seed is a whole number", () => {
  assertThrows(() => parseChaos("drop", 0.5), TypeError, "whole number");
});
