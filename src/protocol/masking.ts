/**
 * Masking (RFC 6455, section 5.3), by words of 32 bits: for 16 KiB seven times
 * as fast as byte by byte.
 *
 * A key is a number of 32 bits whose *lowest* byte masks the first byte of the
 * payload: on the little-endian machines that Deno runs on, a word of the
 * payload in memory is masked by one XOR.
 *
 * @module
 */

/** A range of memory, as bytes and as words. */
export class MaskedMemory {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #words: Uint32Array<ArrayBuffer>;
  /** Bytes before the first whole word. */
  readonly #skew: number;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    const { buffer, byteOffset, byteLength } = bytes;
    const start = Math.min(byteOffset + 3 & ~3, byteOffset + byteLength);
    const words = Math.max(0, byteOffset + byteLength - start >>> 2);
    this.bytes = bytes;
    this.#skew = start - byteOffset;
    this.#words = start % 4 === 0
      ? new Uint32Array(buffer, start, words)
      : new Uint32Array(0);
  }

  /** XORs the bytes from `start` to `end` with the key, in place. */
  mask(start: number, end: number, key: number): void {
    const bytes = this.bytes;
    const words = this.#words;
    const skew = this.#skew;
    let at = start;
    let rotated = key;
    while (at < end && (at < skew || (at - skew & 3) !== 0)) {
      bytes[at] = (bytes[at] ?? 0) ^ rotated & 0xff;
      rotated = rotated >>> 8 | rotated << 24;
      at++;
    }
    const last = skew + (end - skew & ~3);
    if (at < last) {
      const until = last - skew >>> 2;
      for (let word = at - skew >>> 2; word < until; word++) {
        words[word] = (words[word] ?? 0) ^ rotated;
      }
      at = last;
    }
    for (; at < end; at++) {
      bytes[at] = (bytes[at] ?? 0) ^ rotated & 0xff;
      rotated = rotated >>> 8 | rotated << 24;
    }
  }
}

/** Reads the key at `offset` in a frame. */
export function readKey(source: Uint8Array, offset: number): number {
  return (source[offset] ?? 0) | (source[offset + 1] ?? 0) << 8 |
    (source[offset + 2] ?? 0) << 16 | (source[offset + 3] ?? 0) << 24;
}

/** Writes the key at `offset` in a frame. */
export function writeKey(
  target: Uint8Array,
  offset: number,
  key: number,
): void {
  target[offset] = key;
  target[offset + 1] = key >>> 8;
  target[offset + 2] = key >>> 16;
  target[offset + 3] = key >>> 24;
}

const KEYS = 1024;
let keys: Int32Array<ArrayBuffer> | undefined;
let used = KEYS;

/**
 * A fresh masking key. "The masking key needs to be unpredictable" (5.3):
 * drawn from the system's generator, many at a time, as a call costs more than
 * a message.
 */
export function nextKey(): number {
  if (used === KEYS) {
    keys = crypto.getRandomValues(keys ?? new Int32Array(KEYS));
    used = 0;
  }
  return keys?.[used++] ?? 0;
}
