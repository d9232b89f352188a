/**
 * SIGINT and SIGTERM: the first asks the program to end, a second one ends it
 * at once. Afterwards the program dies of the signal, so that a shell or a
 * supervisor sees what happened: a script in which Ctrl-C was pressed stops.
 *
 * @module
 */

import { type EndSignal, signalExitCode } from "../exit_status.ts";

const SIGNALS: readonly EndSignal[] = Deno.build.os === "windows"
  ? ["SIGINT"]
  : ["SIGINT", "SIGTERM"];

/** Listens until it is disposed of. */
export class Signals implements Disposable {
  readonly #listeners: readonly (readonly [EndSignal, () => void])[];
  #last: EndSignal | undefined;

  /**
   * @param onFirst told of the first signal
   * @param beforeSecond called before the second one ends the program, to
   * restore the terminal
   */
  constructor(
    onFirst: (signal: EndSignal) => void,
    beforeSecond: () => void = () => {},
  ) {
    this.#listeners = SIGNALS.map((signal) => {
      const listener = () => {
        if (this.#last === undefined) {
          this.#last = signal;
          onFirst(signal);
        } else {
          beforeSecond();
          this[Symbol.dispose]();
          exitBySignal(signal);
        }
      };
      Deno.addSignalListener(signal, listener);
      return [signal, listener];
    });
  }

  /** Stops listening: the signals do again what they do by themselves. */
  [Symbol.dispose](): void {
    for (const [signal, listener] of this.#listeners) {
      Deno.removeSignalListener(signal, listener);
    }
  }
}

/** How long the signal has to take effect, in milliseconds. */
const GRACE = 1_000;

/** Ends the program by a signal that nobody listens to any more. */
export function exitBySignal(signal: EndSignal): void {
  if (Deno.build.os === "windows") Deno.exit(signalExitCode(signal));
  try {
    Deno.kill(Deno.pid, signal);
  } catch (error) {
    // Before Deno 2.7 even this wants --allow-run: the code says the same.
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    Deno.exit(signalExitCode(signal));
  }
  // As process 1 of a container there is no default action to die of.
  setTimeout(() => Deno.exit(signalExitCode(signal)), GRACE);
}
