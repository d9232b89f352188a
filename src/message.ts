/**
 * What travels over the connection: a text or a binary message.
 *
 * @module
 */

/** A message: `string` for text, `Uint8Array` for binary. */
export type Message = string | Uint8Array;

/**
 * The length in bytes of the message on the wire, without frame headers: texts
 * are sent as UTF-8, a lone surrogate as U+FFFD (three bytes).
 */
export function byteLength(message: Message): number {
  if (typeof message !== "string") return message.byteLength;
  let bytes = message.length;
  for (let i = 0; i < message.length; i++) {
    const unit = message.charCodeAt(i);
    if (unit < 0x80) continue;
    if (unit < 0x800) {
      bytes += 1;
    } else if (isPairAt(message, i, unit)) {
      bytes += 2;
      i++;
    } else {
      bytes += 2;
    }
  }
  return bytes;
}

function isPairAt(text: string, index: number, unit: number): boolean {
  if (unit < 0xd800 || unit > 0xdbff) return false;
  const next = text.charCodeAt(index + 1);
  return next >= 0xdc00 && next <= 0xdfff;
}
