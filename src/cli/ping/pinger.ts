/**
 * Sends pings at a steady pace and waits for their answers.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import type { Message } from "../../../mod.ts";
import type { ClientRun } from "../run/client_run.ts";
import { matches } from "../run/connect_steps.ts";
import type { Answered, RoundTrips } from "./round_trips.ts";

/** What the pinging consists of. */
export interface PingerParts {
  readonly trips: RoundTrips;
  /** What to send; without it a number that an echo server returns. */
  readonly message?: Message;
  /** Tells the answers; without it, and with a message, any message is one. */
  readonly pong?: RegExp;
  /** From one ping to the next, in milliseconds. */
  readonly interval: number;
  readonly count: number;
  readonly onAnswer: (answer: Answered) => void;
  readonly onLost: (seq: number) => void;
  /** The clock, in milliseconds. */
  readonly now: () => number;
}

/** Pings until all is answered or lost. */
export class Pinger {
  readonly #parts: PingerParts;
  #run: ClientRun | undefined;

  constructor(parts: PingerParts) {
    this.#parts = parts;
  }

  /** Takes what comes in. */
  onMessage(data: Message): void {
    const now = this.#parts.now();
    const { trips, message, pong, onAnswer } = this.#parts;
    if (pong !== undefined && !matches(pong, data)) return;
    const isNumber = message === undefined && pong === undefined;
    const seq = isNumber ? numberOf(data) : undefined;
    if (isNumber && seq === undefined) return;
    const answer = trips.answer(seq, now);
    if (answer !== undefined) onAnswer(answer);
    this.#endIfDone();
  }

  /** Runs until the last ping is answered or lost, or the run is over. */
  async run(run: ClientRun): Promise<void> {
    const { trips, interval, onLost } = this.#parts;
    this.#run = run;
    const start = this.#parts.now();
    while (!run.isOver) {
      const now = this.#parts.now();
      if (this.#hasMore && now >= start + trips.sent * interval) {
        this.#send(run, now);
      }
      trips.expire(now).forEach(onLost);
      this.#endIfDone();
      const next = Math.min(
        this.#hasMore ? start + trips.sent * interval : Infinity,
        trips.nextExpiry ?? Infinity,
      );
      await sleep(next - now, run.over);
    }
  }

  get #hasMore(): boolean {
    return this.#parts.trips.sent < this.#parts.count;
  }

  #endIfDone(): void {
    if (this.#hasMore || this.#parts.trips.nextExpiry !== undefined) return;
    this.#run?.end({ kind: "done" });
  }

  #send(run: ClientRun, now: number): void {
    const { trips, message } = this.#parts;
    const seq = trips.send(now);
    // Without a link it would be measured from a later time: it is lost.
    if (run.client.state === "open") run.client.trySend(message ?? String(seq));
  }
}

async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(Math.max(0, ms), { signal });
  } catch {
    // The run is over: the loop looks at that itself.
  }
}

function numberOf(data: Message): number | undefined {
  return typeof data === "string" && /^\d+$/.test(data)
    ? Number(data)
    : undefined;
}
