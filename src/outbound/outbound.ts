/**
 * The way out: from the program's `send` to the socket, and back into the queue
 * when a link dies. This file wires the parts and holds no policy:
 *
 * ```text
 *         composer     backlog                          delivery
 * send -> is it    ->  admission -> intake -> queue ->  pump -> socket
 *         sound?       room?        on disk?  ^           |
 *                      wait, or drop          |         ledger
 *                                             +-- what is not settled
 * ```
 *
 * Messages without options go a shorter way from `send` to the pump while no
 * other is on its way: a ring of their own (`express.ts`).
 *
 * @module
 */

import type { DropReason } from "../callbacks.ts";
import type { WSError } from "../errors.ts";
import { handled, rejected } from "../handled.ts";
import type { Message } from "../message.ts";
import { Acceptance } from "./acceptance.ts";
import { Backlog } from "./backlog.ts";
import { Composer } from "./composer.ts";
import { Delivery } from "./delivery.ts";
import type { Entry } from "./entry.ts";
import { Express } from "./express.ts";
import { Flushes } from "./flushes.ts";
import type {
  OutboundHooks,
  OutboundOptions,
  Unsent,
} from "./outbound_options.ts";
import type { Sink } from "./pump.ts";
import type { SendOptions } from "./send_options.ts";

export type {
  OutboundHooks,
  OutboundOptions,
  Unsent,
} from "./outbound_options.ts";
export type { Sink } from "./pump.ts";
export type { SendOptions } from "./send_options.ts";

/** Later than any message: for those who wait for all of them. */
const EVERYTHING = Number.MAX_SAFE_INTEGER;

/** All of a client's outgoing messages. */
export class Outbound {
  readonly #hooks: OutboundHooks;
  readonly #acceptance: Acceptance;
  readonly #backlog: Backlog;
  readonly #delivery: Delivery;
  readonly #flushes = new Flushes();
  /** What the last link took along, never to be sent again. */
  #lost = { count: 0, bytes: 0 };
  #dropped = 0;
  #ended: WSError | undefined;
  #unsent: Unsent | undefined;

  constructor(options: OutboundOptions, hooks: OutboundHooks) {
    const { sendQueueMaxSize: maxSize, sendQueueMaxBytes: maxBytes } = options;
    const { overflow, redeliver, spool } = options;
    const { now = Date.now, waits, onError } = hooks;
    this.#hooks = hooks;
    const composer = new Composer(redeliver, now, onError);
    const isUsed = typeof redeliver === "string" && spool === undefined;
    const express = new Express({ isUsed, maxSize, maxBytes });
    this.#delivery = new Delivery(redeliver, maxSize, express, {
      next: () => this.#backlog.next(),
      handedOver: () => this.#backlog.admit(),
      ranOut: () => this.#backlog.ranOut(),
      leaveExpress: () => this.#backlog.leaveExpress(),
      settled: (entry) => this.#backlog.settle(entry),
      lost: (entry) => this.#lose(entry),
      returned: (entries) => this.#backlog.putBack(entries),
      moved: () => this.#moved(),
      onError,
    }, waits);
    const once = redeliver === "none";
    this.#backlog = new Backlog(
      { maxSize, maxBytes, overflow, spool, once },
      express,
      this.#delivery.ledger,
      {
        accepted: () => this.#delivery.run(),
        dropped: (entry, reason) => this.#reportDrop(entry, reason),
        isTaking: () => this.#delivery.isTaking,
        restore: (stored) => composer.restore(stored),
        onError,
        now,
      },
    );
    this.#acceptance = new Acceptance(
      options,
      () => hooks.mayWait(),
      composer,
      this.#backlog,
    );
  }

  /**
   * Opens the spool, if there is one.
   * @throws {WSError} `SPOOL` or `PERMISSION`, fatal, when it cannot be opened
   */
  open(): Promise<void> {
    return this.#backlog.open();
  }

  // Sending ------------------------------------------------------------------

  /**
   * Accepts a message, or waits until there is room.
   * @throws {WSError} `QUEUE_FULL`, `TOO_LARGE`, `EXPIRED`, `ABORTED`, `SPOOL`,
   * `CALLBACK` when `redeliver.id` gives no id, or what ended the client
   * @throws {TypeError | RangeError} a wrong message or option
   */
  send(data: Message, options?: SendOptions): Promise<void> {
    if (this.#ended !== undefined) return rejected(this.#ended);
    return this.#acceptance.send(data, options);
  }

  /**
   * Accepts a message if that is possible at once.
   * @throws {TypeError | RangeError} a wrong message or option
   */
  trySend(data: Message, options?: SendOptions): boolean {
    return this.#ended === undefined && this.#acceptance.trySend(data, options);
  }

  /**
   * Waits until all that was accepted so far is on the network, or
   * acknowledged; `false` when `ms` ran out, or a link took some of it along.
   * @throws {WSError} what ended the client before
   */
  flush(ms = Infinity): Promise<boolean> {
    if (this.#ended !== undefined) return rejected(this.#ended);
    this.#backlog.commit();
    const upTo = this.#backlog.lastOrder;
    if (upTo < this.#firstUnsettled()) return Promise.resolve(true);
    const refusal = this.#hooks.mayWait();
    if (refusal !== undefined) return rejected(refusal);
    return handled(this.#flushes.wait(upTo, ms));
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
    if (this.#ended !== undefined) return;
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

  /** Takes note of what an inbound message acknowledges, if anything. */
  acknowledge(data: Message): void {
    this.#delivery.acknowledge(data);
  }

  /** Settles everybody who waits, and says what was not sent. */
  end(error: WSError): Unsent {
    if (this.#unsent !== undefined) return this.#unsent;
    this.#ended = error;
    this.#delivery.detach(false);
    this.#backlog.end(error);
    this.#flushes.fail(error);
    this.#unsent = {
      unsent: this.#backlog.count + this.#lost.count,
      unsentBytes: this.#backlog.bytes + this.#lost.bytes,
    };
    return this.#unsent;
  }

  // Looking ------------------------------------------------------------------

  /** Messages accepted and not handed to a socket. */
  get queued(): number {
    return this.#backlog.count;
  }

  /** Their bytes. */
  get queuedBytes(): number {
    return this.#backlog.bytes;
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

  #reportDrop(entry: Entry, reason: DropReason): void {
    this.#delivery.ledger.forget(entry);
    this.#dropped++;
    this.#hooks.onDrop(entry.data, reason);
    this.#moved();
  }

  #lose(entry: Entry): void {
    this.#lost.count++;
    this.#lost.bytes += entry.bytes;
    this.#flushes.lose(entry.order);
    this.#backlog.settle(entry);
  }

  /** There may be room for those who wait, and less to wait for. */
  #moved(): void {
    this.#backlog.admit();
    if (this.#flushes.count > 0) {
      this.#flushes.settled(this.#firstUnsettled());
    }
  }

  /** The order of the first message that is not settled. */
  #firstUnsettled(): number {
    return this.#delivery.ledger.oldest?.order ?? this.#backlog.nextOrder;
  }
}
