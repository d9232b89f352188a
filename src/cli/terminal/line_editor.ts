/**
 * A line that is being typed: pure state, without a terminal.
 *
 * @module
 */

import { unicodeWidth } from "@std/cli/unicode-width";
import { escapeLine } from "../format.ts";
import type { Key } from "./keys.ts";

/** The effect of a key that does more than edit the line. */
export type EditorEvent =
  | { readonly kind: "line"; readonly text: string }
  | { readonly kind: "end" }
  | { readonly kind: "interrupt" }
  | { readonly kind: "suspend" }
  | { readonly kind: "clear-screen" };

/** The visible part of a line. */
export interface View {
  readonly text: string;
  /** Where the cursor is, in columns from the start of the text. */
  readonly column: number;
}

/** How many lines are remembered. */
export const HISTORY_SIZE = 500;

type Mode =
  /** `at`: the entry of the history that is shown; its length: a new line. */
  | { readonly kind: "edit"; readonly at: number }
  /** `at`: the entry that matches; undefined: none does. */
  | {
    readonly kind: "search";
    readonly query: readonly string[];
    readonly at: number | undefined;
    /** The line before the search. */
    readonly before: readonly string[];
  };

/** Edits one line after another, and remembers them. */
export class LineEditor {
  /** User-perceived characters, so that one backspace takes one away. */
  #line: string[] = [];
  #cursor = 0;
  readonly #history: string[];
  readonly #onRemember: (line: string) => void;
  /** The new line, while an entry of the history is shown. */
  #draft: string[] = [];
  /** The last erased part of more than a character. */
  #erased: readonly string[] = [];
  #mode: Mode;

  /**
   * @param history the lines of earlier runs, the latest last
   * @param onRemember called with each line that joins the history
   */
  constructor(
    history: readonly string[] = [],
    onRemember: (line: string) => void = () => {},
  ) {
    this.#history = history.slice(-HISTORY_SIZE);
    this.#onRemember = onRemember;
    this.#mode = { kind: "edit", at: this.#history.length };
  }

  /** Applies a key. */
  onKey(key: Key): EditorEvent | undefined {
    if (this.#mode.kind === "search" && this.#searched(this.#mode, key)) {
      return undefined;
    }
    switch (key.kind) {
      case "text":
        return this.#insert(graphemes(key.text));
      case "enter":
        return { kind: "line", text: this.#submit() };
      case "end-of-input":
        if (this.#line.length === 0) return { kind: "end" };
        return this.#erase(this.#cursor, this.#cursor + 1);
      case "interrupt":
        return { kind: "interrupt" };
      case "suspend":
        return { kind: "suspend" };
      case "clear-screen":
        return { kind: "clear-screen" };
      case "backspace":
        return this.#erase(this.#cursor - 1, this.#cursor);
      case "delete":
        return this.#erase(this.#cursor, this.#cursor + 1);
      case "erase-line":
        return this.#cut(0, this.#cursor);
      case "erase-rest":
        return this.#cut(this.#cursor, this.#line.length);
      case "erase-word":
        return this.#cut(this.#wordLeft(), this.#cursor);
      case "erase-word-right":
        return this.#cut(this.#cursor, this.#wordRight());
      case "yank":
        return this.#insert(this.#erased);
      case "left":
        return this.#move(this.#cursor - 1);
      case "right":
        return this.#move(this.#cursor + 1);
      case "word-left":
        return this.#move(this.#wordLeft());
      case "word-right":
        return this.#move(this.#wordRight());
      case "home":
        return this.#move(0);
      case "end":
        return this.#move(this.#line.length);
      case "up":
        return this.#recall(-1);
      case "down":
        return this.#recall(1);
      case "search":
        return this.#search([], this.#history.length - 1, this.#line);
      case "cancel":
        return undefined;
      default:
        return key satisfies never;
    }
  }

  /** The part of the line around the cursor that fits. */
  render(width: number): View {
    const mode = this.#mode;
    if (mode.kind === "edit") return visible(this.#line, this.#cursor, width);
    const head = mode.at === undefined ? 'no line has "' : 'search "';
    const query = visible(mode.query, mode.query.length, width >> 1);
    const label = `${head}${query.text}": `;
    const labelWidth = head.length + query.column + 3;
    // On a very narrow terminal there is no room for both.
    if (width - labelWidth < 2) return query;
    const line = visible(this.#line, this.#cursor, width - labelWidth);
    return { text: label + line.text, column: labelWidth + line.column };
  }

  #insert(characters: readonly string[]): undefined {
    // As arguments of a call a large paste would overflow the stack.
    this.#line = [
      ...this.#line.slice(0, this.#cursor),
      ...characters,
      ...this.#line.slice(this.#cursor),
    ];
    this.#cursor += characters.length;
  }

  #erase(from: number, to: number): undefined {
    const start = Math.max(0, from);
    this.#line.splice(start, to - start);
    this.#cursor = Math.min(start, this.#line.length);
  }

  #cut(from: number, to: number): undefined {
    if (from < to) this.#erased = this.#line.slice(from, to);
    this.#erase(from, to);
  }

  #move(to: number): undefined {
    this.#cursor = Math.min(Math.max(0, to), this.#line.length);
  }

  #wordLeft(): number {
    let at = this.#cursor;
    while (at > 0 && isSpace(this.#line[at - 1])) at--;
    while (at > 0 && !isSpace(this.#line[at - 1])) at--;
    return at;
  }

  #wordRight(): number {
    let at = this.#cursor;
    while (at < this.#line.length && isSpace(this.#line[at])) at++;
    while (at < this.#line.length && !isSpace(this.#line[at])) at++;
    return at;
  }

  #submit(): string {
    const text = this.#line.join("");
    // As in a shell, a leading space keeps a line out of the history.
    const isWorthIt = text.trim() !== "" && !text.startsWith(" ");
    if (isWorthIt && text !== this.#history.at(-1)) {
      this.#history.push(text);
      this.#onRemember(text);
    }
    if (this.#history.length > HISTORY_SIZE) this.#history.shift();
    this.#mode = { kind: "edit", at: this.#history.length };
    this.#line = [];
    this.#draft = [];
    this.#cursor = 0;
    return text;
  }

  #recall(step: -1 | 1): undefined {
    const mode = this.#mode;
    if (mode.kind === "search") return;
    const at = mode.at + step;
    if (at < 0 || at > this.#history.length) return;
    if (mode.at === this.#history.length) this.#draft = this.#line;
    this.#show(at);
  }

  #show(at: number): void {
    const past = this.#history[at];
    this.#mode = { kind: "edit", at };
    this.#line = past === undefined ? this.#draft : graphemes(past);
    this.#cursor = this.#line.length;
  }

  /** Shows the latest entry up to `from` that contains the query. */
  #search(
    query: readonly string[],
    from: number,
    before: readonly string[],
  ): undefined {
    const wanted = query.join("");
    let at = from;
    while (at >= 0 && !this.#history[at]?.includes(wanted)) at--;
    const past = wanted === "" ? undefined : this.#history[at];
    if (past !== undefined) {
      this.#line = graphemes(past);
      this.#cursor = graphemes(past.slice(0, past.indexOf(wanted))).length;
    } else if (wanted === "") {
      this.#line = [...before];
      this.#cursor = this.#line.length;
    }
    const found = wanted === "" ? this.#history.length : at;
    this.#mode = {
      kind: "search",
      query,
      at: found < 0 ? undefined : found,
      before,
    };
  }

  /** A key within a search; false if it ends the search and acts on the line. */
  #searched(mode: Mode & { kind: "search" }, key: Key): boolean {
    const { query, before, at = -1 } = mode;
    const latest = this.#history.length - 1;
    switch (key.kind) {
      case "text":
        this.#search(
          [...query, ...graphemes(key.text)],
          Math.min(at, latest),
          before,
        );
        return true;
      case "backspace":
        this.#search(query.slice(0, -1), latest, before);
        return true;
      case "search":
        if (query.length > 0) this.#search(query, at - 1, before);
        return true;
      case "cancel":
        this.#mode = { kind: "edit", at: latest + 1 };
        this.#line = [...before];
        this.#cursor = this.#line.length;
        return true;
      case "clear-screen":
      case "interrupt":
      case "suspend":
        return false;
      default:
        this.#draft = [...before];
        this.#mode = { kind: "edit", at: at < 0 ? latest + 1 : at };
        return false;
    }
  }
}

/** Narrower terminals have no room for marks, or for text behind the cursor. */
const ROOMY = 16;

/** Shows that a line goes on there. */
const MARK = "…";

/**
 * The part of a line around the cursor that fits into `width` columns. Of a long
 * line only that part is measured.
 */
function visible(
  line: readonly string[],
  cursor: number,
  width: number,
): View {
  const isRoomy = width >= ROOMY;
  const mark = isRoomy ? MARK : "";
  // One column stays free for the cursor behind the last character.
  const room = width - 1;
  const after = part(line, cursor, 1, room);
  const context = isRoomy ? Math.min(after.columns, width >> 2) : 0;
  const whole = part(line, cursor, -1, room - after.columns);
  const marks = mark.length + (after.columns > context ? mark.length : 0);
  const before = after.isWhole && whole.isWhole
    ? whole
    : part(line, cursor, -1, room - marks - context);
  const head = before.isWhole ? "" : mark;
  const right = room - head.length - before.columns;
  const all = part(line, cursor, 1, right);
  const { text, isWhole } = all.isWhole
    ? all
    : part(line, cursor, 1, right - mark.length);
  return {
    text: head + before.text + text + (isWhole ? "" : mark),
    column: head.length + before.columns,
  };
}

/** The part before (-1) or behind (1) the cursor, in at most so many columns. */
function part(
  line: readonly string[],
  cursor: number,
  direction: -1 | 1,
  most: number,
) {
  let text = "";
  let columns = 0;
  for (let at = direction < 0 ? cursor - 1 : cursor;; at += direction) {
    const character = line[at];
    if (character === undefined) return { text, columns, isWhole: true };
    const shown = displayCharacter(character);
    const width = columnsOf(shown);
    if (columns + width > most) return { text, columns, isWhole: false };
    text = direction < 0 ? shown + text : text + shown;
    columns += width;
  }
}

function displayCharacter(character: string): string {
  if (character === "\n") return "↵";
  if (character === "\t") return "⇥";
  return escapeLine(character);
}

/** Terminals draw what a person sees as one character in one or two columns. */
function columnsOf(shown: string): number {
  const width = unicodeWidth(shown);
  return shown.startsWith("\\") ? width : Math.min(width, 2);
}

function isSpace(character: string | undefined): boolean {
  return character !== undefined && /^\s$/.test(character);
}

let segmenter: Intl.Segmenter | undefined;

function graphemes(text: string): string[] {
  // Ten milliseconds to make, which no pipe should pay for.
  segmenter ??= new Intl.Segmenter();
  return [...segmenter.segment(text)].map(({ segment }) => segment);
}
