/**
 * One message with options, on its way from its sender to the socket.
 *
 * @module
 */

import type { Message } from "../message.ts";

/** A message that may leave the queue from the middle, or that has a sender. */
export class Item {
  data: Message;
  /** The length on the wire. */
  readonly size: number;
  /** When it expires, on the monotonic clock; `Infinity` for never. */
  readonly expires: number;
  /** A newer message with this key replaces it while it is queued. */
  readonly key: string | undefined;
  /** Takes it out of the queue when it aborts. */
  readonly signal: AbortSignal | undefined;
  /** What the server acknowledges it by. */
  readonly id: string | number | undefined;
  /** The connection that it is meant for. */
  target: object | undefined;
  /** Its sender, while that waits for room or for the disk. */
  sender: PromiseWithResolvers<void> | undefined = undefined;
  /** Its row in the spool; 0 if it is not there. */
  row = 0;
  /** A message that it replaced before either was on the disk. */
  older: Item | undefined = undefined;
  /** Its place in the queue; -1 if it is not there. For the queue alone. */
  position = -1;
  /** Its place in the heap of deadlines. For that alone. */
  heapIndex = -1;

  constructor(data: Message, size: number, options: ItemOptions = {}) {
    this.data = data;
    this.size = size;
    this.expires = options.expires ?? Infinity;
    this.key = options.key;
    this.signal = options.signal;
    this.id = options.id;
    this.target = options.target;
  }

  /** The messages that it replaced on the way to the disk, the oldest first. */
  takeOlder(): Item[] {
    const all: Item[] = [];
    for (let older = this.older; older !== undefined; older = older.older) {
      all.push(older);
    }
    this.older = undefined;
    return all.reverse();
  }
}

/** What an {@linkcode Item} may have; all of it is checked. */
export type ItemOptions = Partial<
  Pick<Item, "expires" | "key" | "signal" | "id" | "target">
>;
