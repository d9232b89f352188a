/**
 * A message on its way out, and the lists it is in on the way.
 *
 * @module
 */

import type { Message } from "../message.ts";

/** What an entry is made of; all of it is checked. */
export interface EntryOptions {
  /** When it expires, in milliseconds since the epoch. */
  readonly expires?: number;
  /** A newer message with the same key replaces it while it is queued. */
  readonly key?: string;
  /** Takes it out of the queue when it aborts. */
  readonly signal?: AbortSignal;
  /** What the server will acknowledge it by. */
  readonly id?: string | number;
}

/** What few entries have; without it an entry is half as large. */
interface Rarities extends EntryOptions {
  isOwned: boolean;
  row: number;
  sender: PromiseWithResolvers<void> | undefined;
}

/** One message. It is in one {@linkcode EntryList} at a time, or in none. */
export class Entry {
  data: Message;
  /** The length on the wire. */
  readonly bytes: number;
  /** Its place in the order of acceptance; 0 before it is accepted. */
  order = 0;
  /** Whether a socket has had it. */
  handedOver = false;
  /** The list it is in, and its neighbours there: for {@linkcode EntryList}. */
  list: EntryList | undefined = undefined;
  previous: Entry | undefined = undefined;
  next: Entry | undefined = undefined;
  #rarities: Rarities | undefined = undefined;

  constructor(data: Message, bytes: number, options?: EntryOptions) {
    this.data = data;
    this.bytes = bytes;
    if (options !== undefined) this.#rarities = rarities(options);
  }

  /** Whether it may expire, be replaced or be aborted. */
  get hasOptions(): boolean {
    return this.expires !== Infinity || this.key !== undefined ||
      this.signal !== undefined;
  }

  /** In milliseconds since the epoch. */
  get expires(): number {
    return this.#rarities?.expires ?? Infinity;
  }

  get key(): string | undefined {
    return this.#rarities?.key;
  }

  get signal(): AbortSignal | undefined {
    return this.#rarities?.signal;
  }

  get id(): string | number | undefined {
    return this.#rarities?.id;
  }

  /** Where it is in the spool; 0 if it is not in one. */
  get row(): number {
    return this.#rarities?.row ?? 0;
  }

  set row(row: number) {
    this.#rarities ??= rarities();
    this.#rarities.row = row;
  }

  /** Its sender, while that waits for room or for the disk. */
  get sender(): PromiseWithResolvers<void> | undefined {
    return this.#rarities?.sender;
  }

  set sender(sender: PromiseWithResolvers<void> | undefined) {
    if (sender === this.#rarities?.sender) return;
    this.#rarities ??= rarities();
    this.#rarities.sender = sender;
  }

  /** From now on the sender may use the memory of a binary message again. */
  own(): void {
    if (typeof this.data === "string" || this.#rarities?.isOwned) return;
    this.#rarities ??= rarities();
    this.#rarities.isOwned = true;
    this.data = new Uint8Array(this.data);
  }
}

function rarities(options?: EntryOptions): Rarities {
  const { expires, key, signal, id } = options ?? {};
  return {
    expires,
    key,
    signal,
    id,
    isOwned: false,
    row: 0,
    sender: undefined,
  };
}

/**
 * Entries in order. The links are in the entries themselves, so that one can
 * leave from anywhere at the same small cost, a million entries or ten.
 */
export class EntryList implements Iterable<Entry> {
  head: Entry | undefined = undefined;
  tail: Entry | undefined = undefined;
  /** How many entries there are. */
  count = 0;
  /** How many bytes they have. */
  bytes = 0;

  /** Appends an entry that is in no list. */
  push(entry: Entry): void {
    entry.list = this;
    entry.previous = this.tail;
    if (this.tail === undefined) this.head = entry;
    else this.tail.next = entry;
    this.tail = entry;
    this.count++;
    this.bytes += entry.bytes;
  }

  /** Takes out the first entry. */
  shift(): Entry | undefined {
    const entry = this.head;
    if (entry !== undefined) this.remove(entry);
    return entry;
  }

  /** Takes out an entry of this list. */
  remove(entry: Entry): void {
    const { previous, next } = entry;
    if (previous === undefined) this.head = next;
    else previous.next = next;
    if (next === undefined) this.tail = previous;
    else next.previous = previous;
    // Cleared: a dead entry that points to living ones keeps them from the
    // young generation's collector.
    entry.list = undefined;
    entry.previous = undefined;
    entry.next = undefined;
    this.count--;
    this.bytes -= entry.bytes;
  }

  /** Puts an entry that is in no list into the place of one of this list. */
  replace(old: Entry, entry: Entry): void {
    const { previous, next } = old;
    entry.list = this;
    entry.previous = previous;
    entry.next = next;
    if (previous === undefined) this.head = entry;
    else previous.next = entry;
    if (next === undefined) this.tail = entry;
    else next.previous = entry;
    old.list = old.previous = old.next = undefined;
    this.bytes += entry.bytes - old.bytes;
  }

  /** Takes over all entries of another list, before its own. */
  prepend(other: EntryList): void {
    for (let entry = other.tail; entry !== undefined; entry = other.tail) {
      other.remove(entry);
      this.#unshift(entry);
    }
  }

  /** The entries in order. The one that was just given may leave meanwhile. */
  *[Symbol.iterator](): Generator<Entry, undefined> {
    let entry = this.head;
    while (entry !== undefined) {
      const { next } = entry;
      yield entry;
      entry = next;
    }
  }

  #unshift(entry: Entry): void {
    entry.list = this;
    entry.next = this.head;
    if (this.head === undefined) this.tail = entry;
    else this.head.previous = entry;
    this.head = entry;
    this.count++;
    this.bytes += entry.bytes;
  }
}
