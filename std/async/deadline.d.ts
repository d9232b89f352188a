/** Options for `deadline`. */
export interface DeadlineOptions {
  /** Rejects with its reason when it aborts before the deadline. */
  signal?: AbortSignal;
}

/**
 * Settles as `p` does, or rejects with a `TimeoutError` DOMException after
 * `ms` milliseconds.
 */
export declare function deadline<T>(
  p: Promise<T>,
  ms: number,
  options?: DeadlineOptions,
): Promise<T>;
