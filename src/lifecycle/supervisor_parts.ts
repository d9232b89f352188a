/**
 * What the supervisor of a client works with.
 *
 * @module
 */

import type { Gap } from "../callbacks.ts";
import type { WSError } from "../errors.ts";
import type { ResolvedConfig } from "../resolve_config.ts";
import type { OpenerParts } from "./opener.ts";

/** What a supervisor asks for, and whom it tells. */
export interface SupervisorParts extends OpenerParts {
  readonly config: ResolvedConfig;
  /** Settles when no reader is too far behind any more. */
  readersCaughtUp(signal: AbortSignal): Promise<void>;
  /** Uniform in [0, 1). */
  chance(): number;
  /** A time without a connection is over. */
  onOutage(gap: Gap): void;
  onState(state: "connecting" | "open" | "waiting"): void;
  /** What cannot happen has: reports it, and gives the error to end with. */
  broken(cause: unknown): WSError;
  /**
   * The run is over: with the error that ended it, or with `undefined` after
   * `stop()` and after a normal close without reconnect.
   */
  onEnd(error: WSError | undefined): void;
}
