import { Buffer } from "node:buffer";
import type { Message } from "../../message.ts";
import { Decoder, type FrameSink } from "../../protocol/decoder.ts";
import type { MessageDeflate } from "../../protocol/deflate.ts";
import { ProtocolError } from "../../protocol/frames.ts";
import { decodeText } from "../../protocol/text.ts";
import { nextTurn } from "../../turns.ts";
import type { ByteStream } from "./byte_stream.ts";

/** The events of a {@linkcode Receiver}. */
export interface ReceiveEvents {
  onMessage(data: Message): void;
  /** Whether messages wait in the buffers of readers. */
  readonly hasUnread: boolean;
  onPing(payload: Uint8Array): void;
  onPong(payload: Uint8Array): void;
  /** The server's close frame; nothing is delivered after it. */
  onClose(code: number, reason: string): void;
  /** The server broke the protocol; nothing is delivered after it. */
  onViolation(error: ProtocolError): void;
  /** The stream has ended, with an error or without. */
  onReadEnd(error?: unknown): void;
}

/** The limits of a {@linkcode Receiver}. */
export interface ReceiverOptions {
  readonly maxMessageBytes: number;
  /** For a connection with permessage-deflate. */
  readonly deflate?: MessageDeflate;
}

/** An idle connection waits with a buffer of this size, bytes. */
const SMALL = 2 * 1024;
const MEDIUM = 16 * 1024;
const LARGE = 256 * 1024;

/** How long the event loop may have no turn, in milliseconds. */
const SLICE = 4;
/**
 * Reading the clock may cost more than a short message: it is read once per at
 * most this many messages, fragments, pings and pongs, and more often if they
 * take long.
 */
const MOST_BETWEEN_LOOKS = 64;
/** Readers get a turn after this many messages at the latest. */
const MOST_UNREAD = 256;

/** A read that takes longer has probably waited for bytes, in milliseconds. */
const WAIT = 1;
/** So many such reads, of all connections, before the guess is checked. */
const MOST_GUESSES = 8;
let guesses = 0;
let checkedSince = Infinity;

/**
 * Whether a read has waited, and so given the event loop its turn. A read takes
 * long also if other processes or other microtasks ran meanwhile, and nothing
 * in the runtime tells these apart. So from time to time an immediate checks
 * the guess: until it has run, no read that began later has waited.
 */
function hasWaited(from: number, to: number): boolean {
  if (to - from <= WAIT || from >= checkedSince) return false;
  if (++guesses === MOST_GUESSES) {
    checkedSince = to;
    nextTurn(() => {
      guesses = 0;
      checkedSince = Infinity;
    });
  }
  return true;
}

/** The receivers that wait for the next turn of the event loop. */
let waiting = 0;
let nextSlice: Promise<number> | undefined;

/**
 * Waits for the next turn of the event loop.
 * @returns how long the receiver may take then, in milliseconds: all that have
 * waited share a slice
 */
function takeTurn(): Promise<number> {
  waiting++;
  return nextSlice ??= new Promise((resolve) => {
    nextTurn(() => {
      resolve(SLICE / waiting);
      nextSlice = undefined;
      waiting = 0;
    });
  });
}

/** Large buffers that are not in use: at most 1 MiB. */
const SPARE: Buffer<ArrayBuffer>[] = [];

function takeBuffer(size: number): Buffer<ArrayBuffer> {
  const spare = size === LARGE ? SPARE.pop() : undefined;
  return spare ?? Buffer.allocUnsafeSlow(size);
}

function releaseBuffer(buffer: Buffer<ArrayBuffer>): void {
  if (buffer.length === LARGE && SPARE.length < 4) SPARE.push(buffer);
}

const EMPTY = Buffer.alloc(0);

type State =
  /** Delivers messages. */
  | "delivering"
  /** Reads, but delivers nothing until `resume`. */
  | "paused"
  /** Reads to the end and delivers nothing. */
  | "discarding"
  | "stopped";

/**
 * Reads a stream and delivers the messages in it.
 *
 * An idle connection has a pending read with a small buffer, since thousands of
 * connections may be idle. After a read that fills the buffer, a larger one is
 * used. After a burst, the next read has a medium buffer, and the one after it
 * a small one.
 */
export class Receiver implements FrameSink {
  readonly #stream: ByteStream;
  readonly #events: ReceiveEvents;
  readonly #decoder: Decoder;
  readonly #deflate: MessageDeflate | undefined;

  #buffer: Buffer<ArrayBuffer> = EMPTY;
  /** Where the bytes begin and end that are not decoded. */
  #start = 0;
  #end = 0;
  #bytesRead = 0;
  /** The buffer to use after a small one was filled. */
  #loaded: typeof MEDIUM | typeof LARGE = MEDIUM;
  #filled = false;
  /** Whether the last read brought much at once: more is likely to follow. */
  #busy = false;

  #state: State = "delivering";
  #resumed: PromiseWithResolvers<void> | undefined;
  /** A compressed message, which all that follows has to wait for. */
  #compressed: { payload: Uint8Array; isText: boolean } | undefined;
  /** When the event loop last had a turn, as far as is known. */
  #turnedAt = 0;
  /** How long it may take until the next turn, in milliseconds. */
  #slice = SLICE;
  /** Frames since then that count: all but the close frame. */
  #frames = 0;
  /**
   * How many frames may come in a turn that leaves messages unread: as many as
   * the readers take in a slice.
   */
  #portion = 16;
  /** When the clock was read last, and after how many frames it is read next. */
  #lookedAt = 0;
  #nextLook = 1;
  #betweenLooks = 1;
  #yields = false;

  constructor(
    stream: ByteStream,
    events: ReceiveEvents,
    { maxMessageBytes, deflate }: ReceiverOptions,
  ) {
    this.#stream = stream;
    this.#events = events;
    this.#deflate = deflate;
    this.#decoder = new Decoder("client", this, {
      maxMessageBytes,
      compression: deflate !== undefined,
    });
  }

  /** Bytes read so far. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** Delivers nothing more until `resume`; at once, in the middle of a read. */
  pause(): void {
    if (this.#state !== "delivering") return;
    this.#state = "paused";
    this.#decoder.stop();
  }

  resume(): void {
    if (this.#state === "paused") this.#become("delivering");
  }

  /** From now on reads only to see the end of the stream. */
  discard(): void {
    if (this.#state !== "stopped") this.#become("discarding");
  }

  /** Delivers nothing more and reports nothing more. */
  stop(): void {
    this.#become("stopped");
  }

  #become(state: State): void {
    this.#state = state;
    this.#decoder.stop();
    this.#resumed?.resolve();
    this.#resumed = undefined;
  }

  /**
   * Reads to the end; `first` was read before, and the buffer that it lies in
   * is used again. Never rejects.
   */
  async run(first: Uint8Array<ArrayBuffer>): Promise<void> {
    this.#bytesRead = first.length;
    this.#buffer = Buffer.from(first.buffer);
    this.#start = first.byteOffset;
    this.#end = first.byteOffset + first.length;
    this.#beginTurn(performance.now());
    try {
      for (;;) {
        while (this.#start < this.#end || this.#state === "paused") {
          // Nothing is awaited without need: that would be latency.
          if (this.#state === "paused") await this.#untilResumed();
          this.#deliver();
          if (this.#compressed !== undefined) await this.#inflate();
          else if (this.#yields) await this.#yield();
          else if (this.#state === "delivering") break;
        }
        if (this.#state === "stopped") return;
        let before = performance.now();
        if (this.#owesTurn(before)) {
          await this.#yield();
          if (this.#isStopped()) return;
          if (this.#isPaused()) continue;
          before = this.#turnedAt;
        }
        this.#prepare();
        const room = this.#buffer.subarray(this.#end);
        const count = await this.#stream.read(room);
        if (this.#isStopped()) return;
        if (count === null) break;
        const now = performance.now();
        const waited = hasWaited(before, now);
        if (waited) this.#beginTurn(now);
        this.#bytesRead += count;
        this.#end += count;
        this.#filled = count === room.length;
        this.#busy = count >= SMALL && !waited;
      }
      await this.#untilResumed();
      if (!this.#isStopped()) this.#events.onReadEnd();
    } catch (error) {
      await this.#untilResumed();
      if (!this.#isStopped()) this.#events.onReadEnd(error);
    }
  }

  /**
   * Decodes the bytes that are there, up to a message that has to be awaited.
   */
  #deliver(): void {
    if (this.#state !== "delivering") {
      this.#start = this.#end;
      return;
    }
    try {
      this.#start = this.#decoder.decode(this.#buffer, this.#start, this.#end);
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (!(error instanceof ProtocolError)) throw error;
    if (this.#state === "stopped") return;
    this.discard();
    this.#events.onViolation(error);
  }

  /** Chooses the buffer for the next read, and moves the torn frame to its front. */
  #prepare(): void {
    const have = this.#end - this.#start;
    const needed = Math.max(this.#decoder.needed, have + 1);
    let size = this.#busy ? MEDIUM : SMALL;
    if (this.#filled) {
      if (this.#buffer.length >= MEDIUM) this.#loaded = LARGE;
      size = this.#loaded;
    } else if (this.#buffer.length === LARGE && this.#end < MEDIUM) {
      this.#loaded = MEDIUM;
    }
    if (size < needed) size = needed <= MEDIUM ? MEDIUM : LARGE;
    if (size === this.#buffer.length) {
      if (this.#start > 0 && have > 0) {
        this.#buffer.copyWithin(0, this.#start, this.#end);
      }
    } else {
      const buffer = takeBuffer(size);
      if (have > 0) {
        buffer.set(this.#buffer.subarray(this.#start, this.#end));
      }
      releaseBuffer(this.#buffer);
      this.#buffer = buffer;
    }
    this.#start = 0;
    this.#end = have;
  }

  async #untilResumed(): Promise<void> {
    while (this.#state === "paused") {
      this.#resumed ??= Promise.withResolvers();
      await this.#resumed.promise;
    }
  }

  /**
   * Whether the event loop is to have a turn before the next read: once in a
   * slice, and in a burst also when messages are unread. Reads that succeed at
   * once would fill the buffers of the readers before these run.
   */
  #owesTurn(now: number): boolean {
    return this.#yields || now - this.#turnedAt > this.#slice ||
      (this.#busy || this.#frames >= this.#portion) && this.#events.hasUnread;
  }

  async #yield(): Promise<void> {
    const before = performance.now();
    const { hasUnread } = this.#events;
    const slice = await takeTurn();
    const now = performance.now();
    if (hasUnread) {
      this.#portion = now - before > SLICE
        ? Math.ceil(this.#portion / 2)
        : Math.min(MOST_UNREAD, 2 * this.#portion);
      this.#betweenLooks = Math.min(this.#betweenLooks, this.#portion);
    }
    this.#beginTurn(now, slice);
  }

  #beginTurn(now: number, slice: number = SLICE): void {
    this.#turnedAt = this.#lookedAt = now;
    this.#slice = slice;
    this.#frames = 0;
    this.#nextLook = this.#betweenLooks;
    this.#yields = false;
  }

  // The current state, which may have changed in a wait or a callback.

  #isStopped(): boolean {
    return this.#state === "stopped";
  }

  #isPaused(): boolean {
    return this.#state === "paused";
  }

  async #inflate(): Promise<void> {
    const { payload, isText } = this.#compressed ?? {};
    this.#compressed = undefined;
    if (payload === undefined) return;
    try {
      const bytes = await this.#deflate?.inflate(payload);
      await this.#untilResumed();
      if (bytes === undefined || this.#state !== "delivering") return;
      this.onMessage(
        isText ? decodeText(Buffer.from(bytes.buffer), 0, bytes.length) : bytes,
      );
    } catch (error) {
      this.#fail(error);
    }
  }

  // --- What the decoder finds ---

  onMessage(data: Message): void {
    this.#events.onMessage(data);
    this.#countFrame();
  }

  onFragment(): void {
    this.#countFrame();
  }

  onCompressed(payload: Uint8Array, isText: boolean): void {
    this.#compressed = { payload, isText };
    this.#decoder.stop();
  }

  onPing(payload: Uint8Array): void {
    this.#countFrame();
    this.#events.onPing(payload);
  }

  onPong(payload: Uint8Array): void {
    this.#countFrame();
    this.#events.onPong(payload);
  }

  onClose(code: number, reason: string): void {
    this.discard();
    this.#events.onClose(code, reason);
  }

  #countFrame(): void {
    const frames = ++this.#frames;
    if (frames < this.#nextLook) return;
    const now = performance.now();
    // As many as took a quarter of a slice, but at most twice as many as before.
    const growth = Math.min(2, this.#slice / 4 / (now - this.#lookedAt));
    const many = Math.min(this.#betweenLooks * growth, MOST_BETWEEN_LOOKS);
    this.#betweenLooks = Math.max(1, Math.ceil(many));
    this.#nextLook = frames + this.#betweenLooks;
    this.#lookedAt = now;
    if (
      now - this.#turnedAt > this.#slice ||
      frames >= this.#portion && this.#events.hasUnread
    ) {
      this.#yields = true;
      this.#decoder.stop();
    }
  }
}
