/**
 * What a socket was given, until it is settled: what has to be sent again when
 * the link dies.
 *
 * @module
 */

import { Entry, EntryList } from "./entry.ts";

/** A record of what was handed over on a link and is not settled yet. */
export interface Ledger {
  /** What takes up room in the queue's bounds. */
  readonly heldCount: number;
  readonly heldBytes: number;
  /** Whether nothing may be handed over until something is settled. */
  readonly isFull: boolean;
  /** Whether samples of the socket could settle something. */
  readonly wantsSamples: boolean;
  /** What was handed over first. */
  readonly oldest: Entry | undefined;
  /** This message is given to the socket now. */
  add(entry: Entry): void;
  /** These bytes are given to the socket now, and are nobody's message. */
  addUrgent(bytes: number): void;
  /**
   * The socket still has so many bytes. `turned`: what it was given before, it
   * has had for a turn of the event loop.
   */
  sampled(buffered: number, turned: boolean): void;
  /** The link is gone: all that is not settled, in order. */
  takeBack(): EntryList;
  /** This message, handed over once, was dropped. */
  forget(entry: Entry): void;
}

/**
 * Settles a message when the network has taken it. All that the runtime tells
 * of that is how many bytes the socket still has: the last ones of the ledger.
 */
export class FlushLedger implements Ledger {
  readonly heldCount = 0;
  readonly heldBytes = 0;
  readonly isFull = false;
  readonly #entries = new EntryList();
  readonly #settle: (entry: Entry) => void;
  /** Up to this order empty messages were next to leave, a turn ago. */
  #leavingUpTo = 0;

  /** `settle` is called for each message that the network has taken. */
  constructor(settle: (entry: Entry) => void) {
    this.#settle = settle;
  }

  get wantsSamples(): boolean {
    return this.#entries.count > 0;
  }

  get oldest(): Entry | undefined {
    return this.#entries.head;
  }

  add(entry: Entry): void {
    this.#entries.push(entry);
  }

  /**
   * An entry of order 0: it has its place among the bytes, and no other. Before
   * all messages it has none: whether those have left does not depend on it.
   */
  addUrgent(bytes: number): void {
    const isBehind = this.#entries.count > 0;
    if (isBehind && bytes > 0) this.#entries.push(new Entry("", bytes));
  }

  sampled(buffered: number, turned: boolean): void {
    const entries = this.#entries;
    let entry = entries.head;
    while (entry !== undefined) {
      const isUrgent = entry.order === 0;
      if (!isUrgent && !this.#isFlushed(entry, buffered, turned)) break;
      entries.remove(entry);
      if (!isUrgent) this.#settle(entry);
      entry = entries.head;
    }
    if (!turned) return;
    this.#leavingUpTo = 0;
    if (buffered !== entries.bytes) return;
    for (; entry?.bytes === 0; entry = entry.next) {
      this.#leavingUpTo = Math.max(this.#leavingUpTo, entry.order);
    }
  }

  takeBack(): EntryList {
    const back = new EntryList();
    let entry = this.#entries.shift();
    while (entry !== undefined) {
      if (entry.order > 0) back.push(entry);
      entry = this.#entries.shift();
    }
    this.#leavingUpTo = 0;
    return back;
  }

  forget(): void {}

  #isFlushed(head: Entry, buffered: number, turned: boolean): boolean {
    const after = this.#entries.bytes - head.bytes;
    if (head.bytes > 0 || buffered < after) return buffered <= after;
    // Nobody sees an empty message leave. It has, when with nothing before it
    // there was a turn of the event loop to do so.
    return turned && buffered === after && head.order <= this.#leavingUpTo;
  }
}
