/**
 * Messages at the times at which they were recorded.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import type { Message } from "../../../mod.ts";
import type { Entry } from "./recording.ts";

/** How to play. */
export interface PlayOptions {
  /** How many times as fast; `Infinity` for as fast as it can be taken. */
  readonly speed: number;
  readonly signal: AbortSignal;
  /** Takes a message; the next one waits for it. */
  readonly send: (data: Message) => Promise<void> | void;
  /** Settles when all that was sent is on the network. */
  readonly flush: () => Promise<unknown>;
}

/**
 * Plays a recording from its first message on. Each message has its own time
 * from there, so that no delay adds up. Gives their number.
 */
export async function play(
  entries: AsyncIterable<Entry>,
  { speed, signal, send, flush }: PlayOptions,
): Promise<number> {
  let count = 0;
  let start: { readonly at: number; readonly now: number } | undefined;
  for await (const { at, data } of entries) {
    if (start !== undefined) {
      const due = start.now + (at - start.at) / speed;
      const wait = due - performance.now();
      if (wait > 0) await delay(wait, { signal });
    }
    if (signal.aborted) return count;
    await send(data);
    count++;
    if (start === undefined) {
      // The first one warms everything up, and takes longer than any other.
      await flush();
      start = { at, now: performance.now() };
    }
  }
  return count;
}
