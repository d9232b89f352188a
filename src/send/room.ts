/**
 * The bounds of the queue: for which messages there is room.
 *
 * - Messages on their way to the disk, and those that the server has not
 *   acknowledged, take up room as if they were queued.
 * - Waiting senders are served in the order in which they came. Nobody overtakes
 *   them, but a message may take the place of one with its key.
 *
 * @module
 */

import type { Item, SendQueue } from "./send_queue.ts";
import type { Spool } from "./spool.ts";

/** What may be in the queue. */
export interface Bounds {
  readonly sendQueueMaxSize: number;
  readonly sendQueueMaxBytes: number;
}

/** The room in one queue. */
export class Room {
  readonly #bounds: Bounds;
  readonly #queue: SendQueue;
  readonly #spool: Spool | undefined;
  readonly #awaitsAcks: boolean;
  /** How many waiting senders' messages have each key. */
  readonly #waitingKeys = new Map<string, number>();

  constructor(
    bounds: Bounds,
    queue: SendQueue,
    spool: Spool | undefined,
    awaitsAcks: boolean,
  ) {
    this.#bounds = bounds;
    this.#queue = queue;
    this.#spool = spool;
    this.#awaitsAcks = awaitsAcks;
  }

  /** How many messages take up room. */
  get count(): number {
    const { queuedCount, inFlightCount } = this.#queue;
    return queuedCount + (this.#awaitsAcks ? inFlightCount : 0);
  }

  /** Their bytes. */
  get bytes(): number {
    const { queuedBytes, inFlightBytes } = this.#queue;
    return queuedBytes + (this.#awaitsAcks ? inFlightBytes : 0);
  }

  /** Whether there is room for the message. */
  fits(item: Item): boolean {
    const { sendQueueMaxSize, sendQueueMaxBytes } = this.#bounds;
    const bytes = this.bytes + item.size;
    if (this.count < sendQueueMaxSize && bytes <= sendQueueMaxBytes) {
      return true;
    }
    const old = this.#spool?.stagedWithKey(item.key) ??
      this.#queue.withKey(item.key);
    return old !== undefined &&
      (bytes - old.size <= sendQueueMaxBytes || item.size <= old.size);
  }

  /** Whether the message may enter now, as far as others wait. */
  mayEnter(item: Item): boolean {
    if (this.#queue.waitingCount === 0) return this.fits(item);
    const { key } = item;
    return key !== undefined && !this.#waitingKeys.has(key) &&
      this.placeOf(key) !== undefined && this.fits(item);
  }

  /**
   * Whether there would be room if all queued messages were dropped that no
   * socket has had: what one has had may have arrived, and what follows may rely
   * on that.
   */
  canBeMadeFor(item: Item): boolean {
    const { sendQueueMaxSize, sendQueueMaxBytes } = this.#bounds;
    const { queuedCount, queuedBytes, returned } = this.#queue;
    const count = this.count - queuedCount + returned.count;
    const bytes = this.bytes - queuedBytes + returned.bytes;
    return count < sendQueueMaxSize && bytes + item.size <= sendQueueMaxBytes;
  }

  /**
   * The message whose place in the queue one with this key takes at once. One
   * that has to go to the disk first takes no queued message's place until then.
   */
  placeOf(key: string | undefined): Item | undefined {
    return this.#spool === undefined
      ? this.#queue.withKey(key)
      : this.#spool.stagedWithKey(key);
  }

  /** The message whose sender has waited longest, once there is room for it. */
  get nextWaiting(): Item | undefined {
    if (this.#queue.waitingCount === 0) return undefined;
    const item = this.#queue.firstWaiting;
    return item !== undefined && this.fits(item) ? item : undefined;
  }

  /** Lets the sender of the message wait. */
  addWaiting(item: Item): void {
    this.#queue.append(item);
    if (item.key === undefined) return;
    const others = this.#waitingKeys.get(item.key) ?? 0;
    this.#waitingKeys.set(item.key, others + 1);
  }

  /** The sender of the message does not wait any more. */
  forgetWaiting({ key }: Item): void {
    if (key === undefined) return;
    const others = (this.#waitingKeys.get(key) ?? 1) - 1;
    if (others > 0) this.#waitingKeys.set(key, others);
    else this.#waitingKeys.delete(key);
  }
}
