/**
 * Round trips: which ping an answer belongs to, and the report at the end in the
 * manner of ping(8). Pure; time is an argument, in milliseconds.
 *
 * @module
 */

import { displayUrl, showDuration, toMicros } from "../format.ts";

/** A ping that was answered. */
export interface Answer {
  readonly seq: number;
  /** From the ping to its answer. */
  readonly time: number;
}

/** Follows pings that are on their way. */
export class RoundTrips {
  readonly #wait: number;
  readonly #pending = new Map<number, number>();
  readonly #times: number[] = [];
  #sent = 0;

  /** @param wait how long an answer may take */
  constructor(wait: number) {
    this.#wait = wait;
  }

  /** The number of the next ping, which is sent now. */
  send(now: number): number {
    this.#pending.set(++this.#sent, now);
    return this.#sent;
  }

  /**
   * An answer: to the ping of that number, or to the oldest one. Undefined if
   * that ping is answered or lost already.
   */
  answer(seq: number | undefined, now: number): Answer | undefined {
    const [oldest] = this.#pending.keys();
    const found = seq ?? oldest;
    const since = found === undefined ? undefined : this.#pending.get(found);
    if (found === undefined || since === undefined) return undefined;
    this.#pending.delete(found);
    this.#times.push(now - since);
    return { seq: found, time: now - since };
  }

  /**
   * An answer that took `time`: it is to the latest ping that was sent before
   * that. Older pings that still wait were answered a moment earlier, as TCP
   * keeps the order.
   */
  answerAfter(time: number, now: number): Answer[] {
    const found = [...this.#pending]
      .filter(([, since]) => since <= now - time);
    const [, latest = 0] = found.at(-1) ?? [];
    return found.flatMap(([seq]) => this.answer(seq, latest + time) ?? []);
  }

  /** The pings that have waited too long; each is returned once. */
  expire(now: number): number[] {
    const lost = [...this.#pending]
      .filter(([, since]) => now - since >= this.#wait)
      .map(([seq]) => seq);
    for (const seq of lost) this.#pending.delete(seq);
    return lost;
  }

  /** When the oldest ping will have waited too long; undefined: none waits. */
  get nextExpiry(): number | undefined {
    const [since] = this.#pending.values();
    return since === undefined ? undefined : since + this.#wait;
  }

  /** How many were sent. */
  get sent(): number {
    return this.#sent;
  }

  /** The times of the answers, in their order. */
  get times(): readonly number[] {
    return this.#times;
  }
}

/** The numbers of the report; times in milliseconds, NaN without an answer. */
export function pingSummary({ sent, times }: RoundTrips) {
  return {
    sent,
    answered: times.length,
    lost: sent - times.length,
    min: toMicros(quantile(times, 0)),
    mean: toMicros(times.reduce((sum, time) => sum + time, 0) / times.length),
    p50: toMicros(quantile(times, 0.5)),
    p99: toMicros(quantile(times, 0.99)),
    max: toMicros(quantile(times, 1)),
  };
}

/** The lines of the report. */
export function pingReport(trips: RoundTrips, url: string): string[] {
  const { sent, answered, lost, min, mean, p50, p99, max } = pingSummary(trips);
  const part = sent === 0 ? 0 : lost / sent * 100;
  const lines = [
    `--- ${displayUrl(url)} ping statistics ---`,
    `${sent} sent, ${answered} answered, ${Number(part.toFixed(1))}% lost`,
  ];
  if (answered === 0) return lines;
  const shown = [min, mean, p50, p99, max].map(showDuration).join(" / ");
  lines.push(`rtt min/avg/p50/p99/max = ${shown}`);
  return answered < ENOUGH ? lines : [...lines, "", ...histogram(trips.times)];
}

/** Fewer answers make no histogram worth a look. */
const ENOUGH = 10;

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

/** The smallest time that this part of the times (0 to 1) does not exceed. */
export function quantile(times: readonly number[], part: number): number {
  const sorted = [...times].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? NaN;
}
