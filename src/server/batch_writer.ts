import { setImmediate } from "node:timers";
import type { FrameWriter } from "./frame_writer.ts";
import { headerSize, Opcode, writeHeader } from "./frames.ts";

/** Where the bytes go; `Deno.Conn` is one. */
export interface ByteSink {
  write(bytes: Uint8Array): Promise<number>;
}

/** Room of a fresh batch, bytes. */
const BATCH = 64 * 1024;

/** A batch that grew past this for one large message is not kept, bytes. */
const KEEP = 1024 * 1024;

/** Bytes that may wait before senders are asked to. */
export const HIGH_WATER = 256 * 1024;

const encoder = new TextEncoder();
const DONE: Promise<void> = Promise.resolve();

/**
 * Gathers frames and writes them in large batches: while one batch is with the
 * kernel the next one fills. A million small messages a second cost some
 * thousand writes, and no promise each.
 */
export class BatchWriter implements FrameWriter {
  readonly #sink: ByteSink;
  #filling: Uint8Array<ArrayBuffer> = new Uint8Array(BATCH);
  #filled = 0;
  #spare: Uint8Array<ArrayBuffer> | undefined;
  /** Bytes of the batch that the kernel has not taken yet. */
  #inFlight = 0;
  #stopped = false;
  /** The running write loop; it never rejects. */
  #running: Promise<void> | undefined;
  #drained: PromiseWithResolvers<void> | undefined;
  readonly #onFailure: (error: unknown) => void;

  /** `onFailure` is called once, when a write fails; nothing is written then. */
  constructor(sink: ByteSink, onFailure: (error: unknown) => void) {
    this.#sink = sink;
    this.#onFailure = onFailure;
  }

  get size(): number {
    return this.#filled + this.#inFlight;
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

  text(text: string): void {
    if (this.#stopped) return;
    // UTF-8 takes at most three bytes for each UTF-16 unit. Most texts are
    // ASCII, so the header is guessed for that and moved when it was wrong.
    this.#reserve(10 + 3 * text.length);
    const at = this.#filled;
    const guess = headerSize(text.length);
    const { written } = encoder.encodeInto(
      text,
      this.#filling.subarray(at + guess),
    );
    const header = headerSize(written);
    if (header !== guess) {
      const from = at + guess;
      this.#filling.copyWithin(at + header, from, from + written);
    }
    writeHeader(this.#filling, at, Opcode.text, written);
    this.#accept(header + written);
  }

  frame(opcode: Opcode, payload: Uint8Array): void {
    if (this.#stopped) return;
    const header = headerSize(payload.length);
    this.#reserve(header + payload.length);
    writeHeader(this.#filling, this.#filled, opcode, payload.length);
    this.#filling.set(payload, this.#filled + header);
    this.#accept(header + payload.length);
  }

  stop(): void {
    this.#stopped = true;
    this.#filled = 0;
    this.#settle();
  }

  #reserve(bytes: number): void {
    const needed = this.#filled + bytes;
    if (needed <= this.#filling.length) return;
    const grown = new Uint8Array(Math.max(needed, 2 * this.#filling.length));
    grown.set(this.#filling.subarray(0, this.#filled));
    this.#filling = grown;
  }

  #accept(bytes: number): void {
    this.#filled += bytes;
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    // One microtask later: what is sent in one go leaves in one write.
    await DONE;
    try {
      while (this.#filled > 0) {
        const batch = this.#filling;
        const large = this.#filled >= BATCH;
        this.#inFlight = this.#filled;
        this.#filling = this.#spare ?? new Uint8Array(BATCH);
        this.#filled = 0;
        this.#spare = undefined;
        await this.#write(batch);
        if (batch.length <= KEEP) this.#spare = batch;
        if (!this.full) this.#settle();
        // Writes that succeed at once never leave the microtasks: timers and
        // reads must get their turn.
        if (large) await turn();
      }
    } catch (error) {
      this.stop();
      this.#onFailure(error);
    } finally {
      this.#inFlight = 0;
      this.#running = undefined;
    }
  }

  async #write(batch: Uint8Array): Promise<void> {
    let rest = batch.subarray(0, this.#inFlight);
    while (rest.length > 0 && !this.#stopped) {
      const written = await this.#sink.write(rest);
      rest = rest.subarray(written);
      this.#inFlight = rest.length;
    }
  }

  #settle(): void {
    this.#drained?.resolve();
    this.#drained = undefined;
  }
}

/** Lets the event loop turn. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
