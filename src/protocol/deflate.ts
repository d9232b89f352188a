import {
  constants,
  createDeflateRaw,
  createInflateRaw,
  type DeflateRaw,
  type InflateRaw,
} from "node:zlib";
import type { DeflateParameters } from "./deflate_parameters.ts";
import { ProtocolError, type Side } from "./frames.ts";

/** A sync flush ends with these, which no message carries (RFC 7692, 7.2.1). */
const TAIL = Uint8Array.of(0x00, 0x00, 0xff, 0xff);

/** One direction: a zlib stream, which takes one message at a time. */
class Direction {
  readonly #stream: DeflateRaw | InflateRaw;
  readonly #keepsWindow: boolean;
  readonly #maxBytes: number;
  #chunks: Uint8Array[] = [];
  #size = 0;
  #pending: PromiseWithResolvers<Uint8Array<ArrayBuffer>> | undefined;
  #isClosed = false;

  constructor(
    stream: DeflateRaw | InflateRaw,
    keepsWindow: boolean,
    maxBytes: number,
  ) {
    this.#stream = stream;
    this.#keepsWindow = keepsWindow;
    this.#maxBytes = maxBytes;
    stream.on("data", (chunk: Uint8Array) => this.#take(chunk));
    stream.on("error", (error: Error) => this.#failed(error));
  }

  /** Another one may follow when the promise has settled. */
  pass(...inputs: Uint8Array[]): Promise<Uint8Array<ArrayBuffer>> {
    const pending = this.#pending = Promise.withResolvers();
    if (this.#isClosed) {
      pending.reject(new Error("Cannot compress: the connection has ended"));
      return pending.promise;
    }
    for (const input of inputs) this.#stream.write(input);
    // Newer Denos report an error here first, older ones as an event alone.
    this.#stream.flush(constants.Z_SYNC_FLUSH, (error?: Error | null) => {
      if (error) this.#failed(error);
      else this.#flushed();
    });
    return pending.promise;
  }

  /** What is pending is rejected. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stream.close();
    this.#pending?.reject(new Error("the connection has ended"));
  }

  #take(chunk: Uint8Array): void {
    this.#size += chunk.length;
    if (this.#size > this.#maxBytes) {
      // Nothing more is inflated, whatever the message still holds.
      this.#chunks = [];
      return this.#fail(
        new ProtocolError(
          1009,
          `a message has more than ${this.#maxBytes} bytes`,
        ),
      );
    }
    this.#chunks.push(chunk);
  }

  #flushed(): void {
    const bytes = new Uint8Array(this.#size);
    let at = 0;
    for (const chunk of this.#chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    this.#chunks = [];
    this.#size = 0;
    if (!this.#keepsWindow && !this.#isClosed) this.#stream.reset();
    this.#pending?.resolve(bytes);
  }

  #failed({ message }: Error): void {
    this.#fail(new ProtocolError(1007, `bad compression: ${message}`));
  }

  #fail(error: ProtocolError): void {
    this.#pending?.reject(error);
    this.close();
  }
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
      createDeflateRaw({ windowBits: own.windowBits }),
      own.keepsWindow,
      Infinity,
    );
    this.#inflate = new Direction(
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

  /** Frees the memory of zlib. What is pending is rejected. */
  close(): void {
    this.#deflate.close();
    this.#inflate.close();
  }
}
