/**
 * Turns of the event loop.
 *
 * @module
 */

// The globals, for which Deno 2.6 has no types. Newer versions load them and
// `setTimeout`, with many other modules of Node's, at the first use, which takes
// 6 ms. By then a dial is waiting for its server; an import of `node:timers`
// would load them when the program starts.
declare function setImmediate(callback: () => void): object;
declare function clearImmediate(immediate: object): void;

/**
 * Calls back after a turn of the event loop; returns a function that cancels
 * it.
 */
export type Turn = (then: () => void) => () => void;

/** The event loop's own turn. Not unref'd: on Deno 2.6 it would never come. */
export const nextTurn: Turn = (then) => {
  const immediate = setImmediate(then);
  return () => clearImmediate(immediate);
};

/** Resolves after a turn of the event loop. */
export function untilNextTurn(): Promise<void> {
  return new Promise((resolve) => nextTurn(resolve));
}

/** How long work may go on before the event loop runs, in milliseconds. */
const LONGEST_PART = 5;

/** Cuts long work into parts, however slow the machine is. */
export class Parts {
  #begunAt = performance.now();

  /** Whether it is time for {@linkcode Parts.next}. */
  get isOver(): boolean {
    return performance.now() - this.#begunAt >= LONGEST_PART;
  }

  /** Lets the event loop run. */
  async next(): Promise<void> {
    await untilNextTurn();
    this.#begunAt = performance.now();
  }
}
