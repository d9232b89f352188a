/**
 * The texts of messages: UTF-8 in both directions.
 *
 * A text becomes a string even for a program that only writes it on. To pass on
 * its bytes would be no faster, because they have to be checked: the runtime's
 * `isUtf8` takes as long as decoding does where a text is not ASCII (16 KiB of
 * Chinese: 30 us), and an owned copy takes longer than a substring of a slab.
 * The command-line program took 8 % more time with bytes for ASCII of 100 bytes,
 * 6 % more for 1 KiB, as long for 16 KiB, and 3 to 13 % less for Chinese.
 *
 * @module
 */

import { Buffer, isAscii } from "node:buffer";
import { ProtocolError } from "./frames.ts";

/**
 * Deno 2.6 joins a text decoded as Latin-1 of single characters: 2 KB take
 * 100 us and, until the text is flattened, 60 KB of memory. Its `latin1Slice`
 * declares three parameters, the fast one of Deno 2.9 two.
 */
export const HAS_FAST_LATIN1: boolean = hasFastLatin1();

/**
 * From this size on it pays to check first whether a text is ASCII: up to 256
 * bytes `toString("utf8")` takes 0.08 us and from there on 0.2, the check and
 * `toString("latin1")` 0.16; 1 KiB takes 0.2 us instead of 0.5, 16 KiB 1.7
 * instead of 6.5.
 */
export const LONG: number = HAS_FAST_LATIN1 ? 257 : Infinity;

// A byte order mark is part of the text like any other character.
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The text in `bytes` from `start` to `end`.
 * @throws {ProtocolError} 1007, if it is not valid UTF-8 (RFC 6455, section 8.1)
 */
export function decodeText(
  bytes: Buffer<ArrayBuffer>,
  start: number,
  end: number,
): string {
  if (end - start >= LONG && isAscii(bytes.subarray(start, end))) {
    return bytes.toString("latin1", start, end);
  }
  const text = bytes.toString("utf8", start, end);
  // Invalid bytes have become U+FFFD; so does a valid U+FFFD look.
  return text.includes("\ufffd")
    ? decodeStrictly(bytes.subarray(start, end))
    : text;
}

function hasFastLatin1(): boolean {
  const { latin1Slice }: { latin1Slice?: unknown } = Buffer.prototype;
  return typeof latin1Slice === "function" && latin1Slice.length === 2;
}

function decodeStrictly(bytes: Uint8Array<ArrayBuffer>): string {
  try {
    return strict.decode(bytes);
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw invalidText();
  }
}

/**
 * Looks at a text in pieces, so that a bad one is refused at the first piece
 * that cannot be the beginning of valid UTF-8.
 */
export class TextCheck {
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });

  /** @throws {ProtocolError} 1007, if it is not valid UTF-8 */
  check(piece: Uint8Array<ArrayBuffer>): void {
    try {
      this.#decoder.decode(piece, { stream: true });
    } catch (cause) {
      if (!(cause instanceof TypeError)) throw cause;
      throw invalidText();
    }
  }
}

function invalidText(): ProtocolError {
  return new ProtocolError(1007, "a text is not valid UTF-8");
}
