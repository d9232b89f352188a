/**
 * The errors of one message, which go to its sender alone.
 *
 * @module
 */

import { WSError, type WSErrorCode } from "../errors.ts";

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
