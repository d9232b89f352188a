/**
 * What waits for a link, in the order in which it goes out.
 *
 * - What a socket has had before comes first, in its old order. It is not
 *   replaced and not dropped for want of room: it may have arrived, and what
 *   was accepted after it may rely on that.
 * - Of the rest, a newer message takes the place of one with the same key.
 * - Who may enter, and what happens when it is full, is decided elsewhere
 *   (`admission.ts`).
 *
 * @module
 */

import { type Entry, EntryList } from "./entry.ts";

/** The queue. Putting in and taking out cost the same at any length. */
export class Queue {
  /** What a socket has had before. */
  readonly again = new EntryList();
  /** What no socket has had. */
  readonly fresh = new EntryList();
  readonly #byKey = new Map<string, Entry>();

  get count(): number {
    return this.again.count + this.fresh.count;
  }

  get bytes(): number {
    return this.again.bytes + this.fresh.bytes;
  }

  /** The next to go out. */
  get head(): Entry | undefined {
    return this.again.head ?? this.fresh.head;
  }

  has(entry: Entry): boolean {
    return entry.list === this.again || entry.list === this.fresh;
  }

  /** What a message with this key replaces. */
  withKey(key: string | undefined): Entry | undefined {
    return key === undefined ? undefined : this.#byKey.get(key);
  }

  push(entry: Entry): void {
    this.fresh.push(entry);
    if (entry.key !== undefined) this.#byKey.set(entry.key, entry);
  }

  /** Puts a message into the place of an older one of its key. */
  replace(old: Entry, entry: Entry): void {
    this.fresh.replace(old, entry);
    if (entry.key !== undefined) this.#byKey.set(entry.key, entry);
  }

  /** Takes out a message of this queue. */
  remove(entry: Entry): void {
    entry.list?.remove(entry);
    if (entry.key !== undefined) this.#forgetKey(entry, entry.key);
  }

  /** Takes back what a link did not get rid of, before everything else. */
  putBack(entries: EntryList): void {
    this.again.prepend(entries);
  }

  #forgetKey(entry: Entry, key: string): void {
    if (this.#byKey.get(key) === entry) this.#byKey.delete(key);
  }
}
