/**
 * A line that is being typed: pure state, without a terminal.
 *
 * @module
 */

import { unicodeWidth } from "@std/cli/unicode-width";
import { escapeLine } from "../format.ts";
import type { Key } from "./keys.ts";

/** What a key led to, when it was more than an edit. */
export type EditorEvent =
  | { readonly kind: "line"; readonly text: string }
  | { readonly kind: "end" }
  | { readonly kind: "interrupt" }
  | { readonly kind: "clear-screen" };

/** What is to be seen. */
export interface View {
  readonly text: string;
  /** Where the cursor is, in columns from the start of the text. */
  readonly column: number;
}

const HISTORY = 500;

/** Edits one line after another, and remembers them. */
export class LineEditor {
  /** User-perceived characters, so that one backspace takes one away. */
  #line: string[] = [];
  #cursor = 0;
  readonly #history: string[] = [];
  #at = 0;
  #draft: string[] = [];

  /** Takes a key. */
  onKey(key: Key): EditorEvent | undefined {
    switch (key.kind) {
      case "text":
        this.#insert(graphemes(key.text));
        return undefined;
      case "enter":
        return { kind: "line", text: this.#submit() };
      case "end-of-input":
        if (this.#line.length === 0) return { kind: "end" };
        this.#erase(this.#cursor, this.#cursor + 1);
        return undefined;
      case "interrupt":
        return { kind: "interrupt" };
      case "clear-screen":
        return { kind: "clear-screen" };
      case "backspace":
        this.#erase(this.#cursor - 1, this.#cursor);
        return undefined;
      case "delete":
        this.#erase(this.#cursor, this.#cursor + 1);
        return undefined;
      case "erase-line":
        this.#erase(0, this.#cursor);
        return undefined;
      case "erase-rest":
        this.#erase(this.#cursor, this.#line.length);
        return undefined;
      case "erase-word":
        this.#erase(this.#wordLeft(), this.#cursor);
        return undefined;
      case "left":
        this.#move(this.#cursor - 1);
        return undefined;
      case "right":
        this.#move(this.#cursor + 1);
        return undefined;
      case "word-left":
        this.#move(this.#wordLeft());
        return undefined;
      case "word-right":
        this.#move(this.#wordRight());
        return undefined;
      case "home":
        this.#move(0);
        return undefined;
      case "end":
        this.#move(this.#line.length);
        return undefined;
      case "up":
        this.#recall(this.#at - 1);
        return undefined;
      case "down":
        this.#recall(this.#at + 1);
        return undefined;
      default:
        return key satisfies never;
    }
  }

  /** The part of the line around the cursor that fits. */
  render(width: number): View {
    const shown = this.#line.map(escapeLine);
    const widths = shown.map(unicodeWidth);
    let start = this.#cursor;
    let before = 0;
    // One column stays free for the cursor behind the last character.
    while (start > 0 && before + (widths[start - 1] ?? 0) < width) {
      before += widths[--start] ?? 0;
    }
    let end = this.#cursor;
    let used = before;
    while (end < shown.length && used + (widths[end] ?? 0) < width) {
      used += widths[end++] ?? 0;
    }
    return { text: shown.slice(start, end).join(""), column: before };
  }

  #insert(characters: readonly string[]): void {
    this.#line.splice(this.#cursor, 0, ...characters);
    this.#cursor += characters.length;
  }

  #erase(from: number, to: number): void {
    const start = Math.max(0, from);
    this.#line.splice(start, to - start);
    this.#cursor = Math.min(start, this.#line.length);
  }

  #move(to: number): void {
    this.#cursor = Math.min(Math.max(0, to), this.#line.length);
  }

  #wordLeft(): number {
    let at = this.#cursor;
    while (at > 0 && this.#line[at - 1] === " ") at--;
    while (at > 0 && this.#line[at - 1] !== " ") at--;
    return at;
  }

  #wordRight(): number {
    let at = this.#cursor;
    while (at < this.#line.length && this.#line[at] === " ") at++;
    while (at < this.#line.length && this.#line[at] !== " ") at++;
    return at;
  }

  #submit(): string {
    const text = this.#line.join("");
    if (text !== "" && text !== this.#history.at(-1)) this.#history.push(text);
    if (this.#history.length > HISTORY) this.#history.shift();
    this.#at = this.#history.length;
    this.#line = [];
    this.#draft = [];
    this.#cursor = 0;
    return text;
  }

  #recall(at: number): void {
    if (at < 0 || at > this.#history.length) return;
    if (this.#at === this.#history.length) this.#draft = this.#line;
    this.#at = at;
    const past = this.#history[at];
    this.#line = past === undefined ? this.#draft : graphemes(past);
    this.#cursor = this.#line.length;
  }
}

let segmenter: Intl.Segmenter | undefined;

function graphemes(text: string): string[] {
  // Ten milliseconds to make, which no pipe should pay for.
  segmenter ??= new Intl.Segmenter();
  return [...segmenter.segment(text)].map(({ segment }) => segment);
}
