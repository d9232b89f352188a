/**
 * The compression of messages (RFC 7692, section 7.2), on the streams of
 * `node:zlib`: its synchronous functions keep no window between messages.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import {
  constants,
  createDeflateRaw,
  createInflateRaw,
  type DeflateRaw,
  type InflateRaw,
} from "node:zlib";
import { ProtocolError } from "../../protocol/frames.ts";

/** What a compressed message lacks at its end (section 7.2.1). */
const TAIL = Uint8Array.of(0, 0, 0xff, 0xff);

/** How one direction of a connection is compressed. */
export interface DeflateSettings {
  /** The base-2 logarithm of the window, 8 to 15. */
  readonly windowBits: number;
  /** Whether the window is kept from message to message. */
  readonly contextTakeover: boolean;
}

/** Inflates the messages of a connection, one after the other. */
export class Inflater {
  readonly #settings: DeflateSettings;
  readonly #maxMessageBytes: number;
  #stream: InflateRaw | undefined;

  constructor(settings: DeflateSettings, maxMessageBytes: number) {
    this.#settings = settings;
    this.#maxMessageBytes = maxMessageBytes;
  }

  /**
   * Inflates a message. It stops as soon as the message turns out too large.
   * @throws {ProtocolError} 1007 or 1009; the inflater is of no use afterwards
   */
  async inflate(payload: Uint8Array): Promise<Buffer<ArrayBuffer>> {
    const { windowBits, contextTakeover } = this.#settings;
    this.#stream ??= silenced(createInflateRaw({ windowBits }));
    const stream = this.#stream;
    let failed = true;
    try {
      const parts = [payload, TAIL];
      const bytes = await transform(stream, parts, this.#maxMessageBytes);
      failed = false;
      return bytes;
    } finally {
      // A block may say that it is the last one (section 7.2.3.4): the stream
      // ends with it, the messages do not.
      if (failed || !contextTakeover || stream.readableEnded) this.close();
    }
  }

  close(): void {
    this.#stream?.close();
    this.#stream = undefined;
  }
}

/** Deflates the messages of a connection, one after the other. */
export class Deflater {
  readonly #settings: DeflateSettings;
  #stream: DeflateRaw | undefined;

  constructor(settings: DeflateSettings) {
    this.#settings = settings;
  }

  async deflate(payload: Uint8Array): Promise<Uint8Array> {
    const { windowBits, contextTakeover } = this.#settings;
    this.#stream ??= silenced(createDeflateRaw({ windowBits }));
    try {
      const bytes = await transform(this.#stream, [payload], Infinity);
      return bytes.subarray(0, bytes.length - TAIL.length);
    } finally {
      if (!contextTakeover) this.close();
    }
  }

  close(): void {
    this.#stream?.close();
    this.#stream = undefined;
  }
}

/** A stream whose errors end no program: `transform` looks at them. */
function silenced<T extends InflateRaw | DeflateRaw>(stream: T): T {
  stream.on("error", () => {});
  return stream;
}

/** Writes the parts, flushes, and collects what comes out. */
async function transform(
  stream: InflateRaw | DeflateRaw,
  parts: readonly Uint8Array[],
  maxBytes: number,
): Promise<Buffer<ArrayBuffer>> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const chunks: Buffer<ArrayBuffer>[] = [];
  let length = 0;
  const onData = (chunk: Buffer<ArrayBuffer>) => {
    length += chunk.length;
    if (length <= maxBytes) chunks.push(chunk);
    else {
      const message = `a message has more than ${maxBytes} bytes`;
      reject(new ProtocolError(1009, message));
    }
  };
  const onEnd = () => {
    if (stream.errored === null) resolve();
    else {
      reject(new ProtocolError(1007, "a compressed message is malformed"));
    }
  };
  stream.on("data", onData);
  stream.once("close", onEnd);
  for (const part of parts) stream.write(part);
  // A stream that has failed calls back on some versions of Deno only.
  stream.flush(constants.Z_SYNC_FLUSH, onEnd);
  try {
    await promise;
  } finally {
    stream.off("data", onData);
    stream.off("close", onEnd);
  }
  return chunks.length === 1 && chunks[0] !== undefined
    ? chunks[0]
    : Buffer.concat(chunks, length);
}
