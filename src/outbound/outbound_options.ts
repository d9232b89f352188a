/**
 * What the way out is made of, and what it tells.
 *
 * @module
 */

import type { DropReason } from "../callbacks.ts";
import type { Redelivery, SendOverflow } from "../config.ts";
import type { WSError } from "../errors.ts";
import type { Message } from "../message.ts";
import type { Waits } from "./pump.ts";

/** The options of a client that are about sending. */
export interface OutboundOptions {
  readonly sendQueueMaxSize: number;
  readonly sendQueueMaxBytes: number;
  readonly overflow: SendOverflow;
  readonly redeliver: Redelivery;
  readonly spool?: string | undefined;
}

/** What the way out tells and asks the client. */
export interface OutboundHooks {
  /** A message was dropped. */
  onDrop(data: Message, reason: DropReason): void;
  /** A callback threw, or a damaged spool was set aside. */
  onError(error: WSError): void;
  /** Asked before anybody waits: an error rejects at once instead. */
  mayWait(): WSError | undefined;
  /** The wall clock, in milliseconds since the epoch. */
  readonly now?: () => number;
  /** How the pump waits. */
  readonly waits?: Waits;
}

/** What was accepted and not settled when the client ended. */
export interface Unsent {
  readonly unsent: number;
  readonly unsentBytes: number;
}
