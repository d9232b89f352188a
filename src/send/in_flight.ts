/**
 * The messages written to the socket of a connection, and how many of them have
 * left it. The socket reports only how many of its bytes are still buffered.
 *
 * Thousands of small messages fit into a socket, and most have no options. Only
 * the data of such a message is kept here, in a ring, so that all of them fit
 * into a processor cache.
 *
 * @module
 */

import type { Message } from "../message.ts";
import { Item, ItemList } from "./item.ts";

/** The slots of a new ring. Their number is always a power of two. */
const FEWEST_SLOTS = 16;

/** The messages of one connection that are not settled. */
export class InFlight {
  /** Messages, and bytes, that are not known to have left the socket. */
  inSocket = 0;
  #bytesInSocket = 0;
  /**
   * Messages that have left the socket and await an acknowledgement. They are
   * older than those in the socket.
   */
  readonly flushed: ItemList = new ItemList();
  /** The largest message that has left and is settled. */
  largestSettled = 0;
  readonly #awaitsAcks: boolean;
  readonly #onSettled: (item: Item) => void;
  /** What is in the socket; `undefined` where it was settled before it left. */
  #entries: (Item | Message | undefined)[] = [];
  #sizes: number[] = [];
  /** Where each message ends in all bytes written to sockets. */
  #ends: number[] = [];
  #sequences: number[] = [];
  #mask = -1;
  #head = 0;
  #tail = 0;
  /** All bytes written to sockets. */
  #given = 0;
  /** Before this position, empty messages were next to leave, a turn ago. */
  #leaving = 0;

  /** `awaitsAcks`: a message with an id is not settled when it has left. */
  constructor(awaitsAcks: boolean, onSettled: (item: Item) => void) {
    this.#awaitsAcks = awaitsAcks;
    this.#onSettled = onSettled;
  }

  get count(): number {
    return this.flushed.count + this.inSocket;
  }

  get bytes(): number {
    return this.flushed.bytes + this.#bytesInSocket;
  }

  /** The place of the first message in the order of all accepted messages. */
  get firstSequence(): number | undefined {
    if (this.flushed.first !== undefined) return this.flushed.first.sequence;
    for (let at = this.#head; at < this.#tail; at++) {
      const slot = at & this.#mask;
      if (this.#entries[slot] !== undefined) return this.#sequences[slot];
    }
    return undefined;
  }

  /** Whether the first message in the socket has no bytes. */
  get isNextEmpty(): boolean {
    return this.inSocket > 0 && this.#sizes[this.#head & this.#mask] === 0;
  }

  has({ list }: Item): boolean {
    return list === this || list === this.flushed;
  }

  /**
   * A message is written to the socket now: an item, or the data of a plain
   * one.
   */
  push(entry: Item | Message, size: number, sequence: number): void {
    if (this.#tail - this.#head > this.#mask) this.#grow();
    const slot = this.#tail & this.#mask;
    this.#given += size;
    this.#entries[slot] = entry;
    this.#sizes[slot] = size;
    this.#ends[slot] = this.#given;
    this.#sequences[slot] = sequence;
    if (entry instanceof Item) {
      entry.list = this;
      entry.position = this.#tail;
    }
    this.#tail++;
    this.inSocket++;
    this.#bytesInSocket += size;
  }

  /** Takes out an item; the socket still has its bytes. */
  remove(item: Item): void {
    this.#clear(item.position & this.#mask, item);
  }

  /** Bytes that belong to no queued message are written to the socket now. */
  addUrgent(bytes: number): void {
    this.#given += bytes;
  }

  /**
   * The socket still buffers this many bytes: the last ones written to it.
   * `afterTurn`: the call is made in a new turn of the event loop.
   */
  flushTo(buffered: number, afterTurn: boolean): void {
    const left = this.#given - buffered;
    while (this.#head < this.#tail) {
      const slot = this.#head & this.#mask;
      const end = this.#ends[slot] ?? 0;
      const size = this.#sizes[slot] ?? 0;
      const entry = this.#entries[slot];
      if (end > left) break;
      // The socket does not show when an empty message leaves. It counts as
      // sent after a turn of the event loop with no bytes before it in the
      // socket.
      const hasLeft = size > 0 || end < left ||
        afterTurn && this.#head < this.#leaving;
      if (!hasLeft) break;
      this.#head++;
      if (entry === undefined) continue;
      this.#clear(slot, entry);
      this.#flushed(entry, size);
    }
    if (!afterTurn) return;
    let at = this.#head;
    while (at < this.#tail && this.#ends[at & this.#mask] === left) at++;
    this.#leaving = at;
  }

  /** Takes out all messages, as the connection has ended. */
  takeAll(): Item[] {
    const items = [...this.flushed];
    for (const item of items) this.flushed.remove(item);
    for (; this.#head < this.#tail; this.#head++) {
      const slot = this.#head & this.#mask;
      const entry = this.#entries[slot];
      if (entry === undefined) continue;
      this.#clear(slot, entry);
      const item = entry instanceof Item
        ? entry
        : new Item(entry, this.#sizes[slot] ?? 0, true);
      item.sequence = this.#sequences[slot] ?? 0;
      items.push(item);
    }
    // Frees the memory of the ring.
    this.#entries = [];
    this.#mask = -1;
    this.largestSettled = 0;
    return items;
  }

  #clear(slot: number, entry: Item | Message): void {
    this.#entries[slot] = undefined;
    this.inSocket--;
    this.#bytesInSocket -= this.#sizes[slot] ?? 0;
    if (entry instanceof Item) entry.list = undefined;
  }

  #flushed(entry: Item | Message, size: number): void {
    const isItem = entry instanceof Item;
    // A message without an id cannot be acknowledged.
    if (isItem && this.#awaitsAcks && entry.id !== undefined) {
      this.flushed.push(entry);
      return;
    }
    if (size > this.largestSettled) this.largestSettled = size;
    if (isItem) this.#onSettled(entry);
  }

  #grow(): void {
    const mask = this.#mask;
    const capacity = Math.max(FEWEST_SLOTS, 2 * (mask + 1));
    const grown = <T>(old: readonly T[], empty: T) => {
      const slots = new Array<T>(capacity).fill(empty);
      for (let at = this.#head; at < this.#tail; at++) {
        slots[at & (capacity - 1)] = old[at & mask] ?? empty;
      }
      return slots;
    };
    this.#entries = grown(this.#entries, undefined);
    this.#sizes = grown(this.#sizes, 0);
    this.#ends = grown(this.#ends, 0);
    this.#sequences = grown(this.#sequences, 0);
    this.#mask = capacity - 1;
  }
}
