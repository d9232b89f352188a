/**
 * What a run came to: the lines of `--stats` and at the end.
 *
 * @module
 */

import type { WSStats } from "../../../mod.ts";
import { showBytes, showDuration, showMany } from "../format.ts";
import type { Stderr } from "../notices.ts";
import type { RunResult } from "./client_run.ts";
import { errorText } from "./connection_events.ts";

/** `received 3 messages (45 B), sent 1 message (12 B), 2 reconnects, ...` */
export function summaryLine(stats: WSStats, unsent = 0): string {
  const { messagesReceived, bytesReceived, messagesSent, bytesSent } = stats;
  const { connects, rotations, dropped, downtime } = stats;
  const reconnects = Math.max(0, connects - rotations - 1);
  const parts = [
    `received ${showMany(messagesReceived, "message")}` +
    (messagesReceived > 0 ? ` (${showBytes(bytesReceived)})` : ""),
    `sent ${showMany(messagesSent, "message")}` +
    (messagesSent > 0 ? ` (${showBytes(bytesSent)})` : ""),
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
export function statsLine(stats: WSStats, state: string): string {
  const { queued, rtt } = stats;
  const queue = queued > 0 ? `, ${showMany(queued, "message")} queued` : "";
  const trip = rtt === undefined ? "" : `, rtt ${showDuration(rtt.last)}`;
  return `${state}: ${summaryLine(stats)}${queue}${trip}`;
}

/** Says why the run ended, and what it came to. */
export function printSummary(result: RunResult, notices: Stderr): void {
  const { reason, goal, stats, unsent, unwritten } = result;
  const summary = summaryLine(stats, unsent);
  const missed = goal === "missed";
  switch (reason.kind) {
    case "ended":
      if (reason.error !== undefined) notices.fatal(errorText(reason.error));
      else if (missed) {
        notices.fatal("the server closed the connection too early");
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
  if (reason.kind === "signal") return notices.good(summary);
  const { dropped } = stats;
  if (dropped > 0) notices.trouble(`${were(dropped)} dropped`);
  if (unsent > 0) notices.trouble(`${were(unsent)} not sent`);
  notices.detail(summary);
}

/** `1 message was`, `3 messages were`. */
function were(count: number): string {
  return `${showMany(count, "message")} ${count === 1 ? "was" : "were"}`;
}
