import { Buffer } from "node:buffer";
import type { Message } from "../message.ts";
import { isCloseCode } from "./close_codes.ts";
import {
  FIN,
  MASKED,
  MAX_CONTROL_PAYLOAD,
  Opcode,
  ProtocolError,
  readUint32,
  RSV1,
  type Side,
} from "./frames.ts";
import { GrowingBytes } from "./growing_bytes.ts";
import { MaskedMemory, readKey } from "./masking.ts";
import { AsciiTexts } from "./ascii_texts.ts";
import { decodeText, HAS_FAST_LATIN1, TextCheck } from "./text.ts";

/** Receives what a {@linkcode Decoder} finds. */
export interface FrameSink {
  onMessage(data: Message): void;
  /** A fragment that is not the last one of its message. */
  onFragment?(): void;
  /** Compressed (RFC 7692). The payload is the sink's. */
  onCompressed?(payload: Uint8Array<ArrayBuffer>, isText: boolean): void;
  /** The payload is valid during the call only. */
  onPing(payload: Uint8Array<ArrayBuffer>): void;
  /** The payload is valid during the call only. */
  onPong(payload: Uint8Array<ArrayBuffer>): void;
  /** A close frame. Code 1005: without a body (section 7.1.5). */
  onClose(code: number, reason: string): void;
}

/** The limits of a {@linkcode Decoder}. */
export interface DecoderOptions {
  /** Larger messages are refused with 1009; compressed ones before inflation. @default 64 MiB */
  readonly maxMessageBytes?: number;
  /** Messages of more fragments are refused with 1009. @default 262_144 */
  readonly maxFragments?: number;
  /** Whether permessage-deflate was agreed on. @default false */
  readonly compression?: boolean;
}

/**
 * Frames up to this size are decoded in the caller's buffer, which must be able
 * to hold one. Larger ones are collected in memory of their own.
 */
export const MAX_IN_PLACE = 64 * 1024;

const EMPTY = Buffer.alloc(0);

type DataOpcode = typeof Opcode.text | typeof Opcode.binary;

/** A message of which fragments have arrived. */
interface Fragmented {
  readonly opcode: DataOpcode;
  readonly compressed: boolean;
  readonly textCheck: TextCheck | undefined;
  fragments: number;
}

/** A frame too large for the caller's buffer, of which a part has arrived. */
interface Partial {
  readonly first: number;
  readonly key: number;
  /** Where its payload starts in the collected bytes. */
  readonly start: number;
  /** Where it ends. */
  readonly end: number;
}

/**
 * An incremental decoder of frames (RFC 6455, section 5) for one side of a
 * connection. It decodes whole frames in a buffer that the caller owns and
 * reads into.
 *
 * @example
 * ```ts
 * import { Decoder } from "./decoder.ts";
 *
 * const decoder = new Decoder("client", {
 *   onMessage: (data) => console.log("message", data),
 *   onPing: () => {},
 *   onPong: () => {},
 *   onClose: (code, reason) => console.log("close", code, reason),
 * });
 * const bytes = Uint8Array.of(0x81, 0x02, 0x68, 0x69, 0x81);
 * decoder.decode(bytes, 0, bytes.length); // message "hi"; returns 4
 * ```
 */
export class Decoder {
  readonly #sink: FrameSink;
  readonly #maxMessageBytes: number;
  readonly #maxFragments: number;
  readonly #compression: boolean;
  /** The masking bit of the frames that come in. */
  readonly #masked: 0 | typeof MASKED;

  #buffer: Buffer<ArrayBuffer> = EMPTY;
  #memory: MaskedMemory | undefined;
  readonly #asciiTexts: AsciiTexts | undefined;
  /** Fragments, and the payload of a partial frame. */
  readonly #collected = new GrowingBytes();
  #fragmented: Fragmented | undefined;
  #partial: Partial | undefined;
  #needed = 2;
  #stopped = false;
  /** Where the last call of `decode` ended. */
  #endedAt = 0;
  #closed = false;

  constructor(side: Side, sink: FrameSink, options: DecoderOptions = {}) {
    const {
      maxMessageBytes = 64 * 1024 * 1024,
      maxFragments = 262_144,
      compression = false,
    } = options;
    this.#sink = sink;
    this.#maxMessageBytes = maxMessageBytes;
    this.#maxFragments = maxFragments;
    this.#compression = compression;
    this.#masked = side === "server" ? MASKED : 0;
    if (this.#masked === 0 && HAS_FAST_LATIN1) {
      this.#asciiTexts = new AsciiTexts();
    }
  }

  /**
   * How many bytes the buffer must hold from the first undecoded one on, for
   * `decode` to get further. At most {@linkcode MAX_IN_PLACE}.
   */
  get needed(): number {
    return this.#needed;
  }

  /**
   * Makes `decode` return after the frame that it is delivering. A later call
   * from there on must find the same bytes.
   */
  stop(): void {
    this.#stopped = true;
  }

  /**
   * Decodes the whole frames in `bytes` from `from` to `to`; unmasks them in
   * place. Data after a close frame is ignored (section 5.5.1).
   * @returns where the bytes begin that were not decoded
   * @throws {ProtocolError} the decoder is of no use afterwards
   */
  decode(bytes: Uint8Array<ArrayBuffer>, from: number, to: number): number {
    if (
      bytes !== this.#buffer && (
        bytes.buffer !== this.#buffer.buffer ||
        bytes.byteOffset !== this.#buffer.byteOffset ||
        bytes.length !== this.#buffer.length
      )
    ) this.#use(bytes);
    if (from !== this.#endedAt) this.#asciiTexts?.clear();
    this.#stopped = false;
    this.#needed = 2;
    let at = from;
    while (at < to && !this.#stopped && !this.#closed) {
      const next = this.#partial === undefined
        ? this.#decodeFrame(at, to)
        : this.#collect(this.#partial, at, to);
      if (next === at) break;
      at = next;
    }
    if (!this.#stopped) this.#asciiTexts?.clear();
    this.#endedAt = at;
    return this.#closed ? to : at;
  }

  #use(bytes: Uint8Array<ArrayBuffer>): void {
    this.#buffer = bytes instanceof Buffer
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#asciiTexts?.clear();
    this.#memory = this.#masked === 0
      ? undefined
      : new MaskedMemory(this.#buffer);
  }

  /** Decodes the frame at `at`; returns its end, or `at` if it is not all there. */
  #decodeFrame(at: number, to: number): number {
    const bytes = this.#buffer;
    if (to - at < 2) return this.#wait(at, 2);
    const first = bytes[at] ?? 0;
    const second = bytes[at + 1] ?? 0;
    let length = second & 0x7f;
    const isWhole = first === (FIN | Opcode.text) ||
      first === (FIN | Opcode.binary);
    if (!isWhole || this.#fragmented !== undefined) {
      this.#checkFirst(first, length);
    }
    if ((second & MASKED) !== this.#masked) throw this.#wrongMask();

    let start = at + 2;
    if (length === 126) {
      start = at + 4;
      if (start > to) return this.#wait(at, 4);
      length = (bytes[at + 2] ?? 0) << 8 | (bytes[at + 3] ?? 0);
      if (length < 126) throw notMinimal();
    } else if (length === 127) {
      start = at + 10;
      if (start > to) return this.#wait(at, 10);
      length = longLength(bytes, at + 2);
    }
    if (length > 125) this.#checkSize(length);
    else if (this.#fragmented !== undefined || length > this.#maxMessageBytes) {
      if ((first & 0x08) === 0) this.#checkSize(length);
    }

    if (this.#masked !== 0) start += 4;
    const end = start + length;
    if (end > to) {
      if (end - at <= MAX_IN_PLACE || start > to) {
        return this.#wait(at, (start > to ? start : end) - at);
      }
      const key = this.#masked === 0 ? 0 : readKey(bytes, start - 4);
      const begin = this.#collected.length;
      const partial = { first, key, start: begin, end: begin + length };
      this.#partial = partial;
      return this.#collect(partial, start, to);
    }
    if (this.#masked !== 0) {
      this.#memory?.mask(start, end, readKey(bytes, start - 4));
    }
    if (isWhole) {
      this.#sink.onMessage(
        first === (FIN | Opcode.text)
          ? this.#asciiTexts?.decode(bytes, start, end, to) ??
            decodeText(bytes, start, end)
          : copy(bytes, start, end),
      );
    } else this.#deliver(first, start, end);
    return end;
  }

  #wait(at: number, needed: number): number {
    this.#needed = needed;
    return at;
  }

  /** Takes more of a frame that is too large for the caller's buffer. */
  #collect(partial: Partial, at: number, to: number): number {
    const { first, key, start, end } = partial;
    const collected = this.#collected;
    const next = Math.min(to, at + end - collected.length);
    collected.append(this.#buffer.subarray(at, next), end);
    if (collected.length === end) {
      this.#partial = undefined;
      const payload = collected.view(start);
      if (key !== 0) new MaskedMemory(payload).mask(0, payload.length, key);
      this.#deliverCollected(first, payload);
    }
    return next;
  }

  /** The rules for a first byte that is not the plainest (sections 5.2, 5.4, 5.5). */
  #checkFirst(first: number, length: number): void {
    const opcode = first & 0x0f;
    const isFirst = opcode === Opcode.text || opcode === Opcode.binary;
    const reserved = first & 0x70;
    if (reserved !== 0) {
      // RFC 7692, section 6: only on the first frame of a message.
      if (reserved !== RSV1 || !this.#compression || !isFirst) {
        throw new ProtocolError(1002, "a reserved bit is set");
      }
    }
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
        if ((first & FIN) === 0) {
          throw new ProtocolError(1002, "a control frame is fragmented");
        }
        if (length > MAX_CONTROL_PAYLOAD) {
          throw new ProtocolError(1002, "a control frame is too long");
        }
        return;
      default:
        throw new ProtocolError(1002, `opcode ${opcode} is reserved`);
    }
  }

  #wrongMask(): ProtocolError {
    // Section 5.1: clients mask, servers do not.
    const what = this.#masked === 0
      ? "a server's frame is masked"
      : "a client's frame is not masked";
    return new ProtocolError(1002, what);
  }

  /** Refuses a data frame before any of its payload is kept. */
  #checkSize(length: number): void {
    const collected = this.#fragmented === undefined
      ? 0
      : this.#collected.length;
    if (collected + length > this.#maxMessageBytes) {
      throw new ProtocolError(
        1009,
        `a message has more than ${this.#maxMessageBytes} bytes`,
      );
    }
  }

  /** Delivers a frame whose payload lies in the caller's buffer. */
  #deliver(first: number, start: number, end: number): void {
    const payload = new Uint8Array(
      this.#buffer.buffer,
      this.#buffer.byteOffset + start,
      end - start,
    );
    switch (first & 0x0f) {
      case Opcode.ping:
        return this.#sink.onPing(payload);
      case Opcode.pong:
        return this.#sink.onPong(payload);
      case Opcode.close:
        return this.#close(payload);
      default:
        if (first === (FIN | RSV1 | Opcode.text)) {
          return this.#sink.onCompressed?.(payload.slice(), true);
        }
        if (first === (FIN | RSV1 | Opcode.binary)) {
          return this.#sink.onCompressed?.(payload.slice(), false);
        }
        this.#collected.append(payload);
        this.#deliverCollected(first, payload);
    }
  }

  /** Delivers a data frame whose payload is in the collected bytes. */
  #deliverCollected(first: number, payload: Uint8Array<ArrayBuffer>): void {
    const fragmented = this.#fragmented ?? begin(first);
    const { opcode, compressed, textCheck } = fragmented;
    if ((first & FIN) === 0) {
      textCheck?.check(payload);
      if (++fragmented.fragments > this.#maxFragments) {
        throw new ProtocolError(
          1009,
          `a message has more than ${this.#maxFragments} fragments`,
        );
      }
      this.#fragmented = fragmented;
      return this.#sink.onFragment?.();
    }
    this.#fragmented = undefined;
    const isText = opcode === Opcode.text;
    if (compressed) {
      return this.#sink.onCompressed?.(this.#collected.take(), isText);
    }
    if (!isText) return this.#sink.onMessage(this.#collected.take());
    const { buffer, byteOffset, length } = this.#collected.view();
    const text = decodeText(
      Buffer.from(buffer, byteOffset, length),
      0,
      length,
    );
    this.#collected.clear();
    this.#sink.onMessage(text);
  }

  #close(body: Uint8Array<ArrayBuffer>): void {
    const { code, reason } = decodeCloseBody(body);
    this.#closed = true;
    this.#sink.onClose(code, reason);
  }
}

/** A message whose first fragment has this first byte. */
function begin(first: number): Fragmented {
  const opcode = (first & 0x0f) === Opcode.text ? Opcode.text : Opcode.binary;
  const compressed = (first & RSV1) !== 0;
  const isPlainText = opcode === Opcode.text && !compressed;
  const isFinal = (first & FIN) !== 0;
  return {
    opcode,
    compressed,
    textCheck: isPlainText && !isFinal ? new TextCheck() : undefined,
    fragments: 0,
  };
}

/** A copy of its own: the caller's buffer is used again. */
function copy(
  { buffer, byteOffset }: Uint8Array<ArrayBuffer>,
  start: number,
  end: number,
): Uint8Array<ArrayBuffer> {
  return new Uint8Array(
    new Uint8Array(buffer, byteOffset + start, end - start),
  );
}

/** A length of 64 bits (section 5.2). */
function longLength(bytes: Uint8Array, at: number): number {
  const high = readUint32(bytes, at);
  if (high >= 0x80000000) {
    throw new ProtocolError(1002, "the length's first bit is set");
  }
  const length = high * 0x100000000 + readUint32(bytes, at + 4);
  if (length < 0x10000) throw notMinimal();
  return length;
}

function notMinimal(): ProtocolError {
  // "the minimal number of bytes MUST be used to encode the length" (5.2)
  return new ProtocolError(1002, "a length is not in its shortest form");
}

/**
 * The body of a close frame; an empty one is code 1005 (section 7.1.5).
 * @throws {ProtocolError} 1002 for a code that no frame may carry, 1007 for a
 * reason that is not UTF-8
 */
function decodeCloseBody(
  body: Uint8Array<ArrayBuffer>,
): { readonly code: number; readonly reason: string } {
  if (body.length === 0) return { code: 1005, reason: "" };
  if (body.length === 1) {
    throw new ProtocolError(1002, "a close frame has a body of one byte");
  }
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  const code = bytes.readUInt16BE(0);
  if (!isCloseCode(code)) {
    throw new ProtocolError(1002, `close code ${code} may not be sent`);
  }
  return { code, reason: decodeText(bytes, 2, bytes.length) };
}
