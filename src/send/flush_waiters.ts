/**
 * Callers of `flush` and `drain`, who wait until what was accepted before is
 * settled.
 *
 * @module
 */

import type { Mark, SendQueue } from "./send_queue.ts";

/** One that waits. */
interface Waiter {
  /** What it waits for; `undefined`: until nothing at all is left. */
  readonly mark: Mark | undefined;
  readonly result: PromiseWithResolvers<boolean>;
  readonly timer: ReturnType<typeof setTimeout> | undefined;
  /** Whether something was lost that it waits for. */
  hasLost: boolean;
}

/** A timer that is set for longer fires at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** All that wait for one queue. */
export class FlushWaiters {
  readonly #queue: SendQueue;
  readonly #waiters = new Set<Waiter>();

  constructor(queue: SendQueue) {
    this.#queue = queue;
  }

  /**
   * Waits until everything before the mark is settled; `false` if that takes
   * longer than `ms`, or if some of it was lost.
   */
  wait(mark: Mark | undefined, ms: number): Promise<boolean> {
    const result = Promise.withResolvers<boolean>();
    const timer = ms > LONGEST_TIMER
      ? undefined
      : setTimeout(() => this.#resolve(waiter, false), ms);
    const waiter: Waiter = { mark, result, timer, hasLost: false };
    this.#waiters.add(waiter);
    return result.promise;
  }

  /** Resolves those that have nothing left to wait for. */
  check(): void {
    for (const waiter of this.#waiters) {
      const isSettled = waiter.mark === undefined
        ? this.#queue.isEmpty
        : this.#queue.isSettled(waiter.mark);
      if (isSettled) this.#resolve(waiter, !waiter.hasLost);
    }
  }

  /** The message at this position is lost; -1: all those in flight are. */
  lose(position: number): void {
    for (const waiter of this.#waiters) {
      if (position < (waiter.mark?.position ?? 0)) waiter.hasLost = true;
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
    if (waiter.mark !== undefined) this.#queue.unmark(waiter.mark);
  }
}
