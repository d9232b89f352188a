/**
 * What is accepted and has no link yet, and the senders that wait to get in.
 *
 * A message leaves by being handed over (`next`), by being dropped, which is
 * reported, or by being settled after a link took it and gave it back.
 *
 * @module
 */

import type { DropReason } from "../callbacks.ts";
import type { WSError } from "../errors.ts";
import type { Message } from "../message.ts";
import { Aborts } from "./aborts.ts";
import { Admission, type Bounds, type Verdict } from "./admission.ts";
import type { Entry, EntryList } from "./entry.ts";
import { Expiry } from "./expiry.ts";
import type { Express } from "./express.ts";
import { type Intake, makeIntake } from "./intake.ts";
import type { Ledger } from "./ledger.ts";
import { Queue } from "./queue.ts";
import { aborted, expired } from "./refusals.ts";
import type { Stored } from "./spool.ts";

/** Who hears of what happens to messages. */
export interface BacklogHost {
  /** Messages were accepted. */
  accepted(): void;
  /** A message was dropped; it may have been handed over before. */
  dropped(entry: Entry, reason: DropReason): void;
  /** Whether there is a link that takes messages. */
  isTaking(): boolean;
  /** The wall clock, in milliseconds since the epoch. */
  now(): number;
  /** Makes an entry of a message from the spool. */
  restore(stored: Stored): Entry;
  onError(error: WSError): void;
}

/** How the backlog is kept. */
export interface BacklogOptions extends Bounds {
  /** A file in which it outlives the process. */
  readonly spool?: string | undefined;
  /** Whether a message that was handed over must never come back. */
  readonly once: boolean;
}

/** The messages between their senders and the link. */
export class Backlog {
  /** The place in the order of the message accepted last. */
  lastOrder = 0;
  readonly #options: BacklogOptions;
  readonly #host: BacklogHost;
  readonly #intake: Intake;
  readonly #queue = new Queue();
  readonly #express: Express;
  readonly #ledger: Ledger;
  readonly #admission: Admission;
  readonly #expiry: Expiry;
  readonly #aborts = new Aborts((entries) => this.#takeOut(entries, "aborted"));

  /** What the ledger holds takes up room here. */
  constructor(
    options: BacklogOptions,
    express: Express,
    ledger: Ledger,
    host: BacklogHost,
  ) {
    this.#options = options;
    this.#express = express;
    this.#ledger = ledger;
    this.#host = host;
    this.#intake = makeIntake(options.spool, this.#queue, {
      restored: (stored) => {
        for (const found of stored) this.#append(host.restore(found));
      },
      enqueue: (entry) => this.#enqueue(entry),
      enqueued: () => {
        this.#admission.admit();
        host.accepted();
      },
      lost: (entry) => this.#drop(entry, "spool"),
      onError: (error) => host.onError(error),
      now: () => host.now(),
    });
    this.#admission = new Admission(
      options,
      { intake: this.#intake, queue: this.#queue, queued: this, ledger },
      {
        leaveExpress: () => this.leaveExpress(),
        overflow: (entry) => this.#drop(entry, "overflow"),
        expire: () => this.#expiry.run(),
      },
    );
    this.#expiry = new Expiry(
      [this.#queue.again, this.#queue.fresh, this.#admission.waiting],
      () => host.now(),
      (entries) => this.#takeOut(entries, "expired"),
    );
  }

  get count(): number {
    return this.#queue.count + this.#intake.staged.count +
      this.#express.queuedCount;
  }

  get bytes(): number {
    return this.#queue.bytes + this.#intake.staged.bytes +
      this.#express.queuedBytes;
  }

  /** Whether messages are accepted at all by now. */
  get isOpen(): boolean {
    return this.#intake.isOpen;
  }

  /**
   * The order of the first message on the short way, or else of the next to go
   * out. Where there is none but more will come, that of the next to be
   * accepted; else `Infinity`.
   */
  get nextOrder(): number {
    if (this.#express.count > 0) return this.#firstOnExpress;
    if (this.#queue.head !== undefined) return this.#queue.head.order;
    const more = this.#intake.staged.count + this.#admission.waiting.count;
    return more > 0 ? this.lastOrder + 1 : Infinity;
  }

  /**
   * Opens the spool, if there is one: what is in it comes first.
   * @throws {WSError} `SPOOL` or `PERMISSION`, fatal
   */
  open(): Promise<void> {
    return this.#intake.open();
  }

  /** Accepts a message if there is room, or if the policy makes some. */
  offer(entry: Entry): Verdict {
    const verdict = this.#admission.offer(entry);
    if (verdict === "accepted") this.#host.accepted();
    return verdict;
  }

  /**
   * Accepts a message without options, if it can go the short way. `false`:
   * nothing happened, and `offer` tells why.
   */
  offerExpress(data: Message): boolean {
    // Nobody overtakes those who wait.
    if (this.#admission.waiting.count > 0) return false;
    if (!this.#express.accept(data)) return false;
    this.lastOrder++;
    this.#host.accepted();
    return true;
  }

  /** Moves what is on the short way to the ledger and the queue. */
  leaveExpress(): void {
    this.#express.leave(
      this.#firstOnExpress,
      this.#ledger,
      this.#queue.fresh,
    );
  }

  /** Accepts a message as soon as there is room. */
  wait(entry: Entry): Promise<void> {
    // Now: by the time there is room the sender may have given its memory away.
    entry.own();
    const sender = Promise.withResolvers<void>();
    entry.sender = sender;
    this.#admission.wait(entry);
    this.#watch(entry);
    return sender.promise;
  }

  /** Something has left: there may be room for those who wait. */
  admit(): void {
    const onLongWay = this.#queue.count + this.#intake.staged.count;
    const isFree = onLongWay === 0 && this.#ledger.oldest === undefined;
    if (isFree) this.#express.open();
    if (this.#admission.waiting.count === 0) return;
    if (this.#admission.admit()) this.#host.accepted();
  }

  /** Accepts for good what is on its way in. */
  commit(): void {
    this.#intake.commit();
  }

  /** Takes out the next message, for a link. */
  next(): Entry | undefined {
    let entry = this.#queue.head;
    while (entry !== undefined && this.#expiry.hasPassed(entry)) {
      this.#drop(entry, "expired");
      // Who was told of it may have ended the link.
      if (!this.#host.isTaking()) return undefined;
      entry = this.#queue.head;
    }
    if (entry === undefined) return undefined;
    this.#queue.remove(entry);
    if (this.#options.once) this.#intake.forget(entry);
    return entry;
  }

  /** What was handed over is not on the network yet. */
  ranOut(): void {
    if (this.#options.once) this.#intake.eraseNow();
  }

  /** Takes back what a link did not settle, to the head. */
  putBack(entries: EntryList): void {
    const gone = [...entries].filter(({ signal }) => signal?.aborted);
    for (const entry of entries) this.#expiry.watch(entry);
    this.#queue.putBack(entries);
    for (const entry of gone) this.#drop(entry, "aborted");
  }

  /** This message will not be sent any more. */
  settle(entry: Entry): void {
    if (this.#queue.has(entry)) this.#queue.remove(entry);
    if (entry.signal !== undefined) this.#aborts.forget(entry);
    if (entry.row !== 0) this.#intake.forget(entry);
  }

  /** Ends all waiting with this error. What is accepted stays where it is. */
  end(error: Error): void {
    // Before the spool finishes what it has taken, which may make room.
    for (const entry of [...this.#admission.waiting]) {
      this.#admission.leave(entry);
      entry.sender?.reject(error);
    }
    this.#intake.close();
    this.#expiry.stop();
    this.#aborts.stop();
  }

  /** What is on the short way was accepted last, without anything between. */
  get #firstOnExpress(): number {
    return this.lastOrder + 1 - this.#express.count;
  }

  /** The message is accepted. */
  #enqueue(entry: Entry): void {
    if (this.#express.take(entry)) {
      this.lastOrder++;
      entry.sender?.resolve();
      return;
    }
    this.leaveExpress();
    const old = this.#queue.withKey(entry.key);
    if (old === undefined) {
      this.#append(entry);
    } else {
      this.lastOrder++;
      entry.order = old.order;
      this.#queue.replace(old, entry);
      this.#watch(entry);
    }
    entry.sender?.resolve();
    entry.sender = undefined;
    if (old !== undefined) this.#drop(old, "replaced");
    // It may have aborted on its way through the disk.
    if (entry.signal?.aborted) this.#drop(entry, "aborted");
  }

  #append(entry: Entry): void {
    entry.order = ++this.lastOrder;
    this.#queue.push(entry);
    this.#watch(entry);
  }

  #watch(entry: Entry): void {
    if (entry.signal !== undefined) this.#aborts.watch(entry);
    if (entry.expires !== Infinity) this.#expiry.watch(entry);
  }

  #takeOut(entries: readonly Entry[], reason: "expired" | "aborted"): void {
    // Who waits first: lest the room that others leave lets it in.
    for (const entry of entries) {
      if (entry.list !== this.#admission.waiting) continue;
      this.#admission.leave(entry);
      this.#aborts.forget(entry);
      entry.sender?.reject(
        reason === "expired" ? expired() : aborted(entry.signal?.reason),
      );
    }
    for (const entry of entries) {
      if (this.#queue.has(entry)) this.#drop(entry, reason);
    }
    this.admit();
  }

  #drop(entry: Entry, reason: DropReason): void {
    this.settle(entry);
    this.#host.dropped(entry, reason);
  }
}
