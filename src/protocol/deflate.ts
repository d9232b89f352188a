/**
 * The compression of messages (RFC 7692, section 7.2), on the streams of
 * `node:zlib`: its synchronous functions keep no window between messages. It is
 * loaded for the first compressed message: that takes 20 ms, and a connection
 * without compression needs none of it.
 *
 * @module
 */

import type { DeflateRaw, InflateRaw } from "node:zlib";
import type { DeflateParameters } from "./deflate_parameters.ts";
import { ProtocolError, type Side } from "./frames.ts";

/** A sync flush ends with these, which no message carries (RFC 7692, 7.2.1). */
const TAIL = Uint8Array.of(0x00, 0x00, 0xff, 0xff);

type Zlib = typeof import("node:zlib");

let zlib: Zlib | undefined;

/** One direction of a connection: one message at a time. */
class Direction {
  readonly #make: (zlib: Zlib) => DeflateRaw | InflateRaw;
  readonly #keepsWindow: boolean;
  readonly #maxBytes: number;
  /** Made for the first message: zlib takes up to 300 KiB. */
  #stream: DeflateRaw | InflateRaw | undefined;
  #isClosed = false;

  constructor(
    make: (zlib: Zlib) => DeflateRaw | InflateRaw,
    keepsWindow: boolean,
    maxBytes: number,
  ) {
    this.#make = make;
    this.#keepsWindow = keepsWindow;
    this.#maxBytes = maxBytes;
  }

  /** Another one may follow when the promise has settled. */
  async pass(...inputs: Uint8Array[]): Promise<Uint8Array<ArrayBuffer>> {
    zlib ??= await import("node:zlib");
    if (this.#isClosed) throw ended();
    if (this.#stream === undefined) {
      this.#stream = this.#make(zlib);
      // Errors are looked at below.
      this.#stream.on("error", () => {});
    }
    const stream = this.#stream;
    let isUsable = false;
    try {
      const flush = zlib.constants.Z_SYNC_FLUSH;
      const bytes = await this.#transform(stream, inputs, flush);
      // A block may say that it is the last one (section 7.2.3.4): the stream
      // ends with it, the messages do not.
      isUsable = this.#keepsWindow && !stream.readableEnded;
      return bytes;
    } finally {
      if (!isUsable) this.#free();
    }
  }

  /** Pending calls are rejected. */
  close(): void {
    this.#isClosed = true;
    this.#free();
  }

  #free(): void {
    this.#stream?.close();
    this.#stream = undefined;
  }

  /** Writes the inputs, flushes, and collects the output. */
  async #transform(
    stream: DeflateRaw | InflateRaw,
    inputs: readonly Uint8Array[],
    flush: number,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const chunks: Uint8Array[] = [];
    let size = 0;
    const onData = (chunk: Uint8Array) => {
      size += chunk.length;
      if (size <= this.#maxBytes) return chunks.push(chunk);
      // Nothing more is inflated, whatever the message still holds.
      const message = `a message has more than ${this.#maxBytes} bytes`;
      reject(new ProtocolError(1009, message));
    };
    const onEnd = () => {
      if (stream.errored !== null) {
        reject(new ProtocolError(1007, "a compressed message is malformed"));
      } else if (this.#isClosed) reject(ended());
      else resolve();
    };
    stream.on("data", onData);
    stream.once("close", onEnd);
    for (const input of inputs) stream.write(input);
    // A stream that has failed calls back on some versions of Deno only.
    stream.flush(flush, onEnd);
    try {
      await promise;
    } finally {
      stream.off("data", onData);
      stream.off("close", onEnd);
    }
    const bytes = new Uint8Array(size);
    let at = 0;
    for (const chunk of chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return bytes;
  }
}

function ended(): Error {
  return new Error("Cannot compress: the connection has ended");
}

/**
 * Compresses and inflates the messages of one connection (RFC 7692, section
 * 7.2). Each direction takes one message at a time.
 */
export class MessageDeflate {
  readonly #deflate: Direction;
  readonly #inflate: Direction;

  /** A message that inflates to more than `maxMessageBytes` is refused. */
  constructor(
    side: Side,
    parameters: DeflateParameters,
    maxMessageBytes: number,
  ) {
    const server = {
      windowBits: parameters.serverMaxWindowBits,
      keepsWindow: !parameters.serverNoContextTakeover,
    };
    const client = {
      windowBits: parameters.clientMaxWindowBits,
      keepsWindow: !parameters.clientNoContextTakeover,
    };
    const [own, other] = side === "server"
      ? [server, client]
      : [client, server];
    this.#deflate = new Direction(
      ({ createDeflateRaw }) =>
        createDeflateRaw({ windowBits: own.windowBits }),
      own.keepsWindow,
      Infinity,
    );
    this.#inflate = new Direction(
      ({ createInflateRaw }) =>
        createInflateRaw({ windowBits: other.windowBits }),
      other.keepsWindow,
      maxMessageBytes,
    );
  }

  /** The payload of a message, compressed. */
  async compress(payload: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
    const compressed = await this.#deflate.pass(payload);
    return compressed.subarray(0, compressed.length - TAIL.length);
  }

  /**
   * The payload of a compressed message.
   * @throws {ProtocolError} 1007 for bad data, 1009 for too much of it
   */
  inflate(payload: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
    return this.#inflate.pass(payload, TAIL);
  }

  /** Frees the memory of zlib. Pending calls are rejected. */
  close(): void {
    this.#deflate.close();
    this.#inflate.close();
  }
}
