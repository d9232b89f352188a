import type { Message } from "../../message.ts";
import { FrameBuffer } from "../../protocol/encoder.ts";
import { FIN, MAX_HEADER, Opcode, RSV1 } from "../../protocol/frames.ts";
import { vectorMemory } from "../../protocol/masking.ts";
import { untilNextTurn } from "../../turns.ts";
import { type ByteStream, writeAll } from "./byte_stream.ts";

/** The events of a {@linkcode WriteQueue}. */
export interface WriteEvents {
  /** `buffered` has fallen. */
  onProgress(): void;
  /** The close frame is written, and nothing follows it. */
  onCloseWritten(): void;
  /** Nothing more can be written. */
  onWriteError(): void;
}

/** The first buffer of a batch: most batches are a message or two, bytes. */
const SMALL = 4 * 1024;
/** The buffers that follow when a batch is larger, bytes. */
const LARGE = 256 * 1024;
/** Room for control frames that wait for the write in progress, bytes. */
const CONTROL = 1024;
/** The longest time without a turn of the event loop, in milliseconds. */
const SLICE = 4;

/** Buffers for the next batches of all connections. */
class BufferPool {
  readonly #small: FrameBuffer[] = [];
  #large: FrameBuffer[] | undefined;
  /** The large ones that mask fastest; there are no more of them. */
  readonly #fast = new Set<FrameBuffer>();

  take(size: typeof SMALL | typeof LARGE): FrameBuffer {
    this.#large ??= size === LARGE ? this.#makeFast() : undefined;
    const spare = size === LARGE ? this.#large : this.#small;
    return spare?.pop() ?? new FrameBuffer("client", size);
  }

  release(frames: FrameBuffer): void {
    const size = frames.capacity;
    const spare = size === LARGE
      ? this.#large
      : size === SMALL
      ? this.#small
      : undefined;
    // 1 MiB of large buffers, 64 KiB of small ones.
    const most = size === LARGE ? 4 : 16;
    if (spare === undefined) return;
    if (spare.length >= most && !this.#fast.has(frames)) return;
    frames.clear();
    spare.push(frames);
  }

  #makeFast(): FrameBuffer[] {
    for (const memory of vectorMemory(LARGE)) {
      this.#fast.add(new FrameBuffer("client", memory));
    }
    return [...this.#fast];
  }
}

const POOL = new BufferPool();

/**
 * Writes frames to a stream: many in one write, one write at a time, while the
 * next batch is collected. Between messages it keeps no memory.
 *
 * Control frames leave before all messages that are not in the write in
 * progress; the close frame leaves after them.
 */
export class WriteQueue {
  readonly #stream: ByteStream;
  readonly #events: WriteEvents;
  /** Full buffers, in order. */
  #full: FrameBuffer[] | undefined;
  /** The buffer that messages are added to. */
  #open: FrameBuffer | undefined;
  #control: FrameBuffer | undefined;
  /** The latest ping whose pong did not fit into the control frames. */
  #latestPing: Uint8Array | undefined;
  #close: Uint8Array | undefined;
  #buffered = 0;
  #flushed = 0;
  #state: "idle" | "writing" | "stopped" = "idle";

  constructor(stream: ByteStream, events: WriteEvents) {
    this.#stream = stream;
    this.#events = events;
  }

  /** Payload bytes of the messages whose last byte is not written. */
  get buffered(): number {
    return this.#buffered;
  }

  /** All bytes that are written so far. */
  get flushed(): number {
    return this.#flushed;
  }

  /**
   * Whether nothing more is written: the close frame is, or a write has failed.
   * A getter of its own, as the state changes during every wait.
   */
  get isStopped(): boolean {
    return this.#state === "stopped";
  }

  /**
   * Adds a message of `size` bytes. Once nothing can be written any more, it is
   * only counted.
   */
  add(data: Message, size: number): void {
    if (!this.#open?.addMessage(data, size) && this.#state !== "stopped") {
      this.#bufferFor(size + MAX_HEADER).addMessage(data, size);
    }
    this.#buffered += size;
    if (this.#state === "idle") this.#write();
  }

  /** Counts a message that is added later, as its compression takes time. */
  count(size: number): void {
    this.#buffered += size;
  }

  /** Adds a message that was counted. */
  addCounted(data: Message, size: number): void {
    this.add(data, size);
    this.#buffered -= size;
  }

  /** Adds a compressed message that was counted. */
  addCompressed(payload: Uint8Array, isText: boolean, size: number): void {
    if (this.#state === "stopped") return;
    const first = FIN | RSV1 | (isText ? Opcode.text : Opcode.binary);
    if (!this.#open?.addFrame(first, payload, size)) {
      const needed = payload.length + MAX_HEADER;
      this.#bufferFor(needed).addFrame(first, payload, size);
    }
    if (this.#state === "idle") this.#write();
  }

  /**
   * Adds a ping. While the server does not read, a few pings wait and further
   * ones are discarded.
   */
  addPing(payload: Uint8Array): void {
    if (this.#state === "stopped" || this.#close !== undefined) return;
    this.#control ??= new FrameBuffer("client", CONTROL);
    this.#control.addFrame(FIN | Opcode.ping, payload);
    if (this.#state === "idle") this.#write();
  }

  /**
   * Adds the answer to a ping. While the server does not read, the first few
   * wait and of the others the latest: "the endpoint MAY elect to send a Pong
   * frame for only the most recently processed Ping frame" (RFC 6455, 5.5.3).
   */
  addPong(payload: Uint8Array): void {
    if (this.#state === "stopped" || this.#close !== undefined) return;
    this.#control ??= new FrameBuffer("client", CONTROL);
    if (
      this.#latestPing !== undefined ||
      !this.#control.addFrame(FIN | Opcode.pong, payload)
    ) this.#latestPing = payload.slice();
    if (this.#state === "idle") this.#write();
  }

  /** Adds the close frame; nothing may be added after it. */
  close(frame: Uint8Array): void {
    this.#close = frame;
    if (this.#state === "idle") this.#write();
  }

  /** Forgets the messages that are not being written; they stay counted. */
  dropMessages(): void {
    this.#full?.forEach((frames) => POOL.release(frames));
    this.#full = undefined;
    if (this.#open !== undefined) POOL.release(this.#open);
    this.#open = undefined;
  }

  /** Writes nothing more. The stream is the caller's to close. */
  stop(): void {
    this.#state = "stopped";
    this.dropMessages();
    this.#control = undefined;
  }

  /** A buffer with room for `size` bytes, after the data in earlier ones. */
  #bufferFor(size: number): FrameBuffer {
    const isFirst = this.#open === undefined;
    if (this.#open !== undefined) {
      this.#full ??= [];
      this.#full.push(this.#open);
    }
    this.#open = size > LARGE
      ? new FrameBuffer("client", size)
      : POOL.take(isFirst && size <= SMALL ? SMALL : LARGE);
    return this.#open;
  }

  async #write(): Promise<void> {
    this.#state = "writing";
    try {
      // What is sent in the same turn leaves in the same write.
      await undefined;
      let begun = performance.now();
      for (;;) {
        const frames = this.#next();
        if (frames === undefined) break;
        await this.#writeFrames(frames);
        if (this.isStopped) return;
        const now = performance.now();
        if (now - begun < SLICE) continue;
        // Writes that succeed at once would keep all timers waiting.
        await untilNextTurn();
        if (this.isStopped) return;
        begun = now;
      }
      if (this.#close !== undefined) {
        await writeAll(this.#stream, this.#close);
        if (this.isStopped) return;
        this.#state = "stopped";
        this.#events.onCloseWritten();
      } else this.#state = "idle";
    } catch {
      if (this.isStopped) return;
      this.stop();
      this.#events.onWriteError();
    }
  }

  /** What leaves next, if it is not the close frame. */
  #next(): FrameBuffer | undefined {
    const control = this.#control;
    if (control !== undefined) {
      this.#control = undefined;
      const ping = this.#latestPing;
      if (ping !== undefined) {
        this.#latestPing = undefined;
        this.addPong(ping);
      }
      return control;
    }
    const frames = this.#full?.shift() ?? this.#open;
    if (frames === this.#open) this.#open = undefined;
    return frames;
  }

  /** Writes the frames; their buffer can be used again afterwards. */
  async #writeFrames(frames: FrameBuffer): Promise<void> {
    const { length } = frames;
    let bytes = frames.bytes.subarray(0, length);
    let payload = 0;
    try {
      for (let at = 0; at < length;) {
        const count = await this.#stream.write(bytes);
        at += count;
        this.#flushed += count;
        if (this.isStopped) return;
        payload = frames.written(at);
        this.#buffered -= payload;
        if (at === length) break;
        bytes = bytes.subarray(count);
        if (payload > 0) this.#events.onProgress();
      }
    } finally {
      POOL.release(frames);
    }
    if (payload > 0) this.#events.onProgress();
  }
}
