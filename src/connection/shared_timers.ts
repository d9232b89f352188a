/**
 * Timers that many connections share. Each connection looks after itself about
 * once a second; with a timer of the runtime for each of 5000 connections that
 * takes 8 % of a processor and 3 KiB of memory a connection.
 *
 * @module
 */

/**
 * The fraction of its delay by which an entry may fire early, to share a timer.
 */
const EARLY = 0.05;

/** What is called; an object, as a closure for each would cost memory. */
export interface TimerEntry {
  /** Must not throw. */
  onTimer(): void;
  /** The timer it waits for; only {@linkcode SharedTimers} uses it. */
  timer: SharedTimer | undefined;
}

/** Entries that were set at about the same time, for the same delay. */
export interface SharedTimer {
  readonly delay: number;
  /** When it was started, in milliseconds of the caller's clock. */
  readonly startedAt: number;
  readonly entries: Set<TimerEntry>;
  readonly handle: ReturnType<typeof setTimeout>;
}

/** Timers for many entries. */
export class SharedTimers {
  /** The latest timer of each delay. */
  readonly #latest = new Map<number, SharedTimer>();

  /**
   * Calls the entry after about `delay` milliseconds, never later than a timer
   * of its own would. Returns the exact delay. Replaces what was set before.
   * @param now in milliseconds of a monotonic clock
   */
  set(entry: TimerEntry, delay: number, now: number): number {
    this.clear(entry);
    const timer = this.#timerFor(delay, now);
    timer.entries.add(entry);
    entry.timer = timer;
    return delay - (now - timer.startedAt);
  }

  /** Cancels the call. */
  clear(entry: TimerEntry): void {
    const { timer } = entry;
    if (timer === undefined) return;
    entry.timer = undefined;
    timer.entries.delete(entry);
    if (timer.entries.size > 0) return;
    clearTimeout(timer.handle);
    this.#forget(timer);
  }

  #timerFor(delay: number, now: number): SharedTimer {
    const latest = this.#latest.get(delay);
    if (latest !== undefined && now - latest.startedAt <= delay * EARLY) {
      return latest;
    }
    const handle = setTimeout(() => this.#fire(timer), delay);
    const timer: SharedTimer = {
      delay,
      startedAt: now,
      entries: new Set(),
      handle,
    };
    this.#latest.set(delay, timer);
    return timer;
  }

  #fire(timer: SharedTimer): void {
    this.#forget(timer);
    // An entry may clear another; what it sets anew is in another timer.
    for (const entry of timer.entries) {
      entry.timer = undefined;
      entry.onTimer();
    }
  }

  #forget(timer: SharedTimer): void {
    if (this.#latest.get(timer.delay) === timer) {
      this.#latest.delete(timer.delay);
    }
  }
}
