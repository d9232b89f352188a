/**
 * A terminal with a prompt at its bottom: messages are printed above the line that
 * is being typed.
 *
 * @module
 */

import { escapeControls } from "../format.ts";
import type { Sink } from "../stdio.ts";
import { type EditorEvent, LineEditor } from "./line_editor.ts";
import { type Key, KeyDecoder } from "./keys.ts";

/** The parts of a {@linkcode Terminal}. */
export interface TerminalParts {
  readonly sink: Sink;
  /** How the prompt is painted, and how many columns it takes. */
  readonly prompt: { readonly text: string; readonly width: number };
  readonly columns: () => number;
  /** @default an editor with an empty history */
  readonly editor?: LineEditor;
}

/** The effect of a key outside of the terminal. */
export type TerminalEvent = Exclude<EditorEvent, { kind: "clear-screen" }>;

const ERASE_LINE = "\r\x1b[K";
const CLEAR_SCREEN = "\x1b[2J\x1b[H";
/** With it a pasted text of several lines arrives as one. */
const BRACKETED_PASTE = { on: "\x1b[?2004h", off: "\x1b[?2004l" } as const;

/**
 * How long the rest of an escape sequence may take after its Escape, in
 * milliseconds: over a slow network its bytes come apart.
 */
const ESCAPE_WAIT = 100;

/** The prompt with the typed line, and the lines above it. */
export class Terminal implements Sink {
  readonly #parts: TerminalParts;
  readonly #editor: LineEditor;
  readonly #keys = new KeyDecoder();
  readonly #encoder = new TextEncoder();
  #visible = false;
  #escapeTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(parts: TerminalParts) {
    this.#parts = parts;
    this.#editor = parts.editor ?? new LineEditor();
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

  /** Shows the prompt, also again after the program was stopped. */
  show(): void {
    this.#visible = true;
    this.#put(BRACKETED_PASTE.on + this.#drawn());
  }

  /** Draws the prompt again: the size has changed. */
  redraw(): void {
    if (this.#visible) this.#put(this.#drawn());
  }

  /** Removes the prompt. */
  hide(): void {
    clearTimeout(this.#escapeTimer);
    if (!this.#visible) return;
    this.#visible = false;
    this.#put(ERASE_LINE + BRACKETED_PASTE.off);
  }

  /**
   * Applies typed bytes and reports their effects, one after the other.
   *
   * @param bytes null at the end of the input
   */
  onBytes(
    bytes: Uint8Array | null,
    onEvent: (event: TerminalEvent) => void,
  ): void {
    clearTimeout(this.#escapeTimer);
    if (bytes === null) return onEvent({ kind: "end" });
    this.#onKeys(this.#keys.decode(bytes), onEvent);
    if (!this.#keys.isEscapePending) return;
    this.#escapeTimer = setTimeout(
      () => this.#onKeys(this.#keys.decodePending(), onEvent),
      ESCAPE_WAIT,
    );
    Deno.unrefTimer(this.#escapeTimer);
  }

  #onKeys(keys: readonly Key[], onEvent: (event: TerminalEvent) => void): void {
    for (const key of keys) {
      const event = this.#editor.onKey(key);
      if (event === undefined) continue;
      if (event.kind === "line") this.#leave(event.text);
      if (event.kind === "clear-screen") this.#put(CLEAR_SCREEN);
      else onEvent(event);
    }
    this.redraw();
  }

  /** Prints the entered line, whole, above the new prompt. */
  #leave(text: string): void {
    const { prompt } = this.#parts;
    const indent = `\n${" ".repeat(prompt.width)}`;
    this.print(prompt.text + escapeControls(text).replaceAll("\n", indent));
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

/** The modes of a terminal; `Deno.stdin` in the program. */
export type Modes = Pick<typeof Deno.stdin, "setRaw">;

/** How a terminal is taken over. */
export interface RawModeOptions {
  /**
   * Waits until nothing is being written to the terminal; false if something
   * still is.
   * @default nothing ever is
   */
  readonly settle?: () => boolean;
  readonly stdin?: Modes;
}

const IS_WINDOWS = Deno.build.os === "windows";

/**
 * Shows a terminal's prompt, in raw mode, until it is disposed of: Ctrl-C and
 * Ctrl-Z are keys there, not signals. The modes are changed only while nothing
 * is written to the terminal: the change waits for the write, which a slow
 * terminal may hold up.
 */
export class RawMode implements Disposable {
  readonly #terminal: Pick<Terminal, "show" | "redraw" | "hide">;
  readonly #settle: () => boolean;
  readonly #stdin: Modes;
  #on = false;
  readonly #enter = () => {
    this.#setRaw(true);
    this.#terminal.show();
  };
  readonly #redraw = () => this.#terminal.redraw();

  constructor(
    terminal: Pick<Terminal, "show" | "redraw" | "hide">,
    { settle = () => true, stdin = Deno.stdin }: RawModeOptions = {},
  ) {
    this.#terminal = terminal;
    this.#settle = settle;
    this.#stdin = stdin;
    this.#enter();
    this.#on = true;
    if (IS_WINDOWS) return;
    // After Ctrl-Z and `fg` the terminal is in the shell's mode again.
    Deno.addSignalListener("SIGCONT", this.#enter);
    Deno.addSignalListener("SIGWINCH", this.#redraw);
  }

  /** Removes the prompt and restores the terminal. */
  [Symbol.dispose](): void {
    if (!this.#on) return;
    this.#on = false;
    this.#leave();
    if (IS_WINDOWS) return;
    Deno.removeSignalListener("SIGCONT", this.#enter);
    Deno.removeSignalListener("SIGWINCH", this.#redraw);
  }

  /**
   * Stops the program until the shell continues it, as Ctrl-Z does.
   * @throws {Deno.errors.NotCapable} Deno 2.6 without `--allow-run`
   */
  suspend(): void {
    if (IS_WINDOWS || !this.#on) return;
    this.#leave();
    try {
      Deno.kill(Deno.pid, "SIGTSTP");
    } finally {
      this.#enter();
    }
  }

  #leave(): void {
    this.#terminal.hide();
    // A terminal that takes nothing is left to the shell.
    if (this.#settle()) this.#setRaw(false);
  }

  #setRaw(isRaw: boolean): void {
    try {
      this.#stdin.setRaw(isRaw);
    } catch {
      // The terminal was closed, which sends SIGCONT, too.
    }
  }
}

/** Stops the program, or says why that cannot be done. */
export function suspendOr(
  complain: (text: string) => void,
  suspend: () => void,
): void {
  try {
    suspend();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    complain("Ctrl-Z needs Deno 2.7 or newer, or --allow-run");
  }
}

/**
 * A terminal that obeys no escape sequences (`TERM=dumb`): no prompt, no
 * editing, the terminal's own line mode.
 */
export class PlainTerminal implements Sink {
  readonly #sink: Sink;
  readonly #utf8 = new TextDecoder();
  #rest = "";

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  /** Prints whole lines. */
  write(bytes: Uint8Array): void {
    this.#sink.write(bytes);
  }

  /** Prints a line. */
  print(line: string): void {
    this.write(new TextEncoder().encode(`${line}\n`));
  }

  /**
   * Reports the entered lines. A last one without a newline counts too.
   *
   * @param bytes null at the end of the input
   */
  onBytes(
    bytes: Uint8Array | null,
    onEvent: (event: TerminalEvent) => void,
  ): void {
    if (bytes === null) {
      if (this.#rest !== "") onEvent({ kind: "line", text: this.#rest });
      return onEvent({ kind: "end" });
    }
    const text = this.#rest + this.#utf8.decode(bytes, { stream: true });
    const lines = text.split("\n");
    this.#rest = lines.pop() ?? "";
    for (const text of lines) onEvent({ kind: "line", text });
  }
}
