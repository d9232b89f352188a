/**
 * From a message to what is written of it. Chosen once, so that a message in a
 * pipe costs one append.
 *
 * @module
 */

import type { Message } from "../../../mod.ts";
import type { Flags } from "../args/flags.ts";
import { eventLine, messageEvent } from "./json_events.ts";
import { encodeText } from "./message_codec.ts";
import { displayMessage, type DisplayOptions } from "./display.ts";
import type { Output } from "./output.ts";

/** What the way of printing depends on. */
export type PrintFlags = Pick<
  Flags,
  "json" | "binary" | "null" | "delimiter"
>;

/** What ends a message of the output. */
export function outputDelimiter(flags: PrintFlags): string {
  return flags.json ? "\n" : inputDelimiter(flags);
}

/** What ends a message of the input; empty if nothing does. */
export function inputDelimiter(flags: PrintFlags): string {
  if (flags.null) return "\0";
  // Bytes that go as they are must neither lose nor gain one.
  return flags.delimiter ?? (flags.binary === "raw" ? "" : "\n");
}

/**
 * The writer of messages.
 *
 * @param display how to show them, if the output is a terminal
 */
export function printerOf(
  flags: PrintFlags,
  output: Output,
  display: DisplayOptions | undefined,
): (data: Message) => void {
  if (flags.json) {
    return (data) => output.text(eventLine(messageEvent(data), Date.now()));
  }
  if (display !== undefined) {
    return (data) => output.text(displayMessage(data, display));
  }
  const form = flags.binary ?? "base64";
  if (form === "raw") {
    return (data) => {
      if (typeof data === "string") output.text(data);
      else output.bytes(data);
    };
  }
  return (data) => {
    output.text(typeof data === "string" ? data : encodeText(form, data));
  };
}
