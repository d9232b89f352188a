/**
 * The unsettled messages of one client, and the parts that track them: room,
 * keys, deadlines, signals, ids, rows on the disk, callers of `flush`. A
 * message is settled when it has left the socket (with acknowledgements: when
 * it is acknowledged), or when it is dropped.
 *
 * ```text
 *  inFlight <--- returned, queued <--- staged <------- waiting
 *  (a socket      ^   (no socket       (on their way   (senders wait
 *   has them)     |    has them)        to the disk)    for room)
 *      |          |
 *      +----------+ when the connection ends
 * ```
 *
 * - Each of these is a list, and a message is in one of them. It leaves through
 *   the socket, or by {@linkcode SendQueue.drop}.
 * - Messages on their way to the disk, and those that the server has not
 *   acknowledged, take up room as if they were queued.
 * - Waiting senders are admitted in the order of their calls. No later message
 *   overtakes them, except one that replaces a queued message with the same
 *   key.
 *
 * @module
 */

import type { DropReason } from "../callbacks.ts";
import { type Clock, SYSTEM_CLOCK } from "../clock.ts";
import { WSError, type WSErrorCode } from "../errors.ts";
import { handled, rejected } from "../handled.ts";
import type { Message } from "../message.ts";
import { Acknowledgements } from "./acknowledgements.ts";
import { Deadlines, Signals } from "./deadlines.ts";
import { FlushWaiters } from "./flush_waiters.ts";
import { InFlight } from "./in_flight.ts";
import { type Item, ItemList } from "./item.ts";
import { Reports } from "./reports.ts";
import type { DetachInfo, SendConfig, SenderHooks } from "./send_config.ts";
import { Spool } from "./spool.ts";
import { nextTurn } from "../turns.ts";

/**
 * The result of offering a message; `"dropped"`: by `overflow: "drop-newest"`,
 * which the caller reports if it has accepted the message.
 */
export type Offered = "accepted" | "dropped" | "full" | WSError;

/** The messages that were accepted and not settled when the client ended. */
export interface Unsent {
  readonly unsent: number;
  readonly unsentBytes: number;
}

/** Nothing is unsent. */
export const NOTHING: Unsent = Object.freeze({ unsent: 0, unsentBytes: 0 });

/**
 * At most this many messages, and about this many bytes, are written to the
 * disk in one turn of the event loop.
 */
const BATCH_COUNT = 2_000;
const BATCH_BYTES = 4 * 1024 * 1024;

/** The newest message with each key. */
type Keys = Map<string | undefined, Item>;

/** The queue of one sender. */
export class SendQueue {
  readonly inFlight: InFlight;
  /**
   * Messages that were in the socket of a connection that ended. They are
   * neither replaced nor dropped to make room.
   */
  readonly returned: ItemList = new ItemList();
  readonly queued: ItemList = new ItemList();
  readonly staged: ItemList = new ItemList();
  readonly waiting: ItemList = new ItemList();
  readonly acknowledgements: Acknowledgements | undefined;
  readonly spool: Spool | undefined;
  readonly flushes: FlushWaiters = new FlushWaiters();
  readonly reports: Reports;
  /** Settles when the spool is closed. */
  closed: Promise<void> | undefined;
  /** Messages dropped so far. */
  dropped = 0;
  /**
   * Messages that were in the socket of a connection that ended, and are not
   * sent again.
   */
  lost = 0;
  /** How often a message was written to a socket again. */
  redelivered = 0;
  /**
   * Messages, and bytes, written to sockets so far; a message counts each time.
   */
  writtenCount = 0;
  writtenBytes = 0;
  readonly #config: SendConfig;
  readonly #clock: Clock;
  readonly #onChange: () => void;
  #nextSequence = 1;
  readonly #queuedKeys: Keys = new Map();
  readonly #stagedKeys: Keys = new Map();
  /** How many waiting senders' messages have each key. */
  readonly #waitingKeys = new Map<string | undefined, number>();
  #deadlines: Deadlines | undefined;
  #signals: Signals | undefined;
  /** The messages that were lost with the last connection. */
  #lastLost = NOTHING;

  /** `onChange` is called after a change that no method call caused. */
  constructor(config: SendConfig, hooks: SenderHooks, onChange: () => void) {
    const { redeliver, spool } = config;
    const { turn = nextTurn, clock = SYSTEM_CLOCK, openSpool } = hooks;
    const awaitsAcks = typeof redeliver !== "string";
    this.#config = config;
    this.#clock = clock;
    this.#onChange = onChange;
    this.inFlight = new InFlight(
      awaitsAcks,
      (item) => this.#forget(item),
    );
    this.reports = new Reports(hooks.notifier, turn, onChange);
    if (awaitsAcks) this.acknowledgements = new Acknowledgements(redeliver);
    if (spool !== undefined) {
      this.spool = new Spool(spool, turn, {
        onCommit: () => this.#commit(),
        onError: (error) => this.reports.addSoon(error),
      }, openSpool);
    }
  }

  // Coming in ---------------------------------------------------------------------

  /** Queues a plain item. There must be room, and no waiting sender. */
  push(item: Item): void {
    item.sequence = this.#nextSequence++;
    this.queued.push(item);
  }

  /**
   * Queues a message from the spool: it comes before all messages sent since.
   */
  restore(item: Item, sequence: number): void {
    item.sequence = sequence;
    this.#queue(item);
    this.acknowledgements?.add(item);
    this.#watch(item);
  }

  /** Admits a message if there is room, or if `overflow` makes room. */
  offer(item: Item): Offered {
    const { sendQueueMaxBytes, overflow } = this.#config;
    if (item.size > sendQueueMaxBytes) {
      return refusal(
        "TOO_LARGE",
        `Cannot send ${item.size} bytes as sendQueueMaxBytes is ${sendQueueMaxBytes}`,
      );
    }
    if (!this.#mayEnter(item) && this.waiting.count === 0) this.expire();
    if (this.#mayEnter(item)) {
      this.#admit(item);
      return "accepted";
    }
    if (overflow === "wait") return "full";
    // A send inside `onDrop` would drop another message, whose `onDrop` could
    // send again, endlessly.
    if (overflow === "reject" || this.reports.reason === "overflow") {
      const { count, bytes } = this.#held;
      return refusal(
        "QUEUE_FULL",
        `Cannot send as the queue is full: it holds ${count} messages, ${bytes} bytes`,
      );
    }
    switch (overflow) {
      case "drop-oldest":
        if (!this.#canMakeRoomFor(item)) break;
        while (!this.#fits(item)) {
          const oldest = this.queued.first ?? this.staged.first;
          if (oldest === undefined) break;
          this.drop(oldest, "overflow");
        }
        this.#admit(item);
        return "accepted";
      case "drop-newest":
        break;
      default:
        return overflow satisfies never;
    }
    return "dropped";
  }

  /**
   * Lets the sender of a message wait; rejects with `refusal` if it would wait
   * for itself.
   */
  wait(item: Item, refusal: WSError | undefined): Promise<void> {
    if (refusal !== undefined) return rejected(refusal);
    const sender = item.sender ??= Promise.withResolvers();
    this.waiting.push(item);
    this.#countWaiting(item, 1);
    this.#watch(item);
    return handled(sender.promise);
  }

  /** Admits waiting senders while there is room; whether any was admitted. */
  admitWaiting(): boolean {
    let any = false;
    for (
      let item = this.waiting.first;
      item !== undefined && this.#fits(item);
      item = this.waiting.first
    ) {
      this.#takeOut(item);
      this.#admit(item);
      any = true;
    }
    return any;
  }

  /** Admits an item for which there is room. */
  #admit(item: Item): void {
    const old = this.#placeOf(item.key);
    item.sequence = old?.sequence ?? this.#nextSequence++;
    this.#watch(item);
    if (this.spool === undefined) {
      this.#queue(item, old);
      this.#accepted(item);
      if (old !== undefined) this.drop(old, "replaced");
      return;
    }
    if (old === undefined) this.staged.push(item);
    else this.staged.replace(old, item);
    if (item.key !== undefined) this.#stagedKeys.set(item.key, item);
    this.spool.commitSoon();
    if (old === undefined) return;
    this.#forget(old);
    // Its sender's call settles when the newer one is on the disk.
    if (old.sender !== undefined) {
      item.older = old;
    } else {
      item.older = old.older;
      this.#reportDrop(old, "replaced");
    }
  }

  #queue(item: Item, old?: Item): void {
    if (old === undefined) this.queued.push(item);
    else this.queued.replace(old, item);
    if (item.key !== undefined) this.#queuedKeys.set(item.key, item);
  }

  #accepted(item: Item): void {
    this.acknowledgements?.add(item);
    item.sender?.resolve();
    item.sender = undefined;
  }

  // Room --------------------------------------------------------------------------

  /** Accepted messages that are not in a socket. */
  get count(): number {
    return this.returned.count + this.queued.count + this.staged.count;
  }

  /** Their bytes. */
  get bytes(): number {
    return this.returned.bytes + this.queued.bytes + this.staged.bytes;
  }

  /** The messages and bytes that take up room. */
  get #held(): { readonly count: number; readonly bytes: number } {
    const { count, bytes, inFlight } = this;
    return this.acknowledgements === undefined
      ? { count, bytes }
      : { count: count + inFlight.count, bytes: bytes + inFlight.bytes };
  }

  /** Whether there is room for the message. */
  #fits({ size, key }: Item): boolean {
    const { sendQueueMaxSize, sendQueueMaxBytes } = this.#config;
    const held = this.#held;
    const bytes = held.bytes + size;
    if (held.count < sendQueueMaxSize && bytes <= sendQueueMaxBytes) {
      return true;
    }
    const old = this.#stagedKeys.get(key) ?? this.#queuedKeys.get(key);
    return old !== undefined &&
      (bytes - old.size <= sendQueueMaxBytes || size <= old.size);
  }

  /**
   * Whether there is room for the message, and no waiting sender goes first.
   */
  #mayEnter(item: Item): boolean {
    if (this.waiting.count === 0) return this.#fits(item);
    return this.#placeOf(item.key) !== undefined && this.#fits(item) &&
      !this.#waitingKeys.has(item.key);
  }

  /**
   * Whether dropping all queued messages that were never in a socket would make
   * room. The others may have arrived, and later messages may depend on them.
   */
  #canMakeRoomFor({ size }: Item): boolean {
    const { sendQueueMaxSize, sendQueueMaxBytes } = this.#config;
    const { count, bytes } = this.#held;
    return count - this.queued.count - this.staged.count < sendQueueMaxSize &&
      bytes - this.queued.bytes - this.staged.bytes + size <= sendQueueMaxBytes;
  }

  /**
   * The message that a new one with this key replaces at once. With a spool, a
   * new message replaces a queued one only when it is on the disk.
   */
  #placeOf(key: string | undefined): Item | undefined {
    const keys = this.spool === undefined ? this.#queuedKeys : this.#stagedKeys;
    return keys.get(key);
  }

  #countWaiting({ key }: Item, change: 1 | -1): void {
    if (key === undefined) return;
    const count = (this.#waitingKeys.get(key) ?? 0) + change;
    if (count > 0) this.#waitingKeys.set(key, count);
    else this.#waitingKeys.delete(key);
  }

  // The disk ------------------------------------------------------------------------

  /**
   * The offset from the monotonic clock to the wall clock, by which messages on
   * the disk expire.
   */
  get wallOffset(): number {
    return this.#clock.wall() - this.#clock.monotonic();
  }

  #commit(): void {
    if (!this.spool?.isOpen) return;
    this.#writeSome(this.spool);
    this.#onChange();
    if (this.staged.count > 0) this.spool.commitSoon();
  }

  /**
   * Writes a batch of staged messages, and settles the calls of their senders.
   */
  #writeSome(spool: Spool): void {
    const items: Item[] = [];
    let bytes = 0;
    for (const item of this.staged) {
      if (items.length === BATCH_COUNT || bytes >= BATCH_BYTES) break;
      items.push(item);
      bytes += item.size;
      item.row = this.#queuedKeys.get(item.key)?.row || spool.nextRow();
    }
    const failed = spool.write(items, this.wallOffset);
    for (const item of items) {
      this.#takeOut(item);
      const error = failed.get(item);
      if (error === undefined) this.#stored(item);
      else this.#notStored(item, error);
    }
  }

  #stored(item: Item): void {
    const old = this.#queuedKeys.get(item.key);
    if (old !== undefined) {
      item.sequence = old.sequence;
      // Its row now belongs to the message that replaces it.
      old.row = 0;
    }
    this.#queue(item, old);
    if (old !== undefined) this.drop(old, "replaced");
    this.#dropOlder(item);
    this.#accepted(item);
  }

  #notStored(item: Item, error: WSError): void {
    this.#forget(item);
    for (const older of item.takeOlder()) older.sender?.reject(error);
    if (item.sender !== undefined) {
      item.sender.reject(error);
    } else {
      this.flushes.lose(item.sequence);
      this.#reportDrop(item, "spool");
    }
  }

  // Going out -----------------------------------------------------------------------

  /** The next message for the socket. */
  get next(): Item | undefined {
    return this.returned.first ?? this.queued.first;
  }

  /**
   * Takes the next message out of the queue: it is written to the socket now.
   */
  take(item: Item): void {
    if (item.list === this.returned) this.redelivered++;
    this.#takeOut(item);
    item.target = undefined;
    this.writtenCount++;
    this.writtenBytes += item.size;
    const { isPlain, data, size, sequence } = item;
    this.inFlight.push(isPlain ? data : item, size, sequence);
  }

  /** A plain message is written to the socket without having been queued. */
  takeNew(data: Message, size: number): void {
    this.writtenCount++;
    this.writtenBytes += size;
    this.inFlight.push(data, size, this.#nextSequence++);
  }

  /**
   * The socket still has `buffered` bytes; see {@linkcode InFlight.flushTo}.
   */
  flushTo(buffered: number, afterTurn: boolean): void {
    this.inFlight.flushTo(buffered, afterTurn);
    this.flushes.settleTo(this.settledTo);
  }

  /** Settles the messages that an inbound message acknowledges. */
  acknowledge(data: Message): void {
    const ids = this.acknowledgements?.acknowledgedBy(data) ?? [];
    if (ids instanceof WSError) return this.reports.add(ids);
    for (const id of ids) {
      const item = this.acknowledgements?.find(id);
      if (item === undefined) continue;
      this.#takeOut(item);
      this.#forget(item);
    }
  }

  /**
   * The sequence number before which all messages are settled; `Infinity` if
   * none is left.
   */
  get settledTo(): number {
    const first = this.inFlight.firstSequence ??
      (this.next ?? this.staged.first)?.sequence;
    if (first !== undefined) return first;
    return this.waiting.count > 0 ? this.end : Infinity;
  }

  /** The sequence number of the next message. */
  get end(): number {
    return this.#nextSequence;
  }

  /** Messages meant for this connection go to the next one. */
  release(target: object): void {
    for (const item of this.#here()) {
      if (item.target === target) item.target = undefined;
    }
  }

  /**
   * A connection has ended: the messages in flight go back to the head of the
   * queue, unless they have arrived or are sent at most once.
   */
  disconnected({ flushed, tooLarge = false }: DetachInfo): void {
    const { redeliver } = this.#config;
    const { largestSettled } = this.inFlight;
    let items = this.inFlight.takeAll();
    if (tooLarge) items = this.#dropLargest(items, largestSettled);
    if (redeliver === "none" || redeliver === "unflushed" && flushed) {
      this.#countLost(flushed ? [] : items);
      for (const item of items) this.#forget(item);
      return;
    }
    for (const item of items.toReversed()) this.returned.unshift(item);
    for (const item of items) {
      this.#watch(item);
      if (item.signal?.aborted) this.drop(item, "aborted");
    }
  }

  /**
   * Drops the message that was too large for the server: it would end every
   * connection. If a larger one has left the socket, that was the one, and it
   * is not sent again anyway.
   */
  #dropLargest(items: readonly Item[], largestSettled: number): Item[] {
    let largest: Item | undefined;
    for (const item of items) {
      if (item.size > (largest?.size ?? -1)) largest = item;
    }
    if (largest === undefined || largest.size < largestSettled) {
      return [...items];
    }
    this.flushes.lose(largest.sequence);
    this.drop(largest, "too-large");
    return items.filter((item) => item !== largest);
  }

  #countLost(items: readonly Item[]): void {
    const [first] = items;
    if (first !== undefined) this.flushes.lose(first.sequence);
    this.lost += items.length;
    this.#lastLost = {
      unsent: items.length,
      unsentBytes: items.reduce((sum, { size }) => sum + size, 0),
    };
  }

  // Being dropped ---------------------------------------------------------------------

  isExpired(item: Item): boolean {
    return item.expires !== Infinity &&
      item.expires <= this.#clock.monotonic();
  }

  /**
   * Drops expired messages; rejects waiting senders whose message has expired.
   */
  expire(): void {
    for (const item of this.#deadlines?.takeDue() ?? []) {
      this.#takeBack(item, "expired");
    }
  }

  /**
   * Watches the deadline and the signal of an item, until it is in a socket.
   */
  #watch(item: Item): void {
    if (item.expires !== Infinity) {
      this.#deadlines ??= new Deadlines(
        () => this.#clock.monotonic(),
        this.#onChange,
      );
      this.#deadlines.add(item);
    }
    if (item.signal !== undefined) {
      this.#signals ??= new Signals((items) => {
        for (const item of items) this.#takeBack(item, "aborted");
        this.#onChange();
      });
      this.#signals.add(item, item.signal);
    }
  }

  #takeBack(item: Item, reason: "expired" | "aborted"): void {
    if (this.inFlight.has(item)) return;
    if (item.list !== this.waiting) return this.drop(item, reason);
    this.#takeOut(item);
    this.#forget(item);
    item.sender?.reject(
      reason === "expired"
        ? refusal(
          "EXPIRED",
          "The message was not sent as its ttl was over before there was room",
        )
        : aborted(item.signal?.reason),
    );
  }

  /** Takes the item out of its list, if it is in one. */
  #takeOut(item: Item): void {
    const { list, key } = item;
    list?.remove(item);
    if (key === undefined) return;
    if (list === this.waiting) this.#countWaiting(item, -1);
    for (const keys of [this.#queuedKeys, this.#stagedKeys]) {
      if (keys.get(key) === item) keys.delete(key);
    }
  }

  /** Stops tracking an item that is in no list any more. */
  #forget(item: Item): void {
    this.#deadlines?.remove(item);
    this.#signals?.remove(item);
    this.acknowledgements?.remove(item);
    this.spool?.erase(item);
  }

  /** Drops a message, wherever it is. */
  drop(item: Item, reason: DropReason): void {
    // One that is in no list was replaced, so that another has its place, or
    // was never queued.
    if (item.list !== undefined) this.flushes.lose(item.sequence);
    this.#takeOut(item);
    this.#forget(item);
    // A message on its way to the disk counts as accepted, then dropped.
    item.sender?.resolve();
    item.sender = undefined;
    this.#dropOlder(item);
    this.#reportDrop(item, reason);
  }

  /** Drops the messages that the item replaced on its way to the disk. */
  #dropOlder(item: Item): void {
    for (const older of item.takeOlder()) {
      older.sender?.resolve();
      this.#reportDrop(older, "replaced");
    }
  }

  #reportDrop({ data }: Item, reason: DropReason): void {
    this.dropped++;
    this.reports.add({ data, reason });
  }

  /**
   * Drops all accepted messages that are not in a socket; returns their number.
   */
  clear(): number {
    let count = 0;
    for (const list of [this.returned, this.queued, this.staged]) {
      for (const item of list) {
        this.drop(item, "cleared");
        count++;
      }
    }
    return count;
  }

  // The end ---------------------------------------------------------------------------

  /** Rejects all waiting calls with this error; returns how much is unsent. */
  close(error: WSError): Unsent {
    while (this.spool?.isOpen && this.staged.count > 0) {
      this.#writeSome(this.spool);
    }
    for (const item of this.#here()) {
      // Messages that are still staged have a spool that was never open.
      for (const older of item.takeOlder()) older.sender?.reject(error);
      if (item.sender === undefined) continue;
      this.#takeOut(item);
      item.sender.reject(error);
    }
    this.#deadlines?.stop();
    this.#signals?.stop();
    this.closed = this.spool?.close(this.count === 0);
    this.flushes.fail(error);
    return {
      unsent: this.count + this.#lastLost.unsent,
      unsentBytes: this.bytes + this.#lastLost.unsentBytes,
    };
  }

  /** Drops all messages that are not in a spool. */
  dropRest(): void {
    for (const item of this.#here()) {
      this.#takeOut(item);
      if (item.row === 0) this.#reportDrop(item, "ended");
    }
    this.reports.deliverAll();
  }

  /** The messages that are not in a socket. */
  *#here(): Generator<Item, undefined> {
    yield* this.returned;
    yield* this.queued;
    yield* this.staged;
    yield* this.waiting;
  }
}

/** The error of a message whose signal has aborted. */
export function aborted(cause: unknown): WSError {
  const text = "The message was not sent as its signal aborted";
  return refusal("ABORTED", text, cause);
}

/** The error of one message, for its sender only. */
function refusal(code: WSErrorCode, text: string, cause?: unknown): WSError {
  return new WSError(text, { code, severity: "transient", cause });
}
