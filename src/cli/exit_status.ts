/**
 * The exit codes, and which one each way to end has.
 *
 * @module
 */

import type { WSError } from "../../mod.ts";

/** What each exit code means, for the program and for its help. */
export const EXIT_CODES = {
  0: "ok",
  1: "an internal error; ping: no answer at all",
  2: "wrong usage, or a permission is missing",
  3: "handshake refused: HTTP status, redirect, not WebSocket",
  4: "closed by the server with a code other than 1000 and 1001",
  5: "dropped without a close frame",
  6: "the name does not resolve (DNS)",
  7: "no connection (TCP)",
  8: "certificate not accepted (TLS)",
  9: "data lost (--fail-on-gap)",
  124: "timeout",
  130: "interrupted (SIGINT)",
  143: "terminated (SIGTERM)",
} as const;

/** An exit code. */
export type ExitCode = keyof typeof EXIT_CODES;

/** The signals that end the program. */
export type EndSignal = "SIGINT" | "SIGTERM";

/** How a command ended: a code, or the signal to exit by. */
export type ExitStatus = ExitCode | EndSignal;

/** The exit code of an error that ended the client. */
export function exitCodeOf(error: WSError): ExitCode {
  switch (error.code) {
    case "CONNECT":
      return 7;
    case "DNS":
      return 6;
    case "TIMEOUT":
      return 124;
    case "TLS":
      return 8;
    case "HTTP_STATUS":
    case "REDIRECT":
    case "HANDSHAKE":
      return 3;
    case "PERMISSION":
      return 2;
    case "CLOSED":
      return closeExitCode(error.closeCode);
    case "PROTOCOL":
    case "HEARTBEAT":
      // We gave the link up: no close frame of the server's ended it.
      return 5;
    case "SLOW_CONSUMER":
    case "QUEUE_FULL":
    case "EXPIRED":
    case "ABORTED":
      return 9;
    case "TOO_LARGE":
      return 2;
    case "RETRIES_EXHAUSTED":
      return isWSError(error.cause) ? exitCodeOf(error.cause) : 7;
    case "STOPPED":
      return 0;
    case "SPOOL":
    case "CALLBACK":
      return 1;
    default:
      return error.code satisfies never;
  }
}

/** By its name: the help, which prints the codes, must not load the client. */
function isWSError(error: unknown): error is WSError {
  return error instanceof Error && error.name === "WSError";
}

function closeExitCode(code: number | undefined): ExitCode {
  if (code === 1000 || code === 1001) return 0;
  return code === undefined || code === 1006 ? 5 : 4;
}

/** The exit code that a shell shows for a program killed by a signal. */
export function signalExitCode(signal: EndSignal): ExitCode {
  switch (signal) {
    case "SIGINT":
      return 130;
    case "SIGTERM":
      return 143;
    default:
      return signal satisfies never;
  }
}
