/**
 * How a message gets into the queue: at once, after waiting for room, instead
 * of another one, or not at all; and with a spool over the disk.
 *
 * - Messages on their way to the disk, and those that the server has not
 *   acknowledged, take up room as if they were queued.
 * - Waiting senders are served in the order in which they came. Nobody overtakes
 *   them, but a message may take the place of one with its key.
 *
 * @module
 */

import type { WSError } from "../errors.ts";
import { handled, rejected } from "../handled.ts";
import type { PendingMessages } from "./pending_messages.ts";
import type { SendConfig } from "./send_config.ts";
import { queueFull, tooLarge } from "./send_errors.ts";
import type { Item } from "./item.ts";

/** What became of a message that was offered. */
export type Offered = "accepted" | "dropped" | "full" | WSError;

/**
 * Messages, and about how many bytes, that are written to the disk in one turn
 * of the event loop.
 */
const BATCH_COUNT = 2_000;
const BATCH_BYTES = 4 * 1024 * 1024;

/** Lets messages into one queue. */
export class Admission {
  readonly #config: SendConfig;
  readonly #pending: PendingMessages;

  constructor(config: SendConfig, pending: PendingMessages) {
    this.#config = config;
    this.#pending = pending;
  }

  /** Lets a message in if there is room, or if the policy makes some. */
  offer(item: Item): Offered {
    const { queue, reports } = this.#pending;
    const { sendQueueMaxBytes, overflow } = this.#config;
    if (item.size > sendQueueMaxBytes) {
      return tooLarge(item.size, sendQueueMaxBytes);
    }
    if (!this.#mayEnter(item) && queue.waitingCount === 0) {
      this.#pending.expire();
    }
    if (this.#mayEnter(item)) {
      this.#admit(item);
      return "accepted";
    }
    if (overflow === "wait") return "full";
    // In a callback that is told of a dropped message, another one would be
    // dropped and told of, and so on for ever.
    if (overflow === "reject" || reports.reason === "overflow") {
      return queueFull(this.#count, this.#bytes);
    }
    switch (overflow) {
      case "drop-oldest":
        if (!this.#canMakeRoomFor(item)) break;
        while (!this.#fits(item)) {
          const oldest = queue.takeFresh();
          if (oldest === undefined) break;
          this.#pending.drop(oldest, "overflow");
        }
        this.#admit(item);
        return "accepted";
      case "drop-newest":
        break;
      default:
        return overflow satisfies never;
    }
    this.#pending.drop(item, "overflow");
    return "dropped";
  }

  /** Lets the sender of a message wait, unless it would wait for itself. */
  wait(item: Item, refusal: WSError | undefined): Promise<void> {
    if (refusal !== undefined) return rejected(refusal);
    const sender = item.sender ??= Promise.withResolvers();
    this.#pending.queue.append(item);
    this.#pending.watch(item);
    return handled(sender.promise);
  }

  /** Admits waiting senders while there is room; whether there was any. */
  admitWaiting(): boolean {
    const { queue } = this.#pending;
    let any = false;
    while (queue.waitingCount > 0) {
      const item = queue.firstWaiting;
      if (item === undefined || !this.#fits(item)) break;
      this.#admit(item);
      any = true;
    }
    return any;
  }

  /** Lets an item in, for which there is room. */
  #admit(item: Item): void {
    const { queue, spool } = this.#pending;
    const old = this.#placeOf(item.key);
    if (old !== undefined) {
      queue.replace(old, item);
    } else {
      if (item.position < 0) queue.append(item);
      queue.admitFirst();
    }
    this.#pending.watch(item);
    if (spool === undefined) {
      if (old === undefined) queue.store(item);
      this.#accepted(item);
      if (old !== undefined) this.#pending.drop(old, "replaced");
    } else {
      spool.stage(item, old);
      if (old === undefined) return;
      this.#pending.forget(old);
      // Its sender is told when the disk has the newer one.
      if (old.sender === undefined) this.#pending.reportDrop(old, "replaced");
    }
  }

  #accepted(item: Item): void {
    this.#pending.acknowledgements?.add(item);
    item.sender?.resolve();
    item.sender = undefined;
  }

  // Room -------------------------------------------------------------------------

  /** How many messages take up room. */
  get #count(): number {
    const { queue, acknowledgements } = this.#pending;
    const { queuedCount, inFlightCount } = queue;
    return queuedCount + (acknowledgements === undefined ? 0 : inFlightCount);
  }

  /** Their bytes. */
  get #bytes(): number {
    const { queue, acknowledgements } = this.#pending;
    const { queuedBytes, inFlightBytes } = queue;
    return queuedBytes + (acknowledgements === undefined ? 0 : inFlightBytes);
  }

  /** Whether there is room for the message. */
  #fits(item: Item): boolean {
    const { sendQueueMaxSize, sendQueueMaxBytes } = this.#config;
    const { queue, spool } = this.#pending;
    const bytes = this.#bytes + item.size;
    if (this.#count < sendQueueMaxSize && bytes <= sendQueueMaxBytes) {
      return true;
    }
    const old = spool?.stagedWithKey(item.key) ?? queue.withKey(item.key);
    return old !== undefined &&
      (bytes - old.size <= sendQueueMaxBytes || item.size <= old.size);
  }

  /** Whether the message may enter now, as far as others wait. */
  #mayEnter(item: Item): boolean {
    const { queue } = this.#pending;
    if (queue.waitingCount === 0) return this.#fits(item);
    const { key } = item;
    return key !== undefined && !queue.hasWaiting(key) &&
      this.#placeOf(key) !== undefined && this.#fits(item);
  }

  /**
   * Whether there would be room if all queued messages were dropped that no
   * socket has had: what one has had may have arrived, and what follows may rely
   * on that.
   */
  #canMakeRoomFor(item: Item): boolean {
    const { sendQueueMaxSize, sendQueueMaxBytes } = this.#config;
    const { queuedCount, queuedBytes, returned } = this.#pending.queue;
    const count = this.#count - queuedCount + returned.count;
    const bytes = this.#bytes - queuedBytes + returned.bytes;
    return count < sendQueueMaxSize && bytes + item.size <= sendQueueMaxBytes;
  }

  /**
   * The message whose place in the queue one with this key takes at once. One
   * that has to go to the disk first takes no queued message's place until then.
   */
  #placeOf(key: string | undefined): Item | undefined {
    const { queue, spool } = this.#pending;
    return spool === undefined ? queue.withKey(key) : spool.stagedWithKey(key);
  }

  // The disk -----------------------------------------------------------------------

  /**
   * Writes what is staged, some of it, and tells its senders. `offset` is from
   * the monotonic to the wall clock, by which messages on the disk expire.
   */
  commit(offset: number): void {
    const { queue, spool } = this.#pending;
    const items = queue.staged(BATCH_COUNT, BATCH_BYTES);
    const failed = spool?.write(items, offset, (key) => queue.withKey(key));
    for (const item of items) {
      const error = failed?.get(item);
      if (error === undefined) this.#stored(item);
      else this.#notStored(item, error);
    }
  }

  #stored(item: Item): void {
    const { queue } = this.#pending;
    const old = queue.withKey(item.key);
    if (old === undefined) {
      queue.store(item);
    } else {
      // Its row belongs to what replaced it.
      old.row = 0;
      queue.replace(old, item);
      this.#pending.drop(old, "replaced");
    }
    this.#pending.dropReplaced(item);
    this.#accepted(item);
  }

  #notStored(item: Item, error: WSError): void {
    const { position } = item;
    this.#pending.queue.remove(item);
    this.#pending.forget(item);
    for (const older of item.takeOlder()) older.sender?.reject(error);
    if (item.sender !== undefined) {
      item.sender.reject(error);
    } else {
      this.#pending.flushes.lose(position);
      this.#pending.reportDrop(item, "spool");
    }
  }

  // The end ------------------------------------------------------------------------

  /** Writes what is staged, and rejects all who wait. */
  end(error: WSError, offset: number): void {
    const { queue, spool } = this.#pending;
    while (spool?.isOpen && queue.hasStaged) this.commit(offset);
    for (const item of [...queue.items()]) {
      // What is staged now has a spool that was never open.
      for (const older of item.takeOlder()) older.sender?.reject(error);
      if (item.sender === undefined) continue;
      queue.remove(item);
      item.sender.reject(error);
    }
  }
}
