/**
 * What travels over the connection: a text or a binary message.
 *
 * @module
 */

// The global, which Deno 2.6 has no types for: importing `node:buffer` would load
// it at the start, when nothing is sent yet (see turns.ts).
declare const Buffer: { byteLength(text: string): number };

/** A message: `string` for text, `Uint8Array` for binary. */
export type Message = string | Uint8Array;

/**
 * Whether it is a message. Bytes whose memory the program has transferred, to a
 * worker for example, are none: every access to them would throw.
 */
export function isMessage(value: unknown): value is Message {
  return typeof value === "string" ||
    value instanceof Uint8Array && !isDetached(value);
}

function isDetached(bytes: Uint8Array): boolean {
  if (bytes.byteLength > 0) return false;
  try {
    new Uint8Array(bytes);
    return false;
  } catch {
    return true;
  }
}

/**
 * The length in bytes of the message on the wire, without frame headers: texts
 * are sent as UTF-8, a lone surrogate as U+FFFD (three bytes).
 */
export function byteLength(message: Message): number {
  if (typeof message !== "string") return message.byteLength;
  // The runtime measures 1 KiB of text in 60 ns; a loop over its characters
  // takes as long as sending it. To find the global takes 15 ns each time.
  textLength ??= Buffer.byteLength;
  return textLength(message);
}

let textLength: ((text: string) => number) | undefined;
