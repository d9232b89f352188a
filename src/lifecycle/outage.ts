/**
 * The times without a connection, after there was one: a consumer may have
 * missed something in each of them.
 *
 * @module
 */

import type { Gap } from "../callbacks.ts";
import type { WSError } from "../errors.ts";

/** A time without a connection. */
export class Outage {
  readonly #cause: WSError;
  readonly #from: number;
  #attempts = 0;

  /** The connection ended; `now` is in milliseconds since the epoch. */
  constructor(cause: WSError, now: number) {
    this.#cause = cause;
    this.#from = now;
  }

  /** An attempt begins. */
  attempt(): void {
    this.#attempts++;
  }

  /** A connection is there again. */
  end(now: number): Gap {
    return {
      from: this.#from,
      // The wall clock may have been set back meanwhile.
      to: Math.max(now, this.#from),
      cause: this.#cause,
      attempts: this.#attempts,
    };
  }
}
