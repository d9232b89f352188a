/** An announced length is trusted up to here, bytes. */
const TRUSTED = 1024 * 1024;

/** A buffer larger than this is freed once it is empty. */
const KEPT = 64 * 1024;

const EMPTY = new Uint8Array(0);

/** Bytes that are appended at the end and taken as a whole. */
export class GrowingBytes {
  #buffer: Uint8Array<ArrayBuffer> = EMPTY;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /**
   * Appends. The memory doubles when it is full, which keeps this linear, but
   * stops at the `expected` length: bytes that were only announced cost no more
   * than twice those that arrived.
   */
  append(bytes: Uint8Array, expected = 0): void {
    const length = this.#length + bytes.length;
    if (length > this.#buffer.length) {
      const doubled = Math.max(length, 2 * this.#buffer.length);
      const trusted = Math.min(expected, Math.max(doubled, TRUSTED));
      const grown = new Uint8Array(expected < length ? doubled : trusted);
      grown.set(this.view());
      this.#buffer = grown;
    }
    this.#buffer.set(bytes, this.#length);
    this.#length = length;
  }

  /** The bytes from `start` on, in place: valid until the next change. */
  view(start = 0): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(start, this.#length);
  }

  /** Empties it, and gives the bytes to the caller. Copies only if it must. */
  take(): Uint8Array<ArrayBuffer> {
    const isFull = this.#buffer.length === this.#length;
    const bytes = isFull ? this.#buffer : this.view().slice();
    if (isFull) this.#buffer = EMPTY;
    this.clear();
    return bytes;
  }

  clear(): void {
    this.#length = 0;
    if (this.#buffer.length > KEPT) this.#buffer = EMPTY;
  }
}
