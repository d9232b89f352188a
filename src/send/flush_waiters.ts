/**
 * Calls of `flush` and `drain`, which wait until the messages accepted before
 * them are settled.
 *
 * @module
 */

import { LONGEST_TIMER } from "../clock.ts";

/** One waiting call. */
interface Waiter {
  /** It waits for messages before this place; `Infinity`: for all. */
  readonly place: number;
  readonly result: PromiseWithResolvers<boolean>;
  readonly timer: ReturnType<typeof setTimeout> | undefined;
  /** Whether a message that it waits for was dropped or lost. */
  hasLost: boolean;
}

/** All calls that wait for one queue. */
export class FlushWaiters {
  readonly #waiters = new Set<Waiter>();

  /** How many calls wait. */
  get count(): number {
    return this.#waiters.size;
  }

  /**
   * Waits until everything before this place is settled; `false` if that takes
   * longer than `ms`, or if a message was dropped or lost.
   */
  wait(place: number, ms: number): Promise<boolean> {
    const result = Promise.withResolvers<boolean>();
    const timer = ms > LONGEST_TIMER
      ? undefined
      : setTimeout(() => this.#resolve(waiter, false), ms);
    const waiter: Waiter = { place, result, timer, hasLost: false };
    this.#waiters.add(waiter);
    return result.promise;
  }

  /**
   * Everything before this place is settled: resolves the calls that wait for
   * it.
   */
  settleTo(place: number): void {
    for (const waiter of this.#waiters) {
      if (waiter.place <= place) this.#resolve(waiter, !waiter.hasLost);
    }
  }

  /** The message at this place will not be sent, or is lost. */
  lose(place: number): void {
    for (const waiter of this.#waiters) {
      if (place < waiter.place) waiter.hasLost = true;
    }
  }

  /** Nothing will be settled any more. */
  fail(error: Error): void {
    for (const waiter of this.#waiters) {
      this.#forget(waiter);
      waiter.result.reject(error);
    }
  }

  #resolve(waiter: Waiter, value: boolean): void {
    this.#forget(waiter);
    waiter.result.resolve(value);
  }

  #forget(waiter: Waiter): void {
    clearTimeout(waiter.timer);
    this.#waiters.delete(waiter);
  }
}
