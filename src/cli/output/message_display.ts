/**
 * Messages as a person sees them on a terminal.
 *
 * @module
 */

import type { Message } from "../../../mod.ts";
import { escapeControls } from "../escape.ts";
import { displayJson } from "./json_display.ts";
import { encodeText } from "./message_codec.ts";
import { showBytes } from "../quantities.ts";
import type { Style } from "../style.ts";

/** How many bytes of a binary message are shown. */
const SHOWN_BYTES = 32;

/** How messages are shown. */
export interface DisplayOptions {
  readonly style: Style;
  /** Columns. */
  readonly width: number;
  /** `--binary`; without it binary messages are cut short. */
  readonly binary: "raw" | "base64" | "hex" | undefined;
}

/** The message, safe for a terminal. */
export function displayMessage(
  data: Message,
  { style, width, binary }: DisplayOptions,
): string {
  if (typeof data === "string") {
    const safe = escapeControls(data);
    return displayJson(safe, width, style) ?? safe;
  }
  if (binary === "base64" || binary === "hex") return encodeText(binary, data);
  const hex = encodeText("hex", data.subarray(0, SHOWN_BYTES));
  const dots = data.length > SHOWN_BYTES ? " ..." : "";
  const bytes = hex.replace(/..(?=.)/g, "$& ");
  return `${style.dim(`[${showBytes(data.length)}]`)} ${bytes}${dots}`;
}
