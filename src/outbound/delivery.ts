/**
 * From the queue to one link after another, and back when a link dies.
 *
 * What goes back depends on the promise that was made:
 *
 * - `"unflushed"`: what the network had not taken, as far as the last sample
 *   of the socket tells. Nothing, if the peer answered our close frame.
 * - `"none"`: nothing. What the network had not taken is lost.
 * - acknowledged: what the server has not acknowledged, flushed or not.
 *
 * @module
 */

import type { Redelivery } from "../config.ts";
import type { WSError } from "../errors.ts";
import { byteLength, type Message } from "../message.ts";
import { callbackError } from "../notifier.ts";
import { AckLedger } from "./acknowledgements.ts";
import type { Entry, EntryList } from "./entry.ts";
import type { Express } from "./express.ts";
import { FlushLedger, type Ledger } from "./ledger.ts";
import { type Give, Pump, type Sink, type Waits } from "./pump.ts";

/** Where messages come from, and who hears what became of them. */
export interface DeliveryHost {
  /** Takes the next message out of the queue. */
  next(): Entry | undefined;
  /** A message has left the queue, where there may be room now. */
  handedOver(): void;
  /** What was handed over is not on the network yet. */
  ranOut(): void;
  /** What is on the short way goes the long one: its link is gone. */
  leaveExpress(): void;
  /** The message has arrived, as far as was promised. */
  settled(entry: Entry): void;
  /** A link took the message along, and it will not be sent again. */
  lost(entry: Entry): void;
  /** These go back to the head of the queue. */
  returned(entries: EntryList): void;
  /** Called after any of the last three. */
  moved(): void;
  onError(error: WSError): void;
}

/** Delivers messages over one link after another. */
export class Delivery {
  readonly ledger: Ledger;
  /** Messages handed to sockets, each time counted. */
  messagesSent = 0;
  /** Their bytes. */
  bytesSent = 0;
  /** Messages handed over once more. */
  redelivered = 0;
  readonly #redeliver: Redelivery;
  readonly #express: Express;
  readonly #acknowledgements: AckLedger | undefined;
  readonly #host: DeliveryHost;
  readonly #pump: Pump;

  /**
   * `window` is the default of how many may be unacknowledged; on the short way
   * nothing is.
   */
  constructor(
    redeliver: Redelivery,
    window: number,
    express: Express,
    host: DeliveryHost,
    waits?: Waits,
  ) {
    this.#redeliver = redeliver;
    this.#express = express;
    this.#host = host;
    const settle = (entry: Entry) => host.settled(entry);
    if (typeof redeliver === "string") {
      this.ledger = new FlushLedger(settle);
    } else {
      this.ledger = this.#acknowledgements = new AckLedger(
        redeliver.window ?? window,
        settle,
      );
    }
    this.#pump = new Pump({
      handOver: (give) => this.#handOver(give),
      sampled: (buffered, turned) => {
        express.sampled(buffered);
        this.ledger.sampled(buffered, turned);
        host.moved();
      },
      ranOut: () => host.ranOut(),
      wantsSamples: () => express.socketCount > 0 || this.ledger.wantsSamples,
    }, waits);
  }

  /** A link is open and its gate has passed: its socket gets the queue. */
  attach(sink: Sink): void {
    if (!this.#pump.has(sink)) this.detach(false);
    this.#pump.attach(sink);
  }

  /** Whether there is a link that takes messages. */
  get isTaking(): boolean {
    return this.#pump.isTaking;
  }

  /** There may be more to hand over, or more room in the window. */
  run(): void {
    this.#pump.run();
  }

  /** The socket gets no more from the queue, and is still looked at. */
  pause(): void {
    this.#pump.pause();
  }

  /** Sends at once, and never again; `false` when there is no open link. */
  sendUrgent(data: Message): boolean {
    const bytes = byteLength(data);
    if (!this.#pump.sendUrgent(data, bytes)) return false;
    this.#express.addUrgent(bytes);
    this.ledger.addUrgent(bytes);
    return true;
  }

  /**
   * The link is gone. `delivered`: the peer has answered our close frame, and
   * so has read everything before it.
   */
  detach(delivered: boolean): void {
    this.#pump.detach();
    if (this.#express.socketCount > 0) this.#host.leaveExpress();
    const back = this.ledger.takeBack();
    const goesBack = this.#redeliver === "unflushed"
      ? !delivered
      : this.#redeliver !== "none";
    if (goesBack) this.#host.returned(back);
    for (const entry of back) {
      if (delivered) this.#host.settled(entry);
      else this.#host.lost(entry);
    }
    this.#host.moved();
  }

  /** Takes note of what an inbound message acknowledges, if anything. */
  acknowledge(data: Message): void {
    const ids = this.#acknowledgedBy(data);
    if (ids.length === 0) return;
    for (const id of ids) this.#acknowledgements?.acknowledge(id);
    this.#host.moved();
    this.#pump.run();
  }

  #acknowledgedBy(data: Message): readonly (string | number)[] {
    if (typeof this.#redeliver === "string") return [];
    try {
      const ids = this.#redeliver.acknowledged(data);
      if (ids === undefined) return [];
      return typeof ids === "object" ? [...ids] : [ids];
    } catch (cause) {
      // Not a list, too, is an error of the callback.
      this.#host.onError(callbackError("redeliver.acknowledged", cause));
      return [];
    }
  }

  #handOver(give: Give): boolean {
    const express = this.#express;
    if (express.queuedCount > 0 || !this.#handOverEntry(give)) {
      // What the long way dropped may have let somebody in by the short one.
      if (express.queuedCount === 0 || !this.isTaking) return false;
      this.#handOverExpress(give);
    }
    this.#host.handedOver();
    return true;
  }

  #handOverExpress(give: Give): void {
    const { queuedCount, queuedBytes } = this.#express;
    this.#express.handOver(give);
    this.messagesSent += queuedCount - this.#express.queuedCount;
    this.bytesSent += queuedBytes - this.#express.queuedBytes;
  }

  #handOverEntry(give: Give): boolean {
    if (this.ledger.isFull) return false;
    const entry = this.#host.next();
    if (entry === undefined) return false;
    this.ledger.add(entry);
    if (entry.handedOver) this.redelivered++;
    entry.handedOver = true;
    this.messagesSent++;
    this.bytesSent += entry.bytes;
    give(entry.data, entry.bytes);
    return true;
  }
}
