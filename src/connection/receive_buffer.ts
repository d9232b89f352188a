/**
 * Messages that arrived before the connect hook has passed: the hook reads some
 * of them, and the rest is delivered when the hook has settled.
 *
 * @module
 */

import type { Message } from "../message.ts";
import type { ResolvedConfig } from "../resolve_config.ts";

/** The bounds of a {@linkcode ReceiveBuffer}. */
export type ReceiveBufferBounds = Pick<
  ResolvedConfig,
  "receiveBufferMaxSize" | "receiveBufferMaxBytes"
>;

/** Messages kept in order, within bounds. */
export class ReceiveBuffer {
  readonly #bounds: ReceiveBufferBounds;
  #messages: Message[] = [];
  #bytes = 0;
  readonly #pendingReads: PromiseWithResolvers<Message>[] = [];
  #end: Error | undefined;

  constructor(bounds: ReceiveBufferBounds) {
    this.#bounds = bounds;
  }

  /** How many messages are kept. */
  get size(): number {
    return this.#messages.length;
  }

  /**
   * Whether it has more than its bounds allow. A single message may be larger,
   * as it could never be received otherwise.
   */
  get isOverfull(): boolean {
    const { receiveBufferMaxSize, receiveBufferMaxBytes } = this.#bounds;
    return this.size > 1 &&
      (this.size > receiveBufferMaxSize || this.#bytes > receiveBufferMaxBytes);
  }

  /** Whether it is at most half full. */
  get isHalfEmpty(): boolean {
    const { receiveBufferMaxSize, receiveBufferMaxBytes } = this.#bounds;
    return this.size * 2 <= receiveBufferMaxSize &&
      this.#bytes * 2 <= receiveBufferMaxBytes;
  }

  /** Gives a message to the oldest pending read, or keeps it; whether it was read. */
  push(data: Message): boolean {
    const read = this.#pendingReads.shift();
    if (read !== undefined) {
      read.resolve(data);
      return true;
    }
    this.#messages.push(data);
    this.#bytes += data.length;
    return false;
  }

  /** Takes the next message, if there is one. */
  shift(): Message | undefined {
    const next = this.#messages.shift();
    if (next !== undefined) this.#bytes -= next.length;
    return next;
  }

  /**
   * Waits for the next message; rejects with the error that ended the reads.
   */
  read(): Promise<Message> {
    const read = Promise.withResolvers<Message>();
    if (this.#end === undefined) this.#pendingReads.push(read);
    else read.reject(this.#end);
    return read.promise;
  }

  /** Takes all messages, in order. */
  takeAll(): Message[] {
    const messages = this.#messages;
    this.#messages = [];
    this.#bytes = 0;
    return messages;
  }

  /** Rejects pending reads, and later ones. */
  endReads(error: Error): void {
    this.#end = error;
    for (const read of this.#pendingReads.splice(0)) read.reject(error);
  }
}
