/**
 * All of a client's outgoing messages: from `send` to the socket, and back into
 * the queue when a connection dies.
 *
 * ```text
 *  send ---> is there room? ---> on the disk? ---> queue ---> socket
 *              | no                                  ^          |
 *              v                                     +----------+
 *          wait, reject or drop              what is not known to have left
 * ```
 *
 * Every operation ends in {@linkcode Sender.#advance}: it admits the senders for
 * whose messages there is room, gives the socket what it has room for, and only
 * then tells the program what happened. So a callback finds a queue at rest,
 * whatever it does.
 *
 * @module
 */

import type { DropReason } from "../callbacks.ts";
import type { Redelivery, SendOverflow } from "../config.ts";
import { WSError } from "../errors.ts";
import { handled, rejected } from "../handled.ts";
import { byteLength, type Message } from "../message.ts";
import { checkSendOptions, type SendOptions } from "../method_options.ts";
import { wrongKind } from "../rules.ts";
import { Acknowledgements } from "./acknowledgements.ts";
import { Deadlines, Signals } from "./deadlines.ts";
import { FlushWaiters } from "./flush_waiters.ts";
import { Pump, type SendSocket } from "./pump.ts";
import { RateLimiter, type SendRate } from "./rate_limiter.ts";
import { type ReportHooks, Reports } from "./reports.ts";
import { type Bounds, Room } from "./room.ts";
import { aborted, expired, queueFull, tooLarge } from "./send_errors.ts";
import { Item, SendQueue } from "./send_queue.ts";
import { Spool } from "./spool.ts";
import type { Stored } from "./spool_file.ts";
import type { OpenSpool } from "./spool_recovery.ts";
import { nextTurn, type Turn } from "./turns.ts";

export type { SendSocket } from "./pump.ts";
export type { SendRate } from "./rate_limiter.ts";

/** The options of a client that are about sending. */
export interface SendConfig extends Bounds {
  readonly overflow: SendOverflow;
  readonly redeliver: Redelivery;
  readonly spool?: string | undefined;
  readonly sendRate?: SendRate | undefined;
}

/** What a sender tells and asks its client. */
export interface SenderHooks extends ReportHooks {
  /**
   * Asked before a sender or `flush()` waits: an error rejects at once instead,
   * for a call that would wait for itself.
   */
  refuseToWait(): WSError | undefined;
  /** In milliseconds: one that never jumps, and the time since the epoch. */
  readonly clock?: Clock | undefined;
  /** How to wait for a turn of the event loop. */
  readonly turn?: Turn | undefined;
  /** How to open the spool. */
  readonly openSpool?: OpenSpool | undefined;
}

/** The two clocks, in milliseconds. */
export interface Clock {
  monotonic(): number;
  wall(): number;
}

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

const SYSTEM_CLOCK: Clock = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
};
/** What `send` returns when the message is accepted at once: always the same. */
const ACCEPTED = Promise.resolve();
/** How long a failed erasure keeps the queue back, in milliseconds. */
const ERASE_RETRY = 250;
/**
 * Messages, and about how many bytes, that are written to the disk in one turn
 * of the event loop.
 */
const BATCH_COUNT = 2_000;
const BATCH_BYTES = 4 * 1024 * 1024;
/** Messages from the disk that are queued in one turn of the event loop. */
const RESTORED_AT_A_TIME = 10_000;

/** The sending half of a client. */
export class Sender {
  readonly #config: SendConfig;
  readonly #hooks: SenderHooks;
  #queue: SendQueue | undefined;
  /**
   * The queue, while a message without options may enter it at once: nothing
   * has to be known of it but its bytes, and nobody waits.
   */
  #plainQueue: SendQueue | undefined;
  #acknowledgements: Acknowledgements | undefined;
  #deadlines: Deadlines | undefined;
  #signals: Signals | undefined;
  #spool: Spool | undefined;
  #rate: RateLimiter | undefined;
  #flushes: FlushWaiters | undefined;
  /** Of the attached connection. */
  #socket: SendSocket | undefined;
  /** Made when there is something to pump: most connections only receive. */
  #pump: Pump | undefined;
  #isPaused = false;
  /** The identity of the attached connection. */
  #target: object | undefined;
  #room: Room | undefined;
  #reports: Reports | undefined;
  /** Wakes the pump when the rate, or the disk, may let a message leave. */
  #wakeTimer: ReturnType<typeof setTimeout> | undefined;
  #isPumping = false;
  #dropped = 0;
  #lost = 0;
  /** Of those, what the last connection took along. */
  #lastLost: Unsent | undefined;
  #messagesSent = 0;
  #bytesSent = 0;
  #ended: { readonly error: WSError; unsent?: Unsent } | undefined;

  constructor(config: SendConfig, hooks: SenderHooks) {
    this.#config = config;
    this.#hooks = hooks;
  }

  /**
   * Opens the spool, if there is one: what is in it comes first.
   * @throws {WSError} `SPOOL` or `PERMISSION`, fatal, when it cannot be opened
   */
  async open(): Promise<void> {
    if (this.#config.spool === undefined || this.#ended !== undefined) return;
    this.#useQueue();
    await this.#spool?.open(
      this.#clock.wall(),
      (error) => this.#useReports().addSoon(error),
      (stored) => this.#restore(stored),
      (items) => this.#restoreAll(items),
    );
    this.#advance();
  }

  // Sending ----------------------------------------------------------------------

  /**
   * Resolves when the message is accepted, or dropped as the policy says. A
   * message with a `target` waits for that connection.
   * @throws {WSError} `QUEUE_FULL`, `TOO_LARGE`, `EXPIRED`, `ABORTED`, `SPOOL`,
   * `CALLBACK` when `redeliver.id` gives no id, or what ended the client
   * @throws {TypeError | RangeError} a wrong message or option
   */
  send(data: Message, options?: SendOptions, target?: object): Promise<void> {
    if (
      options === undefined && target === undefined && this.#sendPlain(data)
    ) return ACCEPTED;
    try {
      const item = this.#compose(data, options, target);
      if (this.#spool !== undefined) {
        item.sender = Promise.withResolvers();
        handled(item.sender.promise);
      }
      const accepted = item.sender?.promise ?? ACCEPTED;
      const result = this.#offer(item);
      if (result === "full") return this.#wait(item);
      if (result instanceof WSError) return rejected(result);
      return result === "accepted" ? accepted : ACCEPTED;
    } catch (error) {
      return rejected(error);
    } finally {
      this.#advance();
    }
  }

  /**
   * Whether the message is accepted at once.
   * @throws {TypeError | RangeError} a wrong message or option
   */
  trySend(data: Message, options?: SendOptions, target?: object): boolean {
    if (
      options === undefined && target === undefined && this.#sendPlain(data)
    ) return true;
    try {
      return this.#offer(this.#compose(data, options, target)) === "accepted";
    } catch (error) {
      if (error instanceof WSError) return false;
      throw error;
    } finally {
      this.#advance();
    }
  }

  /**
   * Waits until all that was accepted so far is on the network, or
   * acknowledged; `false` when `ms` ran out, or some of it was lost.
   * @throws {WSError} what ended the client before
   */
  flush(ms = Infinity): Promise<boolean> {
    if (this.#ended !== undefined) return rejected(this.#ended.error);
    const queue = this.#queue;
    if (queue === undefined) return Promise.resolve(true);
    const mark = queue.mark();
    if (queue.isSettled(mark)) {
      queue.unmark(mark);
      return Promise.resolve(true);
    }
    const refusal = this.#hooks.refuseToWait();
    if (refusal !== undefined) {
      queue.unmark(mark);
      return rejected(refusal);
    }
    this.#flushes ??= new FlushWaiters(queue);
    return handled(this.#flushes.wait(mark, ms));
  }

  /** Waits at most `ms` until nothing is left to send. Never rejects. */
  async drain(ms: number): Promise<void> {
    const queue = this.#queue;
    if (queue === undefined || this.#ended !== undefined) return;
    if (queue.isEmpty) return;
    this.#flushes ??= new FlushWaiters(queue);
    // Only the end rejects, and then there is nothing to wait for.
    await this.#flushes.wait(undefined, ms).catch(() => {});
  }

  /** Drops all that is queued; returns how much that was. */
  clearQueue(): number {
    const queue = this.#queue;
    let count = 0;
    for (
      let message = queue?.takeQueued();
      message !== undefined;
      message = queue?.takeQueued()
    ) {
      this.#drop(message, "cleared");
      count++;
    }
    this.#advance();
    return count;
  }

  // Connections --------------------------------------------------------------------

  /**
   * A connection is open and its hook has passed: its socket gets the queue.
   * Again after `pause`: it goes on.
   */
  attach(socket: SendSocket, target?: object): void {
    if (this.#ended !== undefined) return;
    if (this.#socket !== socket) this.#detach({ flushed: false });
    this.#socket = socket;
    this.#isPaused = false;
    this.#target = target;
    this.#lastLost = undefined;
    if (this.#queue !== undefined) this.#advance();
  }

  /** The socket gets no more from the queue, and is still looked at. */
  pause(): void {
    if (this.#socket === undefined) return;
    this.#isPaused = true;
    this.#sample(false);
    this.#advance();
  }

  /** The socket reports that bytes have left it. */
  onProgress(): void {
    this.#look(false);
  }

  /**
   * The connection is closed. What it is not known to have delivered goes back
   * to the head of the queue, unless `redeliver` is `"none"`.
   */
  detach(how: DetachInfo): void {
    this.#detach(how);
    this.#advance();
  }

  /**
   * The connection `target` failed before it was attached: its messages go to
   * whatever connection comes.
   */
  release(target: object): void {
    this.#release(target);
    this.#advance();
  }

  /**
   * Sends at once, ahead of the queue, and never again; `false` without an
   * attached open socket.
   */
  sendUrgent(data: Message): boolean {
    const socket = this.#socket;
    if (socket?.bufferedAmount === undefined) return false;
    this.countUnqueued();
    if (this.#pump === undefined) {
      socket.send(data);
      return true;
    }
    const size = byteLength(data);
    this.#pump.send(data, size);
    this.#queue?.addUrgent(size);
    this.#watch(this.#pump);
    return true;
  }

  /** A message was sent past the queue: it counts for `sendRate`. */
  countUnqueued(): void {
    if (this.#config.sendRate === undefined) return;
    this.#rate ??= new RateLimiter(this.#config.sendRate);
    this.#rate.record(this.#clock.monotonic());
  }

  /** Looks for acknowledgements in an inbound message. */
  acknowledge(data: Message): void {
    if (typeof this.#config.redeliver === "string") return;
    this.#useQueue();
    const ids = this.#acknowledgements?.acknowledgedBy(data) ?? [];
    if (ids instanceof WSError) this.#useReports().add(ids);
    else {
      for (const id of ids) {
        const item = this.#acknowledgements?.find(id);
        if (item !== undefined) this.#settle(item);
      }
    }
    this.#advance();
  }

  /**
   * Ends it with this error: everybody who waits is told. What is not sent is
   * dropped as `"ended"`, unless it stays in a spool.
   */
  end(error: WSError): Unsent {
    if (this.#ended !== undefined) {
      return this.#ended.unsent ?? this.#unsentNow();
    }
    const ended: { error: WSError; unsent?: Unsent } = { error };
    this.#ended = ended;
    this.#plainQueue = undefined;
    this.#cancelWake();
    this.#detach({ flushed: false });
    const queue = this.#queue;
    if (queue !== undefined) this.#endQueue(queue, error);
    const unsent = ended.unsent ??= this.#unsentNow();
    this.#deadlines?.stop();
    this.#signals?.stop();
    this.#flushes?.fail(error);
    if (queue !== undefined) this.#dropRest(queue);
    this.#reports?.deliverAll();
    return unsent;
  }

  // Looking ------------------------------------------------------------------------

  /** Messages accepted and not handed to a socket. */
  get queued(): number {
    return this.#queue?.queuedCount ?? 0;
  }

  /** Their bytes. */
  get queuedBytes(): number {
    return this.#queue?.queuedBytes ?? 0;
  }

  /** Messages handed to the socket that the server has not acknowledged. */
  get unacknowledged(): number {
    return this.#acknowledgements === undefined
      ? 0
      : this.#queue?.inFlightCount ?? 0;
  }

  /** Whether messages in the socket may not be on the network yet. */
  get hasUnflushed(): boolean {
    return (this.#queue?.inSocket ?? 0) > 0;
  }

  /** Messages dropped so far. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Messages that a connection took along, never to be sent again. */
  get lost(): number {
    return this.#lost;
  }

  /** Messages handed over once more. */
  get redelivered(): number {
    return this.#queue?.redelivered ?? 0;
  }

  /** Messages handed to sockets, each time counted. */
  get messagesSent(): number {
    return this.#messagesSent;
  }

  /** Their bytes. */
  get bytesSent(): number {
    return this.#bytesSent;
  }

  // Accepting ------------------------------------------------------------------------

  get #clock(): Clock {
    return this.#hooks.clock ?? SYSTEM_CLOCK;
  }

  /** Makes what the first message needs. */
  #useQueue(): SendQueue {
    if (this.#queue !== undefined) return this.#queue;
    const { redeliver, spool, sendRate } = this.#config;
    const { turn = nextTurn, openSpool } = this.#hooks;
    const awaitsAcks = typeof redeliver !== "string";
    this.#queue = new SendQueue(awaitsAcks);
    if (awaitsAcks) this.#acknowledgements = new Acknowledgements(redeliver);
    if (spool !== undefined) {
      this.#spool = new Spool(spool, turn, {
        onCommit: () => this.#commit(),
        onError: (error) => this.#useReports().addSoon(error),
      }, openSpool);
    }
    if (sendRate !== undefined) this.#rate ??= new RateLimiter(sendRate);
    this.#updatePlain();
    return this.#queue;
  }

  #useRoom(queue: SendQueue): Room {
    return this.#room ??= new Room(
      this.#config,
      queue,
      this.#spool,
      this.#acknowledgements !== undefined,
    );
  }

  /** Accepts a message without options, if nothing speaks against it. */
  #sendPlain(data: Message): boolean {
    const queue = this.#plainQueue;
    if (queue === undefined) return false;
    const isText = typeof data === "string";
    if (!isText && !(data instanceof Uint8Array)) return false;
    const size = byteLength(data);
    const { sendQueueMaxSize, sendQueueMaxBytes } = this.#config;
    if (
      queue.queuedCount >= sendQueueMaxSize ||
      queue.queuedBytes + size > sendQueueMaxBytes
    ) return false;
    // The sender may use the memory of a binary message again.
    queue.push(isText ? data : new Uint8Array(data), size);
    this.#pumpOut();
    if (this.#reports?.isDue) this.#advance();
    return true;
  }

  #updatePlain(): void {
    const isPlain = this.#ended === undefined && this.#spool === undefined &&
      this.#acknowledgements === undefined && this.#queue?.waitingCount === 0;
    this.#plainQueue = isPlain ? this.#queue : undefined;
  }

  /**
   * @throws {TypeError | RangeError} a wrong message or option
   * @throws {WSError} `ABORTED`; `CALLBACK`, reported too, when `redeliver.id`
   * gives no id: such a message could never be acknowledged
   */
  #compose(data: Message, options?: SendOptions, target?: object): Item {
    this.#throwIfEnded();
    if (typeof data !== "string" && !(data instanceof Uint8Array)) {
      throw wrongKind("data", "a string or a Uint8Array", data);
    }
    this.#useQueue();
    const { ttl = Infinity, key, signal } = options === undefined
      ? {}
      : checkSendOptions(options);
    if (signal?.aborted) throw aborted(signal.reason);
    const id = this.#acknowledgements?.idOf(data);
    // That may have ended the client.
    this.#throwIfEnded();
    if (id instanceof WSError) {
      this.#useReports().add(id);
      throw id;
    }
    const expires = ttl === Infinity ? Infinity : this.#clock.monotonic() + ttl;
    const own = typeof data === "string" ? data : new Uint8Array(data);
    const size = byteLength(own);
    return new Item(own, size, { expires, key, signal, id, target });
  }

  #throwIfEnded(): void {
    if (this.#ended !== undefined) throw this.#ended.error;
  }

  /** The item of a message from the spool. */
  #restore({ row, data, expires, key }: Stored): Item {
    const id = this.#acknowledgements?.idOf(data);
    // Without an id it is sent without waiting for the server.
    if (id instanceof WSError) this.#useReports().add(id);
    const left = expires - this.#clock.wall();
    const item = new Item(data, byteLength(data), {
      expires: this.#clock.monotonic() + left,
      key,
      id: id instanceof WSError ? undefined : id,
    });
    item.row = row;
    return item;
  }

  /** Puts them before what was sent meanwhile, a part at a time. */
  async #restoreAll(items: readonly Item[]): Promise<void> {
    const queue = this.#useQueue();
    queue.reserve(items.length);
    for (let index = items.length - 1; index >= 0; index--) {
      const item = items[index];
      if (this.#ended !== undefined || item === undefined) return;
      queue.unshift(item);
      this.#acknowledgements?.add(item);
      this.#watchItem(item);
      if (index % RESTORED_AT_A_TIME > 0) continue;
      await new Promise<void>((resolve) => nextTurn(resolve));
    }
  }

  /** Lets a message in if there is room, or if the policy makes some. */
  #offer(item: Item): "accepted" | "dropped" | "full" | WSError {
    const queue = this.#useQueue();
    const { sendQueueMaxBytes, overflow } = this.#config;
    if (item.size > sendQueueMaxBytes) {
      return tooLarge(item.size, sendQueueMaxBytes);
    }
    const room = this.#useRoom(queue);
    if (!room.mayEnter(item) && queue.waitingCount === 0) this.#expire();
    if (room.mayEnter(item)) {
      this.#admit(queue, item);
      return "accepted";
    }
    // In a callback that is told of a dropped message, another one would be
    // dropped and told of, and so on for ever.
    const mayDrop = this.#reports?.reason !== "overflow";
    switch (overflow) {
      case "wait":
        return "full";
      case "reject":
        return queueFull(room.count, room.bytes);
      case "drop-oldest":
        if (!mayDrop) return queueFull(room.count, room.bytes);
        if (room.canBeMadeFor(item)) {
          while (!room.fits(item)) {
            const oldest = queue.takeFresh();
            if (oldest === undefined) break;
            this.#drop(oldest, "overflow");
          }
          this.#admit(queue, item);
          return "accepted";
        }
        this.#drop(item, "overflow");
        return "dropped";
      case "drop-newest":
        if (!mayDrop) return queueFull(room.count, room.bytes);
        this.#drop(item, "overflow");
        return "dropped";
      default:
        return overflow satisfies never;
    }
  }

  /** Lets an item in, for which there is room. */
  #admit(queue: SendQueue, item: Item): void {
    const spool = this.#spool;
    const old = this.#useRoom(queue).placeOf(item.key);
    if (old !== undefined) {
      queue.replace(old, item);
    } else {
      if (item.position < 0) queue.append(item);
      queue.admitFirst();
    }
    this.#watchItem(item);
    if (spool === undefined) {
      if (old === undefined) queue.store(item);
      this.#accepted(item);
      if (old !== undefined) this.#drop(old, "replaced");
    } else {
      spool.stage(item, old);
      if (old !== undefined) this.#forget(old);
      if (old !== undefined && old.sender === undefined) {
        this.#reportDrop(old, "replaced");
      }
    }
  }

  #accepted(item: Item): void {
    this.#acknowledgements?.add(item);
    item.sender?.resolve();
    item.sender = undefined;
  }

  #wait(item: Item): Promise<void> {
    const refusal = this.#hooks.refuseToWait();
    if (refusal !== undefined) return rejected(refusal);
    const sender = item.sender ??= Promise.withResolvers();
    this.#useRoom(this.#useQueue()).addWaiting(item);
    this.#watchItem(item);
    return handled(sender.promise);
  }

  // Everything that moves ----------------------------------------------------------

  /** See the top of this file. */
  #advance(): void {
    const queue = this.#queue;
    if (queue !== undefined) {
      this.#expire();
      do this.#pumpOut(); while (this.#admitWaiting(queue));
      this.#updatePlain();
      this.#flushes?.check();
    }
    this.#reports?.deliver();
  }

  /** Admits waiting senders while there is room; whether there was any. */
  #admitWaiting(queue: SendQueue): boolean {
    if (queue.waitingCount === 0 || this.#ended !== undefined) return false;
    const room = this.#useRoom(queue);
    let any = false;
    for (
      let item = room.nextWaiting;
      item !== undefined;
      item = room.nextWaiting
    ) {
      room.forgetWaiting(item);
      this.#admit(queue, item);
      any = true;
    }
    return any;
  }

  /** Gives the socket what it has room for. */
  #pumpOut(): void {
    const socket = this.#socket;
    const queue = this.#queue;
    // What the socket tells meanwhile is the business of the loop that runs.
    if (socket === undefined || queue === undefined || this.#isPumping) return;
    // What is in the spool comes first.
    if (this.#spool?.isOpen === false) return;
    const pump = this.#pump ??= this.#makePump(socket);
    if (!this.#isPaused && pump.hasRoom(queue.inSocket)) {
      this.#isPumping = true;
      for (
        let next = queue.next;
        next !== undefined && pump.hasRoom(queue.inSocket);
        next = queue.next
      ) {
        if (next instanceof Item) {
          if (this.#isExpired(next)) {
            this.#dropItem(next, "expired");
            continue;
          }
          if (!this.#mayLeave(queue, next, pump)) break;
        }
        if (this.#rate !== undefined && !this.#takeRate(this.#rate)) break;
        const size = queue.nextSize;
        queue.take();
        if (next instanceof Item) next.target = undefined;
        this.#messagesSent++;
        this.#bytesSent += size;
        pump.send(next instanceof Item ? next.data : next, size);
      }
      this.#isPumping = false;
    }
    this.#watch(pump);
  }

  #makePump(socket: SendSocket): Pump {
    const { turn = nextTurn } = this.#hooks;
    return new Pump(socket, turn, () => this.#look(true));
  }

  #watch(pump: Pump): void {
    const queue = this.#queue;
    if (queue === undefined) return;
    const isAwaited = queue.inSocket > 0 ||
      queue.queuedCount > 0 && !pump.hasRoom(0);
    pump.watch(isAwaited, queue.isNextFlushEmpty);
  }

  /** Whether the next item may be given to the socket now. */
  #mayLeave(queue: SendQueue, item: Item, pump: Pump): boolean {
    if (item.target !== undefined && item.target !== this.#target) return false;
    const { redeliver, sendQueueMaxSize } = this.#config;
    if (typeof redeliver === "object") {
      return queue.inFlightCount < (redeliver.window ?? sendQueueMaxSize);
    }
    return redeliver !== "none" || item.row === 0 ||
      this.#eraseNext(queue, pump);
  }

  /**
   * At most once: what the socket is about to get must not be on the disk any
   * more. Whether it could be erased.
   */
  #eraseNext(queue: SendQueue, pump: Pump): boolean {
    const items: Item[] = [];
    let room = pump.room;
    let count = Math.min(
      pump.roomFor(queue.inSocket),
      this.#rate?.allowance(this.#clock.monotonic()) ?? Infinity,
    );
    for (const item of queue.items()) {
      if (room <= 0 || count <= 0 || !queue.isQueued(item)) break;
      if (item.target !== undefined && item.target !== this.#target) break;
      room -= item.size;
      count--;
      items.push(item);
    }
    if (items.length === 0 || this.#spool?.eraseNow(items)) return true;
    this.#wakeAfter(ERASE_RETRY);
    return false;
  }

  #takeRate(rate: RateLimiter): boolean {
    const now = this.#clock.monotonic();
    const wait = rate.wait(now);
    if (wait === 0) {
      rate.record(now);
      return true;
    }
    this.#wakeAfter(wait);
    return false;
  }

  #wakeAfter(ms: number): void {
    if (this.#wakeTimer !== undefined) return;
    this.#wakeTimer = setTimeout(() => {
      this.#wakeTimer = undefined;
      this.#advance();
    }, Math.ceil(ms));
    Deno.unrefTimer(this.#wakeTimer);
  }

  #cancelWake(): void {
    clearTimeout(this.#wakeTimer);
    this.#wakeTimer = undefined;
  }

  /** Looks at the socket, and goes on when half of the window is free. */
  #look(afterTurn: boolean): void {
    const pump = this.#pump;
    const queue = this.#queue;
    if (pump === undefined || queue === undefined) return;
    if (!this.#sample(afterTurn)) return;
    if (pump.isLow(queue.inSocket)) this.#advance();
    else this.#watch(pump);
  }

  /** Settles what has left the socket; `false` when that is not open. */
  #sample(afterTurn: boolean): boolean {
    const buffered = this.#pump?.sample();
    const queue = this.#queue;
    if (buffered === undefined || queue === undefined) return false;
    const settled = queue.flushTo(buffered, afterTurn);
    if (settled !== undefined) {
      for (const item of settled) this.#forget(item);
    }
    this.#flushes?.check();
    return true;
  }

  #detach({ flushed, tooLarge = false }: DetachInfo): void {
    if (this.#socket === undefined) return;
    this.#sample(false);
    this.#pump?.stop();
    this.#socket = this.#pump = undefined;
    this.#cancelWake();
    if (this.#target !== undefined) this.#release(this.#target);
    this.#target = undefined;
    if (this.#queue !== undefined) {
      this.#takeBack(this.#queue, flushed, tooLarge);
    }
  }

  #release(target: object): void {
    for (const item of this.#queue?.items() ?? []) {
      if (item.target === target) item.target = undefined;
    }
  }

  #takeBack(queue: SendQueue, flushed: boolean, isTooLarge: boolean): void {
    const { redeliver } = this.#config;
    if (isTooLarge) this.#dropLargest(queue);
    if (redeliver === "none" || redeliver === "unflushed" && flushed) {
      const left = queue.settleInFlight();
      if (!flushed) this.#countLost(left);
      for (const message of left) {
        if (message instanceof Item) this.#forget(message);
      }
      return;
    }
    for (const message of queue.inFlight()) {
      if (message instanceof Item) this.#deadlines?.add(message);
    }
    queue.rewind();
    if (this.#signals === undefined) return;
    for (const item of [...queue.items()]) {
      if (item.signal?.aborted && queue.isQueued(item)) {
        this.#dropItem(item, "aborted");
      }
    }
  }

  /**
   * Without this a message that is too large for the server would be sent again
   * and again. Where a larger one has left the socket, that is the one, and it
   * will not come back.
   */
  #dropLargest(queue: SendQueue): void {
    const largest = queue.largestInFlight;
    if (largest === undefined || largest.size < queue.largestFlushed) return;
    this.#flushes?.lose(largest.position);
    this.#drop(queue.takeAt(largest.position), "too-large");
  }

  #countLost(messages: readonly (Message | Item)[]): void {
    this.#lost += messages.length;
    if (messages.length > 0) this.#flushes?.lose(-1);
    this.#lastLost = {
      unsent: messages.length,
      unsentBytes: messages.reduce((sum, message) => sum + sizeOf(message), 0),
    };
  }

  // Leaving the queue ------------------------------------------------------------

  #watchItem(item: Item): void {
    if (item.expires !== Infinity) {
      this.#deadlines ??= new Deadlines(
        () => this.#clock.monotonic(),
        () => this.#advance(),
      );
      this.#deadlines.add(item);
    }
    if (item.signal !== undefined) {
      this.#signals ??= new Signals((items) => {
        this.#takeOut(items, "aborted");
        this.#advance();
      });
      this.#signals.add(item);
    }
  }

  #isExpired({ expires }: Item): boolean {
    return expires !== Infinity && expires <= this.#clock.monotonic();
  }

  #expire(): void {
    const due = this.#deadlines?.takeDue() ?? [];
    if (due.length > 0) this.#takeOut(due, "expired");
  }

  #takeOut(items: readonly Item[], reason: "expired" | "aborted"): void {
    const queue = this.#useQueue();
    for (const item of items) {
      if (queue.isWaiting(item)) {
        queue.remove(item);
        this.#room?.forgetWaiting(item);
        this.#forget(item);
        item.sender?.reject(
          reason === "expired" ? expired() : aborted(item.signal?.reason),
        );
      } else if (queue.isHere(item)) {
        this.#dropItem(item, reason);
      }
    }
  }

  /** The item has arrived, as far as was promised. */
  #settle(item: Item): void {
    if (item.position >= 0) this.#queue?.remove(item);
    this.#forget(item);
  }

  /** The item is not in the queue any more. */
  #forget(item: Item): void {
    this.#deadlines?.remove(item);
    this.#signals?.remove(item);
    this.#acknowledgements?.remove(item);
    this.#spool?.erase(item);
  }

  #dropItem(item: Item, reason: DropReason): void {
    if (item.position >= 0) this.#queue?.remove(item);
    this.#drop(item, reason);
  }

  /** Drops a message that is not in the queue any more. */
  #drop(message: Message | Item, reason: DropReason): void {
    if (message instanceof Item) {
      this.#forget(message);
      // On its way to the disk: it was accepted, and is dropped.
      message.sender?.resolve();
      message.sender = undefined;
      this.#dropOlder(message);
    }
    this.#reportDrop(message, reason);
  }

  // The spool --------------------------------------------------------------------

  /** Writes what is staged, and tells its senders. */
  #commit(): void {
    const queue = this.#queue;
    const spool = this.#spool;
    if (queue === undefined || spool === undefined || !spool.isOpen) return;
    this.#writeStaged(queue, spool);
    this.#advance();
    if (queue.hasStaged) spool.commitSoon();
  }

  #writeStaged(queue: SendQueue, spool: Spool): void {
    // What is on the disk expires by the wall clock.
    const offset = this.#clock.wall() - this.#clock.monotonic();
    const items = queue.staged(BATCH_COUNT, BATCH_BYTES);
    const failed = spool.write(items, offset, (key) => queue.withKey(key));
    for (const item of items) {
      const error = failed.get(item);
      if (error === undefined) this.#stored(queue, item);
      else this.#notStored(item, error);
    }
  }

  #stored(queue: SendQueue, item: Item): void {
    const old = queue.withKey(item.key);
    if (old === undefined) {
      queue.store(item);
    } else {
      // Its row belongs to what replaced it.
      old.row = 0;
      queue.replace(old, item);
      this.#drop(old, "replaced");
    }
    this.#dropOlder(item);
    this.#accepted(item);
  }

  #dropOlder(item: Item): void {
    for (const older of takeOlder(item)) {
      older.sender?.resolve();
      this.#reportDrop(older, "replaced");
    }
  }

  #notStored(item: Item, error: WSError): void {
    const { position } = item;
    this.#queue?.remove(item);
    this.#forget(item);
    for (const older of takeOlder(item)) older.sender?.reject(error);
    if (item.sender !== undefined) {
      item.sender.reject(error);
    } else {
      this.#flushes?.lose(position);
      this.#reportDrop(item, "spool");
    }
  }

  // The end ------------------------------------------------------------------------

  /** Settles everybody who waits. */
  #endQueue(queue: SendQueue, error: WSError): void {
    for (const item of [...queue.items()]) {
      if (!queue.isWaiting(item)) continue;
      queue.remove(item);
      item.sender?.reject(error);
    }
    const spool = this.#spool;
    if (spool === undefined) return;
    while (spool.isOpen && queue.hasStaged) this.#writeStaged(queue, spool);
    for (const item of [...queue.items()]) {
      if (!queue.isStaged(item)) continue;
      // The spool was never open.
      for (const older of takeOlder(item)) older.sender?.reject(error);
      if (item.sender === undefined) continue;
      queue.remove(item);
      item.sender.reject(error);
    }
    spool.close();
  }

  #unsentNow(): Unsent {
    const lost = this.#lastLost ?? { unsent: 0, unsentBytes: 0 };
    return {
      unsent: this.queued + lost.unsent,
      unsentBytes: this.queuedBytes + lost.unsentBytes,
    };
  }

  /** Reports what is nowhere but here. */
  #dropRest(queue: SendQueue): void {
    for (
      let message = queue.takeQueued();
      message !== undefined;
      message = queue.takeQueued()
    ) {
      const isOnDisk = message instanceof Item && message.row !== 0;
      if (!isOnDisk) this.#reportDrop(message, "ended");
    }
  }

  // Telling the program --------------------------------------------------------------

  #useReports(): Reports {
    return this.#reports ??= new Reports(
      this.#hooks,
      this.#hooks.turn ?? nextTurn,
      () => this.#advance(),
    );
  }

  #reportDrop(message: Message | Item, reason: DropReason): void {
    this.#dropped++;
    const data = message instanceof Item ? message.data : message;
    this.#useReports().add({ data, reason });
  }
}

function sizeOf(message: Message | Item): number {
  return message instanceof Item ? message.size : byteLength(message);
}

/** The messages that this one replaced on the way to the disk. */
function takeOlder(item: Item): Item[] {
  const all: Item[] = [];
  for (let older = item.older; older !== undefined; older = older.older) {
    all.push(older);
  }
  item.older = undefined;
  return all.reverse();
}
