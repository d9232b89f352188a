/**
 * Frames for tests, made byte by byte and without the code under test.
 *
 * @module
 */

import { Decoder, type DecoderOptions } from "../../src/protocol/decoder.ts";
import { Opcode, type Side } from "../../src/protocol/frames.ts";

/** What a frame may be like; valid unless told otherwise. */
export interface FrameShape {
  readonly fin?: boolean;
  /** The three reserved bits, 0 to 7. @default 0 */
  readonly reserved?: number;
  /** The masking key; `null` for an unmasked frame. @default as the side must */
  readonly mask?: readonly number[] | null;
  /** How the length is written. @default the shortest form */
  readonly lengthBytes?: 1 | 2 | 8;
  /** What the header says. @default the true length */
  readonly length?: number | bigint;
}

/** A frame as this side sends it. */
export function frame(
  from: Side,
  opcode: number,
  payload: string | Uint8Array = "",
  shape: FrameShape = {},
): Uint8Array<ArrayBuffer> {
  const { fin = true, reserved = 0 } = shape;
  const { mask = from === "client" ? [0xa1, 0, 0xff, 0x52] : null } = shape;
  const body = typeof payload === "string"
    ? new TextEncoder().encode(payload)
    : payload;
  const length = BigInt(shape.length ?? body.length);
  const lengthBytes = shape.lengthBytes ??
    (length < 126n ? 1 : length < 65536n ? 2 : 8);
  const masked = mask === null ? 0 : 0x80;
  const header = [(fin ? 0x80 : 0) | reserved << 4 | opcode];
  if (lengthBytes === 1) header.push(masked | Number(length));
  else {
    header.push(masked | (lengthBytes === 2 ? 126 : 127));
    for (let byte = lengthBytes - 1; byte >= 0; byte--) {
      header.push(Number(length >> BigInt(8 * byte) & 0xffn));
    }
  }
  return concat(
    Uint8Array.from([...header, ...mask ?? []]),
    body.map((byte, index) => byte ^ (mask?.[index % 4] ?? 0)),
  );
}

/** The bytes of all parts. */
export function concat(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, p) => sum + p.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** What a decoder reported, in a form that compares. */
export type Seen =
  | { readonly text: string }
  | { readonly binary: Uint8Array }
  | { readonly compressed: Uint8Array; readonly isText: boolean }
  | { readonly ping: string }
  | { readonly pong: string }
  | { readonly close: readonly [code: number, reason: string] };

/** A decoder with a buffer of its own, fed as a socket feeds it. */
export class Feed {
  readonly seen: Seen[] = [];
  readonly decoder: Decoder;
  /** Called after each report. */
  onSeen: () => void = () => {};
  #buffer = new Uint8Array(16);
  #length = 0;

  constructor(to: Side, options?: DecoderOptions) {
    const text = (payload: Uint8Array<ArrayBuffer>) =>
      new TextDecoder().decode(payload);
    const see = (seen: Seen) => {
      this.seen.push(seen);
      this.onSeen();
    };
    this.decoder = new Decoder(to, {
      onMessage: (data) =>
        see(typeof data === "string" ? { text: data } : { binary: data }),
      onCompressed: (payload, isText) => see({ compressed: payload, isText }),
      onPing: (payload) => see({ ping: text(payload) }),
      onPong: (payload) => see({ pong: text(payload) }),
      onClose: (...close) => see({ close }),
    }, options);
  }

  /** Reads these bytes into the buffer and decodes what is there. */
  push(bytes: Uint8Array): void {
    const needed = Math.max(this.decoder.needed, this.#length + bytes.length);
    if (needed > this.#buffer.length) {
      const grown = new Uint8Array(needed);
      grown.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = grown;
    }
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
    const used = this.decoder.decode(this.#buffer, 0, this.#length);
    this.#buffer.copyWithin(0, used, this.#length);
    this.#length -= used;
  }
}

/** The side that `side` talks to. */
export function otherSide(side: Side): Side {
  return side === "client" ? "server" : "client";
}

/** Both sides, for tests that run for each. */
export const SIDES = ["client", "server"] as const;

/** The payload of a close frame. */
export function closeBody(code: number, reason = ""): Uint8Array {
  return concat(
    Uint8Array.of(code >>> 8, code),
    new TextEncoder().encode(reason),
  );
}

export { Opcode };
