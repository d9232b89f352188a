/**
 * Timers of any length. The runtime's own go off at once when they are set to
 * more than 2^31 - 1 ms, which is less than 25 days. And limits that count even
 * while no timer gets a chance.
 *
 * @module
 */

import { delay } from "@std/async/delay";

/** Calls once after `ms`, unless the signal aborts; without `ms` never. */
export async function after(
  ms: number | undefined,
  signal: AbortSignal,
  callback: () => void,
): Promise<void> {
  if (ms !== undefined && await passed(ms, signal)) callback();
}

/** Calls each `ms` until the signal aborts; without `ms` never. */
export async function every(
  ms: number | undefined,
  signal: AbortSignal,
  callback: () => void,
): Promise<void> {
  while (ms !== undefined && await passed(ms, signal)) callback();
}

/** Whether the time passed before the signal aborted. */
async function passed(ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await delay(ms, { signal });
    return true;
  } catch (error) {
    if (!signal.aborted) throw error;
    return false;
  }
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) =>
    signal.addEventListener("abort", () => resolve(), { once: true })
  );
}

/** A limit of time that counts even while timers get no chance. */
export class Limit {
  readonly #controller = new AbortController();
  /** Ends the timers that are left. */
  readonly #cleared = new AbortController();
  #at = Infinity;
  #isArmed = false;

  /** Aborts when the time is over. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** How much of the time is left, in milliseconds; Infinity without a limit. */
  get left(): number {
    return Math.max(0, this.#at - performance.now());
  }

  /** Begins now, in milliseconds; the shorter one counts. */
  set(ms: number): void {
    this.#at = Math.min(this.#at, performance.now() + ms);
    if (ms === 0) this.#controller.abort();
    else if (this.#isArmed) this.#startTimer();
  }

  /** From now on it aborts by itself; before, only when it is looked at. */
  arm(): void {
    this.#isArmed = true;
    if (this.#at < Infinity) this.#startTimer();
  }

  /** The run is over: nothing aborts any more. */
  clear(): void {
    this.#cleared.abort();
  }

  #startTimer(): void {
    after(this.left, this.#cleared.signal, () => this.#controller.abort());
  }

  /** Aborts if the time is over now (`performance.now()`). */
  check(now: number): void {
    if (now >= this.#at) this.#controller.abort();
  }
}
