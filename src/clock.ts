/**
 * Clocks and timers of the runtime.
 *
 * @module
 */

/** Two clocks, in milliseconds. */
export interface Clock {
  /** As `performance.now`: it never jumps. */
  monotonic(): number;
  /** As `Date.now`, since the epoch: it jumps when somebody sets it. */
  wall(): number;
}

/** The clocks of this machine. */
export const SYSTEM_CLOCK: Clock = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
};

/** The longest wait of a timer, in milliseconds; a longer one fires at once. */
export const LONGEST_TIMER: number = 2 ** 31 - 1;
