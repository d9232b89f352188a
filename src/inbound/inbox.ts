/**
 * The bounded buffer of one reader.
 *
 * Rules, whatever is done when it is full:
 *
 * 1. A waiting `next()` gets a message at once; only what nobody waits for is
 *    buffered.
 * 2. It never holds more messages or bytes than allowed, with one exception: a
 *    message larger than all the bytes allowed is kept when it is alone.
 *    Otherwise it could never be received.
 * 3. Messages that were dropped in a row are one hole. A hole is reported
 *    before the reader gets the message after it, and at the latest when the
 *    reader ends. Time is looked up when a hole opens and when it is reported,
 *    never for each message.
 * 4. After the end, what is buffered can still be read; then comes the error,
 *    once, if there was one.
 *
 * @module
 */

import type { ReceiveOverflow } from "../config.ts";
import type { WSError } from "../errors.ts";
import { handled } from "../handled.ts";
import type { Message } from "../message.ts";
import { callbackError } from "../notifier.ts";
import { Ring } from "./ring.ts";

/** The bounds of an {@linkcode Inbox}. */
export interface InboxOptions {
  /** Messages it holds. */
  readonly maxSize: number;
  /** Bytes it holds; a text counts its UTF-16 code units. */
  readonly maxBytes: number;
  /** What to do when it is full. */
  readonly overflow: ReceiveOverflow;
}

/** Messages that a reader will never see. */
export interface Hole {
  /** When the first one was dropped, in milliseconds since the epoch. */
  readonly from: number;
  /** When the hole ended, in milliseconds since the epoch. */
  readonly to: number;
  /** How many there were. */
  readonly count: number;
}

/** What an {@linkcode Inbox} tells its owner. */
export interface InboxHooks {
  /** With `"disconnect"`: a message did not fit, and is lost to this reader. */
  onOverflow(): void;
  /** After `onOverflow`: it is at most half full again, or has ended. */
  onDrained(): void;
  /** With the other policies: messages were dropped. */
  onHole(hole: Hole): void;
  /** The program's `conflate` threw; the message is kept as one of its own. */
  onError(error: WSError): void;
  /** Nothing more will be buffered. */
  onEnd(): void;
  /** The time, in milliseconds since the epoch. */
  now(): number;
}

type Key = string | number;
type Result = IteratorResult<Message, undefined>;

const DONE: Result = Object.freeze({ value: undefined, done: true });

/** The bounded buffer of one reader, and the iterator that empties it. */
export class Inbox implements AsyncIterableIterator<Message, undefined> {
  readonly #options: InboxOptions;
  readonly #hooks: InboxHooks;
  readonly #messages = new Ring<Message>();
  readonly #takers = new Ring<PromiseWithResolvers<Result>>();
  #bytes = 0;
  #ended = false;
  #error: WSError | undefined;
  #isSlow = false;
  #missed = 0;
  #missedSince = 0;
  readonly #conflate: ((data: Message) => Key) | undefined;
  /** With `conflate`: the key of each buffered message, at its position. */
  readonly #keys = new Ring<Key | undefined>();
  readonly #positions = new Map<Key, number>();

  constructor(options: InboxOptions, hooks: InboxHooks) {
    this.#options = options;
    this.#hooks = hooks;
    if (typeof options.overflow === "object") {
      this.#conflate = options.overflow.conflate;
    }
  }

  /** How many messages are buffered. */
  get size(): number {
    return this.#messages.length;
  }

  /** How many bytes are buffered. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Takes in a message; after the end it is ignored. */
  push(message: Message): void {
    if (this.#ended) return;
    const taker = this.#takers.shift();
    if (taker !== undefined) {
      taker.resolve({ value: message, done: false });
    } else if (this.#conflate !== undefined) {
      this.#pushLatest(message, this.#conflate);
    } else {
      this.#append(message);
    }
  }

  /** The next message, the error, or the end; waits for it if need be. */
  next(): Promise<Result> {
    // The hole lies before the oldest message, or behind the newest one.
    if (this.#missed > 0 && (this.#dropsOldest || this.size === 0)) {
      this.#reportHole();
    }
    const message = this.#shift();
    if (message !== undefined) {
      if (this.#isSlow) this.#noticeDrained();
      return Promise.resolve({ value: message, done: false });
    }
    const taker = Promise.withResolvers<Result>();
    this.#takers.push(taker);
    if (this.#ended) this.#settleTakers();
    return taker.promise;
  }

  /** Ends this reader, and forgets what is buffered. */
  return(): Promise<Result> {
    this.#error = undefined;
    this.end();
    this.#messages.clear();
    this.#keys.clear();
    this.#positions.clear();
    this.#bytes = 0;
    return Promise.resolve(DONE);
  }

  /** Ends this reader after what is buffered. */
  end(error?: WSError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    if (this.#missed > 0) this.#reportHole();
    if (this.#isSlow) this.#leaveSlow();
    this.#settleTakers();
    this.#hooks.onEnd();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The first one who waits gets the error; for the others it is over. */
  #settleTakers(): void {
    for (;;) {
      const taker = this.#takers.shift();
      if (taker === undefined) return;
      if (this.#error === undefined) {
        taker.resolve(DONE);
      } else {
        handled(taker.promise);
        taker.reject(this.#error);
        this.#error = undefined;
      }
    }
  }

  get #dropsOldest(): boolean {
    return this.#conflate !== undefined ||
      this.#options.overflow === "drop-oldest";
  }

  #fits(bytes: number): boolean {
    if (this.size === 0) return true;
    return this.size < this.#options.maxSize &&
      this.#bytes + bytes <= this.#options.maxBytes;
  }

  #append(message: Message): void {
    const bytes = bytesOf(message);
    if (!this.#fits(bytes)) {
      if (this.#options.overflow === "disconnect") {
        this.#isSlow = true;
        this.#hooks.onOverflow();
        return;
      }
      if (!this.#dropsOldest) return this.#miss();
      while (!this.#fits(bytes)) this.#dropOldest();
    } else if (this.#missed > 0 && !this.#dropsOldest) {
      // The callback may take from this reader or end it, so begin again.
      this.#reportHole();
      return this.push(message);
    }
    this.#messages.push(message);
    this.#bytes += bytes;
  }

  #pushLatest(message: Message, conflate: (data: Message) => Key): void {
    let key: Key | undefined;
    try {
      key = conflate(message);
    } catch (cause) {
      this.#hooks.onError(callbackError("receiveOverflow.conflate", cause));
    }
    // Both calls ran code of the program, which may have used this reader.
    if (this.#ended || this.#takers.length > 0) return this.push(message);
    const position = key === undefined ? undefined : this.#positions.get(key);
    if (position !== undefined) return this.#replace(position, message);
    this.#append(message);
    const added = this.#keys.push(key);
    if (key !== undefined) this.#positions.set(key, added);
  }

  #replace(position: number, message: Message): void {
    const old = this.#messages.replace(position, message);
    if (old !== undefined) this.#bytes -= bytesOf(old);
    this.#bytes += bytesOf(message);
    while (
      this.#bytes > this.#options.maxBytes && this.#messages.head !== position
    ) this.#dropOldest();
  }

  #dropOldest(): void {
    this.#shift();
    this.#miss();
  }

  #shift(): Message | undefined {
    const message = this.#messages.shift();
    if (message === undefined) return undefined;
    this.#bytes -= bytesOf(message);
    if (this.#conflate !== undefined) {
      const key = this.#keys.shift();
      if (key !== undefined) this.#positions.delete(key);
    }
    return message;
  }

  #miss(): void {
    if (this.#missed++ === 0) this.#missedSince = this.#hooks.now();
  }

  #reportHole(): void {
    const hole = {
      from: this.#missedSince,
      to: this.#hooks.now(),
      count: this.#missed,
    };
    this.#missed = 0;
    this.#hooks.onHole(hole);
  }

  #noticeDrained(): void {
    const { maxSize, maxBytes } = this.#options;
    if (this.size * 2 <= maxSize && this.#bytes * 2 <= maxBytes) {
      this.#leaveSlow();
    }
  }

  #leaveSlow(): void {
    this.#isSlow = false;
    this.#hooks.onDrained();
  }
}

function bytesOf(message: Message): number {
  return typeof message === "string" ? message.length : message.byteLength;
}
