import { assertEquals } from "@std/assert";
import type { Formula } from "../../bench/backoff_formulas.ts";
import { simulateStorm } from "../../bench/reconnect_storm.ts";

/** Waits 0, then `step`, then `step` again, and so on. */
function every(step: number): Formula {
  return {
    name: "",
    source: "",
    client: () => (attempt) => attempt === 0 ? 0 : step,
  };
}

Deno.test("clients without chance come back all at once", () => {
  const storm = simulateStorm(every(400), {
    clients: 10,
    downtime: 1000,
    seed: 1,
  });
  assertEquals(storm, {
    peakPerSecond: 10,
    peakPer10ms: 10,
    half: 200,
    ninetyPercent: 200,
    all: 200,
    attempts: 40,
  });
});

Deno.test("a server that is back at once is found by the first attempt", () => {
  const storm = simulateStorm(every(400), { clients: 3, downtime: 0, seed: 1 });
  assertEquals([storm.all, storm.attempts], [0, 3]);
});

Deno.test("peaks and shares are those of the times at which clients come", () => {
  let clients = 0;
  // One client each 100 ms.
  const oneByOne: Formula = {
    name: "",
    source: "",
    client: () => {
      const start = 100 * clients++;
      return () => start;
    },
  };
  const storm = simulateStorm(oneByOne, { clients: 50, downtime: 0, seed: 1 });
  assertEquals(storm, {
    peakPerSecond: 10,
    peakPer10ms: 1,
    half: 2400,
    ninetyPercent: 4400,
    all: 4900,
    attempts: 50,
  });
});

Deno.test("the same seed gives the same storm, another one another", () => {
  const drawn: Formula = {
    name: "",
    source: "",
    client: (chance) => () => 1000 * chance(),
  };
  const storm = (seed: number) =>
    simulateStorm(drawn, { clients: 100, downtime: 500, seed });
  assertEquals(storm(7), storm(7));
  assertEquals(storm(7).all === storm(8).all, false);
});
