/**
 * The options of a sender, and the client that it serves.
 *
 * @module
 */

import type { Clock } from "../clock.ts";
import type { WSError } from "../errors.ts";
import type { ResolvedConfig } from "../resolve_config.ts";
import type { ReportTarget } from "./reports.ts";
import type { OpenSpool } from "./spool_opening.ts";
import type { Turn } from "../turns.ts";

/** The options of a client that concern sending. */
export type SendConfig = Pick<
  ResolvedConfig,
  | "sendQueueMaxSize"
  | "sendQueueMaxBytes"
  | "overflow"
  | "redeliver"
  | "spool"
  | "sendRate"
>;

/** What a sender reports to its client, and asks it. */
export interface SenderHooks {
  /** Is told of dropped messages, and of errors of callbacks and the spool. */
  readonly notifier: ReportTarget;
  /**
   * Asked before a sender or `flush()` waits: an error rejects at once instead,
   * for a call that would wait for itself.
   */
  refuseToWait(): WSError | undefined;
  /** @default the system's */
  readonly clock?: Clock | undefined;
  /** How to wait for a turn of the event loop. */
  readonly turn?: Turn | undefined;
  /** How to open the spool. */
  readonly openSpool?: OpenSpool | undefined;
}

/** How a connection ended. */
export interface DetachInfo {
  /** The server answered our close frame: it has read everything before. */
  readonly flushed: boolean;
  /** The server closed with 1009: one of our messages was too large for it. */
  readonly tooLarge?: boolean;
}
