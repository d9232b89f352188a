/**
 * A message on its way from its sender to the network, and lists of them.
 *
 * @module
 */

import type { Message } from "../message.ts";

/** One message. It is in at most one list, which shows how far it has come. */
export class Item {
  readonly data: Message;
  /** The length on the wire. */
  readonly size: number;
  /** Used only by the lists, like the next two fields. */
  list: { remove(item: Item): void } | undefined = undefined;
  next: Item | undefined = undefined;
  previous: Item | undefined = undefined;
  /** Its position in the ring of messages in flight; used only there. */
  position = 0;
  /** Its place in the order of all accepted messages. */
  sequence = 0;
  /** It has no options, and nothing keeps track of it. */
  readonly isPlain: boolean;
  /** The connection that it is meant for. */
  target: object | undefined = undefined;
  /** A newer message with this key replaces it while it is queued. */
  key: string | undefined = undefined;
  /** When it expires, on the monotonic clock; `Infinity` for never. */
  expires = Infinity;
  /** Takes it out of the queue when it aborts. */
  signal: AbortSignal | undefined = undefined;
  /** The id by which the server acknowledges it. */
  id: string | number | undefined = undefined;
  /** The call that sent it, while that waits for room or for the disk. */
  sender: PromiseWithResolvers<void> | undefined = undefined;
  /** Its row in the spool; 0 if it is not there. */
  row = 0;
  /** A message that it replaced before either was on the disk. */
  older: Item | undefined = undefined;
  /** Its place in the heap of deadlines; used only there. */
  heapIndex = -1;

  constructor(data: Message, size: number, isPlain = false) {
    this.data = data;
    this.size = size;
    this.isPlain = isPlain;
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

/** Items in order: adding and removing one takes constant time. */
export class ItemList {
  count = 0;
  bytes = 0;
  first: Item | undefined = undefined;
  #last: Item | undefined = undefined;

  /** Appends an item that is in no list. */
  push(item: Item): void {
    item.list = this;
    item.previous = this.#last;
    if (this.#last === undefined) this.first = item;
    else this.#last.next = item;
    this.#last = item;
    this.count++;
    this.bytes += item.size;
  }

  /** Puts an item that is in no list before all others. */
  unshift(item: Item): void {
    item.list = this;
    item.next = this.first;
    if (this.first === undefined) this.#last = item;
    else this.first.previous = item;
    this.first = item;
    this.count++;
    this.bytes += item.size;
  }

  /** Takes out an item of this list. */
  remove(item: Item): void {
    const { previous, next } = item;
    if (previous === undefined) this.first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    item.list = item.previous = item.next = undefined;
    this.count--;
    this.bytes -= item.size;
  }

  /** Puts an item that is in no list into the place of one of this list. */
  replace(old: Item, item: Item): void {
    const { previous, next } = old;
    item.list = this;
    item.previous = previous;
    item.next = next;
    if (previous === undefined) this.first = item;
    else previous.next = item;
    if (next === undefined) this.#last = item;
    else next.previous = item;
    old.list = old.previous = old.next = undefined;
    this.bytes += item.size - old.size;
  }

  /** The items; the last one that was returned may be removed meanwhile. */
  *[Symbol.iterator](): Generator<Item, undefined> {
    let item = this.first;
    while (item !== undefined) {
      const { next } = item;
      yield item;
      item = next;
    }
  }
}
