/**
 * Promises that may be handed out without anybody awaiting them.
 *
 * @module
 */

/** The same promise; when it rejects and nobody awaits it no program ends. */
export function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/** A promise that has rejected, and ends no program. */
export function rejected(error: unknown): Promise<never> {
  return handled(Promise.reject(error));
}
