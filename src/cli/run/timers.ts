/**
 * Timers of any length. The runtime's own go off at once when they are set to
 * more than 2^31 - 1 ms, which is less than 25 days.
 *
 * @module
 */

import { delay } from "@std/async/delay";

/** Calls once after `ms`, unless the signal aborts; without `ms` never. */
export async function after(
  ms: number | undefined,
  signal: AbortSignal,
  callback: () => void,
): Promise<void> {
  if (ms !== undefined && await passed(ms, signal)) callback();
}

/** Calls each `ms` until the signal aborts; without `ms` never. */
export async function every(
  ms: number | undefined,
  signal: AbortSignal,
  callback: () => void,
): Promise<void> {
  while (ms !== undefined && await passed(ms, signal)) callback();
}

/** Whether the time passed before the signal aborted. */
async function passed(ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await delay(ms, { signal });
    return true;
  } catch (error) {
    if (!signal.aborted) throw error;
    return false;
  }
}
