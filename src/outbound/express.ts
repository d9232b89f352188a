/**
 * The short way out, for messages without options: from acceptance to the
 * network in one ring, without an object for each of them.
 *
 * ```text
 *   first                            last
 *     | in the socket | queued ... |
 * ```
 *
 * It is open while nothing is on the long way, which is the queue and the
 * ledger of entries. When a message needs that way, because it may expire, say,
 * or because its link is gone, all go there ({@linkcode Express.leave}). So the
 * order is kept, and what is rare is written once.
 *
 * @module
 */

import { byteLength, type Message } from "../message.ts";
import { Entry, type EntryList } from "./entry.ts";
import type { Ledger } from "./ledger.ts";
import type { Give } from "./pump.ts";

/** What the short way goes by. */
export interface ExpressOptions {
  /** Whether it is ever open. */
  readonly isUsed: boolean;
  /** How many messages may be queued. */
  readonly maxSize: number;
  /** How many bytes they may have. */
  readonly maxBytes: number;
}

/** Of a new ring; a power of two, as it stays when the ring doubles. */
const FEWEST_SLOTS = 16;
/** An empty ring that has more is made anew. */
const MOST_SLOTS_KEPT = 1024;

/** The messages on the short way. */
export class Express {
  /** How many are queued. */
  queuedCount = 0;
  /** Their bytes. */
  queuedBytes = 0;
  /** How many are in the socket. */
  socketCount = 0;
  readonly #options: ExpressOptions;
  /** Whether messages may go this way now. */
  #isOpen: boolean;
  #messages: Message[] = [];
  /** The bytes of each message. */
  #bytes: number[] = [];
  /** The slot of the first message; the others follow, around the end. */
  #first = 0;
  /** How many were before the first message. */
  #gone = 0;
  /** What the socket was given from the first message on. */
  #socketBytes = 0;
  /** Urgent bytes among them, by how many messages were before those. */
  readonly #urgent = new Map<number, number>();

  constructor(options: ExpressOptions) {
    this.#options = options;
    this.#isOpen = options.isUsed;
    this.#empty();
  }

  /** How many are on this way. */
  get count(): number {
    return this.socketCount + this.queuedCount;
  }

  /** Nothing is on the long way any more. */
  open(): void {
    this.#isOpen = this.#options.isUsed;
  }

  /**
   * Queues a message, if this way can take it: there is room, and it has bytes,
   * without which nobody sees it leave. `false`: nothing happened.
   */
  accept(data: Message): boolean {
    const { maxSize, maxBytes } = this.#options;
    if (!this.#isOpen || this.queuedCount >= maxSize) return false;
    const isText = typeof data === "string";
    if (!isText && !(data instanceof Uint8Array)) return false;
    const bytes = byteLength(data);
    if (bytes === 0 || this.queuedBytes + bytes > maxBytes) return false;
    // The sender may use the memory of a binary message again.
    this.#push(isText ? data : new Uint8Array(data), bytes);
    return true;
  }

  /** Queues the message of an entry, if it could have come this way. */
  take(entry: Entry): boolean {
    const { data, bytes } = entry;
    if (!this.#isOpen || entry.hasOptions || bytes === 0) return false;
    this.#push(data, bytes);
    return true;
  }

  /** Gives the socket what is queued, for as long as it has room. */
  handOver(give: Give): void {
    let hasRoom = true;
    while (hasRoom && this.queuedCount > 0) {
      const slot = this.#slot(this.socketCount);
      const bytes = this.#bytes[slot] ?? 0;
      this.queuedCount--;
      this.queuedBytes -= bytes;
      this.socketCount++;
      this.#socketBytes += bytes;
      hasRoom = give(this.#messages[slot] ?? "", bytes);
    }
  }

  /**
   * These bytes are given to the socket, and are nobody's message. Before all
   * messages they do not matter: whether those have left does not depend on it.
   */
  addUrgent(bytes: number): void {
    if (this.socketCount === 0) return;
    const before = this.#gone + this.socketCount;
    this.#urgent.set(before, (this.#urgent.get(before) ?? 0) + bytes);
    this.#socketBytes += bytes;
  }

  /** The socket still has so many bytes: the last ones it was given. */
  sampled(buffered: number): void {
    while (this.socketCount > 0) {
      const after = this.#socketBytes - (this.#bytes[this.#first] ?? 0);
      if (buffered > after) return;
      this.socketCount--;
      this.#shift();
      this.#socketBytes = after - this.#takeUrgent();
    }
    if (this.count === 0 && this.#messages.length > MOST_SLOTS_KEPT) {
      this.#empty();
    }
  }

  /**
   * Moves what is in the socket to the ledger and what is queued to the queue,
   * and is closed. `order` is that of the first message. Closed, it is empty.
   */
  leave(
    order: number,
    ledger: Pick<Ledger, "add" | "addUrgent">,
    queue: Pick<EntryList, "push">,
  ): void {
    if (!this.#isOpen) return;
    const { socketCount, count } = this;
    for (let i = 0; i < count; i++) {
      const bytes = this.#bytes[this.#first] ?? 0;
      const entry = new Entry(this.#shift(), bytes);
      entry.order = order + i;
      entry.handedOver = i < socketCount;
      if (entry.handedOver) {
        ledger.add(entry);
        ledger.addUrgent(this.#takeUrgent());
      } else {
        queue.push(entry);
      }
    }
    this.#isOpen = false;
    this.#empty();
  }

  #push(data: Message, bytes: number): void {
    if (this.count === this.#messages.length) this.#grow();
    const slot = this.#slot(this.count);
    this.#messages[slot] = data;
    this.#bytes[slot] = bytes;
    this.queuedCount++;
    this.queuedBytes += bytes;
  }

  /** Takes the first message out of the ring. */
  #shift(): Message {
    const data = this.#messages[this.#first] ?? "";
    this.#messages[this.#first] = "";
    this.#first = this.#slot(1);
    this.#gone++;
    return data;
  }

  /** Forgets the urgent bytes before the first message, and tells how many. */
  #takeUrgent(): number {
    if (this.#urgent.size === 0) return 0;
    const bytes = this.#urgent.get(this.#gone) ?? 0;
    this.#urgent.delete(this.#gone);
    return bytes;
  }

  /** The slot of the message before which there are so many. */
  #slot(index: number): number {
    return (this.#first + index) & (this.#messages.length - 1);
  }

  #grow(): void {
    const { length } = this.#messages;
    const inOrder = <T>(ring: T[]) => [
      ...ring.slice(this.#first),
      ...ring.slice(0, this.#first),
    ];
    this.#messages = inOrder(this.#messages).concat(new Array(length).fill(""));
    this.#bytes = inOrder(this.#bytes).concat(new Array(length).fill(0));
    this.#first = 0;
  }

  #empty(): void {
    this.#messages = new Array(FEWEST_SLOTS).fill("");
    this.#bytes = new Array(FEWEST_SLOTS).fill(0);
    this.#first = 0;
    this.queuedCount = this.queuedBytes = 0;
    this.socketCount = this.#socketBytes = 0;
  }
}
