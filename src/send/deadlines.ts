/**
 * Removes messages that are not yet written to a socket: when their `ttl` ends,
 * or their `signal` aborts.
 *
 * @module
 */

import { LONGEST_TIMER } from "../clock.ts";
import type { Item } from "./item.ts";

/**
 * The messages that may expire: a heap by the time of expiry, and one timer. So
 * sixty thousand messages need no more timers than a few.
 */
export class Deadlines {
  readonly #now: () => number;
  readonly #onDue: () => void;
  readonly #heap: Item[] = [];
  /** What the timer is set for. */
  #due = Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `now` is a monotonic clock; `onDue` is called when something expires. */
  constructor(now: () => number, onDue: () => void) {
    this.#now = now;
    this.#onDue = onDue;
  }

  /** Watches an item that can expire. */
  add(item: Item): void {
    if (item.heapIndex >= 0) return;
    this.#heap.push(item);
    this.#siftUp(item, this.#heap.length - 1);
    this.#schedule();
  }

  /** Stops watching an item. */
  remove(item: Item): void {
    const { heapIndex } = item;
    if (heapIndex < 0) return;
    item.heapIndex = -1;
    const last = this.#heap.pop();
    if (last === undefined || last === item) return;
    this.#siftUp(last, heapIndex);
    this.#siftDown(last, last.heapIndex);
  }

  /** Takes out the messages that have expired, in the order of expiry. */
  takeDue(): Item[] {
    const due: Item[] = [];
    if (this.#heap.length === 0) return due;
    const now = this.#now();
    for (
      let first = this.#heap[0];
      first !== undefined && first.expires <= now;
      first = this.#heap[0]
    ) {
      this.remove(first);
      due.push(first);
    }
    return due;
  }

  /** Stops watching. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#due = Infinity;
    for (const item of this.#heap.splice(0)) item.heapIndex = -1;
  }

  /** A timer that fires too early costs less than one set anew each time. */
  #schedule(): void {
    const due = this.#heap[0]?.expires ?? Infinity;
    if (due >= this.#due) return;
    clearTimeout(this.#timer);
    this.#due = due;
    const wait = Math.ceil(Math.max(0, due - this.#now()));
    this.#timer = setTimeout(() => {
      this.#due = Infinity;
      this.#onDue();
      this.#schedule();
    }, Math.min(wait, LONGEST_TIMER));
    Deno.unrefTimer(this.#timer);
  }

  #siftUp(item: Item, index: number): void {
    while (index > 0) {
      const parent = this.#heap[(index - 1) >> 1];
      if (parent === undefined || parent.expires <= item.expires) break;
      this.#put(parent, index);
      index = (index - 1) >> 1;
    }
    this.#put(item, index);
  }

  #siftDown(item: Item, index: number): void {
    while (true) {
      let at = 2 * index + 1;
      let child = this.#heap[at];
      const right = this.#heap[at + 1];
      if (right !== undefined && child && right.expires < child.expires) {
        child = right;
        at++;
      }
      if (child === undefined || child.expires >= item.expires) break;
      this.#put(child, index);
      index = at;
    }
    this.#put(item, index);
  }

  #put(item: Item, index: number): void {
    this.#heap[index] = item;
    item.heapIndex = index;
  }
}

/** The messages of one signal. */
interface Watched {
  readonly items: Set<Item>;
  readonly listener: () => void;
}

/** The signals of messages: one listener each, however many messages share it. */
export class Signals {
  readonly #watched = new Map<AbortSignal, Watched>();
  readonly #onAbort: (items: readonly Item[]) => void;

  /** `onAbort` is called with the messages of a signal that has aborted. */
  constructor(onAbort: (items: readonly Item[]) => void) {
    this.#onAbort = onAbort;
  }

  /** Listens for an item with this signal. */
  add(item: Item, signal: AbortSignal): void {
    const watched = this.#watched.get(signal) ?? this.#listen(signal);
    watched.items.add(item);
  }

  /** Stops listening for an item. */
  remove(item: Item): void {
    const { signal } = item;
    const watched = signal && this.#watched.get(signal);
    if (signal === undefined || watched === undefined) return;
    watched.items.delete(item);
    if (watched.items.size > 0) return;
    signal.removeEventListener("abort", watched.listener);
    this.#watched.delete(signal);
  }

  /** Stops listening. */
  stop(): void {
    for (const [signal, { listener }] of this.#watched) {
      signal.removeEventListener("abort", listener);
    }
    this.#watched.clear();
  }

  #listen(signal: AbortSignal): Watched {
    const items = new Set<Item>();
    const listener = () => {
      this.#watched.delete(signal);
      this.#onAbort([...items]);
    };
    const watched = { items, listener };
    this.#watched.set(signal, watched);
    signal.addEventListener("abort", listener, { once: true });
    return watched;
  }
}
