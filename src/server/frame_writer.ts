/**
 * The way out of a connection: many frames in one write, and what may delay
 * them.
 *
 * @module
 */

import type { Message } from "../message.ts";
import type { MessageDeflate } from "../protocol/deflate.ts";
import { FrameBuffer } from "../protocol/encoder.ts";
import { FIN, headerSize, Opcode, RSV1 } from "../protocol/frames.ts";
import { untilNextTurn } from "../turns.ts";

/** Accepts frames and writes them in order. */
export interface FrameWriter {
  /** Bytes that were accepted and that the kernel has not taken yet. */
  readonly size: number;
  /** Whether senders should wait for `drained()`. */
  readonly full: boolean;
  /** Resolves when there is room again, or nothing will ever be written. */
  drained(): Promise<void>;
  /** Resolves when all accepted is with the kernel, or never will be. */
  flush(): Promise<void>;
  /** Adds a message; binary data is copied. */
  message(data: Message): void;
  /** Adds a control frame; `payload` is copied. */
  control(opcode: ControlOpcode, payload: Uint8Array): void;
  /** Writes nothing more and forgets what waits; waiting callers go on. */
  stop(): void;
}

type ControlOpcode =
  | typeof Opcode.ping
  | typeof Opcode.pong
  | typeof Opcode.close;

/** Where the bytes go; `Deno.Conn` is one. */
export interface ByteSink {
  write(bytes: Uint8Array): Promise<number>;
}

/** Size of a batch, bytes: frames larger than this are written alone. */
const BATCH = 64 * 1024;

/** Size of the first batch: most connections send little. */
const FIRST_BATCH = 4 * 1024;

/** Bytes that may wait before senders are asked to. */
export const HIGH_WATER = 256 * 1024;

const encoder = new TextEncoder();
const DONE: Promise<void> = Promise.resolve();

/** Frames that are written next, and the buffer they are in, if it is shared. */
interface Batch {
  readonly bytes: Uint8Array;
  readonly buffer?: FrameBuffer;
}

/**
 * Gathers frames and writes them in large batches: while one batch is with the
 * kernel the next one fills. A million small messages a second cost some
 * thousand writes, and no promise each.
 */
export class BatchWriter implements FrameWriter {
  readonly #sink: ByteSink;
  readonly #onFailure: (error: unknown) => void;
  #filling: FrameBuffer | undefined;
  /** An empty one, to be used again. */
  #spare: FrameBuffer | undefined;
  #batches: Batch[] = [];
  /** Bytes in `#batches`. */
  #waiting = 0;
  /** Bytes of the batch that the kernel has not taken yet. */
  #inFlight = 0;
  #stopped = false;
  /** The running write loop; it never rejects. */
  #running: Promise<void> | undefined;
  #drained: PromiseWithResolvers<void> | undefined;

  /** `onFailure` is called once, when a write fails; nothing is written then. */
  constructor(sink: ByteSink, onFailure: (error: unknown) => void) {
    this.#sink = sink;
    this.#onFailure = onFailure;
  }

  get size(): number {
    return (this.#filling?.length ?? 0) + this.#waiting + this.#inFlight;
  }

  get full(): boolean {
    return this.size >= HIGH_WATER;
  }

  drained(): Promise<void> {
    if (!this.full || this.#stopped) return DONE;
    this.#drained ??= Promise.withResolvers();
    return this.#drained.promise;
  }

  flush(): Promise<void> {
    return this.#running ?? DONE;
  }

  message(data: Message): void {
    if (this.#stopped) return;
    this.#filling ??= this.#spare ?? new FrameBuffer("server", FIRST_BATCH);
    this.#spare = undefined;
    if (!this.#filling.addMessage(data)) {
      if (typeof data === "string") {
        this.#addLarge(FIN | Opcode.text, encoder.encode(data));
      } else this.#addLarge(FIN | Opcode.binary, data);
    }
    this.#running ??= this.#run();
  }

  control(opcode: ControlOpcode, payload: Uint8Array): void {
    this.frame(FIN | opcode, payload);
  }

  /** Adds a frame whose header begins with the byte `first`. */
  frame(first: number, payload: Uint8Array): void {
    if (this.#stopped) return;
    this.#filling ??= this.#spare ?? new FrameBuffer("server", FIRST_BATCH);
    this.#spare = undefined;
    if (!this.#filling.addFrame(first, payload)) {
      this.#addLarge(first, payload);
    }
    this.#running ??= this.#run();
  }

  stop(): void {
    this.#stopped = true;
    this.#filling = undefined;
    this.#batches = [];
    this.#waiting = 0;
    this.#resolveDrained();
  }

  /** A frame for which there is no room in the batch that fills. */
  #addLarge(first: number, payload: Uint8Array): void {
    this.#seal();
    const size = headerSize(payload.length, false) + payload.length;
    const buffer = new FrameBuffer("server", Math.max(size, BATCH));
    buffer.addFrame(first, payload);
    this.#filling = buffer;
    if (size >= BATCH) this.#seal();
  }

  /** Lets the next frame begin a new batch. */
  #seal(): void {
    const buffer = this.#filling;
    if (buffer === undefined || buffer.length === 0) return;
    this.#filling = undefined;
    this.#batches.push({
      bytes: buffer.bytes.subarray(0, buffer.length),
      buffer,
    });
    this.#waiting += buffer.length;
  }

  async #run(): Promise<void> {
    // One microtask later: what is sent in one go leaves in one write.
    await DONE;
    try {
      for (;;) {
        if (this.#batches.length === 0) this.#seal();
        const batch = this.#batches.shift();
        if (batch === undefined) return;
        const { bytes, buffer } = batch;
        this.#waiting -= bytes.length;
        await this.#write(bytes);
        if (buffer?.bytes.length === BATCH || this.#spare === undefined) {
          buffer?.clear();
          if (buffer !== undefined && buffer.bytes.length <= BATCH) {
            this.#spare = buffer;
          }
        }
        if (!this.full) this.#resolveDrained();
        // Writes that succeed at once never leave the microtasks: timers and
        // reads must get their turn.
        if (bytes.length >= BATCH / 2) await untilNextTurn();
      }
    } catch (error) {
      this.stop();
      this.#onFailure(error);
    } finally {
      this.#inFlight = 0;
      this.#running = undefined;
    }
  }

  async #write(bytes: Uint8Array): Promise<void> {
    this.#inFlight = bytes.length;
    for (let rest = bytes; rest.length > 0 && !this.#stopped;) {
      rest = rest.subarray(await this.#sink.write(rest));
      this.#inFlight = rest.length;
    }
  }

  #resolveDrained(): void {
    this.#drained?.resolve();
    this.#drained = undefined;
  }
}

/** What a {@linkcode QueuedWriter} does with frames before they are written. */
export interface QueuedWriterOptions {
  /** Given a message's number, from 0: how much later it leaves, ms. */
  readonly latency?: (message: number) => number;
  readonly compression?: {
    readonly deflate: MessageDeflate;
    /** Messages of fewer bytes are not compressed. */
    readonly threshold: number;
  };
}

/** A frame that is not due yet, or not compressed. */
interface QueuedFrame {
  /** On the clock of `performance.now()`. */
  readonly due: number;
  readonly size: number;
  readonly content: Message | {
    readonly opcode: ControlOpcode;
    readonly payload: Uint8Array;
  };
}

/** What a queued frame costs beside its payload, bytes: empty ones cost too. */
const FRAME_COST = 128;

/**
 * Delays and compresses frames, in order. Control frames wait too: a close
 * frame that overtook messages would lose them.
 */
export class QueuedWriter implements FrameWriter {
  readonly #writer: BatchWriter;
  readonly #options: QueuedWriterOptions;
  #queue: QueuedFrame[] = [];
  #queueSize = 0;
  #messages = 0;
  #stopped = false;
  #isRunning = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wake: (() => void) | undefined;
  /** Resolves when the queue has become shorter. */
  #progress: PromiseWithResolvers<void> | undefined;

  constructor(writer: BatchWriter, options: QueuedWriterOptions) {
    this.#writer = writer;
    this.#options = options;
  }

  get size(): number {
    return this.#queueSize + this.#writer.size;
  }

  get full(): boolean {
    return this.#queueSize >= HIGH_WATER || this.#writer.full;
  }

  async drained(): Promise<void> {
    while (this.#queueSize >= HIGH_WATER) await this.#nextProgress();
    await this.#writer.drained();
  }

  async flush(): Promise<void> {
    while (this.#queue.length > 0) await this.#nextProgress();
    await this.#writer.flush();
  }

  message(data: Message): void {
    const content = typeof data === "string" ? data : data.slice();
    this.#add(this.#messages++, data.length, content);
  }

  control(opcode: ControlOpcode, payload: Uint8Array): void {
    const content = { opcode, payload: payload.slice() };
    this.#add(this.#messages, payload.length, content);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#wake?.();
    this.#queue = [];
    this.#queueSize = 0;
    this.#options.compression?.deflate.close();
    this.#resolveProgress();
    this.#writer.stop();
  }

  #add(
    message: number,
    bytes: number,
    content: QueuedFrame["content"],
  ): void {
    if (this.#stopped) return;
    const due = performance.now() + (this.#options.latency?.(message) ?? 0);
    const size = bytes + FRAME_COST;
    this.#queue.push({ due, size, content });
    this.#queueSize += size;
    if (!this.#isRunning) this.#run();
  }

  /** Never rejects: a deflater fails only when the writer is stopped. */
  async #run(): Promise<void> {
    this.#isRunning = true;
    try {
      for (
        let [head] = this.#queue;
        head !== undefined;
        [head] = this.#queue
      ) {
        const wait = head.due - performance.now();
        if (wait > 0) await this.#sleep(wait);
        if (!this.#stopped) await this.#write(head.content);
        if (this.#stopped) return;
        this.#queue.shift();
        this.#queueSize -= head.size;
        this.#resolveProgress();
      }
    } catch (error) {
      if (!this.#stopped) throw error;
    } finally {
      this.#isRunning = false;
    }
  }

  #write(content: QueuedFrame["content"]): Promise<void> | undefined {
    if (typeof content === "object" && "opcode" in content) {
      return void this.#writer.control(content.opcode, content.payload);
    }
    const { compression } = this.#options;
    // A UTF-16 code unit takes at least one byte.
    if (compression === undefined || content.length < compression.threshold) {
      return void this.#writer.message(content);
    }
    return this.#compress(content, compression.deflate);
  }

  async #compress(data: Message, deflate: MessageDeflate): Promise<void> {
    const isText = typeof data === "string";
    const payload = await deflate.compress(
      isText ? encoder.encode(data) : data,
    );
    const opcode = isText ? Opcode.text : Opcode.binary;
    this.#writer.frame(FIN | RSV1 | opcode, payload);
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      this.#timer = setTimeout(resolve, ms);
    });
  }

  #nextProgress(): Promise<void> {
    this.#progress ??= Promise.withResolvers();
    return this.#progress.promise;
  }

  #resolveProgress(): void {
    this.#progress?.resolve();
    this.#progress = undefined;
  }
}
