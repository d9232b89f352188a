/**
 * Which URL to dial next. Pure: time is an argument.
 *
 * A round tries every URL once, the one that was stable last first, the others
 * in the order given. Within a round the next URL is dialled at once; the backoff
 * comes after each round. A URL whose server asked to wait (`Retry-After`) is
 * left out until then, unless all the others wait as well.
 *
 * @module
 */

/** What follows a failure. */
export type FailoverStep =
  /** Dial the new `current` at once. */
  | "next"
  /** The round is over: wait, then start another. */
  | "round"
  /** No URL is worth trying any more. */
  | "none left";

interface UrlState {
  /** In milliseconds of a monotonic clock. */
  notBefore: number;
  /** 401 and 403 in a row. */
  refusals: number;
}

/** The URLs that are worth trying. */
export class Failover<T> {
  #left: readonly T[];
  #preferred: T | undefined;
  /** That of the connection in use, or of the last one. */
  #inUse: T | undefined;
  /** What is left of the round; the first is `current`. */
  #round: readonly T[];
  /** Made at the first failure. */
  #states: Map<T, UrlState> | undefined;

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

  /** How many 401 and 403 in a row `current` has answered. */
  get refusals(): number {
    return this.#states?.get(this.current)?.refusals ?? 0;
  }

  /** Until when `current` is not to be dialled; 0 if it may be dialled. */
  get notBefore(): number {
    return this.#states?.get(this.current)?.notBefore ?? 0;
  }

  /** `current` has accepted the handshake. */
  opened(): void {
    this.#states?.delete(this.current);
  }

  /** The connection to `current` is in use. */
  use(): void {
    this.#inUse = this.current;
  }

  /**
   * The connection in use has ended: its URL is `current` again, though attempts
   * to replace it may have moved on to others.
   */
  resume(): void {
    const url = this.#inUse;
    if (url === undefined || url === this.current) return;
    if (this.#left.includes(url)) this.#startWith(url);
  }

  /** The connection in use was stable: its URL comes first from now on. */
  stable(): void {
    this.#preferred = this.#inUse;
    this.#startWith(this.current);
  }

  /**
   * `current` has failed.
   * @param isFatal takes it out for good
   * @param isRefusal whether it answered 401 or 403
   * @param notBefore when its server allows another attempt
   */
  failed(
    isFatal: boolean,
    isRefusal: boolean,
    notBefore: number,
    now: number,
  ): FailoverStep {
    const failed = this.current;
    this.#states ??= new Map();
    const refusals = isRefusal ? this.refusals + 1 : 0;
    this.#states.set(failed, { notBefore, refusals });
    if (isFatal) {
      this.#left = this.#left.filter((url) => url !== failed);
      if (this.#left.length === 0) return "none left";
    }
    const rest = this.#round.slice(1).filter((url) => this.#isReady(url, now));
    if (rest.length === 0) {
      this.#round = this.#order();
      return "round";
    }
    this.#round = rest;
    return "next";
  }

  /** Starts the round that is dialled from the moment `at` on. */
  startRound(at: number): void {
    const order = this.#order();
    const ready = order.filter((url) => this.#isReady(url, at));
    this.#round = ready.length > 0 ? ready : [this.#earliestOf(order)];
  }

  /** A new round, in which `url` comes first. */
  #startWith(url: T): void {
    this.#round = [url, ...this.#order().filter((other) => other !== url)];
  }

  #isReady(url: T, at: number): boolean {
    return (this.#states?.get(url)?.notBefore ?? 0) <= at;
  }

  #earliestOf(urls: readonly T[]): T {
    const moment = (url: T) => this.#states?.get(url)?.notBefore ?? 0;
    return urls.reduce((a, b) => moment(b) < moment(a) ? b : a);
  }

  #order(): readonly T[] {
    const preferred = this.#left.filter((url) => url === this.#preferred);
    const others = this.#left.filter((url) => url !== this.#preferred);
    return [...preferred, ...others];
  }
}
