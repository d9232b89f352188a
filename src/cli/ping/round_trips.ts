/**
 * The times of answers: which ping an answer belongs to, and what they come to.
 * Pure; time is an argument, in milliseconds.
 *
 * @module
 */

/** An answer that was waited for. */
export interface Answered {
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
   * nobody waits for it any more.
   */
  answer(seq: number | undefined, now: number): Answered | undefined {
    const [oldest] = this.#pending.keys();
    const found = seq ?? oldest;
    const since = found === undefined ? undefined : this.#pending.get(found);
    if (found === undefined || since === undefined) return undefined;
    this.#pending.delete(found);
    this.#times.push(now - since);
    return { seq: found, time: now - since };
  }

  /** The pings whose time is over; each is told once. */
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
