/**
 * How the program can end: the exit codes, and the signals SIGINT, SIGTERM and
 * SIGHUP. The first one asks the program to end, a second one ends it at once.
 * Afterwards the program exits by the signal, so that a shell or a supervisor
 * sees what happened: a script in which Ctrl-C was pressed stops.
 *
 * @module
 */

/** The exit codes with their meanings, for the program and for its help. */
export const EXIT_CODES = {
  0: "ok",
  1: "an internal error; ping: no answer at all",
  2: "wrong usage, no permission, or a spool that cannot be opened",
  3: "handshake refused: HTTP status, redirect, not WebSocket",
  4: "closed by the server: not with 1000 or 1001, or too early",
  5: "dropped without a close frame",
  6: "the name does not resolve (DNS)",
  7: "no connection (TCP)",
  8: "certificate not accepted (TLS)",
  9: "data lost, with --fail-on-gap: a gap, or a queue that was full",
  124: "timeout: --timeout, --connect-timeout, or no answer in time",
  129: "the terminal was closed (SIGHUP)",
  130: "interrupted (SIGINT)",
  143: "terminated (SIGTERM)",
} as const;

/** An exit code. */
export type ExitCode = keyof typeof EXIT_CODES;

/** The signals that end the program. */
export type EndSignal = "SIGINT" | "SIGTERM" | "SIGHUP";

/** How a command ended: a code, or the signal to exit by. */
export type ExitStatus = ExitCode | EndSignal;

/** The exit code that a shell shows for a program killed by a signal. */
export function signalExitCode(signal: EndSignal): ExitCode {
  switch (signal) {
    case "SIGHUP":
      return 129;
    case "SIGINT":
      return 130;
    case "SIGTERM":
      return 143;
    default:
      return signal satisfies never;
  }
}

const SIGNALS: readonly EndSignal[] = Deno.build.os === "windows"
  ? ["SIGINT"]
  : ["SIGINT", "SIGTERM", "SIGHUP"];

/**
 * The signals that end the program here. A hang-up does so only where there is
 * a terminal to be hung up. Without one this may run under `nohup`, whose wish
 * to ignore the signal Deno does not show.
 */
export function obeyedSignals(): readonly EndSignal[] {
  const hasTerminal = [Deno.stdin, Deno.stdout, Deno.stderr].some((stream) =>
    stream.isTerminal()
  );
  return hasTerminal
    ? SIGNALS
    : SIGNALS.filter((signal) => signal !== "SIGHUP");
}

/** Listens until it is disposed of. */
export class Signals implements Disposable {
  readonly #listeners: readonly (readonly [EndSignal, () => void])[];
  readonly #onFirst: (signal: EndSignal) => void;
  readonly #beforeSecond: () => void;
  #last: EndSignal | undefined;

  /**
   * @param onFirst called with the first signal
   * @param beforeSecond called before the second one ends the program, to
   * restore the terminal
   */
  constructor(
    onFirst: (signal: EndSignal) => void,
    beforeSecond: () => void = () => {},
  ) {
    this.#onFirst = onFirst;
    this.#beforeSecond = beforeSecond;
    const obeyed = obeyedSignals();
    this.#listeners = SIGNALS.map((signal) => {
      const listener = obeyed.includes(signal)
        ? () => this.raise(signal)
        : () => {};
      Deno.addSignalListener(signal, listener);
      return [signal, listener];
    });
  }

  /** Acts as if the signal came: for a Ctrl-C that a terminal sends as a key. */
  raise(signal: EndSignal): void {
    if (this.#last === undefined) {
      this.#last = signal;
      return this.#onFirst(signal);
    }
    this.#beforeSecond();
    this[Symbol.dispose]();
    exitBySignal(signal);
  }

  /** Stops listening: the signals have their default effects again. */
  [Symbol.dispose](): void {
    for (const [signal, listener] of this.#listeners) {
      Deno.removeSignalListener(signal, listener);
    }
  }
}

/** How long the signal has to take effect, in milliseconds. */
const GRACE = 1_000;

/** How often the signal is sent again until then, in milliseconds. */
const AGAIN = 20;

/** Ends the program by a signal that has no listener any more in this thread. */
export function exitBySignal(signal: EndSignal): void {
  if (Deno.build.os === "windows") Deno.exit(signalExitCode(signal));
  const end = () => {
    try {
      Deno.kill(Deno.pid, signal);
    } catch (error) {
      // Before Deno 2.7 even this needs --allow-run: the code says the same.
      if (!(error instanceof Deno.errors.NotCapable)) throw error;
      Deno.exit(signalExitCode(signal));
    }
  };
  end();
  // The second thread may still listen: it stops soon.
  setInterval(end, AGAIN);
  // As process 1 of a container there is no default action to end it.
  setTimeout(() => Deno.exit(signalExitCode(signal)), GRACE);
}
