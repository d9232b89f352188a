/**
 * The waits before each attempt, and how `reconnect()` ends them: for the hook
 * of a connection that has ended, for the backoff, and for slow readers.
 *
 * `reconnect()` dials at once, but not more often than once a second: a program
 * that calls it in each of its callbacks must not hammer the server.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import type { RetryInfo } from "../callbacks.ts";
import type { Notifier } from "../notifier.ts";
import type { ResolvedConfig } from "../resolve_config.ts";
import type { ConnectionLog } from "../stats.ts";
import type { RetryPolicy } from "./retry_policy.ts";
import { sleepUntil } from "./waiting.ts";

/** A wait before the next attempt. */
export interface Wait {
  /** In milliseconds. */
  readonly ms: number;
  /** The argument of `onRetry`; with `undefined`, `onRetry` is not called. */
  readonly retry: Omit<RetryInfo, "delay"> | undefined;
  /** Whether a slow reader caused it. */
  readonly isForReader: boolean;
}

/** The parts of the client that a wait concerns. */
export interface WaitParts {
  readonly config: ResolvedConfig;
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
  #hook: Promise<unknown> | undefined;
  #next: Wait | undefined;
  #isSkipRequested = false;
  #lastSkip = -Infinity;

  constructor(parts: WaitParts, policy: RetryPolicy) {
    this.#parts = parts;
    this.#policy = policy;
  }

  /** Plans the wait before the next attempt. */
  plan(wait: Wait): void {
    this.#next = wait;
  }

  /**
   * The hook of a connection that has ended gets `closeTimeout` to settle before
   * the next attempt, so that no two hooks run at once.
   */
  planHook(settled: Promise<unknown>): void {
    this.#hook = settled;
  }

  /** The next attempt is made at once, or as soon as skipping allows. */
  requestSkip(): void {
    this.#hook = undefined;
    this.#isSkipRequested = true;
  }

  /** Forgets all planned waits. */
  clear(): void {
    this.#hook = undefined;
    this.#next = undefined;
    this.#isSkipRequested = false;
  }

  /**
   * Waits for the planned time.
   * @throws the signal's reason, once it aborts
   */
  async pass(signal: AbortSignal): Promise<void> {
    const { notifier, log, config } = this.#parts;
    if (this.#hook !== undefined) {
      await sleepUntil(this.#hook, config.closeTimeout, signal);
    }
    const wait = this.#next;
    const planned = wait?.ms ?? 0;
    const ms = this.#isSkipRequested ? this.#shortened(wait?.ms) : planned;
    this.clear();
    if (wait?.retry !== undefined) {
      log.retries++;
      notifier.retry({ ...wait.retry, delay: Math.round(ms) });
    }
    signal.throwIfAborted();
    const startedAt = performance.now();
    if (ms > 0) await delay(ms, { signal });
    if (wait === undefined) return;
    const since = wait.isForReader ? startedAt : performance.now();
    await this.#parts.readersDrained(signal);
    this.#policy.waitedForReader(performance.now() - since);
  }

  /** What is left of a wait that is skipped. */
  #shortened(ms = Infinity): number {
    const now = performance.now();
    const left = Math.max(0, this.#lastSkip + SKIP_INTERVAL - now);
    const shortened = Math.min(ms, left);
    this.#lastSkip = now + shortened;
    return shortened;
  }
}
