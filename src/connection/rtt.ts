/**
 * The round-trip times of the application heartbeat.
 *
 * @module
 */

import type { RttStats } from "../stats.ts";

/** So many of the latest times make the percentile. */
const KEPT = 1_000;

/** Sums up round-trip times in bounded memory. */
export class Rtt {
  readonly #latest: number[] = [];
  #count = 0;
  #sum = 0;
  #min = Infinity;
  #last = 0;

  /** Counts in a time, in milliseconds. */
  add(ms: number): void {
    this.#latest[this.#count % KEPT] = ms;
    this.#count++;
    this.#sum += ms;
    this.#min = Math.min(this.#min, ms);
    this.#last = ms;
  }

  /**
   * The last, least and mean of all times, and the 99th percentile (nearest
   * rank) of the last 1000; `undefined` before the first.
   */
  stats(): RttStats | undefined {
    const sorted = this.#latest.toSorted((a, b) => a - b);
    const p99 = sorted[Math.ceil(sorted.length * 0.99) - 1];
    if (p99 === undefined) return undefined;
    const mean = this.#sum / this.#count;
    return { last: this.#last, min: this.#min, mean, p99 };
  }
}
