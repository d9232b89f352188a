/**
 * Text for people: quantities, URLs without secrets, text from the network that
 * cannot drive a terminal, wrapped paragraphs, colors. The colors are among the
 * sixteen that the terminal's theme chooses: they can be read on any background.
 *
 * @module
 */

import { environmentVariable } from "./permissions.ts";

/** `0.42 ms`, `4.2 ms`, `850 ms`, `1.3 s`, `2 m 5 s`, `3 h 20 m`. */
export function showDuration(ms: number): string {
  if (ms < 0.995) return `${ms.toFixed(2)} ms`;
  if (ms < 9.95) return `${ms.toFixed(1)} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) {
    return `${Math.floor(seconds / 60)} m ${seconds % 60} s`;
  }
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} m`;
}

/** Milliseconds to the microsecond, for JSON. */
export function toMicros(ms: number): number {
  return Number(ms.toFixed(3));
}

/** `closed with 4000 "enough" after 2.0 s`. */
export function showClose(code: number, reason: string, ms: number): string {
  const why = reason === "" ? "" : ` "${escapeLine(reason)}"`;
  return `${CLOSED_BY[code] ?? `closed with ${code}`}${why} after ${
    showDuration(ms)
  }`;
}

/** Codes that are in no close frame (RFC 6455, section 7.4.1). */
const CLOSED_BY: Readonly<Record<number, string>> = {
  1005: "closed without a code",
  1006: "dropped without a close frame",
};

/** `1,234,567`. */
export function showCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `1 message`, `1,234 messages`. */
export function showMany(count: number, noun: string): string {
  return `${showCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** `512 B`, `3.4 KiB`, `16 MiB`. */
export function showBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  // A value that would round up to 1024 belongs to the next unit.
  while (value >= 1023.5 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || value >= 9.95 ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

/** Without user, password and query: a token may be in each of them. */
export function displayUrl(url: string): string {
  const { protocol, host, pathname, search } = new URL(url);
  // `ws+unix:/path/to.sock:/path` has no host.
  const slashes = host === "" ? "" : "//";
  const query = search === "" ? "" : "?***";
  return `${protocol}${slashes}${host}${pathname}${query}`;
}

/**
 * C0 and C1 controls but tab and newline, bidirectional controls (they show
 * text in another order than it has), line separators, lone surrogates.
 */
const UNSAFE =
  // deno-lint-ignore no-control-regex -- control characters are the point
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|\p{Cs}/gu;

/** The text with control characters written out, as `\x1b`. */
export function escapeControls(text: string): string {
  return text.replace(UNSAFE, written);
}

/** The same on one line: newlines and tabs are written out too. */
export function escapeLine(text: string): string {
  return escapeControls(text).replace(/[\n\t]/g, written);
}

function written(character: string): string {
  switch (character) {
    case "\n":
      return "\\n";
    case "\r":
      return "\\r";
    case "\t":
      return "\\t";
    default: {
      const code = character.charCodeAt(0).toString(16);
      return code.length <= 2
        ? `\\x${code.padStart(2, "0")}`
        : `\\u${code.padStart(4, "0")}`;
    }
  }
}

/** Lines of at most `width` characters; a longer word has a line to itself. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

/** Wraps a text in what makes a terminal show it so. */
export interface Style {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly red: (text: string) => string;
  readonly green: (text: string) => string;
  readonly magenta: (text: string) => string;
}

/** The values of `--color`. */
export type ColorChoice = "auto" | "always" | "never";

/**
 * Whether to colour the text for a stream. `Deno.noColor` shows `NO_COLOR`
 * without a permission to read the environment.
 */
export function wantsColor(choice: ColorChoice, isTerminal: boolean): boolean {
  switch (choice) {
    case "always":
      return true;
    case "never":
      return false;
    case "auto":
      return isTerminal && !Deno.noColor && !isDumbTerminal();
    default:
      return choice satisfies never;
  }
}

/**
 * Colours, or texts as they are. Yellow and cyan are missing: on a white
 * background the usual palettes leave them a contrast of 2 or 3.
 */
export function styleOf(colored: boolean): Style {
  const wrap = (on: number, off: number) => (text: string) =>
    colored ? `\x1b[${on}m${text}\x1b[${off}m` : text;
  return {
    bold: wrap(1, 22),
    dim: wrap(2, 22),
    red: wrap(31, 39),
    green: wrap(32, 39),
    magenta: wrap(35, 39),
  };
}

const DEFAULT = 80;

/** Columns; 80 where there is no terminal. */
export function terminalWidth(): number {
  try {
    return Deno.consoleSize().columns || DEFAULT;
  } catch {
    return DEFAULT;
  }
}

/**
 * Whether the terminal obeys no escape sequences (`TERM=dumb`). Only with
 * `--allow-env=TERM` can it be known; otherwise it counts as one that does.
 */
export function isDumbTerminal(): boolean {
  return environmentVariable("TERM") === "dumb";
}
