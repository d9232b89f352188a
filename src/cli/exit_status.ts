/**
 * The exit codes and the signals: how the program can end.
 *
 * @module
 */

/** What each exit code means, for the program and for its help. */
export const EXIT_CODES = {
  0: "ok",
  1: "an internal error; ping: no answer at all",
  2: "wrong usage, or a permission is missing",
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
