/** What `retry` throws when the attempts are used up. */
export declare class RetryError extends Error {
  /**
   * @param cause what the last attempt threw
   * @param attempts how many attempts were made
   */
  constructor(cause: unknown, attempts: number);
}

/** Options for `retry`; times are in milliseconds. */
export interface RetryOptions {
  /**
   * Growth of the wait from one attempt to the next; at least 1.
   *
   * @default {2}
   */
  multiplier?: number;
  /**
   * The longest wait between two attempts.
   *
   * @default {60000}
   */
  maxTimeout?: number;
  /**
   * The number of attempts; an integer of at least 1.
   *
   * @default {5}
   */
  maxAttempts?: number;
  /**
   * The first and shortest wait between two attempts.
   *
   * @default {1000}
   */
  minTimeout?: number;
  /**
   * Share of the wait that is left to chance: 1 is full jitter, 0 none.
   *
   * @default {1}
   */
  jitter?: number;
  /**
   * Whether to try again after `err`; if not, it is thrown at once.
   *
   * @default {() => true}
   */
  isRetriable?: (err: unknown) => boolean;
  /** Ends the attempts and the waits between them with its reason. */
  signal?: AbortSignal;
}

/**
 * Calls `fn` until it succeeds, waiting longer and longer in between.
 *
 * @throws {RetryError} when `maxAttempts` attempts failed
 */
export declare function retry<T>(
  fn: (() => Promise<T>) | (() => T),
  options?: RetryOptions,
): Promise<T>;
