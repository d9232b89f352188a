/**
 * Keys one by one while a terminal is talked to, and the terminal as it was
 * afterwards, whatever happens.
 *
 * @module
 */

import type { Terminal } from "./terminal.ts";

/** What has modes; `Deno.stdin` in the program. */
export type Modes = Pick<typeof Deno.stdin, "setRaw">;

const IS_WINDOWS = Deno.build.os === "windows";

/** Raw mode until it is disposed of. */
export class RawMode implements Disposable {
  readonly #terminal: Pick<Terminal, "redraw" | "hide">;
  readonly #stdin: Modes;
  #on = false;
  readonly #enter = () => {
    // Ctrl-C and Ctrl-Z stay signals, where there are any.
    this.#stdin.setRaw(true, { cbreak: !IS_WINDOWS });
    this.#terminal.redraw();
  };
  readonly #redraw = () => this.#terminal.redraw();

  constructor(
    terminal: Pick<Terminal, "redraw" | "hide">,
    stdin: Modes = Deno.stdin,
  ) {
    this.#terminal = terminal;
    this.#stdin = stdin;
    this.#enter();
    this.#on = true;
    if (IS_WINDOWS) return;
    // After Ctrl-Z and `fg` the terminal is in the shell's mode again.
    Deno.addSignalListener("SIGCONT", this.#enter);
    Deno.addSignalListener("SIGWINCH", this.#redraw);
  }

  /** Takes the prompt away and gives the terminal back. */
  [Symbol.dispose](): void {
    if (!this.#on) return;
    this.#on = false;
    this.#terminal.hide();
    this.#stdin.setRaw(false);
    if (IS_WINDOWS) return;
    Deno.removeSignalListener("SIGCONT", this.#enter);
    Deno.removeSignalListener("SIGWINCH", this.#redraw);
  }
}
