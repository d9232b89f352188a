/**
 * The time without a connection after there was one: a consumer may have missed
 * something.
 *
 * @module
 */

import type { Gap } from "../callbacks.ts";
import type { WSError } from "../errors.ts";

interface Outage {
  readonly cause: WSError;
  /** In milliseconds of a monotonic clock. */
  readonly since: number;
  attempts: number;
}

/** Follows the outages of one client. */
export class GapTracker {
  #outage: Outage | undefined;

  /**
   * There is no connection; nothing changes if there was none before. Moments
   * are in milliseconds of a monotonic clock.
   */
  start(cause: WSError, since: number): void {
    this.#outage ??= { cause, since, attempts: 0 };
  }

  /** An attempt begins. */
  attempt(): void {
    if (this.#outage !== undefined) this.#outage.attempts++;
  }

  /** The outage is over: the gap, if there was an outage. */
  end(now: number): Gap | undefined {
    const outage = this.#outage;
    if (outage === undefined) return undefined;
    this.#outage = undefined;
    const { cause, since, attempts } = outage;
    // The wall clock may have been set meanwhile: only the length is certain.
    const to = Date.now();
    return { from: Math.round(to - (now - since)), to, cause, attempts };
  }
}
