/**
 * ASCII texts, decoded many at a time, because a call of the runtime costs more
 * than a short text.
 *
 * A slab is a part of the read buffer, headers and all, as one string of a
 * character a byte. If all texts in it are ASCII, each is a substring. At 64
 * bytes a text takes 36 ns this way and 95 on its own; at 256, 50 and 110; at
 * 1 KiB, 125 and 270.
 *
 * V8 makes a substring of 13 characters or more a view into the string it is
 * cut from, so a text that the program keeps keeps its slab. Hence the bounds:
 * larger slabs are hardly faster (64 bytes: 33 ns with 32 texts, 43 with 8).
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { FIN, Opcode } from "./frames.ts";
import { decodeText, LONG } from "./text.ts";

/** A slab holds no more, except for one text that is longer. */
const SLAB_BYTES = 4 * 1024;
const SLAB_TEXTS = 16;

/**
 * Fewer short texts are decoded one by one, each into a string of its own: on a
 * feed that is not busy a kept text keeps nothing else.
 */
const FEWEST_TEXTS = 3;

/**
 * How many texts are decoded one by one after a slab with a text that is not
 * ASCII; after each further such slab twice as many. So a feed of such texts is
 * as fast as without slabs.
 */
const FIRST_PAUSE = 16;
const LONGEST_PAUSE = 1024;

/** Decodes the texts in a buffer of frames that are not masked. */
export class AsciiTexts {
  #slab = "";
  /** The part of the buffer that is in the slab. */
  #from = 0;
  #until = 0;
  /** How many texts are to be decoded without a slab, now and next time. */
  #skip = 0;
  #pause = FIRST_PAUSE;

  /**
   * The payload from `start` to `end` as a text. Frames up to `to` are there
   * already, and their texts are asked for next.
   * @throws {ProtocolError} 1007, if it is not valid UTF-8
   */
  decode(
    bytes: Buffer<ArrayBuffer>,
    start: number,
    end: number,
    to: number,
  ): string {
    if (end <= this.#until || this.#fill(bytes, start, end, to)) {
      return this.#slab.substring(start - this.#from, end - this.#from);
    }
    return decodeText(bytes, start, end);
  }

  /** Frees the slab. To be called before the bytes change. */
  clear(): void {
    this.#slab = "";
    this.#until = 0;
  }

  /**
   * Makes a slab that begins with this text, if enough others follow and all
   * are ASCII.
   */
  #fill(
    bytes: Buffer<ArrayBuffer>,
    start: number,
    end: number,
    to: number,
  ): boolean {
    if (this.#skip > 0) {
      this.#skip--;
      return false;
    }
    const limit = Math.min(to, start + SLAB_BYTES);
    let texts = 1;
    let until = end;
    let inHeaders = 0;
    while (texts < SLAB_TEXTS && bytes[until] === (FIN | Opcode.text)) {
      let length = bytes[until + 1] ?? 0;
      let next = until + 2 + length;
      let high = 1;
      if (length > 125) {
        if (length !== 126) break;
        const [first, second] = [bytes[until + 2] ?? 0, bytes[until + 3] ?? 0];
        length = first << 8 | second;
        next = until + 4 + length;
        high += (first >> 7) + (second >> 7);
      }
      if (next > limit) break;
      texts++;
      until = next;
      inHeaders += high;
    }
    if (texts < FEWEST_TEXTS && end - start < LONG) return false;
    const slab = bytes.toString("latin1", start, until);
    if (highBytes(slab) > inHeaders) {
      this.#skip = this.#pause;
      this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE);
      return false;
    }
    this.#pause = FIRST_PAUSE;
    this.#slab = slab;
    this.#from = start;
    this.#until = until;
    return true;
  }
}

/** How many bytes have their highest bit set: in UTF-8 each would take two. */
function highBytes(latin1: string): number {
  return Buffer.byteLength(latin1) - latin1.length;
}
