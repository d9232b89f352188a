/**
 * Which URL to try next. Pure: no clock, no socket.
 *
 * A round tries every URL once, the one that was stable last first, the others
 * in the order given. Within a round the next URL is tried at once; the backoff
 * comes after each round.
 *
 * @module
 */

/**
 * What follows a failure: dial `current` at once, or after the backoff, or
 * never.
 */
export type NextStep = "next" | "round" | "none left";

/** The list of URLs, as far as they are worth trying. */
export class Endpoints<T> {
  #left: readonly T[];
  #preferred: T | undefined;
  #round: readonly T[];

  /** @param list what may be tried, best first; at least one */
  constructor(list: readonly T[]) {
    this.#left = list;
    this.#round = list;
  }

  /** What to dial. */
  get current(): T {
    const [first] = this.#round;
    if (first === undefined) throw new Error("Cannot dial: no URL is left");
    return first;
  }

  /**
   * The connection to `current` has held: it comes first from now on, and a new
   * round begins with it.
   */
  stable(): void {
    this.#preferred = this.current;
    this.#startRound();
  }

  /**
   * The attempt or the connection to `current` has failed. A fatal failure takes
   * it out for good.
   */
  failed(fatal: boolean): NextStep {
    const failed = this.current;
    if (fatal) {
      this.#left = this.#left.filter((endpoint) => endpoint !== failed);
      if (this.#left.length === 0) return this.#endRound("none left");
    }
    this.#round = this.#round.slice(1);
    return this.#round.length > 0 ? "next" : this.#endRound("round");
  }

  /**
   * The connection to `current` that was stable has fallen: the same URL is
   * dialled again, after the backoff, unless that was fatal.
   */
  fell(fatal: boolean): NextStep {
    return fatal ? this.failed(true) : "round";
  }

  #endRound(step: NextStep): NextStep {
    this.#startRound();
    return step;
  }

  #startRound(): void {
    const preferred = this.#left.filter((one) => one === this.#preferred);
    const others = this.#left.filter((one) => one !== this.#preferred);
    this.#round = [...preferred, ...others];
  }
}
