/**
 * The bounded buffer of one reader.
 *
 * Rules, whatever happens when it is full:
 *
 * 1. A pending `next()` gets a message at once; only a message for which no
 *    `next()` is pending is buffered.
 * 2. The buffer never holds more messages or bytes than its bounds allow, with
 *    two exceptions. A message larger than `maxBytes` is kept when it is alone,
 *    as it could never be received otherwise. And with `"pause"` nothing is
 *    dropped: messages that arrive before the socket stops are kept.
 * 3. Messages that were dropped in a row are one range. It is reported before
 *    the reader gets the next message, or at the latest when the reader ends.
 *    The clock is read when a range begins and when it is reported, never for
 *    each message.
 * 4. After the end, buffered messages can still be read; then comes the error,
 *    once, if there was one.
 *
 * @module
 */

import { callbackError, type WSError } from "../errors.ts";
import { handled, isPromise } from "../handled.ts";
import type { Message } from "../message.ts";
import type { ReadBounds } from "../method_options.ts";
import { wrongSecret } from "../rules.ts";

/** Messages that a reader will never see. */
export interface DroppedRange {
  /** When the first one was dropped, in milliseconds since the epoch. */
  readonly from: number;
  /** When the range was reported, in milliseconds since the epoch. */
  readonly to: number;
  /** How many there are. */
  readonly count: number;
}

/** What a {@linkcode ReadBuffer} reports. */
export interface ReadBufferEvents {
  /**
   * `"disconnect"`: a message did not fit and is lost to this reader.
   * `"pause"`: the buffer is full. Called again for each further message.
   */
  onFull(buffer: ReadBuffer): void;
  /** After `onFull`: the buffer is at most half full again, or has ended. */
  onDrained(buffer: ReadBuffer): void;
  /** With the other policies: messages were dropped. */
  onDropped(buffer: ReadBuffer, range: DroppedRange): void;
  /** The program's `conflate` threw. */
  onError(error: WSError): void;
  /** Nothing more will be buffered. */
  onEnd(buffer: ReadBuffer): void;
  /** The time, in milliseconds since the epoch. */
  now(): number;
}

type Result = IteratorResult<Message, undefined>;

const DONE: Result = Object.freeze({ value: undefined, done: true });

type State =
  | { readonly kind: "open" }
  /** Was full and has not drained to half. */
  | { readonly kind: "full" }
  /** With the error that the reader has not got yet. */
  | { readonly kind: "ended"; readonly error?: WSError };

const OPEN: State = { kind: "open" };
const FULL: State = { kind: "full" };
const ENDED: State = { kind: "ended" };

/** The bounded buffer of one reader, and the iterator that empties it. */
export class ReadBuffer implements AsyncIterableIterator<Message, undefined> {
  /** The name of this reader in errors. */
  readonly name: string;
  /** Its bounds, and what happens when it is full. */
  readonly bounds: ReadBounds;
  readonly #events: ReadBufferEvents;
  #state = OPEN;
  #wasRead = false;
  readonly #messages = new Ring<Message>();
  readonly #pendingReads = new Ring<PromiseWithResolvers<Result>>();
  /** With `conflate`, instead of `#messages`. */
  readonly #latest: LatestByKey | undefined;
  #bytes = 0;
  /** Dropped and not yet reported. */
  #dropped = 0;
  #droppedSince = 0;
  #forgetSignal: (() => void) | undefined;

  constructor(name: string, bounds: ReadBounds, events: ReadBufferEvents) {
    this.name = name;
    this.bounds = bounds;
    this.#events = events;
    if (typeof bounds.overflow === "object") this.#latest = new LatestByKey();
  }

  /** How many messages are buffered. */
  get size(): number {
    return this.#latest?.size ?? this.#messages.length;
  }

  /** How many bytes are buffered; a text counts its UTF-16 code units. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether it was full and has not drained to half since. */
  get isFull(): boolean {
    return this.#state.kind === "full";
  }

  /** Whether it never drops or replaces a message that it has buffered. */
  get keepsAll(): boolean {
    const { overflow } = this.bounds;
    return overflow === "pause" || overflow === "disconnect";
  }

  /** Whether a message was ever asked for. */
  get wasRead(): boolean {
    return this.#wasRead;
  }

  /** Takes a message; ignored after the end. */
  push(message: Message): void {
    if (this.#state.kind === "ended") return;
    const read = this.#pendingReads.shift();
    if (read !== undefined) {
      read.resolve({ value: message, done: false });
      return;
    }
    const { overflow } = this.bounds;
    if (typeof overflow === "object") {
      return this.#pushLatest(message, overflow.conflate);
    }
    const bytes = bytesOf(message);
    switch (overflow) {
      case "disconnect":
        if (!this.#fits(bytes)) return this.#becomeFull();
        break;
      case "drop-newest":
        if (!this.#fits(bytes)) return this.#countDropped();
        if (this.#dropped > 0) {
          // The callback may read from this buffer or end it: start again.
          this.#reportDropped();
          return this.push(message);
        }
        break;
      case "drop-oldest":
        while (!this.#fits(bytes)) this.#dropOldest();
        break;
      case "pause":
        break;
      default:
        overflow satisfies never;
    }
    this.#messages.push(message);
    this.#bytes += bytes;
    // Reading stops before a message does not fit, as none may be lost.
    if (overflow === "pause" && this.#hasReachedBounds()) this.#becomeFull();
  }

  /** The next message, if there is one. */
  take(): Message | undefined {
    this.#wasRead = true;
    // The range is before the oldest message, or after the newest one.
    if (this.#dropped > 0 && (this.#dropsOldest || this.size === 0)) {
      this.#reportDropped();
    }
    const message = this.#shift();
    if (
      message !== undefined && this.#state.kind === "full" &&
      this.#isHalfEmpty()
    ) this.#drained();
    return message;
  }

  /** The next message, the error or the end, as soon as there is one. */
  next(): Promise<Result> {
    const message = this.take();
    if (message !== undefined) {
      return Promise.resolve({ value: message, done: false });
    }
    const read = Promise.withResolvers<Result>();
    this.#pendingReads.push(read);
    if (this.#state.kind === "ended") this.#settlePendingReads();
    return read.promise;
  }

  /** Ends this reader and drops its buffered messages. */
  return(): Promise<Result> {
    this.end();
    this.#state = ENDED;
    this.#messages.clear();
    this.#latest?.clear();
    this.#bytes = 0;
    return Promise.resolve(DONE);
  }

  /** Ends this reader after its buffered messages. */
  end(error?: WSError): void {
    if (this.#state.kind === "ended") return;
    const wasFull = this.#state.kind === "full";
    this.#state = { kind: "ended", error };
    this.#forgetSignal?.();
    if (this.#dropped > 0) this.#reportDropped();
    if (wasFull) this.#events.onDrained(this);
    this.#settlePendingReads();
    this.#events.onEnd(this);
  }

  /** Ends this reader, as `return()` does, when the signal aborts. */
  endWith(signal: AbortSignal): void {
    const abort = () => void this.return();
    signal.addEventListener("abort", abort);
    this.#forgetSignal = () => signal.removeEventListener("abort", abort);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The first pending read gets the error; the others get the end. */
  #settlePendingReads(): void {
    for (;;) {
      const read = this.#pendingReads.shift();
      if (read === undefined) return;
      const error = this.#state.kind === "ended"
        ? this.#state.error
        : undefined;
      if (error === undefined) {
        read.resolve(DONE);
      } else {
        handled(read.promise);
        read.reject(error);
        this.#state = ENDED;
      }
    }
  }

  // Room ---------------------------------------------------------------------------

  #fits(bytes: number): boolean {
    const { maxSize, maxBytes } = this.bounds;
    return this.size === 0 ||
      this.size < maxSize && this.#bytes + bytes <= maxBytes;
  }

  #hasReachedBounds(): boolean {
    const { maxSize, maxBytes } = this.bounds;
    return this.size >= maxSize || this.#bytes >= maxBytes;
  }

  #becomeFull(): void {
    this.#state = FULL;
    this.#events.onFull(this);
  }

  #isHalfEmpty(): boolean {
    const { maxSize, maxBytes } = this.bounds;
    return this.size * 2 <= maxSize && this.#bytes * 2 <= maxBytes;
  }

  #drained(): void {
    this.#state = OPEN;
    this.#events.onDrained(this);
  }

  // Messages -----------------------------------------------------------------------

  #pushLatest(
    message: Message,
    conflate: (data: Message) => unknown,
  ): void {
    const latest = this.#latest;
    if (latest === undefined) return;
    // A key of its own keeps the message beside the others.
    let key: Key = Symbol();
    try {
      const given = conflate(message);
      if (isKey(given)) key = given;
      else if (given !== undefined) {
        isPromise(given); // of an async function: it must not end the program
        const rule = "a string or a number other than NaN";
        throw wrongSecret("conflate()", rule, given);
      }
    } catch (cause) {
      this.#events.onError(callbackError("receiveOverflow.conflate", cause));
    }
    // Both calls ran code of the program, which may have used this reader.
    if (this.#state.kind === "ended" || this.#pendingReads.length > 0) {
      return this.push(message);
    }
    const bytes = bytesOf(message);
    const old = latest.get(key);
    if (old !== undefined) {
      const more = bytes - bytesOf(old);
      if (this.#bytes + more <= this.bounds.maxBytes) {
        latest.set(key, message);
        this.#bytes += more;
        return;
      }
      // The new message is too large for the old one's place: it moves to the
      // end, and the oldest messages are dropped until it fits.
      latest.delete(key);
      this.#bytes -= bytesOf(old);
    }
    while (!this.#fits(bytes)) this.#dropOldest();
    latest.set(key, message);
    this.#bytes += bytes;
  }

  #shift(): Message | undefined {
    const message = this.#latest === undefined
      ? this.#messages.shift()
      : this.#latest.shift();
    if (message !== undefined) this.#bytes -= bytesOf(message);
    return message;
  }

  // Dropped messages ---------------------------------------------------------------

  get #dropsOldest(): boolean {
    const { overflow } = this.bounds;
    return overflow === "drop-oldest" || typeof overflow === "object";
  }

  #dropOldest(): void {
    this.#shift();
    this.#countDropped();
  }

  #countDropped(): void {
    if (this.#dropped++ === 0) this.#droppedSince = this.#events.now();
  }

  #reportDropped(): void {
    const from = this.#droppedSince;
    const count = this.#dropped;
    this.#dropped = 0;
    this.#events.onDropped(this, { from, to: this.#events.now(), count });
  }
}

function bytesOf(message: Message): number {
  return typeof message === "string" ? message.length : message.byteLength;
}

/** A symbol stands for a message whose key is unknown. */
type Key = string | number | symbol;

function isKey(value: unknown): value is string | number {
  return typeof value === "string" ||
    typeof value === "number" && !Number.isNaN(value);
}

/** The latest message of each key, in the order in which the keys came. */
class LatestByKey {
  readonly #messages = new Map<Key, Message>();
  /**
   * Entries before it are deleted. A new iterator for each `shift()` would step
   * over them again and again.
   */
  #cursor: MapIterator<[Key, Message]> | undefined;

  get size(): number {
    return this.#messages.size;
  }

  get(key: Key): Message | undefined {
    return this.#messages.get(key);
  }

  /** A key that is here keeps its place. */
  set(key: Key, message: Message): void {
    this.#messages.set(key, message);
  }

  delete(key: Key): void {
    this.#messages.delete(key);
  }

  shift(): Message | undefined {
    // An iterator that once reached the end would see nothing that comes later.
    if (this.size === 0) return undefined;
    this.#cursor ??= this.#messages.entries();
    const next = this.#cursor.next();
    if (next.done) return undefined;
    const [key, message] = next.value;
    this.#messages.delete(key);
    return message;
  }

  clear(): void {
    this.#messages.clear();
    this.#cursor = undefined;
  }
}

const FIRST_CAPACITY = 16;

/**
 * First in, first out, without a new object for each entry: a ring buffer that
 * grows; while it is unused it holds no memory.
 */
export class Ring<T> {
  /** The number of slots is 0 or a power of two. */
  #slots: (T | undefined)[] = [];
  #head = 0;
  #tail = 0;

  /** How many entries there are. */
  get length(): number {
    return this.#tail - this.#head;
  }

  /** Appends an entry. */
  push(entry: T): void {
    if (this.length === this.#slots.length) this.#grow();
    this.#slots[this.#tail++ & (this.#slots.length - 1)] = entry;
  }

  /** Removes the oldest entry. */
  shift(): T | undefined {
    if (this.#head === this.#tail) return undefined;
    const slot = this.#head++ & (this.#slots.length - 1);
    const entry = this.#slots[slot];
    this.#slots[slot] = undefined;
    return entry;
  }

  /** Removes everything and frees the memory. */
  clear(): void {
    this.#slots = [];
    this.#head = this.#tail = 0;
  }

  #grow(): void {
    const { length } = this;
    const capacity = Math.max(FIRST_CAPACITY, 2 * length);
    const slots: (T | undefined)[] = new Array(capacity).fill(undefined);
    for (let i = 0; i < length; i++) {
      slots[i] = this.#slots[(this.#head + i) & (length - 1)];
    }
    this.#slots = slots;
    this.#head = 0;
    this.#tail = length;
  }
}
