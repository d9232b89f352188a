/**
 * Timers that many connections share. Each connection looks after itself about
 * once a second, and with a timer of the runtime for each of 5000 that takes 8 %
 * of a processor and 3 KiB of memory a connection.
 *
 * @module
 */

/** By which part of its delay a call may come early, to share a timer. */
const EARLY = 0.05;

/** Calls that were asked for at about the same time, with the same delay. */
interface Batch {
  readonly delay: number;
  /** When it was begun, in milliseconds of the caller's clock. */
  readonly begun: number;
  readonly calls: Set<() => void>;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** What is called together. */
export class SharedTimers {
  /** The latest batch of each delay. */
  readonly #latest = new Map<number, Batch>();
  readonly #batchOf = new Map<() => void, Batch>();

  /**
   * Calls `call`, which must not throw, after about `delay` milliseconds, never
   * later than a timer would. Returns how long it will take. A call that was
   * set before is replaced.
   * @param now in milliseconds of a clock that never jumps
   */
  set(call: () => void, delay: number, now: number): number {
    this.clear(call);
    const batch = this.#batchFor(delay, now);
    batch.calls.add(call);
    this.#batchOf.set(call, batch);
    return delay - (now - batch.begun);
  }

  /** Does not call it. */
  clear(call: () => void): void {
    const batch = this.#batchOf.get(call);
    if (batch === undefined) return;
    this.#batchOf.delete(call);
    batch.calls.delete(call);
    if (batch.calls.size > 0) return;
    clearTimeout(batch.timer);
    this.#forget(batch);
  }

  #batchFor(delay: number, now: number): Batch {
    const latest = this.#latest.get(delay);
    if (latest !== undefined && now - latest.begun <= delay * EARLY) {
      return latest;
    }
    const timer = setTimeout(() => this.#fire(batch), delay);
    const batch = { delay, begun: now, calls: new Set<() => void>(), timer };
    this.#latest.set(delay, batch);
    return batch;
  }

  #fire(batch: Batch): void {
    this.#forget(batch);
    // One may clear another; and what it sets anew is in another batch.
    for (const call of batch.calls) {
      this.#batchOf.delete(call);
      call();
    }
  }

  #forget(batch: Batch): void {
    if (this.#latest.get(batch.delay) === batch) {
      this.#latest.delete(batch.delay);
    }
  }
}
