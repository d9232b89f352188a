/**
 * How long to wait before the next attempt. Pure: chance comes as an argument,
 * a number from 0 up to but not including 1.
 *
 * @module
 */

/** The options of the wait; milliseconds where they are times. */
export interface BackoffOptions {
  readonly initialBackoff: number;
  readonly maxBackoff: number;
  readonly backoffMultiplier: number;
  /** 1 draws from 0 to the delay, 0 takes the delay as it is. */
  readonly jitter: number;
}

/** The longest `Retry-After` that is obeyed: one hour. */
const MAX_RETRY_AFTER = 3_600_000;

/**
 * The wait after `round` full rounds of failures (0 after the first).
 *
 * Jitter comes after the cap: before it, every client that has been away for
 * long enough would wait exactly `maxBackoff`, and all come back together.
 * Full jitter draws from just above 0 to the delay: never exactly 0.
 */
export function backoff(
  options: BackoffOptions,
  round: number,
  chance: number,
): number {
  const { initialBackoff, maxBackoff, backoffMultiplier, jitter } = options;
  // An overflow is Infinity, which the cap takes; but 0 times it is no number.
  const grown = initialBackoff === 0
    ? 0
    : initialBackoff * backoffMultiplier ** round;
  return Math.min(grown, maxBackoff) * (1 - jitter * chance);
}

/**
 * The wait when the server said `Retry-After` (milliseconds): not less than it
 * asks, up to an hour, and up to 10 % more, as it told everybody the same.
 */
export function withRetryAfter(
  delay: number,
  retryAfter: number | undefined,
  chance: number,
): number {
  if (retryAfter === undefined) return delay;
  return Math.max(delay, Math.min(retryAfter, MAX_RETRY_AFTER)) *
    (1 + 0.1 * chance);
}
