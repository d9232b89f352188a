/**
 * Promises that the program need not await.
 *
 * @module
 */

/** The same promise; an unhandled rejection of it does not end the program. */
export function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/**
 * Whether a function of the program returned a promise, where it must not; a
 * rejection of the promise does not end the program.
 */
export function isPromise(value: unknown): boolean {
  if (!(value instanceof Promise)) return false;
  handled(value);
  return true;
}

/** A rejected promise that does not end the program. */
export function rejected(error: unknown): Promise<never> {
  return handled(Promise.reject(error));
}
