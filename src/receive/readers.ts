/**
 * All readers of a client. Each gets every message that arrives after it was
 * made, at its own pace, through a buffer of its own.
 *
 * @module
 */

import { abortable } from "@std/async/abortable";
import { WSError } from "../errors.ts";
import type { Message } from "../message.ts";
import { type ReadOptions, resolveReadOptions } from "../method_options.ts";
import type { Notifier } from "../notifier.ts";
import type { ResolvedConfig } from "../resolve_config.ts";
import {
  type DroppedRange,
  ReadBuffer,
  type ReadBufferEvents,
} from "./read_buffer.ts";
import { ReadableSide } from "./streams.ts";

/** The options that hold for readers which do not set their own. */
export type ReceiveConfig = Pick<
  ResolvedConfig,
  | "transport"
  | "receiveBufferMaxSize"
  | "receiveBufferMaxBytes"
  | "receiveOverflow"
  | "redeliver"
  | "pingTimeout"
>;

/** The source of the messages. */
export interface MessageSource {
  /**
   * `"disconnect"`: a reader could not take a message; the connection that
   * brought it is to be ended. Called again for each further message.
   */
  failCurrent(error: WSError): void;
  /**
   * `"pause"`: a reader is full; stop reading from the socket. Called again for
   * messages that come nevertheless, for example on a new connection. `false`:
   * every full reader has drained to half, or has ended.
   */
  setReadingPaused(isPaused: boolean): void;
}

/** The client that {@linkcode Readers} belong to. */
export interface ReadersHost {
  readonly notifier: Pick<Notifier, "error" | "gap">;
  readonly loop: MessageSource;
  /** Whether calls of `send` or `flush` wait for acknowledgements. */
  readonly awaitsAcknowledgements: boolean;
  /**
   * The time, in milliseconds since the epoch.
   * @default Date.now
   */
  now?(): number;
}

type State =
  | { readonly kind: "open" }
  | { readonly kind: "ended"; readonly error: WSError | undefined };

interface Dropped {
  readonly from: number;
  readonly cause: WSError;
  count: number;
}

const OPEN: State = { kind: "open" };
const NO_READERS: readonly ReadBuffer[] = Object.freeze([]);

/** The readers of one client. */
export class Readers implements ReadBufferEvents {
  readonly #config: ReceiveConfig;
  readonly #host: ReadersHost;
  #state = OPEN;
  /** Never changed in place: a callback may end a reader during a delivery. */
  #readers = NO_READERS;
  #made = 0;
  #readable: ReadableSide | undefined;
  #drained: PromiseWithResolvers<void> | undefined;
  /** What readers with `"disconnect"` dropped; not yet part of a gap. */
  #dropped: Dropped | undefined;
  /** While reading is paused; see {@linkcode Readers.#watchPause}. */
  #pauseTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(config: ReceiveConfig, host: ReadersHost) {
    this.#config = config;
    this.#host = host;
  }

  /**
   * Makes a reader that gets the messages from now on.
   * @throws {TypeError} an option of the wrong kind, an unknown option
   * @throws {RangeError} a bound that is not a whole number from 1
   */
  add(options: ReadOptions = {}): AsyncIterableIterator<Message, undefined> {
    return this.#add("messages()", options);
  }

  /** The stream of messages. It starts buffering at its first read. */
  get readable(): ReadableStream<Message> {
    if (this.#readable === undefined) {
      this.#readable = new ReadableSide(() => this.#add("readable", {}));
      if (this.#state.kind === "ended") this.#readable.end(this.#state.error);
    }
    return this.#readable.stream;
  }

  /** The readers at this moment. */
  get current(): readonly ReadBuffer[] {
    return this.#readers;
  }

  /** Whether a reader with `"pause"` is full: nothing should be read now. */
  get isPaused(): boolean {
    return this.#readers.some(isPausing);
  }

  /** Whether a reader has messages to read. */
  get hasUnread(): boolean {
    return this.#readers.some(hasUnread);
  }

  /**
   * Gives a message to the readers that existed when it arrived; a reader that
   * was made since then, in `onMessage`, starts with the next message.
   */
  deliver(message: Message, readers: readonly ReadBuffer[]): void {
    for (let i = 0; i < readers.length; i++) readers[i]?.push(message);
  }

  /**
   * Ends all readers, each behind its buffered messages; later ones end at
   * once.
   */
  end(error?: WSError): void {
    if (this.#state.kind === "ended") return;
    this.#state = { kind: "ended", error };
    for (const reader of this.#readers) reader.end(error);
    this.#readable?.end(error);
    if (this.#dropped !== undefined) {
      const { from, count, cause } = this.#dropped;
      this.#dropped = undefined;
      const to = this.now();
      this.#host.notifier.gap({ from, to, cause, attempts: 0, count });
    }
  }

  /**
   * Waits until every reader that was too slow has drained to half, or has
   * ended.
   * @throws the signal's reason, once it aborts
   */
  async drained(signal: AbortSignal): Promise<void> {
    if (!this.#readers.some(isTooSlow)) return;
    this.#drained ??= Promise.withResolvers();
    await abortable(this.#drained.promise, signal);
  }

  /**
   * The messages dropped for slow readers since the last call, for the gap of
   * the outage: one outage is one gap, whatever its cause.
   */
  takeDropped(): DroppedRange | undefined {
    if (this.#dropped === undefined) return undefined;
    const { from, count } = this.#dropped;
    this.#dropped = undefined;
    return { from, to: this.now(), count };
  }

  #add(kind: string, options: ReadOptions): ReadBuffer {
    const { signal, ...bounds } = resolveReadOptions(options, this.#config);
    const name = `Reader ${++this.#made} (${kind})`;
    const reader = new ReadBuffer(name, bounds, this);
    if (signal?.aborted) {
      reader.return();
    } else if (this.#state.kind === "ended") {
      reader.end(this.#state.error);
    } else {
      this.#readers = Object.freeze([...this.#readers, reader]);
      if (signal !== undefined) reader.endWith(signal);
    }
    return reader;
  }

  // Called by the buffers --------------------------------------------------------

  onFull(reader: ReadBuffer): void {
    const { loop } = this.#host;
    if (pauses(reader)) {
      if (this.#pauseTimer === undefined) this.#watchPause(reader);
      return loop.setReadingPaused(true);
    }
    const cause = slowReader(reader);
    this.#dropped ??= { from: this.now(), count: 0, cause };
    this.#dropped.count++;
    loop.failCurrent(cause);
  }

  onDrained(reader: ReadBuffer): void {
    if (pauses(reader)) {
      if (this.isPaused) return;
      clearTimeout(this.#pauseTimer);
      this.#pauseTimer = undefined;
      this.#host.loop.setReadingPaused(false);
    } else if (!this.#readers.some(isTooSlow)) {
      this.#drained?.resolve();
      this.#drained = undefined;
    }
  }

  onDropped(reader: ReadBuffer, range: DroppedRange): void {
    const cause = slowReader(reader);
    this.#host.notifier.gap({ ...range, cause, attempts: 0 });
  }

  onError(error: WSError): void {
    this.#host.notifier.error(error);
  }

  onEnd(reader: ReadBuffer): void {
    this.#readers = this.#readers.filter((other) => other !== reader);
  }

  now(): number {
    return this.#host.now?.() ?? Date.now();
  }

  /**
   * A loop that reads and awaits `send` waits for ever when acknowledgements
   * come after messages for which the reader has no room. They cannot be read
   * without breaking the bound, so this is reported, once in a pause.
   */
  #watchPause(reader: ReadBuffer): void {
    const { redeliver, pingTimeout } = this.#config;
    if (typeof redeliver === "string") return;
    const { size } = reader;
    this.#pauseTimer = setTimeout(() => {
      if (reader.size < size || !this.#host.awaitsAcknowledgements) {
        this.#watchPause(this.#readers.find(isPausing) ?? reader);
      } else {
        this.#host.notifier.error(stalledReader(reader, pingTimeout));
      }
    }, pingTimeout);
  }
}

function pauses(reader: ReadBuffer): boolean {
  return reader.bounds.overflow === "pause";
}

function isPausing(reader: ReadBuffer): boolean {
  return reader.isFull && pauses(reader);
}

function hasUnread(reader: ReadBuffer): boolean {
  return reader.size > 0;
}

function isTooSlow(reader: ReadBuffer): boolean {
  return reader.isFull && !pauses(reader);
}

function stalledReader({ name }: ReadBuffer, ms: number): WSError {
  return new WSError(
    `${name} is full and was not read for ${ms} ms, so the client reads ` +
      "nothing more, while send() or flush() waits for acknowledgements: do " +
      "not await them in the loop that reads, or raise 'receiveBufferMaxSize' " +
      "or 'sendQueueMaxSize'",
    { code: "SLOW_CONSUMER", severity: "transient" },
  );
}

function slowReader({ name, bounds, wasRead }: ReadBuffer): WSError {
  const { maxSize, maxBytes } = bounds;
  const advice = wasRead
    ? ""
    : ". It was never read: read it, or end it with return()";
  return new WSError(
    `${name} is too slow: its buffer of at most ${maxSize} messages and ` +
      `${maxBytes} bytes is full${advice}`,
    { code: "SLOW_CONSUMER", severity: "transient" },
  );
}
