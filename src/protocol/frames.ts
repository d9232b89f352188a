/**
 * The frames of RFC 6455, section 5.2: what both directions share.
 *
 * ```txt
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 ...
 * +-+-+-+-+-------+-+-------------+-------------------------------+
 * |F|R|R|R| opcode|M| Payload len |  Extended length (16 or 64)   |
 * |I|S|S|S|  (4)  |A|     (7)     |  if payload len is 126 or 127 |
 * |N|V|V|V|       |S|             |  then masking key (32), data  |
 * +-+-+-+-+-------+-+-------------+-------------------------------+
 * ```
 *
 * @module
 */

/** Which end of a connection: clients mask their frames, servers do not. */
export type Side = "client" | "server";

/** The opcodes of RFC 6455, section 5.2. */
export const Opcode = {
  continuation: 0x0,
  text: 0x1,
  binary: 0x2,
  close: 0x8,
  ping: 0x9,
  pong: 0xa,
} as const;

/** One of the six opcodes. */
export type Opcode = typeof Opcode[keyof typeof Opcode];

/** The first byte of a frame: the message ends with it. */
export const FIN = 0x80;
/** The first byte of a frame: the message is compressed (RFC 7692). */
export const RSV1 = 0x40;
/** The second byte of a frame: a masking key follows the length. */
export const MASKED = 0x80;

/** "All control frames MUST have a payload length of 125 bytes or less" (5.5). */
export const MAX_CONTROL_PAYLOAD = 125;

/** The longest reason that fits in a close frame behind its code, bytes. */
export const MAX_CLOSE_REASON = MAX_CONTROL_PAYLOAD - 2;

/** The longest header of a frame: two bytes, length, masking key. */
export const MAX_HEADER = 14;

/**
 * The other side broke the protocol. `closeCode` is the code to close with:
 * 1002 protocol error, 1007 invalid data, 1009 message too big.
 */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  readonly closeCode: 1002 | 1007 | 1009;

  constructor(closeCode: 1002 | 1007 | 1009, message: string) {
    super(message);
    this.closeCode = closeCode;
  }
}

/** The size of the header before a payload of `length` bytes. */
export function headerSize(length: number, masked: boolean): number {
  const size = length < 126 ? 2 : length < 0x10000 ? 4 : 10;
  return masked ? size + 4 : size;
}

/**
 * Writes a header up to the masking key, which is the caller's to write.
 * @returns the offset after the written bytes
 */
export function writeHeader(
  target: Uint8Array,
  offset: number,
  first: number,
  length: number,
  masked: boolean,
): number {
  const mask = masked ? MASKED : 0;
  target[offset] = first;
  if (length < 126) {
    target[offset + 1] = mask | length;
    return offset + 2;
  }
  if (length < 0x10000) {
    target[offset + 1] = mask | 126;
    target[offset + 2] = length >>> 8;
    target[offset + 3] = length;
    return offset + 4;
  }
  target[offset + 1] = mask | 127;
  // Lengths are below 2^53: the bit operations take one half at a time.
  writeUint32(target, offset + 2, Math.floor(length / 0x100000000));
  writeUint32(target, offset + 6, length >>> 0);
  return offset + 10;
}

/** Writes a number of 32 bits, the most significant byte first. */
function writeUint32(
  target: Uint8Array,
  offset: number,
  value: number,
): void {
  target[offset] = value >>> 24;
  target[offset + 1] = value >>> 16;
  target[offset + 2] = value >>> 8;
  target[offset + 3] = value;
}

/** Reads a number of 32 bits, the most significant byte first. */
export function readUint32(source: Uint8Array, offset: number): number {
  return ((source[offset] ?? 0) << 24 | (source[offset + 1] ?? 0) << 16 |
    (source[offset + 2] ?? 0) << 8 | (source[offset + 3] ?? 0)) >>> 0;
}
