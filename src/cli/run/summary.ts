/**
 * What a run came to, in a line.
 *
 * @module
 */

import type { WSStats } from "../../../mod.ts";
import { showBytes, showDuration, showMany } from "../quantities.ts";

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
        `(${showDuration(downtime)} without a link)`,
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
