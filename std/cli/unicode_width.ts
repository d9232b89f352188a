// npm:deno-std ships unicode_width.js without the table that it reads. These
// few lines give the same width for all but some of Unicode's later additions.
import { eastAsianWidth } from "get-east-asian-width";

/** Marks, control and format characters, and the inner parts of a Hangul. */
const WITHOUT_WIDTH =
  /^(?!\u{AD})[\p{Mn}\p{Me}\p{Cc}\p{Cf}\u{1160}-\u{11FF}]$/u;

/** The number of columns that a text takes on a terminal. */
export function unicodeWidth(str: string): number {
  let width = 0;
  for (const char of str) width += charWidth(char);
  return width;
}

function charWidth(char: string): number {
  const codePoint = char.codePointAt(0);
  return codePoint === undefined || WITHOUT_WIDTH.test(char)
    ? 0
    : eastAsianWidth(codePoint);
}
