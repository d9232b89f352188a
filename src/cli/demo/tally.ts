/**
 * The count of the demo: what one side said, and what the other one has.
 *
 * @module
 */

/** One direction. */
export interface Direction {
  readonly sent: number;
  /** Different messages. */
  readonly received: number;
  /** How many came once more. */
  readonly repeated: number;
}

/** Both directions, and what the link went through. */
export interface Tally {
  readonly up: Direction;
  readonly down: Direction;
  readonly reconnects: number;
  /** Without a link, in milliseconds. */
  readonly downtime: number;
}

/** What one side said and the other does not have. */
export function lostOf({ up, down }: Tally): number {
  return up.sent - up.received + down.sent - down.received;
}

/** 1 if anything was lost, or if the link was cut and did not come back. */
export function verdictOn(tally: Tally, cuts: number): 0 | 1 {
  return lostOf(tally) === 0 && tally.reconnects >= cuts ? 0 : 1;
}
