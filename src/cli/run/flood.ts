/**
 * A flood of messages, in which signals and timers come late.
 *
 * @module
 */

import { nextTurn } from "../../turns.ts";

/** How long a turn of the event loop may take before it is a flood, in ms. */
const LONG_TURN = 20;

/** The longest time between two looks during a flood, in milliseconds. */
const FLOOD_PACE = 5;

/** How long it may go on at that pace before it is a flood, in milliseconds. */
const LONG_BUSY = 50;

/** Tells a flood by the times at which it is asked: after so many messages. */
export class FloodDetector {
  /** When it was first asked in this turn of the event loop. */
  #turnBegan: number | undefined;
  #askedAt = 0;
  /** Since when messages have come at the pace of a flood. */
  #busySince = 0;

  /**
   * Whether the event loop does not turn, or has much to do.
   *
   * @param now `performance.now()`
   */
  isFlood(now: number): boolean {
    if (this.#turnBegan === undefined) {
      this.#turnBegan = now;
      nextTurn(() => this.#turnBegan = undefined);
    }
    if (now - this.#askedAt > FLOOD_PACE) this.#busySince = now;
    this.#askedAt = now;
    return now - this.#turnBegan > LONG_TURN ||
      now - this.#busySince > LONG_BUSY;
  }
}
