/**
 * What a server sees when it loses all its clients at once and comes back: a
 * simulation, no sockets. An attempt takes no time: it fails while the server
 * is down and succeeds afterwards.
 *
 * @module
 */

import { random } from "../src/server/fault_plan.ts";
import { FLEET_FORMULAS, type Formula, FORMULAS } from "./backoff_formulas.ts";
import { printTable } from "./harness.ts";

/** What is simulated. */
export interface StormOptions {
  readonly clients: number;
  /** How long the server is down, ms. */
  readonly downtime: number;
  readonly seed: number;
}

/** What came of it. Times are in milliseconds from the server's return. */
export interface Storm {
  /** Connections in the worst second. */
  readonly peakPerSecond: number;
  /** Connections in the worst hundredth of a second. */
  readonly peakPer10ms: number;
  /** When half of the clients were back. */
  readonly half: number;
  readonly ninetyPercent: number;
  readonly all: number;
  /** Attempts of all clients, in vain or not. */
  readonly attempts: number;
}

/** Lets all clients lose their connection at the time 0. */
export function simulateStorm(
  formula: Formula,
  { clients, downtime, seed }: StormOptions,
): Storm {
  const back = new Float64Array(clients);
  let attempts = 0;
  for (let index = 0; index < clients; index++) {
    let draws = 0;
    const wait = formula.client(() => random(seed, index, draws++));
    let time = 0;
    let attempt = 0;
    do {
      time += wait(attempt++);
    } while (time < downtime);
    attempts += attempt;
    back[index] = time - downtime;
  }
  back.sort();
  return {
    peakPerSecond: peak(back, 1000),
    peakPer10ms: peak(back, 10),
    half: at(back, 0.5),
    ninetyPercent: at(back, 0.9),
    all: at(back, 1),
    attempts,
  };
}

/** The most entries in any stretch of this length; the list is sorted. */
function peak(sorted: Float64Array, length: number): number {
  let most = 0;
  let first = 0;
  for (const [index, time] of sorted.entries()) {
    while ((sorted[first] ?? time) <= time - length) first++;
    most = Math.max(most, index - first + 1);
  }
  return most;
}

/** Nearest rank. */
function at(sorted: Float64Array, share: number): number {
  return sorted[Math.ceil(sorted.length * share) - 1] ?? 0;
}

const CLIENTS = 100_000;
const DOWNTIMES = [0, 10_000, 60_000];

if (import.meta.main) {
  const seed = Number(Deno.args[0] ?? 1);
  for (const downtime of DOWNTIMES) {
    const rows = [...FORMULAS, ...FLEET_FORMULAS].map((formula) => {
      const storm = simulateStorm(formula, {
        clients: CLIENTS,
        downtime,
        seed,
      });
      return [
        formula.name,
        storm.peakPerSecond,
        storm.peakPer10ms,
        storm.half / 1000,
        storm.ninetyPercent / 1000,
        storm.all / 1000,
        storm.attempts / CLIENTS,
      ];
    });
    printTable({
      title: `${CLIENTS} clients lose their server for ${downtime / 1000} s`,
      columns: [
        "client",
        "peak in 1 s",
        "in 10 ms",
        "50 % back, s",
        "90 %, s",
        "all, s",
        "attempts each",
      ],
      rows,
      notes: [`seed ${seed}; each client with its published defaults`],
    });
  }
}
