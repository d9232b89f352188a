import { assertEquals, assertThrows } from "@std/assert";
import {
  ChaosError,
  type FaultTime,
  parseChaos,
} from "../../src/server/chaos.ts";

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
  ["", "name drop, reset"],
  ["drop,", "name drop, reset"],
  ["explode", 'latency: got "explode"'],
  [
    "drop=5",
    'from =0% to =100%, an age such as @30s, or nothing: got "drop=5"',
  ],
  ["drop=101%", "to =100%"],
  ["drop=-1%", "to =100%"],
  ["drops", "name drop, reset"],
  ["drop@", "times such as"],
  ["drop@5", "times such as"],
  ["drop@5d", "times such as"],
  ["drop@99999m", "24 days at most"],
  ["close", "a code such as"],
  ["close=1006", 'a code such as close=1011: got "close=1006"'],
  ["close=1011x", "to =100%"],
  ["refuse", "refuse with a status"],
  ["refuse=101", "200 to 599"],
  ["refuse=600", "200 to 599"],
  ["refuse=503/0", "each Nth time"],
  ["refuse=503/x", "each Nth time"],
  ["latency", "delay by a time"],
  ["latency=50", "times such as"],
  ["latency=2s..50ms", "from less to more"],
  ["latency=1s,latency=2s", "one latency"],
];

for (const [spec, text] of WRONG) {
  Deno.test(`the specification ${JSON.stringify(spec)} is refused`, () => {
    assertThrows(() => parseChaos(spec, 1), ChaosError, text);
  });
}
