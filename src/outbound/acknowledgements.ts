/**
 * What the server has not acknowledged.
 *
 * - An acknowledgement may come in any order, more than once, for what was
 *   never sent, and after the link that carried the message is gone.
 * - Where several messages have the same id, each acknowledgement settles the
 *   one that was handed over first: rather a duplicate than a loss.
 * - On a live link nothing is sent twice; when it is gone, all goes back.
 *
 * @module
 */

import { type Entry, EntryList } from "./entry.ts";
import type { Ledger } from "./ledger.ts";

/** Settles a message when it is acknowledged. */
export class AckLedger implements Ledger {
  readonly wantsSamples = false;
  readonly #window: number;
  readonly #settle: (entry: Entry) => void;
  /** Handed over on this link. */
  readonly #entries = new EntryList();
  /** Handed over on any link, by id, the first one first. */
  readonly #byId = new Map<string | number, Entry[]>();

  /** `settle` is called for each message that was acknowledged. */
  constructor(window: number, settle: (entry: Entry) => void) {
    this.#window = window;
    this.#settle = settle;
  }

  get heldCount(): number {
    return this.#entries.count;
  }

  get heldBytes(): number {
    return this.#entries.bytes;
  }

  get isFull(): boolean {
    return this.#entries.count >= this.#window;
  }

  get oldest(): Entry | undefined {
    return this.#entries.head;
  }

  add(entry: Entry): void {
    if (entry.id === undefined) {
      // From a spool, and nobody knows what it is acknowledged by.
      this.#settle(entry);
      return;
    }
    this.#entries.push(entry);
    if (entry.handedOver) return;
    const same = this.#byId.get(entry.id);
    if (same === undefined) this.#byId.set(entry.id, [entry]);
    else same.push(entry);
  }

  addUrgent(): void {}

  sampled(): void {}

  /** The server has this message; an id that nobody has is no matter. */
  acknowledge(id: string | number): void {
    const entry = this.#byId.get(id)?.[0];
    if (entry === undefined) return;
    this.forget(entry);
    if (entry.list === this.#entries) this.#entries.remove(entry);
    this.#settle(entry);
  }

  takeBack(): EntryList {
    const back = new EntryList();
    back.prepend(this.#entries);
    return back;
  }

  forget(entry: Entry): void {
    if (entry.id === undefined) return;
    const same = this.#byId.get(entry.id);
    const index = same?.indexOf(entry) ?? -1;
    if (same === undefined || index < 0) return;
    if (same.length === 1) this.#byId.delete(entry.id);
    else same.splice(index, 1);
  }
}
