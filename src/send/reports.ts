/**
 * Reports to the program what happened to its messages, but only while the
 * queue is in a consistent state.
 *
 * @module
 */

import type { DropReason } from "../callbacks.ts";
import { WSError } from "../errors.ts";
import type { Message } from "../message.ts";
import type { Notifier } from "../notifier.ts";
import type { Turn } from "../turns.ts";

/** The receiver of the reports. */
export type ReportTarget = Pick<Notifier, "drop" | "error">;

/** One report. */
type Report =
  | { readonly data: Message; readonly reason: DropReason }
  | WSError;

/**
 * The reports, in order. Reports that the program causes during a report are
 * delivered after a turn of the event loop; otherwise a program that sends
 * dropped messages again might block the event loop for ever.
 */
export class Reports {
  readonly #target: ReportTarget;
  readonly #turn: Turn;
  readonly #onTurn: () => void;
  #reports: Report[] = [];
  /** How many of them are delivered. */
  #delivered = 0;
  #delivering: Report | undefined;
  #cancelTurn: (() => void) | undefined;

  /**
   * `onTurn` is called when it is time to deliver the reports added meanwhile.
   */
  constructor(target: ReportTarget, turn: Turn, onTurn: () => void) {
    this.#target = target;
    this.#turn = turn;
    this.#onTurn = onTurn;
  }

  /** The reason of the drop that is being reported now, if there is one. */
  get reason(): DropReason | undefined {
    const delivering = this.#delivering;
    return delivering === undefined || delivering instanceof WSError
      ? undefined
      : delivering.reason;
  }

  /** Whether there is anything to deliver now. */
  get isDue(): boolean {
    return this.#delivered < this.#reports.length &&
      this.#delivering === undefined &&
      this.#cancelTurn === undefined;
  }

  /** Adds a report for the next `deliver`. */
  add(report: Report): void {
    this.#reports.push(report);
  }

  /** Adds a report that is delivered after a turn of the event loop. */
  addSoon(report: Report): void {
    this.#reports.push(report);
    this.#deliverSoon();
  }

  /** Delivers the reports added so far. */
  deliver(): void {
    if (!this.isDue) return;
    this.#deliverTo(this.#reports.length);
    if (this.#reports.length > 0) this.#deliverSoon();
  }

  /** Delivers all reports, at the end: no others can follow. */
  deliverAll(): void {
    this.#cancelTurn?.();
    this.#cancelTurn = undefined;
    this.#deliverTo(Infinity);
  }

  #deliverSoon(): void {
    this.#cancelTurn ??= this.#turn(() => {
      this.#cancelTurn = undefined;
      this.#onTurn();
    });
  }

  #deliverTo(end: number): void {
    const outer = this.#delivering;
    while (this.#delivered < Math.min(end, this.#reports.length)) {
      const report = this.#reports[this.#delivered++];
      if (report === undefined) break;
      this.#delivering = report;
      if (report instanceof WSError) this.#target.error(report);
      else this.#target.drop(report.data, report.reason);
    }
    this.#delivering = outer;
    if (outer !== undefined || this.#delivered < this.#reports.length) return;
    this.#reports = [];
    this.#delivered = 0;
  }
}
