/**
 * The wait before each attempt, and how `reconnect()` ends it.
 *
 * `reconnect()` dials at once, but not more often than once a second: a program
 * that calls it in each of its callbacks must not hammer the server.
 *
 * @module
 */

import type { RetryInfo } from "../callbacks.ts";
import type { Notifier } from "../notifier.ts";
import type { ConnectionLog } from "../stats.ts";
import type { RetryPolicy } from "./retry_policy.ts";
import { sleep, withEither } from "./waiting.ts";

/** A wait before the next attempt. */
export interface Wait {
  /** In milliseconds. */
  readonly ms: number;
  /** What `onRetry` gets; `undefined` is not announced. */
  readonly retry: Omit<RetryInfo, "delay"> | undefined;
  /** Whether it comes from our own slowness. */
  readonly isForReader: boolean;
}

/** The parts of the client that a wait concerns. */
export interface WaitParts {
  readonly notifier: Notifier;
  readonly log: ConnectionLog;
  /** Resolves when no reader is too far behind any more. */
  readersDrained(signal: AbortSignal): Promise<void>;
}

/** Skipped waits are at least this far apart, in milliseconds. */
const SKIP_INTERVAL = 1_000;

/** The waits of one client. */
export class RetryWaits {
  readonly #parts: WaitParts;
  readonly #policy: RetryPolicy;
  #next: Wait | undefined;
  #isSkipRequested = false;
  #lastSkip = -Infinity;

  constructor(parts: WaitParts, policy: RetryPolicy) {
    this.#parts = parts;
    this.#policy = policy;
  }

  /** The next attempt waits so. */
  plan(wait: Wait): void {
    this.#next = wait;
  }

  /** The next attempt is made at once, or as soon as skipping allows. */
  requestSkip(): void {
    this.#isSkipRequested = true;
  }

  /** There is a connection: nothing is waited for. */
  clear(): void {
    this.#next = undefined;
    this.#isSkipRequested = false;
  }

  /**
   * Waits as planned.
   * @param onWait gets what ends the wait in progress
   * @throws the reason of `stop`, once it aborts
   */
  async pass(
    stop: AbortSignal,
    onWait: (skip: AbortController) => void,
  ): Promise<void> {
    // A wait that was ended may have been replaced by another.
    for (let wait = this.#next; wait !== undefined; wait = this.#next) {
      this.#next = undefined;
      const skip = new AbortController();
      onWait(skip);
      try {
        await this.#waitFor(wait, [skip.signal, stop]);
      } catch (error) {
        stop.throwIfAborted();
        if (!skip.signal.aborted) throw error;
      }
    }
    stop.throwIfAborted();
    if (this.#takeSkip()) await sleep(this.#shortened(Infinity), [stop]);
  }

  async #waitFor(wait: Wait, signals: readonly AbortSignal[]): Promise<void> {
    const ms = this.#takeSkip() ? this.#shortened(wait.ms) : wait.ms;
    const { notifier, log } = this.#parts;
    if (wait.retry !== undefined) {
      log.retries++;
      notifier.retry({ ...wait.retry, delay: Math.round(ms) });
    }
    const startedAt = performance.now();
    await sleep(ms, signals);
    const since = wait.isForReader ? startedAt : performance.now();
    await withEither(signals, (signal) => this.#parts.readersDrained(signal));
    this.#policy.waitedForReader(performance.now() - since);
  }

  #takeSkip(): boolean {
    const isRequested = this.#isSkipRequested;
    this.#isSkipRequested = false;
    return isRequested;
  }

  /** What is left of a wait that is skipped. */
  #shortened(ms: number): number {
    const now = performance.now();
    const left = Math.max(0, this.#lastSkip + SKIP_INTERVAL - now);
    const shortened = Math.min(ms, left);
    this.#lastSkip = now + shortened;
    return shortened;
  }
}
