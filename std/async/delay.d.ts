/** Options for `delay`. */
export interface DelayOptions {
  /** Rejects with its reason when it aborts before the time is over. */
  signal?: AbortSignal;
  /**
   * Whether the pending timer keeps the process alive.
   *
   * @default {true}
   */
  persistent?: boolean;
}

/** Resolves after `ms` milliseconds; any length is allowed. */
export declare function delay(
  ms: number,
  options?: DelayOptions,
): Promise<void>;
