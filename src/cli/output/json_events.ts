/**
 * The lines of `--json` and of recordings: one object each, version 1 of the
 * schema. What `connect` prints:
 *
 * ```text
 * every event   v: 1, type, ts: when it was printed (epoch ms), url (without
 *               user, password and query)
 * open          protocol ("" if none), attempt (failed ones before it)
 * message       data; "encoding": "base64" if it was binary
 * close         code (1006: no close frame), reason, wasClean
 * retry         attempt, delay (ms)
 * gap           from, to (epoch ms), cause (as error), attempts, count?
 * drop          reason, count: messages to send that were dropped
 * error         code, severity, status?, closeCode?, reason?, message
 * ```
 *
 * A new version is a new number in `v`; a new field is not a new version.
 *
 * @module
 */

import type {
  DisconnectInfo,
  DropReason,
  Gap,
  Message,
  RetryInfo,
  Session,
  WSError,
} from "../../../mod.ts";
import { inFlags } from "../args/in_flags.ts";
import { redactSubprotocol } from "../secrets.ts";

/** An event, without its version and time. */
export interface JsonEvent {
  readonly type: string;
}

/**
 * The line of an event, without its newline.
 *
 * @param url of the connection, without secrets
 * @param ts the time of the event, milliseconds since the epoch
 */
export function eventLine<T extends JsonEvent>(
  event: T,
  url: string,
  ts: number = Date.now(),
): string {
  const { type, ...facts } = event;
  return safeJson({ v: 1, type, ts, url, ...facts });
}

/** A new connection. */
export function openEvent(session: Session) {
  const { protocol, attempt } = session;
  return { type: "open", protocol: redactSubprotocol(protocol), attempt };
}

/** An inbound message. */
export function messageEvent(data: Message) {
  return typeof data === "string"
    ? { type: "message", data }
    : { type: "message", data: data.toBase64(), encoding: "base64" };
}

/** The end of a connection. */
export function closeEvent(info: DisconnectInfo) {
  const { code, reason, wasClean } = info;
  return { type: "close", code, reason, wasClean };
}

/** A wait before the next attempt. */
export function retryEvent(info: RetryInfo) {
  return { type: "retry", attempt: info.attempt, delay: info.delay };
}

/** A time in which messages may have been missed. */
export function gapEvent(gap: Gap) {
  const { from, to, cause, attempts, count } = gap;
  return { type: "gap", from, to, cause: factsOf(cause), attempts, count };
}

/** Dropped messages, which were to be sent. */
export function dropEvent(reason: DropReason, count: number) {
  return { type: "drop", reason, count };
}

/** An error of the connection. */
export function errorEvent(error: WSError) {
  return { type: "error", ...factsOf(error) };
}

function factsOf(error: WSError) {
  const { code, severity, status, closeCode, reason } = error;
  const message = inFlags(error.message);
  return { code, severity, status, closeCode, reason, message };
}

/**
 * A value as JSON that drives no terminal: what `escapeControls` writes out and
 * JSON lets through is escaped too.
 */
function safeJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => {
      const code = character.charCodeAt(0).toString(16);
      return `\\u${code.padStart(4, "0")}`;
    },
  );
}
