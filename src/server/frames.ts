/**
 * The frame codec of RFC 6455, section 5, from a server's side: what both
 * directions share, and the frames that go out, which are not masked.
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

/** "All control frames MUST have a payload length of 125 bytes or less." (5.5) */
export const MAX_CONTROL_PAYLOAD = 125;

/** What the client did against the protocol, and the code that says so. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";

  /** 1002 protocol error, 1007 bad UTF-8, 1009 message too big. */
  readonly closeCode: 1002 | 1007 | 1009;

  constructor(closeCode: 1002 | 1007 | 1009, message: string) {
    super(message);
    this.closeCode = closeCode;
  }
}

/**
 * The opcode with this number.
 *
 * @throws {ProtocolError} 1002, when it is reserved.
 */
export function asOpcode(value: number): Opcode {
  switch (value) {
    case Opcode.continuation:
    case Opcode.text:
    case Opcode.binary:
    case Opcode.close:
    case Opcode.ping:
    case Opcode.pong:
      return value;
    default:
      throw new ProtocolError(1002, `opcode ${value} is reserved`);
  }
}

/** Bytes of an unmasked frame's header before `length` bytes of payload. */
export function headerSize(length: number): 2 | 4 | 10 {
  return length < 126 ? 2 : length < 0x10000 ? 4 : 10;
}

/** Writes the header of a final, unmasked frame at `offset`. */
export function writeHeader(
  target: Uint8Array,
  offset: number,
  opcode: Opcode,
  length: number,
): void {
  target[offset] = 0x80 | opcode;
  if (length < 126) {
    target[offset + 1] = length;
  } else if (length < 0x10000) {
    target[offset + 1] = 126;
    target[offset + 2] = length >>> 8;
    target[offset + 3] = length;
  } else {
    target[offset + 1] = 127;
    const view = new DataView(target.buffer, target.byteOffset + offset + 2, 8);
    view.setBigUint64(0, BigInt(length));
  }
}

/** One final, unmasked frame. */
export function encodeFrame(
  opcode: Opcode,
  payload: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const header = headerSize(payload.length);
  const frame = new Uint8Array(header + payload.length);
  writeHeader(frame, 0, opcode, payload.length);
  frame.set(payload, header);
  return frame;
}
