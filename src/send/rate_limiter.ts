/**
 * Keeps the queue to `sendRate`.
 *
 * @module
 */

/** At most so many messages in any time of this length. */
export interface SendRate {
  readonly messages: number;
  /** In milliseconds. */
  readonly interval: number;
}

/** Remembers when the last messages left. */
export class RateLimiter {
  readonly #rate: SendRate;
  /** When each of the last `messages` messages left; a ring when it is full. */
  readonly #times: number[] = [];
  /** Where the oldest of them is, once the ring is full. */
  #oldest = 0;

  constructor(rate: SendRate) {
    this.#rate = rate;
  }

  /** A message leaves now, whether it had to wait or not. */
  record(now: number): void {
    if (this.#times.length < this.#rate.messages) {
      this.#times.push(now);
      return;
    }
    this.#times[this.#oldest] = now;
    this.#oldest = (this.#oldest + 1) % this.#rate.messages;
  }

  /** How many messages may leave now. */
  allowance(now: number): number {
    const { messages, interval } = this.#rate;
    const recent = this.#times.filter((time) => time + interval > now);
    return messages - recent.length;
  }

  /** How many milliseconds the next message has to wait; 0 for none. */
  wait(now: number): number {
    if (this.#times.length < this.#rate.messages) return 0;
    const oldest = this.#times[this.#oldest] ?? -Infinity;
    return Math.max(0, oldest + this.#rate.interval - now);
  }
}
