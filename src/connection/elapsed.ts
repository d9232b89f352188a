/**
 * How much time passed between two looks, even if the process or the machine
 * slept meanwhile.
 *
 * @module
 */

/** Two clocks, in milliseconds. */
export interface Clock {
  /** The time of day, as `Date.now`: it jumps when somebody sets it. */
  wall(): number;
  /** As `performance.now`: it may stand still while the machine sleeps. */
  monotonic(): number;
}

/** The clocks of this machine. */
export const SYSTEM_CLOCK: Clock = {
  wall: () => Date.now(),
  monotonic: () => performance.now(),
};

/** By how much the wall clock must run ahead to mean sleep, not adjustment. */
const SLEPT = 2_000;

/**
 * Measures the time from one look to the next, in whole milliseconds: a small
 * integer needs no memory of its own.
 */
export class Elapsed {
  readonly #clock: Clock;
  #wall: number;
  #monotonic: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#wall = clock.wall();
    this.#monotonic = Math.round(clock.monotonic());
  }

  /**
   * Milliseconds since the last look: never less than `atLeast`, which is what
   * the timer that led to this look waited.
   */
  look(atLeast: number): number {
    const wall = this.#clock.wall();
    const monotonic = Math.round(this.#clock.monotonic());
    const awake = Math.max(atLeast, monotonic - this.#monotonic);
    const asleep = wall - this.#wall - awake;
    this.#wall = wall;
    this.#monotonic = monotonic;
    return asleep > SLEPT ? awake + asleep : awake;
  }
}
