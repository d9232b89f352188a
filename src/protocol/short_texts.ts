/**
 * Short texts, decoded many at a time: a call of the runtime costs more than a
 * short text.
 *
 * A slab is a part of the read buffer, headers and all, as one string of a
 * character a byte. A text in it that is ASCII is a substring. At 64 bytes a
 * text takes 26 ns in a slab of 16 and 80 on its own; at 1 KiB, 155 and 290.
 *
 * V8 makes a substring of 13 characters or more a view into the string it is
 * cut from, so a text that the program keeps keeps its slab. Hence the bounds:
 * with slabs of 100 texts a text takes 24 ns, with 8 it takes 33.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import { FIN, Opcode } from "./frames.ts";
import { decodeText } from "./text.ts";

/** What a slab holds at most. */
const SLAB_BYTES = 4 * 1024;
const SLAB_TEXTS = 16;

/**
 * Fewer texts are decoded one by one, each into a string of its own: on a feed
 * that is not busy a kept text keeps nothing else.
 */
const FEWEST_TEXTS = 3;

/**
 * So many texts are decoded one by one for each that was not ASCII. If all of
 * them or every other one is not, the search for ASCII costs 1 to 5 %.
 */
const PENALTY = 4;

/** The highest bit of each byte of a word. */
const HIGH_BITS = 0x80808080;

const NO_WORDS = new Uint32Array(0);

/** Decodes the texts in a buffer of frames that are not masked. */
export class ShortTexts {
  #bytes: Buffer<ArrayBuffer>;
  /** The memory that the bytes lie in, as far as it has whole words. */
  #words: Uint32Array<ArrayBuffer> = NO_WORDS;
  /** Where the bytes begin in that memory. */
  #offset = 0;

  #slab = "";
  /** The part of the bytes that is in the slab. */
  #from = 0;
  #until = 0;
  /** So many texts are to be decoded without a slab. */
  #skip = 0;

  constructor(bytes: Buffer<ArrayBuffer>) {
    this.#bytes = bytes;
  }

  /** Other memory is used from now on. */
  use(bytes: Buffer<ArrayBuffer>): void {
    this.#bytes = bytes;
    this.#words = NO_WORDS;
  }

  /**
   * The payload from `start` to `end` as a text. Frames up to `to` are there
   * already, and their texts are asked for next.
   * @throws {ProtocolError} 1007, if it is not valid UTF-8
   */
  decode(start: number, end: number, to: number): string {
    if (end <= this.#until || this.#fill(start, end, to)) {
      if (this.#isAscii(start, end)) {
        return this.#slab.substring(start - this.#from, end - this.#from);
      }
      this.#skip += PENALTY;
    }
    return decodeText(this.#bytes, start, end);
  }

  /** Frees the slab. To be called before the bytes change. */
  clear(): void {
    this.#slab = "";
    this.#until = 0;
  }

  /** Makes a slab that begins with this text, if enough others follow. */
  #fill(start: number, end: number, to: number): boolean {
    if (this.#skip > 0) {
      this.#skip--;
      return false;
    }
    const bytes = this.#bytes;
    const limit = Math.min(to, start + SLAB_BYTES);
    let texts = 0;
    let until = start;
    for (let next = end; next <= limit && texts < SLAB_TEXTS; texts++) {
      until = next;
      next = endOfText(bytes, until);
    }
    if (texts < FEWEST_TEXTS || !this.#hasWords(until)) return false;
    this.#slab = bytes.toString("latin1", start, until);
    this.#from = start;
    this.#until = until;
    return true;
  }

  /** Whether the memory has whole words up to `end`. */
  #hasWords(end: number): boolean {
    if (this.#words === NO_WORDS) {
      const { buffer, byteOffset } = this.#bytes;
      this.#words = new Uint32Array(buffer, 0, buffer.byteLength >>> 2);
      this.#offset = byteOffset;
    }
    return this.#offset + end <= this.#words.byteLength;
  }

  /**
   * Looks at 32 bits at a time; of the first and the last word, only at the
   * bytes that belong to the text. Up to 1 KiB this is faster than `isAscii`,
   * which needs a view.
   */
  #isAscii(start: number, end: number): boolean {
    const words = this.#words;
    const from = this.#offset + start;
    const to = this.#offset + end;
    const head = HIGH_BITS << ((from & 3) << 3);
    const tail = HIGH_BITS & ~(-1 << ((to & 3) << 3));
    const last = to >>> 2;
    let at = from >>> 2;
    if (at === last) return ((words[at] ?? 0) & head & tail) === 0;
    let seen = (words[at++] ?? 0) & head;
    if (tail !== 0) seen |= (words[last] ?? 0) & tail;
    let between = 0;
    for (; at + 3 < last; at += 4) {
      between |= (words[at] ?? 0) | (words[at + 1] ?? 0) |
        (words[at + 2] ?? 0) | (words[at + 3] ?? 0);
    }
    for (; at < last; at++) between |= words[at] ?? 0;
    return (seen | between & HIGH_BITS) === 0;
  }
}

/**
 * Where a frame that begins at `at` ends, if it is a short unmasked text in one
 * frame; otherwise beyond all bytes.
 */
function endOfText(bytes: Uint8Array<ArrayBuffer>, at: number): number {
  if (bytes[at] !== (FIN | Opcode.text)) return Infinity;
  const length = bytes[at + 1] ?? 0;
  if (length < 126) return at + 2 + length;
  if (length > 126) return Infinity;
  return at + 4 + ((bytes[at + 2] ?? 0) << 8 | (bytes[at + 3] ?? 0));
}
