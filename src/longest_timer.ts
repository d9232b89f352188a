/**
 * How long a timer can wait.
 *
 * @module
 */

/** In milliseconds. A timer that is set for longer fires at once. */
export const LONGEST_TIMER = 2 ** 31 - 1;
