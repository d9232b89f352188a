/**
 * The reasons for which a run ends: the exit status of each, and how long the
 * shutdown may take.
 *
 * @module
 */

import { WSError } from "../../../mod.ts";
import type { EndSignal, ExitCode, ExitStatus } from "../exit_status.ts";

/** The close code and reason for the server, if not 1000 without a reason. */
export interface CloseFrame {
  readonly code: number;
  readonly reason: string;
}

/** Why a run ended. */
export type EndReason =
  /** The client ended by itself. */
  | { readonly kind: "ended"; readonly error: WSError | undefined }
  /** The task of the command line is done. */
  | { readonly kind: "done"; readonly close?: CloseFrame }
  /** The input is sent, and no answer came for the time of `--linger`. */
  | { readonly kind: "input-over" }
  /** `--for`. */
  | { readonly kind: "planned" }
  /** `--timeout`. */
  | { readonly kind: "timeout" }
  /** The reader of stdout has closed it, as in `| head -1`. */
  | { readonly kind: "output-closed" }
  /** `--fail-on-gap`. */
  | { readonly kind: "gap" }
  | { readonly kind: "signal"; readonly signal: EndSignal }
  /** Input or output failed. */
  | { readonly kind: "failed"; readonly error: Error; readonly code: 1 | 2 };

/** Whether the messages came that `--count` or `--until` asks for. */
export type Goal = "none" | "met" | "missed";

/**
 * The exit status of the program.
 *
 * @param lost whether `--fail-on-gap` was given and something may be missing
 * @param unsent how many messages were not sent
 */
export function exitStatusOf(
  reason: EndReason,
  { lost, goal, unsent }: {
    readonly lost: boolean;
    readonly goal: Goal;
    readonly unsent: number;
  },
): ExitStatus {
  switch (reason.kind) {
    case "ended": {
      const code = reason.error === undefined ? 0 : exitCodeOf(reason.error);
      if (code !== 0) return code;
      if (lost) return 9;
      // A normal close, but too early.
      return goal === "missed" || unsent > 0 ? 4 : 0;
    }
    case "done":
      return lost ? 9 : 0;
    case "input-over":
    case "planned":
      if (lost) return 9;
      return goal === "missed" ? 124 : 0;
    case "output-closed":
      return 0;
    case "gap":
      return 9;
    case "timeout":
      return 124;
    case "signal":
      return reason.signal;
    case "failed":
      return reason.code;
    default:
      return reason satisfies never;
  }
}

/** Whether the shutdown must be short, whatever server and reader do. */
export function isUrgent({ kind }: EndReason): boolean {
  return kind === "signal" || kind === "timeout" || kind === "output-closed";
}

/** Whether messages that come during the shutdown are not printed. */
export function endsOutput(reason: EndReason): boolean {
  return isUrgent(reason) || reason.kind === "planned" ||
    reason.kind === "done";
}

/**
 * How long the shutdown may wait for the servers, in milliseconds: to send what
 * is still in the queue, and for their close frames.
 */
export function closeLimitOf({ kind }: EndReason): number {
  switch (kind) {
    case "output-closed":
    case "signal":
    case "timeout":
      // Long enough for our close frame to leave.
      return 30;
    case "planned":
    case "gap":
      return 1_000;
    case "ended":
    case "done":
    case "input-over":
    case "failed":
      return 5_000;
    default:
      return kind satisfies never;
  }
}

/** How long the queue may be drained at the end, in milliseconds. */
export function drainOf(reason: EndReason, isOpen: boolean): number {
  switch (reason.kind) {
    case "ended":
    case "timeout":
    case "gap":
    case "output-closed":
      return 0;
    case "done":
    case "input-over":
    case "failed":
      return isOpen ? 3_000 : 0;
    case "planned":
      return isOpen ? 500 : 0;
    case "signal":
      // The rest of the time is for the close frames.
      return isOpen ? 20 : 0;
    default:
      return reason satisfies never;
  }
}

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
    // A spool that cannot be opened; a failed write does not end the client.
    case "SPOOL":
      return 2;
    case "CLOSED":
      return closeExitCode(error.closeCode);
    case "PROTOCOL":
    case "HEARTBEAT":
      // We gave the connection up: the server sent no close frame.
      return 5;
    case "SLOW_CONSUMER":
    case "QUEUE_FULL":
    case "EXPIRED":
    case "ABORTED":
      return 9;
    case "TOO_LARGE":
      return 2;
    case "RETRIES_EXHAUSTED":
      return error.cause instanceof WSError ? exitCodeOf(error.cause) : 7;
    case "STOPPED":
      return 0;
    case "CALLBACK":
      return 1;
    default:
      return error.code satisfies never;
  }
}

function closeExitCode(code: number | undefined): ExitCode {
  if (code === 1000 || code === 1001) return 0;
  return code === undefined || code === 1006 ? 5 : 4;
}
