/**
 * JSON for people: coloured, on one line if it fits, indented if not. Works on
 * the text, so that what is shown is what came: no number is rounded.
 *
 * @module
 */

import type { Style } from "../style.ts";

/** Longer texts are shown as they are: nobody reads them on a terminal. */
const MAX_LENGTH = 64 * 1024;

/** So is what is nested deeper: each level indents all that is in it. */
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
  const oneLine = layOut(tokens, style, false);
  if (oneLine.length <= width) return oneLine.text;
  return oneLine.deepest <= MAX_DEPTH
    ? layOut(tokens, style, true).text
    : undefined;
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

function layOut(tokens: readonly string[], style: Style, indented: boolean) {
  let text = "";
  let length = 0;
  let depth = 0;
  let deepest = 0;
  const breakLine = () => text += `\n${"  ".repeat(depth)}`;
  tokens.forEach((token, i) => {
    length += token.length + (token === "," || token === ":" ? 1 : 0);
    switch (token) {
      case "{":
      case "[":
        text += token;
        deepest = Math.max(deepest, ++depth);
        if (indented && !isClosing(tokens[i + 1])) breakLine();
        break;
      case "}":
      case "]":
        depth--;
        if (indented && !isOpening(tokens[i - 1])) breakLine();
        text += token;
        break;
      case ",":
        text += token;
        if (indented) breakLine();
        else text += " ";
        break;
      case ":":
        text += ": ";
        break;
      default:
        text += painted(token, tokens[i + 1] === ":", style);
    }
  });
  return { text, length, deepest };
}

function isOpening(token: string | undefined): boolean {
  return token === "{" || token === "[";
}

function isClosing(token: string | undefined): boolean {
  return token === "}" || token === "]";
}

function painted(token: string, isKey: boolean, style: Style): string {
  if (isKey) return style.cyan(token);
  if (token.startsWith('"')) return style.green(token);
  return style.yellow(token);
}
