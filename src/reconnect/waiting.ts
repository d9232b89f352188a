/**
 * Waiting for several things at once, without leaving anything behind.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import type { Connection } from "../connection/connection.ts";

/** Runs something with a signal that aborts when one of several does. */
export async function withEither<T>(
  signals: readonly AbortSignal[],
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  // Not AbortSignal.any(), which leaves its mark on the client's own signal
  // until that is collected.
  const either = new AbortController();
  const listeners = signals.map((signal) => {
    const abort = () => either.abort(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
    return () => signal.removeEventListener("abort", abort);
  });
  try {
    either.signal.throwIfAborted();
    return await run(either.signal);
  } finally {
    for (const remove of listeners) remove();
  }
}

/** Waits; rejects with the reason of the first signal that aborts. */
export function sleep(
  ms: number,
  signals: readonly AbortSignal[],
): Promise<void> {
  return withEither(
    signals,
    (signal) => ms > 0 ? delay(ms, { signal }) : Promise.resolve(),
  );
}

/** Waits, but no longer than all of these connections are there. */
export async function sleepUntilClosed(
  ms: number,
  ...connections: readonly Connection[]
): Promise<void> {
  const done = new AbortController();
  const waited = delay(ms, { signal: done.signal }).catch(() => {});
  await Promise.race([waited, ...connections.map(({ closed }) => closed)]);
  done.abort();
}
