/**
 * Keys one by one while a terminal is talked to, and the terminal as it was
 * afterwards, whatever happens.
 *
 * @module
 */

import type { Terminal } from "./terminal.ts";

const IS_WINDOWS = Deno.build.os === "windows";

/** Raw mode until it is disposed of. */
export class RawMode implements Disposable {
  readonly #terminal: Terminal;
  #on = false;
  readonly #enter = () => {
    // Ctrl-C and Ctrl-Z stay signals, where there are any.
    Deno.stdin.setRaw(true, { cbreak: !IS_WINDOWS });
    this.#terminal.redraw();
  };
  readonly #redraw = () => this.#terminal.redraw();

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
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
    Deno.stdin.setRaw(false);
    if (IS_WINDOWS) return;
    Deno.removeSignalListener("SIGCONT", this.#enter);
    Deno.removeSignalListener("SIGWINCH", this.#redraw);
  }
}
