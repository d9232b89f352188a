/**
 * What the socket of a connection has, and how much of it has left: the socket
 * says only how many of the bytes that it was given it still has.
 *
 * @module
 */

import { type Item, ItemList } from "./item.ts";

/** The messages of one connection that are not settled. */
export class InFlight {
  /** Not known to have left the socket. */
  readonly inSocket: ItemList = new ItemList();
  /** On the network, and to be acknowledged. They come before those. */
  readonly flushed: ItemList = new ItemList();
  readonly #awaitsAcks: boolean;
  readonly #onSettled: (item: Item) => void;
  /** All bytes that sockets were given. */
  #given = 0;
  /** The largest message that has left and is settled. */
  #largestSettled = 0;

  /** `awaitsAcks`: a message with an id is not settled when it has left. */
  constructor(awaitsAcks: boolean, onSettled: (item: Item) => void) {
    this.#awaitsAcks = awaitsAcks;
    this.#onSettled = onSettled;
  }

  get count(): number {
    return this.flushed.count + this.inSocket.count;
  }

  get bytes(): number {
    return this.flushed.bytes + this.inSocket.bytes;
  }

  get first(): Item | undefined {
    return this.flushed.first ?? this.inSocket.first;
  }

  has({ list }: Item): boolean {
    return list === this.inSocket || list === this.flushed;
  }

  /** The item is given to the socket now. */
  push(item: Item): void {
    item.end = this.#given += item.size;
    this.inSocket.push(item);
  }

  /** These bytes, nobody's message, are given to the socket now. */
  addUrgent(bytes: number): void {
    this.#given += bytes;
  }

  /**
   * The socket still has so many bytes: the last ones that it was given.
   * `afterTurn`: what it was given before, it has had for a turn of the event
   * loop.
   */
  flushTo(buffered: number, afterTurn: boolean): void {
    const left = this.#given - buffered;
    for (
      let item = this.inSocket.first;
      item !== undefined && item.end <= left;
      item = this.inSocket.first
    ) {
      // Nobody sees an empty message leave. It has, when with nothing before it
      // there was a turn of the event loop to do so.
      const hasLeft = item.size > 0 || item.end < left ||
        afterTurn && item.isLeaving;
      if (!hasLeft) break;
      this.inSocket.remove(item);
      this.#flushed(item);
    }
    if (!afterTurn) return;
    for (const item of this.inSocket) {
      if (item.end !== left) break;
      item.isLeaving = true;
    }
  }

  /** The largest one, where no larger one that has left is settled. */
  get largest(): Item | undefined {
    let largest: Item | undefined;
    for (const item of this) {
      if (item.size > (largest?.size ?? -1)) largest = item;
    }
    return (largest?.size ?? 0) < this.#largestSettled ? undefined : largest;
  }

  /** Takes out all of them, as the connection has ended. */
  takeAll(): Item[] {
    const items = [...this];
    for (const item of items) {
      item.list?.remove(item);
      item.isLeaving = false;
    }
    this.#largestSettled = 0;
    return items;
  }

  *[Symbol.iterator](): Generator<Item, undefined> {
    yield* this.flushed;
    yield* this.inSocket;
  }

  #flushed(item: Item): void {
    // Without an id nobody knows what acknowledges it.
    if (this.#awaitsAcks && item.id !== undefined) {
      this.flushed.push(item);
      return;
    }
    if (item.size > this.#largestSettled) this.#largestSettled = item.size;
    this.#onSettled(item);
  }
}
