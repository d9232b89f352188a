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

/**
 * Whether a function of the program returned a promise, where it must not; the
 * promise may reject and ends no program.
 */
export function isPromise(value: unknown): boolean {
  if (!(value instanceof Promise)) return false;
  handled(value);
  return true;
}

/** A promise that has rejected, and ends no program. */
export function rejected(error: unknown): Promise<never> {
  return handled(Promise.reject(error));
}
