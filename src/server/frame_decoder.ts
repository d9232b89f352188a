import type { Message } from "../message.ts";
import { decodeCloseBody } from "./close_body.ts";
import {
  asOpcode,
  MAX_CONTROL_PAYLOAD,
  Opcode,
  ProtocolError,
} from "./frames.ts";
import { GrowingBytes } from "./growing_bytes.ts";
import { decodeText } from "./utf8.ts";

/**
 * Where the decoder delivers. Methods instead of event objects: a message must
 * not cost an allocation more than its own.
 */
export interface FrameSink {
  message(data: Message): void;
  /** `payload` is good during the call only. */
  ping(payload: Uint8Array<ArrayBuffer>): void;
  /** `payload` is good during the call only. */
  pong(payload: Uint8Array<ArrayBuffer>): void;
  /** `code` is 1005 when the frame had no body (7.1.5). */
  close(code: number, reason: string): void;
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
 * import { FrameDecoder } from "./frame_decoder.ts";
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
  /** The beginning of a frame whose end has not come yet. */
  readonly #torn = new GrowingBytes();
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
      if (there < header) return 0;
      length = bytes.getUint16(at + 2);
      if (length < 126) throw notMinimal();
    } else if (length === 127) {
      header = 14;
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
        return this.#sink.ping(payload);
      case Opcode.pong:
        return this.#sink.pong(payload);
      case Opcode.close:
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
  ): Message {
    return opcode === Opcode.text ? decodeText(payload) : payload.slice();
  }

  #close(body: Uint8Array<ArrayBuffer>): void {
    this.#closed = true;
    const { code, reason } = decodeCloseBody(body);
    this.#sink.close(code, reason);
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
