/** Settles as `p` does, or rejects with the signal's reason once it aborts. */
export declare function abortable<T>(
  p: Promise<T>,
  signal: AbortSignal,
): Promise<T>;

/**
 * Iterates as `p` does, or throws the signal's reason once it aborts.
 */
export declare function abortable<T>(
  p: AsyncIterable<T>,
  signal: AbortSignal,
): AsyncGenerator<T>;
