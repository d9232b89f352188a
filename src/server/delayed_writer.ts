import { HIGH_WATER } from "./batch_writer.ts";
import type { FrameWriter } from "./frame_writer.ts";
import { Opcode } from "./frames.ts";

/** A frame that is not due yet. */
interface Delayed {
  /** On the clock of `performance.now()`. */
  readonly due: number;
  readonly size: number;
  readonly write: () => void;
}

/**
 * Hands each frame on some time later, in order, as a long line would. Control
 * frames wait too: a close frame that overtook the messages would lose them.
 */
export class DelayedWriter implements FrameWriter {
  readonly #writer: FrameWriter;
  readonly #latency: (message: number) => number;
  #line: Delayed[] = [];
  #lineSize = 0;
  #messages = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Resolves when the line has moved. */
  #moved: PromiseWithResolvers<void> | undefined;

  /** `latency` is given the message's number, from 0, and returns ms. */
  constructor(writer: FrameWriter, latency: (message: number) => number) {
    this.#writer = writer;
    this.#latency = latency;
  }

  get size(): number {
    return this.#lineSize + this.#writer.size;
  }

  get full(): boolean {
    return this.#lineSize >= HIGH_WATER || this.#writer.full;
  }

  async drained(): Promise<void> {
    while (this.#lineSize >= HIGH_WATER) await this.#move();
    await this.#writer.drained();
  }

  async flush(): Promise<void> {
    while (this.#line.length > 0) await this.#move();
    await this.#writer.flush();
  }

  text(text: string): void {
    this.#delay(this.#messages++, text.length, () => this.#writer.text(text));
  }

  frame(opcode: Opcode, payload: Uint8Array): void {
    const copy = payload.slice();
    const number = opcode === Opcode.binary ? this.#messages++ : this.#messages;
    this.#delay(number, copy.length, () => this.#writer.frame(opcode, copy));
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#line = [];
    this.#lineSize = 0;
    this.#settle();
    this.#writer.stop();
  }

  #delay(message: number, size: number, write: () => void): void {
    const due = performance.now() + this.#latency(message);
    this.#line.push({ due, size, write });
    this.#lineSize += size;
    if (this.#line.length === 1) this.#schedule();
  }

  #schedule(): void {
    const [head] = this.#line;
    if (head === undefined) return;
    const wait = Math.max(0, head.due - performance.now());
    this.#timer = setTimeout(() => this.#release(), wait);
  }

  #release(): void {
    const now = performance.now();
    const due = this.#line.findIndex((delayed) => delayed.due > now);
    const ready = this.#line.splice(0, due < 0 ? this.#line.length : due);
    for (const { size, write } of ready) {
      this.#lineSize -= size;
      write();
    }
    this.#schedule();
    this.#settle();
  }

  #move(): Promise<void> {
    this.#moved ??= Promise.withResolvers();
    return this.#moved.promise;
  }

  #settle(): void {
    this.#moved?.resolve();
    this.#moved = undefined;
  }
}
