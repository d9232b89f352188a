/**
 * How a run went, in numbers and in words.
 *
 * @module
 */

import type { WSStats } from "../../../mod.ts";
import type { ExitStatus } from "../exit_status.ts";
import { showBytes, showCount, showDuration, showMany } from "../format.ts";
import type { Stderr } from "../notices.ts";
import { errorText } from "./connection_events.ts";
import type { EndReason, Goal } from "./end_reason.ts";

/** How a run went. */
export interface RunResult {
  readonly status: ExitStatus;
  readonly reason: EndReason;
  readonly goal: Goal;
  readonly stats: RunStats;
  /** Messages that were read or accepted, and not sent. */
  readonly unsent: number;
  /** Those of them that no queue has accepted. */
  readonly unaccepted: number;
  /** Whether the error that ended the run has been printed. */
  readonly isReported: boolean;
  /** Bytes of output that were not read in time. */
  readonly unwritten: number;
}

/** The numbers of a run: of one client, or of several together. */
export interface RunStats extends
  Pick<
    WSStats,
    | "messagesReceived"
    | "bytesReceived"
    | "messagesSent"
    | "bytesSent"
    | "redelivered"
    | "dropped"
    | "queued"
    | "downtime"
    | "rtt"
  > {
  /** Connections without the first one of each client, and without rotations. */
  readonly reconnects: number;
}

/** The numbers of the clients together; the round trips are the first one's. */
export function runStats(clients: readonly WSStats[]): RunStats {
  const sum = (numberOf: (stats: WSStats) => number) =>
    clients.reduce((total, stats) => total + numberOf(stats), 0);
  return {
    messagesReceived: sum((stats) => stats.messagesReceived),
    bytesReceived: sum((stats) => stats.bytesReceived),
    messagesSent: sum((stats) => stats.messagesSent),
    bytesSent: sum((stats) => stats.bytesSent),
    redelivered: sum((stats) => stats.redelivered),
    dropped: sum((stats) => stats.dropped),
    queued: sum((stats) => stats.queued),
    downtime: sum((stats) => stats.downtime),
    reconnects: sum(({ connects, rotations }) =>
      Math.max(0, connects - rotations - 1)
    ),
    rtt: clients[0]?.rtt,
  };
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
