/**
 * Turns of the event loop.
 *
 * @module
 */

import { clearImmediate, setImmediate } from "node:timers";

/** Calls back after a turn of the event loop; returns what calls it off. */
export type Turn = (then: () => void) => () => void;

/** The event loop's own. Not unref'd: on Deno 2.6 that one never comes. */
export const nextTurn: Turn = (then) => {
  const immediate = setImmediate(then);
  return () => clearImmediate(immediate);
};
