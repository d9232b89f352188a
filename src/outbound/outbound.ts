/**
 * The way out: from the program's `send` to the socket, and back into the queue
 * when a link dies. This file wires the parts and holds no policy:
 *
 * ```text
 * send ─ composer ─ admission ─ intake ─ queue ─ delivery: pump ─ socket
 *        sound?     room?       disk?      │               │
 *                                          └─── ledger ────┘ not settled: back
 * ```
 *
 * Expiry, aborts and flushes look at these from the side.
 *
 * @module
 */

import type { DropReason } from "../callbacks.ts";
import type { Redelivery, SendOverflow } from "../config.ts";
import { WSError } from "../errors.ts";
import type { Message } from "../message.ts";
import { Aborts } from "./aborts.ts";
import { Admission } from "./admission.ts";
import { Composer } from "./composer.ts";
import { Delivery } from "./delivery.ts";
import type { Entry, EntryList } from "./entry.ts";
import { Expiry } from "./expiry.ts";
import { Flushes } from "./flushes.ts";
import { type Intake, MemoryIntake } from "./intake.ts";
import type { Sink, Waits } from "./pump.ts";
import { Queue } from "./queue.ts";
import { aborted, expired, queueFull, tooLarge } from "./refusals.ts";
import type { SendOptions } from "./send_options.ts";

export type { Sink } from "./pump.ts";
export type { SendOptions } from "./send_options.ts";

/** The options of a client that are about sending. */
export interface OutboundOptions {
  readonly sendQueueMaxSize: number;
  readonly sendQueueMaxBytes: number;
  readonly overflow: SendOverflow;
  readonly redeliver: Redelivery;
  readonly spool?: string | undefined;
}

/** What the way out tells and asks the client. */
export interface OutboundHooks {
  /** A message was dropped. */
  onDrop(data: Message, reason: DropReason): void;
  /** A callback threw, or a damaged spool was set aside. */
  onError(error: WSError): void;
  /** Asked before anybody waits: an error rejects at once instead. */
  mayWait(): WSError | undefined;
  /** The wall clock, in milliseconds since the epoch. */
  readonly now?: () => number;
  /** How the pump waits. */
  readonly waits?: Waits;
}

/** What was accepted and not settled when the client ended. */
export interface Unsent {
  readonly unsent: number;
  readonly unsentBytes: number;
}

/** What a sender gets whose message was accepted at once. */
const ACCEPTED = Promise.resolve();
/** Later than any message: for those who wait for all of them. */
const EVERYTHING = Number.MAX_SAFE_INTEGER;

/** All of a client's outgoing messages. */
export class Outbound {
  readonly #options: OutboundOptions;
  readonly #hooks: OutboundHooks;
  readonly #composer: Composer;
  readonly #admission: Admission;
  readonly #intake: Intake;
  readonly #queue = new Queue();
  readonly #delivery: Delivery;
  readonly #expiry: Expiry;
  readonly #aborts = new Aborts((entry) => this.#takeOut(entry, "aborted"));
  readonly #flushes = new Flushes();
  /** The place in the order of the message accepted last. */
  #order = 0;
  /** What the last link took along, never to be sent again. */
  #lost = { count: 0, bytes: 0 };
  #dropped = 0;
  #ended: WSError | undefined;
  #unsent: Unsent | undefined;

  constructor(options: OutboundOptions, hooks: OutboundHooks) {
    const { sendQueueMaxSize, sendQueueMaxBytes, overflow, redeliver } =
      options;
    const { now = Date.now, waits, onError } = hooks;
    this.#options = options;
    this.#hooks = hooks;
    this.#composer = new Composer(redeliver, now, onError);
    this.#intake = new MemoryIntake((entry) => this.#enqueue(entry));
    this.#delivery = new Delivery(redeliver, sendQueueMaxSize, {
      next: () => this.#next(),
      settled: (entry) => this.#settle(entry),
      lost: (entry) => this.#lose(entry),
      returned: (entries) => this.#takeBack(entries),
      moved: () => this.#moved(),
      onError,
    }, waits);
    this.#admission = new Admission(
      { maxSize: sendQueueMaxSize, maxBytes: sendQueueMaxBytes, overflow },
      {
        intake: this.#intake,
        queue: this.#queue,
        ledger: this.#delivery.ledger,
      },
      {
        overflow: (entry) => this.#drop(entry, "overflow"),
        expire: () => this.#expiry.run(),
      },
    );
    this.#expiry = new Expiry(
      [this.#queue.again, this.#queue.fresh, this.#admission.waiting],
      now,
      (entry) => this.#takeOut(entry, "expired"),
    );
  }

  /**
   * Opens the spool, if there is one.
   * @throws {WSError} `SPOOL`, fatal, when it cannot be opened
   */
  open(): Promise<void> {
    return ACCEPTED;
  }

  // Sending ------------------------------------------------------------------

  /**
   * Accepts a message, or waits until there is room.
   * @throws {WSError} `QUEUE_FULL`, `TOO_LARGE`, `EXPIRED`, `ABORTED`, `SPOOL`,
   * `CALLBACK` when `redeliver.id` gives no id, or what ended the client
   * @throws {TypeError} the message or an option is of the wrong kind
   */
  send(data: Message, options?: SendOptions): Promise<void> {
    if (this.#ended !== undefined) return rejected(this.#ended);
    try {
      return this.#send(this.#composer.compose(data, options));
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * Accepts a message if that is possible at once.
   * @throws {TypeError} the message or an option is of the wrong kind
   */
  trySend(data: Message, options?: SendOptions): boolean {
    if (this.#ended !== undefined) return false;
    try {
      const entry = this.#composer.compose(data, options);
      return this.#admission.offer(entry) === "accepted";
    } catch (error) {
      if (error instanceof WSError) return false;
      throw error;
    }
  }

  /**
   * Waits until all that was accepted so far is on the network, or
   * acknowledged; `false` when `ms` ran out, or a link took some of it along.
   * @throws {WSError} what ended the client before
   */
  flush(ms = Infinity): Promise<boolean> {
    if (this.#ended !== undefined) return rejected(this.#ended);
    this.#intake.commit();
    if (this.#order < this.#firstUnsettled()) return Promise.resolve(true);
    const refusal = this.#hooks.mayWait();
    if (refusal !== undefined) return rejected(refusal);
    return handled(this.#flushes.wait(this.#order, ms));
  }

  /** Waits at most `ms` until nothing is left to send. Never rejects. */
  async drain(ms: number): Promise<void> {
    if (this.#firstUnsettled() === Infinity) return;
    // Only the end rejects, and then there is nothing to wait for.
    await this.#flushes.wait(EVERYTHING, ms).catch(() => {});
  }

  // Links --------------------------------------------------------------------

  /** A link is open and its gate has passed: its socket gets the queue. */
  attach(sink: Sink): void {
    this.#delivery.attach(sink);
    this.#lost = { count: 0, bytes: 0 };
  }

  /** The socket gets no more from the queue, and is still looked at. */
  pause(): void {
    this.#delivery.pause();
  }

  /**
   * Sends at once, ahead of the queue, and never again; `false` when there is
   * no open link.
   */
  sendUrgent(data: Message): boolean {
    return this.#delivery.sendUrgent(data);
  }

  /**
   * The link is gone. `delivered`: the peer has answered our close frame, and
   * so has read everything before it.
   */
  detach(delivered = false): void {
    this.#delivery.detach(delivered);
  }

  /** Whether {@linkcode Outbound.acknowledge} wants to see what comes in. */
  get tracksAcknowledgements(): boolean {
    return this.#delivery.tracksAcknowledgements;
  }

  /** Takes note of what an inbound message acknowledges, if anything. */
  acknowledge(data: Message): void {
    this.#delivery.acknowledge(data);
  }

  /** Settles everybody who waits, and says what was not sent. */
  end(error: WSError): Unsent {
    if (this.#unsent !== undefined) return this.#unsent;
    this.#ended = error;
    this.#delivery.detach(false);
    this.#intake.close();
    this.#unsent = {
      unsent: this.#queue.count + this.#lost.count,
      unsentBytes: this.#queue.bytes + this.#lost.bytes,
    };
    this.#expiry.stop();
    this.#aborts.stop();
    for (const entry of this.#admission.waiting) entry.sender?.reject(error);
    this.#flushes.fail(error);
    return this.#unsent;
  }

  // Looking ------------------------------------------------------------------

  /** Messages accepted and not handed to a socket. */
  get queued(): number {
    return this.#queue.count + this.#intake.staged.count;
  }

  /** Their bytes. */
  get queuedBytes(): number {
    return this.#queue.bytes + this.#intake.staged.bytes;
  }

  /** Messages handed to the socket that the server has not acknowledged. */
  get unacknowledged(): number {
    return this.#delivery.ledger.heldCount;
  }

  /** Messages dropped so far. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Messages handed over once more. */
  get redelivered(): number {
    return this.#delivery.redelivered;
  }

  /** Messages handed to sockets, each time counted. */
  get messagesSent(): number {
    return this.#delivery.messagesSent;
  }

  /** Their bytes. */
  get bytesSent(): number {
    return this.#delivery.bytesSent;
  }

  // Wiring -------------------------------------------------------------------

  #send(entry: Entry): Promise<void> {
    const verdict = this.#admission.offer(entry);
    switch (verdict) {
      case "accepted":
      case "dropped":
        return entry.sender?.promise ?? ACCEPTED;
      case "too large":
        throw tooLarge(entry.bytes, this.#options.sendQueueMaxBytes);
      case "refused":
        return this.#wait(entry);
      default:
        return verdict satisfies never;
    }
  }

  #wait(entry: Entry): Promise<void> {
    if (this.#options.overflow === "reject" && this.#intake.isOpen) {
      throw queueFull(this.queued, this.queuedBytes);
    }
    const refusal = this.#hooks.mayWait();
    if (refusal !== undefined) throw refusal;
    const sender = Promise.withResolvers<void>();
    entry.sender = sender;
    this.#admission.wait(entry);
    this.#aborts.watch(entry);
    this.#expiry.watch(entry);
    return handled(sender.promise);
  }

  /** The message is accepted. */
  #enqueue(entry: Entry): void {
    entry.order = ++this.#order;
    if (typeof entry.data !== "string") entry.data = new Uint8Array(entry.data);
    const old = this.#queue.withKey(entry.key);
    if (old === undefined) {
      this.#queue.push(entry);
    } else {
      entry.order = old.order;
      this.#queue.replace(old, entry);
    }
    this.#aborts.watch(entry);
    this.#expiry.watch(entry);
    entry.sender?.resolve();
    entry.sender = undefined;
    if (old !== undefined) this.#drop(old, "replaced");
    this.#delivery.run();
  }

  /** The next message for the socket. */
  #next(): Entry | undefined {
    for (;;) {
      const entry = this.#queue.shift();
      if (entry === undefined) return undefined;
      if (this.#expiry.hasPassed(entry)) {
        this.#drop(entry, "expired");
        continue;
      }
      if (this.#admission.waiting.count > 0) this.#admission.admit();
      return entry;
    }
  }

  #settle(entry: Entry): void {
    if (this.#queue.has(entry)) this.#queue.remove(entry);
    this.#aborts.forget(entry);
    this.#intake.forget(entry);
  }

  #lose(entry: Entry): void {
    this.#lost.count++;
    this.#lost.bytes += entry.bytes;
    this.#flushes.lose(entry.order);
    this.#settle(entry);
  }

  #takeBack(entries: EntryList): void {
    const gone = [...entries].filter(({ signal }) => signal?.aborted);
    for (const entry of entries) this.#expiry.watch(entry);
    this.#queue.putBack(entries);
    for (const entry of gone) this.#drop(entry, "aborted");
  }

  #takeOut(entry: Entry, reason: "expired" | "aborted"): void {
    if (this.#queue.has(entry)) {
      this.#drop(entry, reason);
    } else if (entry.list === this.#admission.waiting) {
      this.#admission.leave(entry);
      this.#aborts.forget(entry);
      entry.sender?.reject(
        reason === "expired" ? expired() : aborted(entry.signal?.reason),
      );
    }
  }

  #drop(entry: Entry, reason: DropReason): void {
    this.#settle(entry);
    this.#delivery.ledger.forget(entry);
    this.#dropped++;
    this.#hooks.onDrop(entry.data, reason);
    this.#moved();
  }

  /** There may be room for those who wait, and less to wait for. */
  #moved(): void {
    this.#admission.admit();
    this.#flushes.settled(this.#firstUnsettled());
  }

  /** The order of the first message that is not settled. */
  #firstUnsettled(): number {
    const first = this.#delivery.ledger.oldest ?? this.#queue.head;
    if (first !== undefined) return first.order;
    const more = this.#admission.waiting.count + this.#intake.staged.count;
    return more > 0 ? this.#order + 1 : Infinity;
  }
}

/** A promise that ends no program when it rejects and nobody awaits it. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

function rejected(error: unknown): Promise<never> {
  return handled(Promise.reject(error));
}
