/**
 * What came in before anybody may get it: the gate takes from it, and the rest
 * is delivered when the gate has passed.
 *
 * @module
 */

import type { Message } from "../message.ts";

/** The bounds of a {@linkcode Hold}. */
export interface HoldOptions {
  readonly holdMaxSize: number;
  /** UTF-16 code units of texts, bytes of binary messages. */
  readonly holdMaxBytes: number;
  /** Told what the gate takes: that is not delivered to anybody else. */
  onTaken?(data: Message): void;
}

/** Messages held in order, within bounds. */
export class Hold {
  readonly #options: HoldOptions;
  #messages: Message[] = [];
  #bytes = 0;
  readonly #takers: PromiseWithResolvers<Message>[] = [];
  #ended: Error | undefined;

  constructor(options: HoldOptions) {
    this.#options = options;
  }

  /** How many messages are held. */
  get size(): number {
    return this.#messages.length;
  }

  /** Gives a message to who waits for one, or holds it; false: past the bounds. */
  push(data: Message): boolean {
    const taker = this.#takers.shift();
    if (taker !== undefined) {
      this.#hand(taker, data);
      return true;
    }
    this.#messages.push(data);
    this.#bytes += data.length;
    // A single message larger than the bound could otherwise never come in.
    if (this.size === 1) return true;
    const { holdMaxSize, holdMaxBytes } = this.#options;
    return this.size <= holdMaxSize && this.#bytes <= holdMaxBytes;
  }

  /** The next message. Rejects, once nothing is held, with what ended it. */
  take(): Promise<Message> {
    const taker = Promise.withResolvers<Message>();
    const next = this.#messages.shift();
    if (next !== undefined) {
      this.#bytes -= next.length;
      this.#hand(taker, next);
    } else if (this.#ended !== undefined) {
      taker.reject(this.#ended);
    } else {
      this.#takers.push(taker);
    }
    return taker.promise;
  }

  /** All that is held, in order. */
  takeAll(): Message[] {
    const messages = this.#messages;
    this.#messages = [];
    this.#bytes = 0;
    return messages;
  }

  /** Who still waits gets nothing of what comes later. */
  end(error: Error): void {
    this.#ended = error;
    for (const taker of this.#takers.splice(0)) taker.reject(error);
  }

  #hand(taker: PromiseWithResolvers<Message>, data: Message): void {
    this.#options.onTaken?.(data);
    taker.resolve(data);
  }
}
