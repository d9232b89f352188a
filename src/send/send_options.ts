/**
 * What a program can say about one message that it sends, and the errors that
 * go to its sender alone.
 *
 * @module
 */

import { WSError, type WSErrorCode } from "../errors.ts";
import {
  number,
  type NumberRule,
  onlyKnownKeys,
  POSITIVE_DURATION,
  wrongKind,
} from "../rules.ts";

/** Options of one message. */
export interface SendOptions {
  /**
   * How long the message is worth sending, in milliseconds, more than 0. When
   * it has not been handed to a connection by then it is dropped as `expired`.
   * @default Infinity
   */
  readonly ttl?: number;
  /**
   * While this message is queued, a newer one with the same key takes its
   * place; it is dropped as `replaced`.
   */
  readonly key?: string;
  /** Takes the message back for as long as it is not handed to a connection. */
  readonly signal?: AbortSignal;
}

const KEYS = ["ttl", "key", "signal"] satisfies (keyof SendOptions)[];
const TTL: NumberRule = { ...POSITIVE_DURATION, infinity: true };

/**
 * Checks the options of a message.
 * @throws {TypeError} a value of the wrong kind, an unknown key
 * @throws {RangeError} a `ttl` that is not more than 0
 */
export function checkSendOptions(options: SendOptions): SendOptions {
  onlyKnownKeys("send()", options, KEYS);
  const { ttl, key, signal } = options;
  if (ttl !== undefined) number("ttl", ttl, TTL);
  if (key !== undefined && typeof key !== "string") {
    throw wrongKind("key", "a string", key);
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw wrongKind("signal", "an AbortSignal", signal);
  }
  return { ttl, key, signal };
}

export function tooLarge(bytes: number, maxBytes: number): WSError {
  return refusal(
    "TOO_LARGE",
    `Cannot send ${bytes} bytes as sendQueueMaxBytes is ${maxBytes}`,
  );
}

export function queueFull(count: number, bytes: number): WSError {
  return refusal(
    "QUEUE_FULL",
    `Cannot send as the queue is full: it holds ${count} messages, ${bytes} bytes`,
  );
}

export function expired(): WSError {
  return refusal(
    "EXPIRED",
    "The message was not sent as its ttl was over before there was room",
  );
}

export function aborted(cause: unknown): WSError {
  return refusal(
    "ABORTED",
    "The message was not sent as its signal aborted",
    cause,
  );
}

function refusal(code: WSErrorCode, text: string, cause?: unknown): WSError {
  return new WSError(text, { code, severity: "transient", cause });
}
