/**
 * Lets messages expire on time, also while nothing moves.
 *
 * One timer for all of them, set for the earliest. When it fires the lists are
 * searched; the longer they are, the longer it waits until the next time, so
 * that the search takes no more than a few percent of the time.
 *
 * @module
 */

import { LONGEST_TIMER } from "../longest_timer.ts";
import type { Entry } from "./entry.ts";

/** So many entries can be searched in a small part of a millisecond. */
const ENTRIES_PER_MS = 10_000;

/** The clock of the messages that may expire. */
export class Expiry {
  readonly #lists: readonly Iterable<Entry>[];
  readonly #now: () => number;
  readonly #expire: (entries: readonly Entry[]) => void;
  #due = Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `expire` is called with what has expired in the lists. */
  constructor(
    lists: readonly Iterable<Entry>[],
    now: () => number,
    expire: (entries: readonly Entry[]) => void,
  ) {
    this.#lists = lists;
    this.#now = now;
    this.#expire = expire;
  }

  /** Whether the message has expired by now. */
  hasPassed(entry: Entry): boolean {
    const { expires } = entry;
    return expires !== Infinity && expires <= this.#now();
  }

  /** The message is in one of the lists now. */
  watch(entry: Entry): void {
    if (entry.expires < this.#due) this.#schedule(entry.expires);
  }

  /** Searches the lists, if anything may have expired. */
  run(): void {
    if (this.#due !== Infinity && this.#due <= this.#now()) this.#search();
  }

  /** Forgets everything. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#due = Infinity;
  }

  #search(): void {
    this.stop();
    const now = this.#now();
    const expired: Entry[] = [];
    let earliest = Infinity;
    let searched = 0;
    for (const list of this.#lists) {
      for (const entry of list) {
        searched++;
        if (entry.expires <= now) expired.push(entry);
        else if (entry.expires < earliest) earliest = entry.expires;
      }
    }
    if (earliest !== Infinity) {
      this.#schedule(Math.max(earliest, now + searched / ENTRIES_PER_MS));
    }
    if (expired.length > 0) this.#expire(expired);
  }

  #schedule(due: number): void {
    clearTimeout(this.#timer);
    this.#due = due;
    const wait = Math.ceil(Math.max(0, due - this.#now()));
    const timer = setTimeout(
      () => this.#fire(),
      Math.min(wait, LONGEST_TIMER),
    );
    Deno.unrefTimer(timer);
    this.#timer = timer;
  }

  #fire(): void {
    // The wall clock may have been set back, or the wait have been too long.
    if (this.#due > this.#now()) this.#schedule(this.#due);
    else this.#search();
  }
}
