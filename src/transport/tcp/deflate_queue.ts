import { Buffer } from "node:buffer";
import type { Message } from "../../message.ts";
import type { MessageDeflate } from "../../protocol/deflate.ts";
import type { WriteQueue } from "./write_queue.ts";

/**
 * Compresses messages on their way to a {@linkcode WriteQueue}. Compression
 * takes turns of the event loop; all messages stay in order.
 */
export class DeflateQueue {
  readonly #deflate: MessageDeflate;
  readonly #writes: WriteQueue;
  /** Shorter messages are sent as they are, bytes. */
  readonly #threshold: number;
  readonly #waiting: Message[] = [];
  #busy = false;
  #isCleared = false;
  #onIdle: (() => void) | undefined;

  constructor(
    deflate: MessageDeflate,
    writes: WriteQueue,
    threshold: number,
  ) {
    this.#deflate = deflate;
    this.#writes = writes;
    this.#threshold = threshold;
  }

  /** Adds a message of `size` bytes. */
  add(data: Message, size: number): void {
    if (!this.#busy && size < this.#threshold) {
      return this.#writes.add(data, size);
    }
    this.#writes.count(size);
    // The caller may use its bytes again.
    this.#waiting.push(typeof data === "string" ? data : data.slice());
    if (!this.#busy) this.#run();
  }

  /** Calls back once no message waits here, at once if none does. */
  whenIdle(callback: () => void): void {
    if (this.#busy) this.#onIdle = callback;
    else callback();
  }

  /** Forgets all messages, also the one in progress; they stay counted. */
  clear(): void {
    this.#isCleared = true;
    this.#waiting.length = 0;
  }

  /** Forgets everything. */
  stop(): void {
    this.clear();
    this.#onIdle = undefined;
  }

  async #run(): Promise<void> {
    this.#busy = true;
    for (;;) {
      const data = this.#waiting.shift();
      if (data === undefined) break;
      const bytes = typeof data === "string" ? Buffer.from(data) : data;
      if (bytes.length < this.#threshold) {
        this.#writes.addCounted(data, bytes.length);
        continue;
      }
      try {
        const payload = await this.#deflate.compress(bytes);
        if (this.#isCleared) break;
        const isText = typeof data === "string";
        this.#writes.addCompressed(payload, isText, bytes.length);
      } catch {
        // The connection has ended: the message stays counted.
        return;
      }
    }
    this.#busy = false;
    this.#onIdle?.();
  }
}
