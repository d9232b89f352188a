/**
 * What follows a failure: another attempt after a delay, or the end. Pure: time
 * and chance are arguments.
 *
 * A series is a run of attempts without a stable connection. The policy counts
 * its failures for `maxRetries`, its full rounds over the URLs for the backoff,
 * and the time since the last stable connection for `retryBudget`.
 *
 * Only a connection that held for `stableAfter` starts a new series: a reset at
 * every open would hammer a server that accepts and closes.
 *
 * A slow reader costs no retry, no budget and no failover.
 *
 * @module
 */

import type { WSError } from "../errors.ts";
import type { Endpoint, ResolvedConfig } from "../resolve_config.ts";
import {
  isNormalClose,
  isRefusal,
  retriesExhausted,
} from "../transport/classify.ts";
import { Failover, type FailoverStep } from "./failover.ts";

/** What follows a failure. */
export type Next =
  | {
    readonly kind: "retry";
    /** The number of the coming attempt; the first retry is 1. */
    readonly attempt: number;
    /** In whole milliseconds. */
    readonly delay: number;
  }
  | {
    readonly kind: "end";
    /** The error that ends the client; `undefined` for a normal close. */
    readonly error: WSError | undefined;
  };

/** The options of the policy. */
export type RetryConfig = Pick<
  ResolvedConfig,
  | "endpoints"
  | "reconnect"
  | "initialBackoff"
  | "maxBackoff"
  | "backoffMultiplier"
  | "jitter"
  | "stableAfter"
  | "maxRetries"
  | "retryBudget"
>;

/** The longest `Retry-After` that is obeyed: one hour. */
const MAX_RETRY_AFTER = 3_600_000;

/** Decides about the attempts of one client. */
export class RetryPolicy {
  readonly #config: RetryConfig;
  readonly #chance: () => number;
  readonly #failover: Failover<Endpoint>;
  #isExhausted = false;
  #attempt = 0;
  #failures = 0;
  #rounds = 0;
  #since = 0;

  /** @param chance uniform in [0, 1) */
  constructor(config: RetryConfig, chance: () => number) {
    this.#config = config;
    this.#chance = chance;
    this.#failover = new Failover(config.endpoints);
  }

  /** What to dial. */
  get endpoint(): Endpoint {
    return this.#failover.current;
  }

  /** How many 401 and 403 in a row this endpoint has answered. */
  get refusals(): number {
    return this.#failover.refusals;
  }

  /** Retries since the last stable connection. */
  get attempt(): number {
    return this.#attempt;
  }

  /** Whether the last failure allows another attempt. */
  get allowsRetry(): boolean {
    return !this.#isExhausted;
  }

  /**
   * The first attempt begins, and with it the retry budget. Here and below,
   * `now` is in milliseconds of a monotonic clock.
   */
  start(now: number): void {
    this.#since = now;
  }

  /** What is left of the retry budget, in milliseconds. */
  budgetLeft(now: number): number {
    return Math.max(0, this.#since + this.#config.retryBudget - now);
  }

  /** `ms` milliseconds were spent waiting for a slow reader. */
  waitedForReader(ms: number): void {
    this.#since += ms;
  }

  /** An endpoint has accepted the handshake. */
  opened(): void {
    this.#failover.opened();
  }

  /** An attempt failed. */
  failed(error: WSError, now: number): Next {
    this.#failures++;
    if (!this.#config.reconnect) return this.#end(error);
    return this.#retry(error, now);
  }

  /** The connection to the endpoint is in use. */
  entered(): void {
    this.#failover.use();
  }

  /**
   * A connection ended that was open for `openFor` milliseconds, and is
   * replaced at once: by the attempt in progress, or by a new one.
   */
  dropped(openFor: number, now: number, isReplacing: boolean): void {
    if (!isReplacing) this.#failover.resume();
    if (this.#isStable(openFor)) this.#startSeries(now);
  }

  /** A connection ended that was open for `openFor` milliseconds. */
  ended(error: WSError, openFor: number, now: number): Next {
    const wasStable = this.#isStable(openFor);
    this.#failover.resume();
    if (wasStable) this.#startSeries(now);
    if (!this.#config.reconnect) {
      return this.#end(isNormalClose(error) ? undefined : error);
    }
    if (error.code === "SLOW_CONSUMER" && error.severity === "transient") {
      const delay = Math.round(this.#backoffAfter(this.#rounds));
      return { kind: "retry", attempt: this.#attempt + 1, delay };
    }
    if (!wasStable) return this.failed(error, now);
    return error.severity === "fatal"
      ? this.#retry(error, now)
      : this.#waitFor(error, this.#backoffAfter(this.#rounds++), now);
  }

  /** A connection has replaced another. */
  rotated(now: number): void {
    this.entered();
    this.#startSeries(now);
  }

  /**
   * An attempt to replace an open connection failed: how long to wait before
   * the next one, in milliseconds. It never ends the client.
   */
  rotationFailed(error: WSError, now: number): number {
    const step = this.#failoverAfter(error, false, now);
    // With several URLs too: while a connection is open there is no hurry.
    const delay = this.#backoffAfter(this.#rounds++);
    if (step === "round") this.#failover.startRound(now + delay);
    return this.#withRetryAfter(delay, now);
  }

  #isStable(openFor: number): boolean {
    return openFor >= this.#config.stableAfter;
  }

  #startSeries(now: number): void {
    this.#attempt = this.#failures = this.#rounds = 0;
    this.#since = now;
    this.#failover.stable();
  }

  #retry(error: WSError, now: number): Next {
    const step = this.#failoverAfter(error, error.severity === "fatal", now);
    if (step === "none left") return this.#end(error);
    const { maxRetries } = this.#config;
    if (this.#failures > maxRetries) {
      const tries = this.#failures === 1 ? "attempt" : "attempts in a row";
      return this.#giveUp(`${this.#failures} ${tries} failed`, error);
    }
    if (step === "next") return this.#waitFor(error, 0, now);
    const delay = this.#backoffAfter(this.#rounds++);
    this.#failover.startRound(now + delay);
    return this.#waitFor(error, this.#withRetryAfter(delay, now), now);
  }

  #failoverAfter(error: WSError, isFatal: boolean, now: number): FailoverStep {
    const { retryAfter = 0 } = error;
    const notBefore = now + Math.min(retryAfter, MAX_RETRY_AFTER);
    return this.#failover.failed(isFatal, isRefusal(error), notBefore, now);
  }

  #waitFor(error: WSError, ms: number, now: number): Next {
    const delay = Math.round(ms);
    if (delay >= this.budgetLeft(now)) {
      const { retryBudget } = this.#config;
      return this.#giveUp(
        `the retry budget of ${retryBudget} ms is spent`,
        error,
      );
    }
    this.#attempt++;
    return { kind: "retry", attempt: this.#attempt, delay };
  }

  #giveUp(why: string, last: WSError): Next {
    return this.#end(retriesExhausted(why, last));
  }

  #end(error: WSError | undefined): Next {
    this.#isExhausted = true;
    return { kind: "end", error };
  }

  #backoffAfter(round: number): number {
    return backoff(this.#config, round, this.#chance());
  }

  /**
   * At least the wait that the server of the next endpoint asked for, plus up
   * to 10 %, because all its clients got the same value.
   */
  #withRetryAfter(delay: number, now: number): number {
    const asked = this.#failover.notBefore - now;
    if (asked <= 0) return delay;
    return Math.max(delay, asked) * (1 + 0.1 * this.#chance());
  }
}

/** The options of the backoff. */
export type BackoffOptions = Pick<
  ResolvedConfig,
  "initialBackoff" | "maxBackoff" | "backoffMultiplier" | "jitter"
>;

/**
 * The wait after `round` full rounds of failures (0 after the first), in
 * milliseconds; `chance` is uniform in [0, 1).
 *
 * Jitter comes after the cap: before it, every client that has been away for long
 * enough would wait exactly `maxBackoff`, and all would come back together. Full
 * jitter draws from just above 0 to the delay: never exactly 0.
 */
export function backoff(
  { initialBackoff, maxBackoff, backoffMultiplier, jitter }: BackoffOptions,
  round: number,
  chance: number,
): number {
  // An overflow gives Infinity, which the cap limits; but 0 times Infinity is
  // NaN.
  const grown = initialBackoff === 0
    ? 0
    : initialBackoff * backoffMultiplier ** round;
  return Math.min(grown, maxBackoff) * (1 - jitter * chance);
}
