/**
 * Bytes on their way from one thread to another, in memory that both see.
 *
 * @module
 */

/**
 * A circle of bytes: one thread puts them in, another one takes them out, in
 * order, and neither needs the other's event loop for it. The two count the
 * bytes that were put and taken so far, modulo 2^32; the counts begin shortly before
 * they wrap around, so that every test sees it.
 *
 * The second thread gets the text of this class (`writer_thread.ts`), so that it
 * may use nothing from outside.
 */
export class SharedRing {
  /** For the constructor, in another thread. */
  readonly memory: SharedArrayBuffer;
  /** How many bytes were put, and how many were taken. */
  readonly #counts: Int32Array<SharedArrayBuffer>;
  readonly #bytes: Uint8Array<SharedArrayBuffer>;

  /** Memory for a ring of this capacity in bytes, a power of two. */
  static memory(capacity: number): SharedArrayBuffer {
    const memory = new SharedArrayBuffer(8 + capacity);
    new Int32Array(memory, 0, 2).fill(-1024);
    return memory;
  }

  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    this.#counts = new Int32Array(memory, 0, 2);
    this.#bytes = new Uint8Array(memory, 8);
  }

  /** How many bytes fit. */
  get capacity(): number {
    return this.#bytes.length;
  }

  /** How many bytes are to be taken. */
  get waiting(): number {
    return this.#put - this.#taken | 0;
  }

  /** How many bytes can be put. */
  get room(): number {
    return this.capacity - this.waiting;
  }

  /** Where the next bytes will be: for {@linkcode SharedRing.takeTo}. */
  get end(): number {
    return this.#put;
  }

  /** Puts as many of the bytes as there is room for; returns their number. */
  put(bytes: Uint8Array): number {
    const count = Math.min(bytes.length, this.room);
    const at = this.#place(this.#put);
    const first = Math.min(count, this.capacity - at);
    this.#bytes.set(bytes.subarray(0, first), at);
    this.#bytes.set(bytes.subarray(first, count), 0);
    Atomics.store(this.#counts, 0, this.#put + count | 0);
    return count;
  }

  /**
   * The next bytes, up to this number, or up to the end of the memory. They stay
   * until they are taken.
   */
  next(most: number): Uint8Array<SharedArrayBuffer> {
    const at = this.#place(this.#taken);
    return this.#bytes.subarray(at, at + Math.min(most, this.waiting));
  }

  /** Takes so many of the next bytes. */
  take(count: number): void {
    Atomics.store(this.#counts, 1, this.#taken + count | 0);
  }

  /** Takes everything before this {@linkcode SharedRing.end}. */
  takeTo(end: number): void {
    // It may be behind us.
    this.take(Math.max(0, end - this.#taken | 0));
  }

  /** Blocks until bytes are put, `notify` is called, or the time is over. */
  wait(ms: number): void {
    Atomics.wait(this.#counts, 0, this.#taken, ms);
  }

  /** Wakes the thread in {@linkcode SharedRing.wait}. */
  notify(): void {
    Atomics.notify(this.#counts, 0);
  }

  get #put(): number {
    return Atomics.load(this.#counts, 0);
  }

  get #taken(): number {
    return Atomics.load(this.#counts, 1);
  }

  /** The place of a byte in the circle. */
  #place(count: number): number {
    return (count >>> 0) % this.capacity;
  }
}
