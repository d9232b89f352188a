/**
 * Cuts a stream of bytes into messages. Memory is bounded: one chunk is read at a
 * time.
 *
 * @module
 */

import { showBytes } from "../format.ts";

/** The source of input, such as `Deno.stdin`. */
export interface Reader {
  read(buffer: Uint8Array): Promise<number | null>;
}

const CHUNK = 64 * 1024;

/** How stdin is cut. */
export interface InputOptions {
  /**
   * Ends a message; without bytes each chunk is one as it comes, or all of the
   * input with `isWhole`.
   */
  readonly delimiter: Uint8Array;
  /** The most bytes of a message. */
  readonly maxBytes: number;
  /** One message, whatever it holds. */
  readonly isWhole?: boolean;
  /**
   * Text: a byte order mark at the start is no part of it, and no character is
   * cut in two.
   */
  readonly isText?: boolean;
  /** Lines: a carriage return at their end is no part of them. */
  readonly isLines?: boolean;
  /** Called after each chunk: whether it ends with a part of a message. */
  readonly onPart?: (hasPart: boolean) => void;
}

/** A message of stdin's is longer than the queue can hold. */
export class InputTooLongError extends Error {
  override readonly name = "InputTooLongError";

  /** @param maxBytes the limit */
  constructor(maxBytes: number) {
    super(
      `a message on stdin is longer than ${showBytes(maxBytes)}, the most ` +
        "that the queue holds",
    );
  }
}

/**
 * The messages of a source, those of one chunk at a time, without their
 * delimiters. A last one without a delimiter counts too. The bytes are valid
 * until the next step of the iteration.
 * @throws {InputTooLongError} a message of more than `maxBytes`
 */
export async function* readMessages(
  source: Reader,
  options: InputOptions,
): AsyncGenerator<readonly Uint8Array[]> {
  const { delimiter, maxBytes, isWhole, isText, isLines, onPart } = options;
  let buffer = new Uint8Array(CHUNK);
  let used = 0;
  let isStart = true;
  const trimmed = (message: Uint8Array) =>
    isLines && message.at(-1) === 0x0d ? message.subarray(0, -1) : message;
  for (;;) {
    const length = await source.read(buffer.subarray(used));
    if (length === null) break;
    const from = isStart ? 0 : Math.max(0, used - delimiter.length + 1);
    used += length;
    if (isStart && isText) {
      if (used < BOM.length && isPrefixOfBom(buffer.subarray(0, used))) {
        continue;
      }
      if (BOM.every((byte, i) => buffer[i] === byte)) {
        buffer.copyWithin(0, BOM.length, used);
        used -= BOM.length;
      }
    }
    isStart = false;
    const bytes = buffer.subarray(0, used);
    const { messages, end } = isWhole
      ? { messages: [], end: 0 }
      : delimiter.length === 0
      ? piece(bytes, isText ? completeLength(bytes) : used)
      : cut(bytes, delimiter, from, maxBytes);
    onPart?.(used > end);
    if (messages.length > 0) yield messages.map(trimmed);
    buffer.copyWithin(0, end, used);
    used -= end;
    if (used > maxBytes) throw new InputTooLongError(maxBytes);
    if (used > buffer.length / 2) buffer = doubled(buffer);
  }
  onPart?.(false);
  if (used > 0) yield [trimmed(buffer.subarray(0, used))];
}

const BOM = [0xef, 0xbb, 0xbf] as const;

function isPrefixOfBom(bytes: Uint8Array): boolean {
  return bytes.every((byte, i) => byte === BOM[i]);
}

function piece(bytes: Uint8Array, end: number) {
  return { messages: end === 0 ? [] : [bytes.subarray(0, end)], end };
}

/** Up to where the bytes hold whole characters, if they are UTF-8. */
function completeLength(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) break;
    if (byte < 0xc0) continue;
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return needed > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

function doubled(buffer: Uint8Array): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(buffer.length * 2);
  larger.set(buffer);
  return larger;
}

/**
 * The messages that are complete, up to one that is too long, and where the
 * last of them ends.
 */
function cut(
  bytes: Uint8Array,
  delimiter: Uint8Array,
  from: number,
  maxBytes: number,
) {
  const messages: Uint8Array[] = [];
  let end = 0;
  let at = indexOf(bytes, delimiter, from);
  while (at >= 0 && at - end <= maxBytes) {
    messages.push(bytes.subarray(end, at));
    end = at + delimiter.length;
    at = indexOf(bytes, delimiter, end);
  }
  return { messages, end };
}

function indexOf(bytes: Uint8Array, part: Uint8Array, from: number): number {
  const [first = 0] = part;
  for (let at = from;;) {
    at = bytes.indexOf(first, at);
    if (at < 0 || part.length === 1) return at;
    if (part.every((byte, i) => bytes[at + i] === byte)) return at;
    at++;
  }
}
