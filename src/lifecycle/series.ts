/**
 * What follows a failure: another attempt after how long, or the end.
 *
 * A series is a run of attempts without a stable connection. It counts failures
 * for `maxRetries`, full rounds over the endpoints for the backoff, and the time
 * since the last stable connection for `retryBudget`. Pure: time and chance are
 * arguments.
 *
 * @module
 */

import { WSError } from "../errors.ts";
import type { Endpoint, ResolvedConfig } from "../resolve_config.ts";
import { backoff, withRetryAfter } from "./backoff.ts";
import type { Endpoints, NextStep } from "./endpoint.ts";

/** What follows a failure. */
export type Next =
  | {
    readonly kind: "retry";
    /** The number of the coming attempt; the first retry is 1. */
    readonly attempt: number;
    /** In milliseconds. */
    readonly delay: number;
    readonly error: WSError;
  }
  | {
    readonly kind: "end";
    /** With what the client ends; `undefined` for a normal close. */
    readonly error: WSError | undefined;
  };

/** What a series goes by. */
export type SeriesConfig = Pick<
  ResolvedConfig,
  | "reconnect"
  | "initialBackoff"
  | "maxBackoff"
  | "backoffMultiplier"
  | "jitter"
  | "stableAfter"
  | "maxRetries"
  | "retryBudget"
>;

/** A close that is no error: the server was done. */
export function isQuiet(error: WSError): boolean {
  return error.code === "CLOSED" && error.severity === "transient" &&
    (error.closeCode === 1000 || error.closeCode === 1001);
}

/** Attempts in a row without a stable connection. */
export class Series {
  readonly #config: SeriesConfig;
  readonly #endpoints: Endpoints<Endpoint>;
  readonly #chance: () => number;
  /** Made at the first failure. */
  #notBefore: Map<Endpoint, number> | undefined;
  #attempt = 0;
  #failures = 0;
  #rounds = 0;
  #since = 0;

  constructor(
    config: SeriesConfig,
    endpoints: Endpoints<Endpoint>,
    chance: () => number,
  ) {
    this.#config = config;
    this.#endpoints = endpoints;
    this.#chance = chance;
  }

  /**
   * The first attempt begins, and with it the retry budget. Here and below,
   * `now` is in milliseconds of a clock that never jumps.
   */
  begin(now: number): void {
    this.#since = now;
  }

  /** Retries since the last stable connection. */
  get attempt(): number {
    return this.#attempt;
  }

  /** What is left of the retry budget, in milliseconds. */
  budgetLeft(now: number): number {
    return Math.max(0, this.#since + this.#config.retryBudget - now);
  }

  /** An attempt failed. */
  failed(error: WSError, now: number): Next {
    this.#failures++;
    if (!this.#config.reconnect) return { kind: "end", error };
    return this.#next(error, now);
  }

  /**
   * A connection has ended that was open for so many milliseconds; `undefined`
   * if its gate did not pass. Only a stable one begins a new series: a reset on
   * open would hammer a server that accepts and closes.
   */
  held(openFor: number | undefined, now: number): void {
    if (!this.#isStable(openFor)) return;
    this.#attempt = this.#failures = this.#rounds = 0;
    this.#since = now;
    this.#endpoints.stable();
  }

  /** The connection that was `held` so long ended because of an error. */
  fell(error: WSError, openFor: number | undefined, now: number): Next {
    if (!this.#config.reconnect) {
      return { kind: "end", error: isQuiet(error) ? undefined : error };
    }
    if (!this.#isStable(openFor)) return this.failed(error, now);
    return this.#next(error, now, true);
  }

  #isStable(openFor: number | undefined): boolean {
    return openFor !== undefined && openFor >= this.#config.stableAfter;
  }

  #next(error: WSError, now: number, wasStable = false): Next {
    const { maxRetries, retryBudget } = this.#config;
    const { retryAfter = 0 } = error;
    // The newest word of an endpoint counts: an old one does not outlast it.
    this.#notBefore ??= new Map();
    this.#notBefore.set(this.#endpoints.current, now + retryAfter);
    const isFatal = error.severity === "fatal";
    const step = wasStable
      ? this.#endpoints.fell(isFatal)
      : this.#endpoints.failed(isFatal);
    if (step === "none left") return { kind: "end", error };
    if (this.#failures > maxRetries) {
      const tries = this.#failures === 1 ? "attempt" : "attempts in a row";
      return exhausted(`${this.#failures} ${tries} failed`, error);
    }
    const delay = this.#delay(step, now);
    if (delay >= this.budgetLeft(now)) {
      return exhausted(`the retry budget of ${retryBudget} ms is spent`, error);
    }
    this.#attempt++;
    return { kind: "retry", attempt: this.#attempt, delay, error };
  }

  #delay(step: NextStep, now: number): number {
    const pause = step === "next"
      ? 0
      : backoff(this.#config, this.#rounds++, this.#chance());
    const held = this.#notBefore?.get(this.#endpoints.current) ?? now;
    return held > now
      ? withRetryAfter(pause, held - now, this.#chance())
      : pause;
  }
}

function exhausted(why: string, error: WSError): Next {
  return {
    kind: "end",
    error: new WSError(`Gave up as ${why}; the last error: ${error.message}`, {
      code: "RETRIES_EXHAUSTED",
      severity: "fatal",
      cause: error,
      url: error.url,
    }),
  };
}
