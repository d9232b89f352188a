/**
 * A gap is told when the link is back. The program may end before: then the
 * outage that is still open is a gap too.
 *
 * @module
 */

import { type DisconnectInfo, type Gap, WSError } from "../../../mod.ts";

/** Follows the outages of one run. */
export class OutageWatch {
  #open: { from: number; cause: WSError; attempts: number } | undefined;
  #count = 0;

  /** How many gaps there were. */
  get count(): number {
    return this.#count;
  }

  /** A connection ended; `now` in milliseconds since the epoch. */
  closed(info: DisconnectInfo, now: number): void {
    if (!info.willRetry && info.error === undefined) return;
    const cause = info.error ??
      new WSError(`The server closed the connection (${info.code})`, {
        code: "CLOSED",
        severity: "transient",
        closeCode: info.code,
        reason: info.reason,
      });
    this.#open = { from: now, cause, attempts: 0 };
  }

  /** Another attempt is made. */
  retried(): void {
    if (this.#open !== undefined) this.#open.attempts++;
  }

  /** The client told of a gap. */
  told(gap: Gap): void {
    this.#count++;
    // A reader that fell behind leaves a gap in a link that holds.
    if (gap.attempts > 0) this.#open = undefined;
  }

  /** The run has ended: the gap that nobody told of. */
  end(now: number): Gap | undefined {
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined) return undefined;
    this.#count++;
    return { ...open, to: Math.max(now, open.from) };
  }
}
