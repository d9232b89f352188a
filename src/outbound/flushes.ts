/**
 * Those who wait until all that was accepted before is settled.
 *
 * @module
 */

import { LONGEST_TIMER } from "../longest_timer.ts";

/** One who waits. */
interface Flush {
  /** Settled when everything up to this order is. */
  readonly upTo: number;
  readonly result: PromiseWithResolvers<boolean>;
  timer: ReturnType<typeof setTimeout> | undefined;
  /** Whether something was lost that it waited for. */
  lost: boolean;
}

/** Everybody who waits. */
export class Flushes {
  readonly #flushes = new Set<Flush>();

  /** How many wait. */
  get count(): number {
    return this.#flushes.size;
  }

  /**
   * Waits until everything up to `upTo` is settled; `false` if that takes
   * longer than `ms`, or if some of it was lost.
   */
  wait(upTo: number, ms: number): Promise<boolean> {
    const result = Promise.withResolvers<boolean>();
    const flush: Flush = { upTo, result, timer: undefined, lost: false };
    if (ms <= LONGEST_TIMER) {
      flush.timer = setTimeout(() => this.#resolve(flush, false), ms);
    }
    this.#flushes.add(flush);
    return result.promise;
  }

  /** Everything before this order is settled. */
  settled(before: number): void {
    for (const flush of this.#flushes) {
      if (flush.upTo < before) this.#resolve(flush, !flush.lost);
    }
  }

  /** A message of this order is lost. */
  lose(order: number): void {
    for (const flush of this.#flushes) {
      if (order <= flush.upTo) flush.lost = true;
    }
  }

  /** Nothing will be settled any more. */
  fail(error: Error): void {
    for (const flush of this.#flushes) {
      clearTimeout(flush.timer);
      flush.result.reject(error);
    }
    this.#flushes.clear();
  }

  #resolve(flush: Flush, value: boolean): void {
    clearTimeout(flush.timer);
    this.#flushes.delete(flush);
    flush.result.resolve(value);
  }
}
