import { assertEquals } from "@std/assert";
import { Elapsed } from "../../src/connection/elapsed.ts";

const CASES: readonly {
  readonly name: string;
  readonly wall: number;
  readonly monotonic: number;
  readonly waited: number;
  readonly passed: number;
}[] = [
  {
    name: "on time",
    wall: 1_000,
    monotonic: 1_000,
    waited: 1_000,
    passed: 1_000,
  },
  {
    name: "a blocked loop or a stopped process",
    wall: 9_000,
    monotonic: 9_000,
    waited: 1_000,
    passed: 9_000,
  },
  {
    name: "a sleep in which the monotonic clock stood still",
    wall: 3_600_000,
    monotonic: 1_000,
    waited: 1_000,
    passed: 3_600_000,
  },
  {
    name: "the wall clock set forward a little",
    wall: 2_900,
    monotonic: 1_000,
    waited: 1_000,
    passed: 1_000,
  },
  {
    name: "the wall clock set back",
    wall: -3_600_000,
    monotonic: 1_000,
    waited: 1_000,
    passed: 1_000,
  },
  {
    name: "a timer a little early by the monotonic clock",
    wall: 1_000,
    monotonic: 999.4,
    waited: 1_000,
    passed: 1_000,
  },
];

for (const { name, wall, monotonic, waited, passed } of CASES) {
  Deno.test(`how much time passed: ${name}`, () => {
    const now = { wall: 1e12, monotonic: 5_000 };
    const elapsed = new Elapsed({
      wall: () => now.wall,
      monotonic: () => now.monotonic,
    });
    for (let look = 0; look < 2; look++) {
      now.wall += wall;
      now.monotonic += monotonic;
      assertEquals(elapsed.look(waited), passed);
    }
  });
}
