/**
 * What ends a server that runs in a terminal or a pipe.
 *
 * @module
 */

import type { EndSignal, ExitStatus } from "../exit_status.ts";

/** Ends a server, and knows when it ends by itself. */
export interface ServerControl {
  readonly end: (status: ExitStatus) => void;
  /** Acts as if the signal came; the second one ends the program at once. */
  readonly raise: (signal: EndSignal) => void;
  /** Ends it because its time is up. */
  readonly expire: () => void;
  /** When its time is up (`performance.now()`). */
  readonly deadline: number;
  /** Aborts once it is decided how it ends. */
  readonly over: AbortSignal;
}
