/**
 * Times as bars.
 *
 * @module
 */

import { showDuration } from "../format.ts";

/** Each step is a quarter of an octave or more, so that there are few rows. */
const MAX_ROWS = 10;
const BAR = 40;

/** Rows of equal ratio from the least to the greatest time. */
export function histogram(times: readonly number[]): string[] {
  if (times.length < 2) return [];
  const least = Math.max(quantile(times, 0), 0.001);
  const greatest = Math.max(quantile(times, 1), least);
  const ratio = Math.max(2 ** 0.25, (greatest / least) ** (1 / MAX_ROWS));
  const rowOf = (time: number) =>
    Math.min(
      MAX_ROWS - 1,
      Math.floor(Math.log(Math.max(time / least, 1)) / Math.log(ratio)),
    );
  const counts = new Array<number>(rowOf(greatest) + 1).fill(0);
  for (const time of times) {
    counts[rowOf(time)] = (counts[rowOf(time)] ?? 0) + 1;
  }
  const most = Math.max(...counts);
  return counts.map((count, row) => {
    const to = showDuration(least * ratio ** (row + 1)).padStart(9);
    const bar = "#".repeat(Math.ceil(count / most * BAR));
    return `  up to ${to}  ${String(count).padStart(5)}  ${bar}`.trimEnd();
  });
}

/** The least time that so much of them (0 to 1) are not above. */
export function quantile(times: readonly number[], part: number): number {
  const sorted = [...times].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? NaN;
}
