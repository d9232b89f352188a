/**
 * The reasons for which a run ends: the exit status of each, how long the
 * shutdown may take, and the text at the end.
 *
 * @module
 */

import { WSError, type WSStats } from "../../../mod.ts";
import type { EndSignal, ExitCode, ExitStatus } from "../exit_status.ts";
import { showBytes, showCount, showDuration, showMany } from "../format.ts";
import type { Stderr } from "../notices.ts";
import type { RunResult } from "./client_run.ts";
import { errorText } from "./connection_events.ts";

/** What to say to the server, if not 1000 and nothing. */
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

/** The numbers of a run: of one client, or of several together. */
export interface RunStats extends WSStats {
  /** Connections without the first one of each client, and without rotations. */
  readonly reconnects: number;
}

/** The numbers of a run of one client. */
export function runStats(stats: WSStats): RunStats {
  const { connects, rotations } = stats;
  return { ...stats, reconnects: Math.max(0, connects - rotations - 1) };
}

/** `received 3 messages (45 B), sent 1 message (12 B), 2 reconnects, ...` */
export function summaryLine(stats: RunStats, unsent = 0): string {
  const { messagesReceived, bytesReceived, messagesSent, bytesSent } = stats;
  const { reconnects, redelivered, dropped, downtime } = stats;
  const parts = [
    `received ${showMany(messagesReceived, "message")}` +
    (messagesReceived > 0 ? ` (${showBytes(bytesReceived)})` : ""),
    `sent ${showMany(messagesSent, "message")}` +
    (messagesSent > 0 ? ` (${showBytes(bytesSent)})` : "") +
    (redelivered > 0 ? `, ${showCount(redelivered)} of them again` : ""),
  ];
  if (reconnects > 0) {
    parts.push(
      `${showMany(reconnects, "reconnect")} ` +
        `(${showDuration(downtime)} without a connection)`,
    );
  }
  if (dropped > 0) parts.push(`${showMany(dropped, "message")} dropped`);
  if (unsent > 0) parts.push(`${showMany(unsent, "message")} not sent`);
  return parts.join(", ");
}

/** The line of `--stats`. */
export function statsLine(stats: RunStats, state: string): string {
  const { queued, rtt } = stats;
  const queue = queued > 0 ? `, ${showMany(queued, "message")} queued` : "";
  const trip = rtt === undefined ? "" : `, rtt ${showDuration(rtt.last)}`;
  return `${state}: ${summaryLine(stats)}${queue}${trip}`;
}

/** Says that a normal close came before the work was done. */
export const CLOSED_EARLY = "the server closed the connection too early";

/**
 * Says why the run ended, with a summary.
 *
 * @param spool where messages stay that were not sent
 */
export function printSummary(
  result: RunResult,
  notices: Stderr,
  spool?: string,
): void {
  const { reason, goal, stats, unsent, unwritten, isReported } = result;
  const summary = summaryLine(stats, unsent);
  const missed = goal === "missed";
  switch (reason.kind) {
    case "ended":
      if (reason.error !== undefined) {
        if (!isReported) notices.fatal(errorText(reason.error));
      } else if (missed || unsent > 0) {
        notices.fatal(CLOSED_EARLY);
      }
      break;
    case "timeout":
      notices.fatal("the time is up (--timeout)");
      break;
    case "input-over":
      if (missed) notices.fatal("no more messages came in time (--linger)");
      break;
    case "planned":
      if (missed) notices.fatal("too few messages came in time (--for)");
      break;
    case "gap":
      notices.fatal("messages may have been missed (--fail-on-gap)");
      break;
    case "failed":
      notices.fatal(errorText(reason.error));
      break;
    case "signal":
    case "output-closed":
    case "done":
      break;
    default:
      reason satisfies never;
  }
  if (unwritten > 0) {
    notices.trouble(
      `${
        showBytes(unwritten)
      } of output were not written: the reader was too slow`,
    );
  }
  // Of a spool that could not be opened nothing is known.
  const isUnknown = reason.kind === "ended" && reason.error?.code === "SPOOL";
  const kept = isUnknown ? "" : keptText(result, spool);
  if (reason.kind === "signal") return notices.good(summary + kept);
  const { dropped } = stats;
  if (dropped > 0) notices.trouble(`${were(dropped)} dropped`);
  if (unsent > 0) notices.trouble(`${were(unsent)} not sent${kept}`);
  notices.detail(summary);
}

/** Which of the messages that were not sent stay in the spool. */
function keptText(
  { unsent, unaccepted }: Pick<RunResult, "unsent" | "unaccepted">,
  spool: string | undefined,
): string {
  const kept = unsent - unaccepted;
  if (spool === undefined || kept === 0) return "";
  const stay = `${kept === 1 ? "stays" : "stay"} in ${spool}`;
  if (unaccepted === 0) return `, and ${stay}`;
  return `: ${showMany(kept, "message")} ${stay}, ` +
    `${were(unaccepted)} read and not kept`;
}

/** `1 message was`, `3 messages were`. */
function were(count: number): string {
  return `${showMany(count, "message")} ${count === 1 ? "was" : "were"}`;
}
