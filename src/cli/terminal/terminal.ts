/**
 * A terminal with a prompt at its bottom: what arrives while somebody types is
 * printed above, and the line stays.
 *
 * @module
 */

import { escapeLine } from "../format.ts";
import { type EditorEvent, LineEditor } from "./line_editor.ts";
import { KeyDecoder } from "./keys.ts";
import type { Sink } from "../output/output.ts";

/** What the terminal is made of; `Deno.stdin` and `Deno.stdout` in the program. */
export interface TerminalParts {
  readonly sink: Sink;
  /** How the prompt is painted, and how many columns it takes. */
  readonly prompt: { readonly text: string; readonly width: number };
  readonly columns: () => number;
}

const ERASE_LINE = "\r\x1b[K";
const CLEAR_SCREEN = "\x1b[2J\x1b[H";

/** The prompt, the line, and what is above. */
export class Terminal implements Sink {
  readonly #parts: TerminalParts;
  readonly #editor = new LineEditor();
  readonly #keys = new KeyDecoder();
  readonly #encoder = new TextEncoder();
  #visible = false;

  constructor(parts: TerminalParts) {
    this.#parts = parts;
  }

  /** Prints whole lines above the prompt. */
  write(bytes: Uint8Array): void {
    if (!this.#visible) return this.#parts.sink.write(bytes);
    // In one write each, so that the screen does not flicker.
    const head = this.#encoder.encode(ERASE_LINE);
    const tail = this.#encoder.encode(this.#drawn());
    const all = new Uint8Array(head.length + bytes.length + tail.length);
    all.set(head);
    all.set(bytes, head.length);
    all.set(tail, head.length + bytes.length);
    this.#parts.sink.write(all);
  }

  /** Prints a line above the prompt. */
  print(line: string): void {
    this.write(this.#encoder.encode(`${line}\n`));
  }

  /** Shows the prompt. */
  show(): void {
    this.#visible = true;
    this.#put(this.#drawn());
  }

  /** Draws the prompt again, after somebody else has written. */
  redraw(): void {
    if (this.#visible) this.#put(this.#drawn());
  }

  /** Takes the prompt away, for good or before the program is stopped. */
  hide(): void {
    if (!this.#visible) return;
    this.#visible = false;
    this.#put(ERASE_LINE);
  }

  /** Takes what was typed; tells what it led to, one after the other. */
  onBytes(bytes: Uint8Array, onEvent: (event: EditorEvent) => void): void {
    for (const key of this.#keys.decode(bytes)) {
      const event = this.#editor.onKey(key);
      if (event === undefined) continue;
      if (event.kind === "line") this.#leave(event.text);
      if (event.kind === "clear-screen") this.#put(CLEAR_SCREEN);
      onEvent(event);
    }
    this.redraw();
  }

  /** What was entered stays to be read, whole, above the new prompt. */
  #leave(text: string): void {
    this.print(`${this.#parts.prompt.text}${escapeLine(text)}`);
  }

  #drawn(): string {
    const { prompt, columns } = this.#parts;
    const room = Math.max(columns() - prompt.width, 2);
    const { text, column } = this.#editor.render(room);
    const right = prompt.width + column;
    return `${ERASE_LINE}${prompt.text}${text}\r\x1b[${right}C`;
  }

  #put(text: string): void {
    this.#parts.sink.write(this.#encoder.encode(text));
  }
}
