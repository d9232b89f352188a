/**
 * Prints messages as the flags say. The way is chosen once, so that a message
 * costs one append.
 *
 * @module
 */

import type { Message } from "../../../mod.ts";
import type { Flags } from "../args/flags.ts";
import type { FormatPart } from "../args/values.ts";
import { escapeControls } from "../format.ts";
import { displayMessage, type DisplayOptions, encodeText } from "./display.ts";
import { eventLine, messageEvent } from "./json_events.ts";
import type { Output } from "./output.ts";

/** The flags that say how messages are printed. */
export type PrintFlags = Pick<
  Flags,
  | "json"
  | "binary"
  | "null"
  | "delimiter"
  | "format"
  | "timestamps"
  | "merge"
>;

/** Prints a message of the connection to this URL. */
export type Printer = (data: Message, url: string) => void;

/**
 * The delimiter of the output.
 *
 * @param isTerminal whether it is shown on a terminal, where each has a line
 */
export function outputDelimiter(
  flags: PrintFlags,
  isTerminal: boolean,
): string {
  if (flags.format !== undefined && !flags.json) return "";
  return flags.json || isTerminal ? "\n" : inputDelimiter(flags);
}

/** The delimiter of the input; empty if there is none. */
export function inputDelimiter(
  flags: Pick<Flags, "null" | "delimiter" | "binary">,
): string {
  if (flags.null) return "\0";
  // Bytes that go as they are must neither lose nor gain one.
  return flags.delimiter ?? (flags.binary === "raw" ? "" : "\n");
}

/**
 * The printer of messages.
 *
 * @param display how to show them, if the output is a terminal
 */
export function printerOf(
  flags: PrintFlags,
  output: Output,
  display: DisplayOptions | undefined,
): Printer {
  const form = flags.binary ?? "base64";
  if (flags.json) {
    return (data, url) => output.text(eventLine(messageEvent(data), url));
  }
  if (flags.format !== undefined) {
    return formatPrinter(
      flags.format,
      display === undefined ? pipedPayload(form) : shownPayload(form),
      output,
    );
  }
  const prefix = prefixOf(flags);
  if (display !== undefined) {
    if (prefix === undefined) {
      return (data) => output.text(displayMessage(data, display));
    }
    return (data, url) => {
      const head = prefix(url);
      const width = display.width - head.length;
      const text = displayMessage(data, { ...display, width });
      output.text(display.style.dim(head) + text);
    };
  }
  if (form === "raw") {
    return (data, url) => {
      const head = prefix?.(url) ?? "";
      if (typeof data === "string") output.text(head + data);
      else if (head === "") output.bytes(data);
      else output.bytes(joined([head, data]));
    };
  }
  if (prefix === undefined) {
    return (data) =>
      output.text(typeof data === "string" ? data : encodeText(form, data));
  }
  return (data, url) => {
    const text = typeof data === "string" ? data : encodeText(form, data);
    output.text(prefix(url) + text);
  };
}

/** The text before each message; undefined if there is none. */
function prefixOf(
  { timestamps, merge }: PrintFlags,
): ((url: string) => string) | undefined {
  if (timestamps && merge) return (url) => `${isoTime()} ${url} `;
  if (timestamps) return () => `${isoTime()} `;
  if (merge) return (url) => `${url} `;
  return undefined;
}

/** The time now, in UTC. */
export function isoTime(): string {
  return new Date().toISOString();
}

/** How `--format` writes a payload. */
type PayloadForm = (data: Message) => Message;

function pipedPayload(form: "raw" | "base64" | "hex"): PayloadForm {
  return (data) =>
    typeof data === "string" || form === "raw" ? data : encodeText(form, data);
}

/** Safe for a terminal. */
function shownPayload(form: "raw" | "base64" | "hex"): PayloadForm {
  return (data) =>
    typeof data === "string"
      ? escapeControls(data)
      : encodeText(form === "raw" ? "hex" : form, data);
}

function formatPrinter(
  parts: readonly FormatPart[],
  payloadOf: PayloadForm,
  output: Output,
): Printer {
  return (data, url) => {
    const payload = payloadOf(data);
    const pieces = parts.map((part): Message => {
      switch (part.kind) {
        case "text":
          return part.text;
        case "payload":
          return payload;
        case "length":
          return String(byteLength(data));
        case "time":
          return isoTime();
        case "url":
          return url;
        default:
          return part satisfies never;
      }
    });
    if (typeof payload === "string") output.text(pieces.join(""));
    else output.bytes(joined(pieces));
  };
}

const encoder = new TextEncoder();

function byteLength(data: Message): number {
  return typeof data === "string" ? encoder.encode(data).length : data.length;
}

function joined(pieces: readonly Message[]): Uint8Array {
  const all = pieces.map((piece) =>
    typeof piece === "string" ? encoder.encode(piece) : piece
  );
  const whole = new Uint8Array(
    all.reduce((sum, { length }) => sum + length, 0),
  );
  let at = 0;
  for (const piece of all) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
