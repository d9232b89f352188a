/**
 * What `ping` prints at its end, in the manner of ping(8).
 *
 * @module
 */

import { displayUrl, showDuration } from "../format.ts";
import { histogram, quantile } from "./histogram.ts";
import type { RoundTrips } from "./round_trips.ts";

/** The lines of the summary. */
export function pingReport(trips: RoundTrips, url: string): string[] {
  const { sent, times } = trips;
  const lost = sent - times.length;
  const part = sent === 0 ? 0 : lost / sent * 100;
  const lines = [
    "",
    `--- ${displayUrl(url)} ping statistics ---`,
    `${sent} sent, ${times.length} answered, ${Number(part.toFixed(1))}% lost`,
  ];
  if (times.length === 0) return lines;
  const mean = times.reduce((sum, time) => sum + time, 0) / times.length;
  const shown = [
    quantile(times, 0),
    mean,
    quantile(times, 0.99),
    quantile(times, 1),
  ].map(showDuration);
  lines.push(`rtt min/avg/p99/max = ${shown.join(" / ")}`);
  const bars = histogram(times);
  return bars.length === 0 ? lines : [...lines, "", ...bars];
}
