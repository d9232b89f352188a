/**
 * Timers that many connections share. Each connection looks after itself about
 * once a second, and with a timer of the runtime for each of 5000 that takes 8 %
 * of a processor and 3 KiB of memory a connection.
 *
 * @module
 */

/** By which part of its delay one may be woken early, to share a timer. */
const EARLY = 0.05;

/** Who is woken; an object, as a closure for each would cost memory. */
export interface Sleeper {
  /** Must not throw. */
  wake(): void;
  /** With whom it sleeps: the timers' own note. */
  batch: Batch | undefined;
}

/** Those who fell asleep at about the same time, for the same delay. */
export interface Batch {
  readonly delay: number;
  /** When it was begun, in milliseconds of the caller's clock. */
  readonly begun: number;
  readonly sleepers: Set<Sleeper>;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** Wakes together who can be woken together. */
export class SharedTimers {
  /** The latest batch of each delay. */
  readonly #latest = new Map<number, Batch>();

  /**
   * Wakes the sleeper after about `delay` milliseconds, never later than a timer
   * would. Returns how long it will take. What was set before is replaced.
   * @param now in milliseconds of a clock that never jumps
   */
  set(sleeper: Sleeper, delay: number, now: number): number {
    this.clear(sleeper);
    const batch = this.#batchFor(delay, now);
    batch.sleepers.add(sleeper);
    sleeper.batch = batch;
    return delay - (now - batch.begun);
  }

  /** Does not wake it. */
  clear(sleeper: Sleeper): void {
    const { batch } = sleeper;
    if (batch === undefined) return;
    sleeper.batch = undefined;
    batch.sleepers.delete(sleeper);
    if (batch.sleepers.size > 0) return;
    clearTimeout(batch.timer);
    this.#forget(batch);
  }

  #batchFor(delay: number, now: number): Batch {
    const latest = this.#latest.get(delay);
    if (latest !== undefined && now - latest.begun <= delay * EARLY) {
      return latest;
    }
    const timer = setTimeout(() => this.#fire(batch), delay);
    const batch = { delay, begun: now, sleepers: new Set<Sleeper>(), timer };
    this.#latest.set(delay, batch);
    return batch;
  }

  #fire(batch: Batch): void {
    this.#forget(batch);
    // One may clear another; and what it sets anew is in another batch.
    for (const sleeper of batch.sleepers) {
      sleeper.batch = undefined;
      sleeper.wake();
    }
  }

  #forget(batch: Batch): void {
    if (this.#latest.get(batch.delay) === batch) {
      this.#latest.delete(batch.delay);
    }
  }
}
