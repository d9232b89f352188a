/**
 * Waiting for several things at once, without leaving anything behind.
 *
 * @module
 */

import { abortable } from "@std/async/abortable";
import { delay } from "@std/async/delay";

/** Runs something with a signal that aborts when one of several does. */
export async function withEither<T>(
  signals: readonly AbortSignal[],
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  // Not AbortSignal.any(): it leaves an entry in the client's own signal, which
  // stays there as long as that signal exists.
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

/**
 * Waits until the promise, which never rejects, is resolved, but no longer than
 * `ms`.
 * @throws the signal's reason, once it aborts
 */
export async function sleepUntil(
  event: Promise<unknown>,
  ms: number,
  signal?: AbortSignal,
): Promise<void> {
  const done = new AbortController();
  const waited = delay(ms, { signal: done.signal }).catch(() => {});
  try {
    const either = Promise.race([event, waited]);
    await (signal === undefined ? either : abortable(either, signal));
  } finally {
    done.abort();
  }
}
