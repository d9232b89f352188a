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
 * Every operation ends in {@linkcode Sender.#advance}: it admits waiting
 * senders while there is room, writes to the socket while that has room, and
 * only then reports to the program. So a callback finds the queue in a
 * consistent state, whatever it does.
 *
 * @module
 */

import { type Clock, SYSTEM_CLOCK } from "../clock.ts";
import { WSError } from "../errors.ts";
import { handled, rejected } from "../handled.ts";
import { byteLength, isMessage, type Message } from "../message.ts";
import { checkSendOptions, type SendOptions } from "../method_options.ts";
import { noMessage } from "../rules.ts";
import type { WSStats } from "../stats.ts";
import { Item } from "./item.ts";
import { Pump, RateLimiter, type SendSocket } from "./pump.ts";
import type { DetachInfo, SendConfig, SenderHooks } from "./send_config.ts";
import { aborted, NOTHING, SendQueue, type Unsent } from "./send_queue.ts";
import type { Stored } from "./spool_file.ts";
import { nextTurn, Parts } from "../turns.ts";

export type { SendConfig, SenderHooks } from "./send_config.ts";

/** What a sender has done so far. */
export type SendStats = Pick<
  WSStats,
  | "messagesSent"
  | "bytesSent"
  | "queued"
  | "queuedBytes"
  | "unacknowledged"
  | "dropped"
  | "lost"
  | "redelivered"
>;

/** The promise that `send` returns when it accepts a message at once. */
const ACCEPTED = Promise.resolve();

/** The sending half of a client. */
export class Sender {
  readonly #config: SendConfig;
  readonly #hooks: SenderHooks;
  /** Made for the first message, as most of many thousand clients only receive. */
  #queue: SendQueue | undefined;
  /** The queue, while a message without options may enter it at once. */
  #plainQueue: SendQueue | undefined;
  readonly #rate: RateLimiter | undefined;
  /** Of the attached connection, like the next three fields. */
  #socket: SendSocket | undefined;
  #target: object | undefined;
  #isPaused = false;
  /** Made when there is something to pump. */
  #pump: Pump | undefined;
  #end: { readonly error: WSError; readonly unsent: Unsent } | undefined;

  constructor(config: SendConfig, hooks: SenderHooks) {
    this.#config = config;
    this.#hooks = hooks;
    const { sendRate } = config;
    if (sendRate !== undefined) this.#rate = new RateLimiter(sendRate);
  }

  /**
   * Opens the spool, if there is one. Its messages are sent first.
   * @throws {WSError} `SPOOL` or `PERMISSION`, fatal, when it cannot be opened
   */
  async open(): Promise<void> {
    if (this.#config.spool === undefined || this.#end !== undefined) return;
    await this.#useQueue().spool?.open(
      this.#clock.wall(),
      (messages) => this.#restore(messages),
    );
    this.#advance();
  }

  // Sending ----------------------------------------------------------------------

  /**
   * Resolves when the message is accepted, or dropped by the `overflow` policy.
   * A message with a `target` waits for that connection.
   * @throws {WSError} `QUEUE_FULL`, `TOO_LARGE`, `EXPIRED`, `ABORTED`, `SPOOL`,
   * `CALLBACK` when `redeliver.id` gives no id, or the error that ended the
   * client
   * @throws {TypeError | RangeError} a wrong message or option
   */
  send(data: Message, options?: SendOptions, target?: object): Promise<void> {
    if (
      options === undefined && target === undefined && this.#sendPlain(data)
    ) return ACCEPTED;
    try {
      const item = this.#compose(data, options, target);
      if (this.#config.spool !== undefined) {
        item.sender = Promise.withResolvers();
        handled(item.sender.promise);
      }
      const accepted = item.sender?.promise ?? ACCEPTED;
      const queue = this.#useQueue();
      const result = queue.offer(item);
      switch (result) {
        case "accepted":
          return accepted;
        case "full":
          return queue.wait(item, this.#hooks.refuseToWait());
        case "dropped":
          queue.drop(item, "overflow");
          return ACCEPTED;
        default:
          return rejected(result satisfies WSError);
      }
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
      const item = this.#compose(data, options, target);
      return this.#useQueue().offer(item) === "accepted";
    } catch (error) {
      if (error instanceof WSError) return false;
      throw error;
    } finally {
      this.#advance();
    }
  }

  /**
   * Waits until every message accepted so far has left the socket or, with
   * acknowledgements, is acknowledged; `false` if `ms` ran out, or one of them
   * was dropped or lost meanwhile.
   * @throws {WSError} the error that ended the client
   */
  flush(ms = Infinity): Promise<boolean> {
    if (this.#end !== undefined) return rejected(this.#end.error);
    const queue = this.#queue;
    if (queue === undefined || queue.settledTo >= queue.end) {
      return Promise.resolve(true);
    }
    const refusal = this.#hooks.refuseToWait();
    if (refusal !== undefined) return rejected(refusal);
    return handled(queue.flushes.wait(queue.end, ms));
  }

  /**
   * Waits until nothing is left to send, but at most `ms`. Never rejects;
   * `undefined` if there is nothing to wait for, or no time.
   */
  drain(ms: number): Promise<void> | undefined {
    const queue = this.#queue;
    if (queue === undefined || queue.settledTo === Infinity) return undefined;
    if (this.#end !== undefined || ms === 0) return undefined;
    // Only the end rejects, and then there is nothing to wait for.
    return queue.flushes.wait(Infinity, ms).then(() => {}, () => {});
  }

  /** Drops all queued messages; returns their number. */
  clearQueue(): number {
    const count = this.#queue?.clear() ?? 0;
    this.#advance();
    return count;
  }

  // Connections --------------------------------------------------------------------

  /**
   * A connection is open and its hook has passed: its socket gets the queue.
   */
  attach(socket: SendSocket, target?: object): void {
    if (this.#end !== undefined) return;
    this.#detach({ flushed: false });
    this.#socket = socket;
    this.#isPaused = false;
    this.#target = target;
    this.#advance();
  }

  /** Writes no more to the socket, but still watches what leaves it. */
  pause(): void {
    if (this.#socket === undefined) return;
    this.#isPaused = true;
    this.#pump?.sample(false);
    this.#advance();
  }

  /** The socket reports that bytes have left it. */
  onProgress(): void {
    this.#pump?.look(false);
  }

  /**
   * The connection is closed. Messages that are not known to have left its
   * socket, or are not acknowledged, go back to the head of the queue, unless
   * `redeliver` is `"none"`.
   */
  detach(how: DetachInfo): void {
    this.#detach(how);
    this.#advance();
  }

  /**
   * The connection `target` failed before it was attached: its messages go to
   * the next connection.
   */
  release(target: object): void {
    this.#queue?.release(target);
    this.#advance();
  }

  /**
   * Sends a message at once, ahead of the queue, and never sends it again;
   * `false` without an attached open socket.
   */
  sendUrgent(data: Message): boolean {
    const socket = this.#socket;
    if (socket?.bufferedAmount === undefined) return false;
    this.countUnqueued();
    if (this.#pump === undefined) socket.send(data);
    else this.#pump.sendUrgent(data);
    return true;
  }

  /** A message was sent past the queue: it counts for `sendRate`. */
  countUnqueued(): void {
    this.#rate?.record(this.#clock.monotonic());
  }

  /** Looks for acknowledgements in an inbound message. */
  acknowledge(data: Message): void {
    if (typeof this.#config.redeliver === "string") return;
    this.#useQueue().acknowledge(data);
    this.#advance();
  }

  /**
   * Rejects all waiting and later calls with this error. Unsent messages are
   * dropped as `"ended"`, unless they stay in a spool.
   */
  end(error: WSError): Unsent {
    if (this.#end !== undefined) return this.#end.unsent;
    this.#plainQueue = undefined;
    this.#detach({ flushed: false });
    const unsent = this.#queue?.close(error) ?? NOTHING;
    this.#end = { error, unsent };
    this.#queue?.dropRest();
    return unsent;
  }

  /**
   * Settles when the spool is closed, after {@linkcode Sender.end}; `undefined`
   * without a spool.
   */
  get closed(): Promise<void> | undefined {
    return this.#queue?.closed;
  }

  // Looking ------------------------------------------------------------------------

  /** Messages written to the socket that the server has not acknowledged. */
  get #unacknowledged(): number {
    return typeof this.#config.redeliver === "string"
      ? 0
      : this.#queue?.inFlight.count ?? 0;
  }

  /** Whether a call waits while there are unacknowledged messages. */
  get awaitsAcknowledgements(): boolean {
    const queue = this.#queue;
    return queue !== undefined && this.#unacknowledged > 0 &&
      (queue.waiting.count > 0 || queue.flushes.count > 0);
  }

  /** Whether messages in the socket may not be on the network yet. */
  get hasUnflushed(): boolean {
    return (this.#queue?.inFlight.inSocket ?? 0) > 0;
  }

  get stats(): SendStats {
    const queue = this.#queue;
    return {
      messagesSent: queue?.writtenCount ?? 0,
      bytesSent: queue?.writtenBytes ?? 0,
      queued: queue?.count ?? 0,
      queuedBytes: queue?.bytes ?? 0,
      unacknowledged: this.#unacknowledged,
      dropped: queue?.dropped ?? 0,
      lost: queue?.lost ?? 0,
      redelivered: queue?.redelivered ?? 0,
    };
  }

  // Messages -------------------------------------------------------------------------

  get #clock(): Clock {
    return this.#hooks.clock ?? SYSTEM_CLOCK;
  }

  #useQueue(): SendQueue {
    if (this.#queue === undefined) {
      const onChange = () => this.#advance();
      this.#queue = new SendQueue(this.#config, this.#hooks, onChange);
      this.#updatePlain();
    }
    return this.#queue;
  }

  /**
   * Accepts a message without options, if it can be queued or written at once.
   */
  #sendPlain(data: Message): boolean {
    const queue = this.#plainQueue;
    if (queue === undefined) return false;
    if (!isMessage(data)) return false;
    const size = byteLength(data);
    const { sendQueueMaxSize, sendQueueMaxBytes } = this.#config;
    if (
      queue.count >= sendQueueMaxSize || queue.bytes + size > sendQueueMaxBytes
    ) return false;
    // The program may reuse the memory of a binary message.
    const own = typeof data === "string" ? data : new Uint8Array(data);
    if (this.#isPaused || !this.#pump?.sendPlain(own, size)) {
      queue.push(new Item(own, size, true));
      this.#pumpOut();
    }
    if (queue.reports.isDue) this.#advance();
    return true;
  }

  /**
   * A plain message has no id and no row, so it is possible only without
   * acknowledgements and without a spool. It must not overtake a waiting
   * sender.
   */
  #updatePlain(): void {
    const { redeliver, spool } = this.#config;
    const isPlain = this.#end === undefined && spool === undefined &&
      typeof redeliver === "string" && this.#queue?.waiting.count === 0;
    this.#plainQueue = isPlain ? this.#queue : undefined;
  }

  /**
   * @throws {TypeError | RangeError} a wrong message or option
   * @throws {WSError} `ABORTED`; `CALLBACK`, reported too, when `redeliver.id`
   * gives no id: such a message could never be acknowledged
   */
  #compose(data: Message, options?: SendOptions, target?: object): Item {
    this.#throwIfEnded();
    if (!isMessage(data)) throw noMessage("data", data);
    const { acknowledgements, reports } = this.#useQueue();
    const { ttl = Infinity, key, signal } = options === undefined
      ? {}
      : checkSendOptions(options);
    if (signal?.aborted) throw aborted(signal.reason);
    const id = acknowledgements?.idOf(data);
    // `redeliver.id` may have ended the client.
    this.#throwIfEnded();
    if (id instanceof WSError) {
      reports.add(id);
      throw id;
    }
    const own = typeof data === "string" ? data : new Uint8Array(data);
    const item = new Item(own, byteLength(own));
    if (ttl !== Infinity) item.expires = this.#clock.monotonic() + ttl;
    item.key = key;
    item.signal = signal;
    item.id = id;
    item.target = target;
    return item;
  }

  #throwIfEnded(): void {
    if (this.#end !== undefined) throw this.#end.error;
  }

  // The spool ------------------------------------------------------------------------

  /** Queues the messages from the spool before those sent meanwhile. */
  async #restore(messages: readonly Stored[]): Promise<void> {
    const queue = this.#useQueue();
    const parts = new Parts();
    for (const [index, { row, data, expires, key }] of messages.entries()) {
      const id = queue.acknowledgements?.idOf(data);
      const item = new Item(data, byteLength(data));
      item.row = row;
      item.key = key;
      item.expires = expires - queue.wallOffset;
      // Without an id it is sent, and no acknowledgement is expected.
      if (id instanceof WSError) queue.reports.add(id);
      else item.id = id;
      queue.restore(item, index - messages.length);
      if (parts.isOver) await parts.next();
      if (this.#end !== undefined) return;
    }
  }

  // Everything that moves ----------------------------------------------------------

  /** See the top of this file. */
  #advance(): void {
    const queue = this.#queue;
    if (queue === undefined) return;
    if (this.#end === undefined) {
      queue.expire();
      do this.#pumpOut(); while (queue.admitWaiting());
      this.#updatePlain();
      queue.flushes.settleTo(queue.settledTo);
    }
    queue.reports.deliver();
  }

  /** Writes to the socket while it has room. */
  #pumpOut(): void {
    const socket = this.#socket;
    const queue = this.#queue;
    if (socket === undefined || queue === undefined) return;
    // The messages in the spool are sent first.
    if (queue.spool?.isOpen === false) return;
    const pump = this.#pump ??= new Pump({
      socket,
      target: this.#target,
      queue,
      config: this.#config,
      rate: this.#rate,
      clock: this.#clock,
      turn: this.#hooks.turn ?? nextTurn,
      onRoom: () => this.#advance(),
    });
    if (!this.#isPaused) pump.fill();
    pump.watch();
  }

  #detach(how: DetachInfo): void {
    if (this.#socket === undefined) return;
    this.#pump?.sample(false);
    this.#pump?.stop();
    const target = this.#target;
    this.#socket = this.#pump = this.#target = undefined;
    if (target !== undefined) this.#queue?.release(target);
    this.#queue?.disconnected(how);
  }
}
