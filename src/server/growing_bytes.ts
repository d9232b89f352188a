/** Below this a grown buffer is kept for the next use. */
const KEEP = 256 * 1024;

const EMPTY = new Uint8Array(0);

/** Bytes that are appended at the end and taken from the front. */
export class GrowingBytes {
  #buffer: Uint8Array<ArrayBuffer> = EMPTY;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Doubles its room when it is full, so that appending stays linear. */
  append(bytes: Uint8Array): void {
    const length = this.#length + bytes.length;
    if (length > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(length, 2 * this.#buffer.length));
      grown.set(this.view());
      this.#buffer = grown;
    }
    this.#buffer.set(bytes, this.#length);
    this.#length = length;
  }

  /** The bytes in place: valid until the next change. */
  view(): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Forgets the first `count` bytes. */
  discard(count: number): void {
    if (count === this.#length) return this.clear();
    this.#buffer.copyWithin(0, count, this.#length);
    this.#length -= count;
  }

  clear(): void {
    this.#length = 0;
    if (this.#buffer.length > KEEP) this.#buffer = EMPTY;
  }
}
