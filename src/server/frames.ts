/**
 * The frame codec of RFC 6455, section 5, from a server's side: frames that go
 * out are unmasked, frames that come in must be masked. Pure: bytes in, events
 * out; no socket, no clock.
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

import { GrowingBytes } from "./growing_bytes.ts";

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
 * Where the decoder delivers. Methods instead of event objects: a message must
 * not cost an allocation more than its own.
 */
export interface FrameSink {
  message(data: string | Uint8Array<ArrayBuffer>): void;
  ping(payload: Uint8Array<ArrayBuffer>): void;
  pong(payload: Uint8Array<ArrayBuffer>): void;
  /** `code` is 1005 when the frame had no body (7.1.5). */
  close(code: number, reason: string): void;
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

/**
 * The body of a close frame (5.5.1): code and reason.
 *
 * @throws {RangeError} if the code may not be sent or the reason is too long.
 */
export function encodeCloseBody(
  code: number,
  reason: string,
): Uint8Array<ArrayBuffer> {
  if (!isCloseCode(code)) {
    throw new RangeError(
      `Cannot close with ${code}: it is not a code that may be sent ` +
        "(RFC 6455, section 7.4)",
    );
  }
  const text = new TextEncoder().encode(reason);
  if (text.length > MAX_CONTROL_PAYLOAD - 2) {
    throw new RangeError(
      `Cannot close with a reason of ${text.length} bytes: ` +
        `at most ${MAX_CONTROL_PAYLOAD - 2} fit`,
    );
  }
  const body = new Uint8Array(2 + text.length);
  body[0] = code >>> 8;
  body[1] = code;
  body.set(text, 2);
  return body;
}

/** Whether a close frame may carry this code (7.4.1, 7.4.2, IANA registry). */
export function isCloseCode(code: number): boolean {
  if (!Number.isInteger(code)) return false;
  if (code >= 3000) return code <= 4999;
  return code >= 1000 && code <= 1014 &&
    // 1004 is reserved; 1005 and 1006 "MUST NOT be set as a status code in a
    // Close control frame by an endpoint".
    code !== 1004 && code !== 1005 && code !== 1006;
}

/**
 * An incremental decoder of a client's frames.
 *
 * A frame that lies whole in a chunk is read in place; only the torn one at
 * its end is copied. Memory is bounded by `maxMessageBytes`, and a frame that
 * announces more is refused before any of it is kept.
 *
 * @example
 * ```ts
 * import { FrameDecoder } from "./frames.ts";
 *
 * const decoder = new FrameDecoder({
 *   message: (data) => console.log("message", data),
 *   ping: () => {},
 *   pong: () => {},
 *   close: (code, reason) => console.log("close", code, reason),
 * });
 * decoder.push(Uint8Array.of(0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69)); // "hi"
 * ```
 */
export class FrameDecoder {
  readonly #sink: FrameSink;
  readonly #maxMessageBytes: number;
  readonly #utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  /** The beginning of a frame whose end has not come yet. */
  readonly #torn = new GrowingBytes();
  /** How many bytes that frame needs before another look makes sense. */
  #needed = 0;
  /** The payloads so far of a message in fragments, and its opcode. */
  readonly #fragments = new GrowingBytes();
  #fragmented: typeof Opcode.text | typeof Opcode.binary | undefined;
  #closed = false;

  constructor(sink: FrameSink, maxMessageBytes: number = 16 * 1024 * 1024) {
    this.#sink = sink;
    this.#maxMessageBytes = maxMessageBytes;
  }

  /**
   * Takes the next bytes; unmasks them in place. What follows a close frame is
   * ignored (5.5.1).
   *
   * @throws {ProtocolError} once; the decoder is of no use afterwards.
   */
  push(chunk: Uint8Array<ArrayBuffer>): void {
    if (this.#torn.length === 0) {
      const used = this.#decode(viewOf(chunk));
      if (used < chunk.length) this.#torn.append(chunk.subarray(used));
      return;
    }
    this.#torn.append(chunk);
    if (this.#torn.length < this.#needed) return;
    this.#torn.discard(this.#decode(viewOf(this.#torn.view())));
  }

  /** Decodes the whole frames in `bytes`; returns how many bytes they took. */
  #decode(bytes: DataView<ArrayBuffer>): number {
    let at = 0;
    while (!this.#closed) {
      const used = this.#frame(bytes, at);
      if (used === 0) return at;
      at += used;
    }
    return bytes.byteLength;
  }

  /** Decodes the frame at `at`; returns its size, or 0 if it is not all there. */
  #frame(bytes: DataView<ArrayBuffer>, at: number): number {
    const there = bytes.byteLength - at;
    this.#needed = 2;
    if (there < 2) return 0;
    const first = bytes.getUint8(at);
    const second = bytes.getUint8(at + 1);
    const opcode = asOpcode(first & 0x0f);
    const fin = (first & 0x80) !== 0;
    let length = second & 0x7f;

    if ((first & 0x70) !== 0) {
      throw new ProtocolError(1002, "a reserved bit is set");
    }
    // "a client MUST mask all frames that it sends to the server" (5.1)
    if ((second & 0x80) === 0) {
      throw new ProtocolError(1002, "a client's frame is not masked");
    }
    this.#checkOrder(opcode, fin, length);

    let header = 6;
    if (length === 126) {
      header = 8;
      this.#needed = header;
      if (there < header) return 0;
      length = bytes.getUint16(at + 2);
      if (length < 126) throw notMinimal();
    } else if (length === 127) {
      header = 14;
      this.#needed = header;
      if (there < header) return 0;
      const high = bytes.getUint32(at + 2);
      // "the most significant bit MUST be 0"; all of 2^53 is far too big too.
      if (high >= 0x80000000) {
        throw new ProtocolError(1002, "the length's first bit is set");
      }
      length = high * 0x100000000 + bytes.getUint32(at + 6);
      // "the minimal number of bytes MUST be used to encode the length" (5.2)
      if (length < 0x10000) throw notMinimal();
    }
    if (length + this.#fragments.length > this.#maxMessageBytes) {
      throw new ProtocolError(
        1009,
        `a message has more than ${this.#maxMessageBytes} bytes`,
      );
    }
    const size = header + length;
    this.#needed = size;
    if (there < size) return 0;

    const start = at + header;
    unmask(bytes, start, length);
    this.#deliver(
      opcode,
      fin,
      new Uint8Array(bytes.buffer, bytes.byteOffset + start, length),
    );
    return size;
  }

  /** The rules of fragmentation and of control frames (5.4, 5.5). */
  #checkOrder(opcode: Opcode, fin: boolean, length: number): void {
    switch (opcode) {
      case Opcode.text:
      case Opcode.binary:
        if (this.#fragmented !== undefined) {
          throw new ProtocolError(
            1002,
            "a new message begins before the fragmented one has ended",
          );
        }
        return;
      case Opcode.continuation:
        if (this.#fragmented === undefined) {
          throw new ProtocolError(1002, "a continuation of no message");
        }
        return;
      case Opcode.close:
      case Opcode.ping:
      case Opcode.pong:
        if (!fin) {
          throw new ProtocolError(1002, "a control frame is fragmented");
        }
        if (length > MAX_CONTROL_PAYLOAD) {
          throw new ProtocolError(1002, "a control frame is too long");
        }
        return;
      default:
        opcode satisfies never;
    }
  }

  /** Hands on a frame that `#checkOrder` has let pass. */
  #deliver(
    opcode: Opcode,
    fin: boolean,
    payload: Uint8Array<ArrayBuffer>,
  ): void {
    switch (opcode) {
      case Opcode.text:
      case Opcode.binary:
        if (fin) {
          this.#sink.message(this.#data(opcode, payload));
        } else {
          this.#fragmented = opcode;
          this.#fragments.append(payload);
        }
        return;
      case Opcode.continuation:
        this.#fragments.append(payload);
        if (fin) this.#defragment();
        return;
      case Opcode.ping:
        return this.#sink.ping(payload.slice());
      case Opcode.pong:
        return this.#sink.pong(payload.slice());
      case Opcode.close:
        this.#closed = true;
        return this.#close(payload);
      default:
        opcode satisfies never;
    }
  }

  #defragment(): void {
    if (this.#fragmented === undefined) return; // cannot be: #checkOrder
    const data = this.#data(this.#fragmented, this.#fragments.view());
    this.#fragmented = undefined;
    this.#fragments.clear();
    this.#sink.message(data);
  }

  /** A payload's own copy: the bytes it is read from are used again. */
  #data(
    opcode: typeof Opcode.text | typeof Opcode.binary,
    payload: Uint8Array<ArrayBuffer>,
  ): string | Uint8Array<ArrayBuffer> {
    return opcode === Opcode.text ? this.#text(payload) : payload.slice();
  }

  #text(bytes: Uint8Array<ArrayBuffer>): string {
    try {
      return this.#utf8.decode(bytes);
    } catch (cause) {
      if (!(cause instanceof TypeError)) throw cause;
      throw new ProtocolError(1007, "a text is not valid UTF-8");
    }
  }

  #close(body: Uint8Array<ArrayBuffer>): void {
    if (body.length === 0) return this.#sink.close(1005, "");
    if (body.length === 1) {
      throw new ProtocolError(1002, "a close frame has a body of one byte");
    }
    const code = viewOf(body).getUint16(0);
    if (!isCloseCode(code)) {
      throw new ProtocolError(1002, `close code ${code} may not be sent`);
    }
    this.#sink.close(code, this.#text(body.subarray(2)));
  }
}

function asOpcode(value: number): Opcode {
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

function notMinimal(): ProtocolError {
  return new ProtocolError(1002, "a length is not in its shortest form");
}

function viewOf(bytes: Uint8Array<ArrayBuffer>): DataView<ArrayBuffer> {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** XORs the `length` bytes at `start` with the key in the four before them. */
function unmask(bytes: DataView, start: number, length: number): void {
  const key = bytes.getUint32(start - 4);
  const end = start + length;
  let at = start;
  for (; at + 4 <= end; at += 4) {
    bytes.setUint32(at, bytes.getUint32(at) ^ key);
  }
  for (let shift = 24; at < end; at++, shift -= 8) {
    bytes.setUint8(at, bytes.getUint8(at) ^ key >>> shift);
  }
}
