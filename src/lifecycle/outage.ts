/**
 * The times without a connection, after there was one: a consumer may have
 * missed something in each of them.
 *
 * @module
 */

import type { Gap } from "../callbacks.ts";
import type { WSError } from "../errors.ts";

/** Follows one client's outages, one at a time. */
export class Outage {
  #current: { readonly from: number; readonly cause: WSError } | undefined;
  #attempts = 0;

  /** A connection ended; `now` is in milliseconds since the epoch. */
  begin(cause: WSError, now: number): void {
    this.#current = { from: now, cause };
    this.#attempts = 0;
  }

  /** An attempt begins. */
  attempt(): void {
    this.#attempts++;
  }

  /** A connection is there again: the gap, if there was one before. */
  end(now: number): Gap | undefined {
    const outage = this.#current;
    this.#current = undefined;
    if (outage === undefined) return undefined;
    // The wall clock may have been set back meanwhile.
    const to = Math.max(now, outage.from);
    return { ...outage, to, attempts: this.#attempts };
  }
}
