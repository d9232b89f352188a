/**
 * Messages that arrived before the connect hook has passed: the hook reads some
 * of them, and the rest is delivered when the hook has settled.
 *
 * @module
 */

import type { Message } from "../message.ts";
import type { ResolvedConfig } from "../resolve_config.ts";

/** The options that bound a {@linkcode ReceiveBuffer}. */
export type ReceiveBufferConfig = Pick<
  ResolvedConfig,
  "receiveOverflow" | "receiveBufferMaxSize" | "receiveBufferMaxBytes"
>;

/**
 * At least so many messages, and bytes, fit if the socket cannot be paused and
 * the readers drop what does not fit: they may have small buffers, but neither
 * the hook nor `onMessage` should miss a message for that.
 */
const LEAST_SIZE = 10_000;
const LEAST_BYTES = 64 * 1024 * 1024;

/** Messages kept in order, within bounds. */
export class ReceiveBuffer {
  readonly #maxSize: number;
  readonly #maxBytes: number;
  #messages: Message[] = [];
  #bytes = 0;
  readonly #pendingReads: PromiseWithResolvers<Message>[] = [];
  #end: Error | undefined;

  constructor(config: ReceiveBufferConfig, canPause: boolean) {
    const { receiveBufferMaxSize, receiveBufferMaxBytes } = config;
    const isLarge = config.receiveOverflow !== "disconnect" && !canPause;
    this.#maxSize = Math.max(receiveBufferMaxSize, isLarge ? LEAST_SIZE : 0);
    this.#maxBytes = Math.max(receiveBufferMaxBytes, isLarge ? LEAST_BYTES : 0);
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
    return this.size > 1 &&
      (this.size > this.#maxSize || this.#bytes > this.#maxBytes);
  }

  /** Whether it is at most half full. */
  get isHalfEmpty(): boolean {
    return this.size * 2 <= this.#maxSize && this.#bytes * 2 <= this.#maxBytes;
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
