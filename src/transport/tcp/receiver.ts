import { Buffer } from "node:buffer";
import type { Message } from "../../message.ts";
import { Decoder, type FrameSink } from "../../protocol/decoder.ts";
import type { MessageDeflate } from "../../protocol/deflate.ts";
import { ProtocolError } from "../../protocol/frames.ts";
import { decodeText } from "../../protocol/text.ts";
import type { ByteStream } from "./byte_stream.ts";
import { ReceiveTurns } from "./receive_turns.ts";

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
/** Has room for a TLS record, 16 KiB, behind a torn frame. */
const MEDIUM = 20 * 1024;
const LARGE = 256 * 1024;

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
  readonly #turns: ReceiveTurns;

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
  constructor(
    stream: ByteStream,
    events: ReceiveEvents,
    { maxMessageBytes, deflate }: ReceiverOptions,
  ) {
    this.#stream = stream;
    this.#events = events;
    this.#deflate = deflate;
    this.#turns = new ReceiveTurns(events);
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
    this.#turns.begin(performance.now());
    try {
      for (;;) {
        while (this.#start < this.#end || this.#state === "paused") {
          // Nothing is awaited without need: that would be latency.
          if (this.#state === "paused") await this.#untilResumed();
          this.#deliver();
          if (this.#compressed !== undefined) await this.#inflate();
          else if (this.#turns.isDue) await this.#turns.give();
          else if (this.#state === "delivering") break;
        }
        if (this.#state === "stopped") return;
        const before = performance.now();
        if (this.#turns.isDueToRead(before, this.#busy)) {
          await this.#turns.give();
          continue;
        }
        this.#prepare();
        const room = this.#buffer.subarray(this.#end);
        const count = await this.#stream.read(room);
        if (this.#isStopped()) return;
        if (count === null) break;
        const waited = this.#turns.endRead(before, performance.now());
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
    } finally {
      // For the next connection.
      releaseBuffer(this.#buffer);
      this.#buffer = EMPTY;
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

  // The current state, which may have changed in a wait or a callback.

  #isStopped(): boolean {
    return this.#state === "stopped";
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
    this.#turns.countFrame();
    if (this.#turns.isDue) this.#decoder.stop();
  }
}
