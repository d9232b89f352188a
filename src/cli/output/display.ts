/**
 * Messages as people see them on a terminal: JSON laid out, binary in hex.
 *
 * @module
 */

import type { Message } from "../../../mod.ts";
import { escapeControls, showBytes, type Style } from "../format.ts";

/** How many bytes of a binary message are shown at most, and at least. */
const SHOWN_BYTES = { most: 32, least: 8 } as const;

/** How messages are shown. */
export interface DisplayOptions {
  readonly style: Style;
  /** Columns. */
  readonly width: number;
  /** `--binary`; without it binary messages are cut short. */
  readonly binary: "raw" | "base64" | "hex" | undefined;
  /** `--raw`: JSON is not laid out. */
  readonly raw: boolean;
}

/** The message, safe for a terminal. */
export function displayMessage(
  data: Message,
  { style, width, binary, raw }: DisplayOptions,
): string {
  if (typeof data === "string") {
    const safe = escapeControls(data);
    return (raw ? undefined : displayJson(safe, width, style)) ?? safe;
  }
  if (binary === "base64" || binary === "hex") return encodeText(binary, data);
  const label = `[${showBytes(data.length)}]`;
  const room = width - label.length;
  const { most, least } = SHOWN_BYTES;
  const fits = Math.min(most, Math.floor(room / 3));
  const dots = data.length > fits ? " ..." : "";
  const shown = Math.floor((room - dots.length) / 3);
  const count = Math.max(least, Math.min(most, shown));
  const hex = encodeText("hex", data.subarray(0, count));
  const bytes = hex.replace(/..(?=.)/g, "$& ");
  return `${style.dim(label)} ${bytes}${dots}`;
}

/** Longer texts are shown as they are. */
const MAX_LENGTH = 64 * 1024;

/** So are texts nested deeper, because each level indents its content. */
const MAX_DEPTH = 100;

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/** The text set out for reading; undefined if it is no JSON object or list. */
export function displayJson(
  text: string,
  width: number,
  style: Style,
): string | undefined {
  if (!isJson(text)) return undefined;
  const tokens = text.match(TOKEN) ?? [];
  const { lengths, deepest } = measure(tokens);
  const fits = (lengths[0] ?? 0) <= width;
  if (!fits && deepest > MAX_DEPTH) return undefined;
  return layOut(tokens, lengths, width, style);
}

function isJson(text: string): boolean {
  if (text.length > MAX_LENGTH || !/^\s*[[{]/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** At each opening bracket: how long it is on one line, with all in it. */
function measure(tokens: readonly string[]) {
  const lengths: number[] = [];
  const open: number[] = [];
  let length = 0;
  let deepest = 0;
  tokens.forEach((token, i) => {
    lengths.push(length);
    length += oneLineLength(token);
    if (isOpening(token)) deepest = Math.max(deepest, open.push(i));
    if (!isClosing(token)) return;
    const start = open.pop() ?? 0;
    lengths[start] = length - (lengths[start] ?? 0);
  });
  return { lengths, deepest };
}

/** With the space behind it. */
function oneLineLength(token: string): number {
  return token.length + (token === "," || token === ":" ? 1 : 0);
}

function layOut(
  tokens: readonly string[],
  lengths: readonly number[],
  width: number,
  style: Style,
): string {
  let text = "";
  let column = 0;
  /** For each open bracket: whether its content has lines of its own. */
  const broken: boolean[] = [];
  let indent = "";
  const breakLine = (by: -2 | 0 | 2) => {
    indent = by < 0 ? indent.slice(2) : indent + " ".repeat(by);
    text += `\n${indent}`;
    column = indent.length;
  };
  tokens.forEach((token, i) => {
    column += oneLineLength(token);
    if (isOpening(token)) {
      text += token;
      // A comma may follow it.
      const room = width - (column - token.length) - (broken.length && 1);
      const isBroken = (lengths[i] ?? 0) > room && !isClosing(tokens[i + 1]);
      broken.push(isBroken);
      if (isBroken) breakLine(2);
    } else if (isClosing(token)) {
      if (broken.pop()) {
        breakLine(-2);
        column += token.length;
      }
      text += token;
    } else if (token === ",") {
      text += token;
      if (broken.at(-1)) breakLine(0);
      else text += " ";
    } else if (token === ":") {
      text += ": ";
    } else {
      text += painted(token, tokens[i + 1] === ":", style);
    }
  });
  return text;
}

function isOpening(token: string | undefined): boolean {
  return token === "{" || token === "[";
}

function isClosing(token: string | undefined): boolean {
  return token === "}" || token === "]";
}

function painted(token: string, isKey: boolean, style: Style): string {
  if (isKey) return style.bold(token);
  return token.startsWith('"') ? token : style.magenta(token);
}

/** A binary message as a line of text. */
export function encodeText(form: "base64" | "hex", bytes: Uint8Array): string {
  return form === "hex" ? bytes.toHex() : bytes.toBase64();
}
