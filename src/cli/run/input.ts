/**
 * The way in: stdin, cut into messages. Bounded: one chunk is read at a time,
 * and the next only when the consumer has taken the last.
 *
 * @module
 */

/** What is read from, as `Deno.stdin`. */
export interface Source {
  read(buffer: Uint8Array): Promise<number | null>;
}

const CHUNK = 64 * 1024;

/** How stdin is cut. */
export interface InputOptions {
  /** What ends a message; without bytes each chunk is one as it comes. */
  readonly delimiter: Uint8Array;
  /** The most bytes of a message. */
  readonly maxBytes: number;
}

/** A message of stdin's is longer than the queue can hold. */
export class InputTooLongError extends Error {
  override readonly name = "InputTooLongError";

  /** @param maxBytes the limit */
  constructor(maxBytes: number) {
    super(`a message on stdin is longer than ${maxBytes} bytes`);
  }
}

/**
 * The messages of a source, those of one chunk at a time, without their
 * delimiters. A last one without a delimiter counts too. The bytes are valid
 * until the next step of the iteration.
 * @throws {InputTooLongError} a message of more than `maxBytes`
 */
export async function* readMessages(
  source: Source,
  { delimiter, maxBytes }: InputOptions,
): AsyncGenerator<readonly Uint8Array[]> {
  let buffer = new Uint8Array(CHUNK);
  let used = 0;
  for (;;) {
    const length = await source.read(buffer.subarray(used));
    if (length === null) break;
    const from = Math.max(0, used - delimiter.length + 1);
    used += length;
    const bytes = buffer.subarray(0, used);
    const { messages, end } = delimiter.length === 0
      ? { messages: [bytes], end: used }
      : cut(bytes, delimiter, from, maxBytes);
    if (messages.length > 0) yield messages;
    buffer.copyWithin(0, end, used);
    used -= end;
    if (used > maxBytes) throw new InputTooLongError(maxBytes);
    if (used > buffer.length / 2) buffer = doubled(buffer);
  }
  if (used > 0) yield [buffer.subarray(0, used)];
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
