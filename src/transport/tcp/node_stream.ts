/**
 * Sockets of `node:net` and `node:tls` as byte streams, and the reverse.
 *
 * @module
 */

import { connect, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { type ByteStream, NEEDS_NODE_SOCKET, writeAll } from "./byte_stream.ts";

/**
 * The most bytes in one write. Node tells only when all of them are written, and
 * on a slow line nobody could see that a large message moves.
 */
const MAX_WRITE = 64 * 1024;

/** A socket of Node as a byte stream. It reads only when asked. */
export class NodeStream implements ByteStream {
  readonly socket: Socket;
  readonly #below: StreamDuplex | undefined;
  /** Bytes that were read and did not fit. */
  #rest: Uint8Array | undefined;
  /** Resolved when something has happened on the socket. */
  #changed: PromiseWithResolvers<void> | undefined;
  #error: Error | undefined;
  #state: "opening" | "open" | "ended" | "closed" = "opening";
  readonly #wake = (): void => {
    this.#changed?.resolve();
    this.#changed = undefined;
  };

  /**
   * @param below the byte stream under the socket, if there is one
   */
  constructor(socket: Socket, below?: StreamDuplex) {
    this.socket = socket;
    this.#below = below;
    const onError = (error: Error) => {
      this.#error ??= error;
      this.#wake();
    };
    socket.on("error", onError);
    below?.on("error", onError);
    for (const event of ["end", "close"]) {
      socket.on(event, () => {
        if (this.#state !== "closed") this.#state = "ended";
        this.#wake();
      });
    }
  }

  get remoteAddr(): { readonly hostname: string; readonly port: number } {
    const { remoteAddress = "", remotePort = 0 } = this.socket;
    return { hostname: remoteAddress, port: remotePort };
  }

  /** Waits until the socket can be used. To be called first, and once. */
  async open(event: "connect" | "secureConnect"): Promise<void> {
    this.socket.once(event, () => {
      if (this.#state === "closed") this.socket.destroy();
      else if (!isRefused(this.socket)) this.#state = "open";
      this.#wake();
    });
    while (this.#state === "opening") {
      await this.#change();
      this.#throwError();
    }
    if (this.#state === "ended") throw new Deno.errors.UnexpectedEof();
  }

  async read(into: Uint8Array): Promise<number | null> {
    for (;;) {
      const bytes: Uint8Array | null = this.#rest ?? this.socket.read();
      if (bytes !== null) {
        const count = Math.min(bytes.length, into.length);
        into.set(bytes.subarray(0, count));
        this.#rest = count < bytes.length ? bytes.subarray(count) : undefined;
        return count;
      }
      this.#throwError();
      if (this.#state === "ended") return null;
      this.socket.once("readable", this.#wake);
      await this.#change();
    }
  }

  write(bytes: Uint8Array): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    // The socket keeps the bytes that it gets, so it gets a copy.
    const part = bytes.slice(0, MAX_WRITE);
    this.socket.write(part, (error) => {
      // The first error is the cause.
      if (error) reject(this.#error ?? error);
      else resolve(part.length);
    });
    return promise;
  }

  closeWrite(): Promise<void> {
    // It would close both directions.
    if (NEEDS_NODE_SOCKET) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.socket.end(resolve);
    return promise;
  }

  close(): void {
    const wasOpening = this.#state === "opening";
    this.#state = "closed";
    // Destroyed now, a connection that is being made would never be closed.
    if (!wasOpening || !NEEDS_NODE_SOCKET) this.socket.destroy();
    this.#wake();
    this.#below?.close();
  }

  #throwError(): void {
    if (this.#state === "closed") throw new Deno.errors.Interrupted("closed");
    if (this.#error !== undefined) throw this.#error;
  }

  /** Waits until something happens, and lets bytes come in meanwhile. */
  async #change(): Promise<void> {
    this.#changed ??= Promise.withResolvers();
    this.#below?.flow(true);
    await this.#changed.promise;
    this.#below?.flow(false);
  }
}

/** Opens a TCP connection over which `node:tls` works on any Deno. */
export async function connectNode(
  host: string,
  port: number,
  onStream: (stream: NodeStream) => void,
): Promise<NodeStream> {
  // It must not read ahead: TLS takes the connection over.
  const options = { host, port, allowHalfOpen: true, highWaterMark: 0 };
  const stream = new NodeStream(connect(options).pause());
  onStream(stream);
  await stream.open("connect");
  stream.socket.setNoDelay(true);
  return stream;
}

/** Deno 2.6 reports a handshake that failed as a secure connection first. */
function isRefused(socket: Socket): boolean {
  return socket instanceof TLSSocket && socket.alpnProtocol === null;
}

/**
 * A byte stream as a stream of Node. It reads only while it flows: `node:tls`
 * reads without a bound.
 */
export class StreamDuplex extends Duplex {
  readonly #stream: ByteStream;
  #isFlowing = false;
  #isAsked = false;
  #isClosed = false;

  constructor(stream: ByteStream) {
    super();
    this.#stream = stream;
  }

  /** Starts and stops reading. */
  flow(isFlowing: boolean): void {
    this.#isFlowing = isFlowing;
    this.#pull();
  }

  /** Closes the stream. Errors that follow from it are not reported. */
  close(): void {
    this.#isClosed = true;
    this.#stream.close();
  }

  override _read(): void {
    this.#isAsked = true;
    this.#pull();
  }

  #pull(): void {
    if (!this.#isAsked || !this.#isFlowing) return;
    this.#isAsked = false;
    const buffer = new Uint8Array(16 * 1024);
    this.#stream.read(buffer).then(
      (count) => {
        this.push(count === null ? null : buffer.subarray(0, count));
      },
      (error) => this.destroy(this.#isClosed ? undefined : error),
    );
  }

  override _write(
    chunk: Uint8Array,
    _encoding: string,
    callback: (error?: Error | null) => void,
  ): void {
    writeAll(this.#stream, chunk).then(
      () => callback(),
      (error) => callback(this.#isClosed ? undefined : error),
    );
  }

  override _final(callback: (error?: Error | null) => void): void {
    const done = () => callback();
    if (this.#isClosed) done();
    else this.#stream.closeWrite().then(done, done);
  }
}
