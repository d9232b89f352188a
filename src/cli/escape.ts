/**
 * Text from the network must not drive a terminal: a server could move the
 * cursor, forge what was printed, or set the window's title.
 *
 * @module
 */

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
