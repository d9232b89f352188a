/**
 * How `stop()` is told to close, and what it says in the end.
 *
 * @module
 */

import { byteLength } from "./message.ts";
import {
  DURATION,
  number,
  type NumberRule,
  onlyKnownKeys,
  wrongKind,
} from "./rules.ts";

/** How to stop. */
export interface StopOptions {
  /**
   * The close code: 1000, or 3000 to 4999 (RFC 6455, section 7.4.2).
   * @default 1000
   */
  readonly code?: number;
  /** The reason in the close frame: at most 123 bytes. */
  readonly reason?: string;
  /**
   * How long what is queued may still be sent, in milliseconds; 0 not at all.
   * @default `closeTimeout`
   */
  readonly drain?: number;
}

/** What `stop()` could not send. */
export interface StopResult {
  /** Messages left; with a spool they are in it. */
  readonly unsent: number;
  /** Bytes left. */
  readonly unsentBytes: number;
}

/** A close frame holds 125 bytes, and the code takes two (RFC 6455, 5.5). */
const REASON_MAX_BYTES = 123;

/** What a program may close with; the others are the protocol's. */
const CLOSE_CODE: NumberRule = {
  min: 3000,
  max: 4999,
  integer: true,
  also: 1000,
};

/**
 * Checks the options and fills in the defaults.
 * @throws {TypeError} a value of the wrong kind, an unknown key
 * @throws {RangeError} a code, reason or duration outside its limits
 */
export function resolveStopOptions(
  options: StopOptions,
  closeTimeout: number,
): Required<StopOptions> {
  onlyKnownKeys("stop()", options, ["code", "reason", "drain"]);
  const { code = 1000, reason = "", drain = closeTimeout } = options;
  number("drain", drain, DURATION);
  number("code", code, CLOSE_CODE);
  if (typeof reason !== "string") throw wrongKind("reason", "a text", reason);
  const length = byteLength(reason);
  if (length > REASON_MAX_BYTES) {
    throw new RangeError(
      `Cannot use 'reason' as it must be at most ${REASON_MAX_BYTES} bytes: ` +
        `current value has ${length}`,
    );
  }
  return { code, reason, drain };
}
