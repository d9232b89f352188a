import { assertAlmostEquals, assertEquals } from "@std/assert";
import { FORMULAS } from "../../bench/backoff_formulas.ts";

/**
 * Worked out by hand from the sources that the formulas name: the waits of a
 * client for which every draw gives this chance.
 */
const TABLE: Record<string, { chance: number; waits: number[] }[]> = {
  "ws-stream": [
    { chance: 0, waits: [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] },
    { chance: 0.5, waits: [250, 500, 1000, 2000, 4000, 8000, 15_000] },
  ],
  "reconnecting-websocket": [
    { chance: 0, waits: [1000, 1300, 1690, 2197, 2856.1] },
    { chance: 0.5, waits: [3000, 3900, 5070, 6591, 8568.3, 10_000, 10_000] },
  ],
  "partysocket": [
    { chance: 0.5, waits: [3000, 3900, 5070, 6591, 8568.3, 10_000, 10_000] },
  ],
  "socket.io-client": [
    // 2.5 is even: less. 5 is odd: more.
    { chance: 0.25, waits: [875, 1750, 3500, 5000, 5000] },
    { chance: 0.5, waits: [1250, 2500, 5000, 5000] },
  ],
  "websockets (Python)": [
    { chance: 0.5, waits: [0, 2500, 3100, 5015.8, 8115.5644] },
    { chance: 0.1, waits: [0, 500, 3100, 5015.8, 8115.5644] },
  ],
  "IXWebSocket": [
    { chance: 0.5, waits: [0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000] },
  ],
  "centrifuge-js": [
    { chance: 0, waits: [500, 500, 500, 500] },
    { chance: 0.5, waits: [750, 1000, 1500, 2500, 4500, 8500, 10_500] },
    { chance: 0.99, waits: [995, 1490, 2480, 4460, 8420, 16_340, 20_000] },
  ],
};

Deno.test("every formula is in the table", () => {
  assertEquals(FORMULAS.map(({ name }) => name), Object.keys(TABLE));
});

for (const { name, client } of FORMULAS) {
  Deno.test(`${name} waits as its source says`, () => {
    for (const { chance, waits } of TABLE[name] ?? []) {
      const wait = client(() => chance);
      for (const [attempt, expected] of waits.entries()) {
        assertAlmostEquals(wait(attempt), expected, 1e-6);
      }
    }
  });
}
