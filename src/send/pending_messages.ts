/**
 * The messages that are queued, in flight or waiting for room, and everything
 * that keeps track of them: deadlines, signals, ids, rows on the disk, callers
 * of `flush`. Every way in which a message leaves, but through the socket, is
 * here, so that all of these hear of it.
 *
 * @module
 */

import type { DropReason } from "../callbacks.ts";
import type { Redelivery } from "../config.ts";
import { WSError } from "../errors.ts";
import { byteLength, type Message } from "../message.ts";
import { Acknowledgements } from "./acknowledgements.ts";
import { Deadlines, Signals } from "./deadlines.ts";
import { FlushWaiters } from "./flush_waiters.ts";
import { Item } from "./item.ts";
import { Reports } from "./reports.ts";
import {
  type SendConfig,
  type SenderHooks,
  SYSTEM_CLOCK,
} from "./send_config.ts";
import { aborted, expired } from "./send_errors.ts";
import { SendQueue } from "./send_queue.ts";
import { Spool } from "./spool.ts";
import { nextTurn } from "./turns.ts";

/** What was accepted and not settled when the client ended. */
export interface Unsent {
  readonly unsent: number;
  readonly unsentBytes: number;
}

/** How a connection ended. */
export interface DetachInfo {
  /** The server answered our close frame: it has read everything before. */
  readonly flushed: boolean;
  /** The server closed with 1009: one of our messages was too large for it. */
  readonly tooLarge?: boolean;
}

/** What happens by itself, later. */
export interface PendingEvents {
  /** Messages were taken out, or reports are due. */
  onChange(): void;
  /** It is time to write what is staged to the disk. */
  onCommit(): void;
}

/** The messages of one sender. */
export class PendingMessages {
  readonly queue: SendQueue;
  readonly acknowledgements: Acknowledgements | undefined;
  readonly spool: Spool | undefined;
  readonly flushes: FlushWaiters;
  readonly reports: Reports;
  /** Messages dropped so far. */
  dropped = 0;
  /** Messages that a connection took along, never to be sent again. */
  lost = 0;
  readonly #redeliver: Redelivery;
  readonly #now: () => number;
  readonly #onChange: () => void;
  #deadlines: Deadlines | undefined;
  #signals: Signals | undefined;
  /** Of those lost, what the last connection took along. */
  #lastLost: Unsent | undefined;

  constructor(config: SendConfig, hooks: SenderHooks, events: PendingEvents) {
    const { redeliver, spool } = config;
    const { turn = nextTurn, clock = SYSTEM_CLOCK, openSpool } = hooks;
    const awaitsAcks = typeof redeliver !== "string";
    this.#redeliver = redeliver;
    this.#now = () => clock.monotonic();
    this.#onChange = () => events.onChange();
    this.queue = new SendQueue(awaitsAcks);
    this.flushes = new FlushWaiters(this.queue);
    this.reports = new Reports(hooks, turn, this.#onChange);
    if (awaitsAcks) this.acknowledgements = new Acknowledgements(redeliver);
    if (spool !== undefined) {
      this.spool = new Spool(spool, turn, {
        onCommit: () => events.onCommit(),
        onError: (error) => this.reports.addSoon(error),
      }, openSpool);
    }
  }

  /** Watches for what may take the item out before a socket has it. */
  watch(item: Item): void {
    if (item.expires !== Infinity) {
      this.#deadlines ??= new Deadlines(this.#now, this.#onChange);
      this.#deadlines.add(item);
    }
    if (item.signal !== undefined) {
      this.#signals ??= new Signals((items) => {
        this.#takeOut(items, "aborted");
        this.#onChange();
      });
      this.#signals.add(item);
    }
  }

  isExpired({ expires }: Item): boolean {
    return expires !== Infinity && expires <= this.#now();
  }

  /** Takes out what has expired. */
  expire(): void {
    const due = this.#deadlines?.takeDue() ?? [];
    if (due.length > 0) this.#takeOut(due, "expired");
  }

  #takeOut(items: readonly Item[], reason: "expired" | "aborted"): void {
    for (const item of items) {
      if (this.queue.isWaiting(item)) {
        this.queue.remove(item);
        this.forget(item);
        item.sender?.reject(
          reason === "expired" ? expired() : aborted(item.signal?.reason),
        );
      } else if (this.queue.isHere(item)) {
        this.drop(item, reason);
      }
    }
  }

  /** The socket still has so many bytes; see {@linkcode SendQueue.flushTo}. */
  flushTo(buffered: number, afterTurn: boolean): void {
    const settled = this.queue.flushTo(buffered, afterTurn);
    if (settled !== undefined) {
      for (const item of settled) this.forget(item);
    }
    this.flushes.check();
  }

  /** Settles what an inbound message acknowledges. */
  acknowledge(data: Message): void {
    const ids = this.acknowledgements?.acknowledgedBy(data) ?? [];
    if (ids instanceof WSError) return this.reports.add(ids);
    for (const id of ids) {
      const item = this.acknowledgements?.find(id);
      if (item === undefined) continue;
      // The callback may have ended the client.
      if (item.position >= 0) this.queue.remove(item);
      this.forget(item);
    }
  }

  /** The item is not in the queue any more. */
  forget(item: Item): void {
    this.#deadlines?.remove(item);
    this.#signals?.remove(item);
    this.acknowledgements?.remove(item);
    this.spool?.erase(item);
  }

  /** Drops a message; one with options is taken out of the queue, if it is there. */
  drop(message: Message | Item, reason: DropReason): void {
    if (message instanceof Item) {
      if (message.position >= 0) this.queue.remove(message);
      this.forget(message);
      // On its way to the disk: it was accepted, and is dropped.
      message.sender?.resolve();
      message.sender = undefined;
      this.dropReplaced(message);
    }
    this.reportDrop(message, reason);
  }

  /** Drops what the item replaced on the way to the disk. */
  dropReplaced(item: Item): void {
    for (const older of item.takeOlder()) {
      older.sender?.resolve();
      this.reportDrop(older, "replaced");
    }
  }

  reportDrop(message: Message | Item, reason: DropReason): void {
    this.dropped++;
    const data = message instanceof Item ? message.data : message;
    this.reports.add({ data, reason });
  }

  /** Drops all that is queued; returns how much that was. */
  clear(): number {
    let count = 0;
    for (
      let message = this.queue.takeQueued();
      message !== undefined;
      message = this.queue.takeQueued()
    ) {
      this.drop(message, "cleared");
      count++;
    }
    return count;
  }

  // Connections ------------------------------------------------------------------

  /** A connection has begun. */
  connected(): void {
    this.#lastLost = undefined;
  }

  /** What was for this connection goes to whatever connection comes. */
  release(target: object): void {
    for (const item of this.queue.items()) {
      if (item.target === target) item.target = undefined;
    }
  }

  /**
   * A connection has ended: what is in flight goes back to the head of the
   * queue, unless it has arrived or is sent at most once.
   */
  disconnected({ flushed, tooLarge = false }: DetachInfo): void {
    if (tooLarge) this.#dropLargest();
    const redeliver = this.#redeliver;
    if (redeliver === "none" || redeliver === "unflushed" && flushed) {
      const left = this.queue.settleInFlight();
      if (!flushed) this.#countLost(left);
      for (const message of left) {
        if (message instanceof Item) this.forget(message);
      }
      return;
    }
    for (const message of this.queue.inFlight()) {
      if (message instanceof Item) this.#deadlines?.add(message);
    }
    this.queue.rewind();
    if (this.#signals === undefined) return;
    for (const item of [...this.queue.items()]) {
      if (item.signal?.aborted && this.queue.isQueued(item)) {
        this.drop(item, "aborted");
      }
    }
  }

  /**
   * Without this a message that is too large for the server would be sent again
   * and again. Where a larger one has left the socket, that is the one, and it
   * will not come back.
   */
  #dropLargest(): void {
    const largest = this.queue.largestInFlight;
    if (largest === undefined) return;
    if (largest.size < this.queue.largestFlushed) return;
    this.flushes.lose(largest.position);
    this.drop(this.queue.takeAt(largest.position), "too-large");
  }

  #countLost(messages: readonly (Message | Item)[]): void {
    this.lost += messages.length;
    if (messages.length > 0) this.flushes.lose(-1);
    this.#lastLost = {
      unsent: messages.length,
      unsentBytes: messages.reduce((sum, message) => sum + sizeOf(message), 0),
    };
  }

  // The end ------------------------------------------------------------------------

  /** What is not sent: in the queue, or lost with the last connection. */
  get unsent(): Unsent {
    const { queuedCount, queuedBytes } = this.queue;
    const { unsent, unsentBytes } = this.#lastLost ?? NOTHING;
    return {
      unsent: queuedCount + unsent,
      unsentBytes: queuedBytes + unsentBytes,
    };
  }

  /** Drops all that is nowhere but here, and tells those who wait for it. */
  end(error: WSError): void {
    this.#deadlines?.stop();
    this.#signals?.stop();
    this.spool?.close();
    this.flushes.fail(error);
    for (
      let message = this.queue.takeQueued();
      message !== undefined;
      message = this.queue.takeQueued()
    ) {
      const isOnDisk = message instanceof Item && message.row !== 0;
      if (!isOnDisk) this.reportDrop(message, "ended");
    }
    this.reports.deliverAll();
  }
}

/** Nothing is unsent. */
export const NOTHING: Unsent = Object.freeze({ unsent: 0, unsentBytes: 0 });

function sizeOf(message: Message | Item): number {
  return message instanceof Item ? message.size : byteLength(message);
}
