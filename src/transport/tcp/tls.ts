/**
 * TLS over a connection that is open already.
 *
 * `Deno.startTls` is fast, but knows no client certificate and accepts no
 * invalid server certificate, and it wants a bare TCP connection below. For
 * these cases there is `node:tls`, which works over any stream.
 *
 * @module
 */

import { Duplex } from "node:stream";
import { connect, type TLSSocket } from "node:tls";
import { HandshakeFailure } from "../transport.ts";
import type { ByteStream } from "./byte_stream.ts";

/** How to speak TLS with a host. */
export interface TlsSettings {
  /** The name that the certificate must have and that is sent (SNI). */
  readonly serverName: string;
  /** Authorities to trust besides the usual ones, PEM. */
  readonly caCerts: readonly string[];
  /** A certificate of the client and its key, PEM. */
  readonly identity?: { readonly cert: string; readonly key: string };
  /** Whether any certificate is accepted. */
  readonly insecure: boolean;
}

/** Makes the TLS handshake as a client. Closing `below` ends it. */
export async function startTls(
  below: ByteStream | Deno.TcpConn,
  settings: TlsSettings,
  onReplaced: (stream: ByteStream) => void,
): Promise<ByteStream> {
  const { serverName, caCerts, identity, insecure } = settings;
  for (const pem of caCerts) {
    // Deno ignores a text without a certificate, and then accepts none.
    if (!/-----BEGIN (?:TRUSTED )?CERTIFICATE-----/.test(pem)) {
      const detail = "'tls.caCerts' holds no PEM certificate";
      throw new HandshakeFailure({ kind: "options", detail });
    }
  }
  if (identity === undefined && !insecure && isTcp(below)) {
    const conn = await Deno.startTls(below, {
      hostname: serverName,
      caCerts: [...caCerts],
      alpnProtocols: ["http/1.1"],
    });
    onReplaced(conn);
    await conn.handshake();
    return conn;
  }
  const stream = new NodeTlsStream(below, settings);
  onReplaced(stream);
  await stream.handshake();
  return stream;
}

/** Whether `Deno.startTls` takes it: it wants a bare TCP connection. */
function isTcp(stream: ByteStream | Deno.TcpConn): stream is Deno.TcpConn {
  return "setNoDelay" in stream;
}

/** TLS by `node:tls` over any stream. */
class NodeTlsStream implements ByteStream {
  readonly #below: ByteStream;
  readonly #socket: TLSSocket;
  /** Settled once the socket has something to read, or has ended. */
  #readable: PromiseWithResolvers<void> | undefined;
  #error: Error | undefined;
  #ended = false;
  #closed = false;

  constructor(below: ByteStream, settings: TlsSettings) {
    const { serverName, caCerts, identity, insecure } = settings;
    this.#below = below;
    try {
      this.#socket = connect({
        socket: new StreamDuplex(below),
        // An address is no server name (RFC 6066, section 3), but Deno checks
        // the certificate against this option.
        servername: serverName,
        ...(caCerts.length > 0 && { ca: [...caCerts] }),
        ...identity,
        rejectUnauthorized: !insecure,
        ALPNProtocols: ["http/1.1"],
      });
    } catch (cause) {
      throw new HandshakeFailure({
        kind: "options",
        detail: "'tls.cert' and 'tls.key' cannot be used",
        cause,
      });
    }
    const wake = () => {
      this.#readable?.resolve();
      this.#readable = undefined;
    };
    this.#socket.on("readable", wake);
    this.#socket.on("end", () => {
      this.#ended = true;
      wake();
    });
    this.#socket.on("close", () => {
      this.#ended = true;
      wake();
    });
    this.#socket.on("error", (error) => {
      this.#error ??= error;
      wake();
    });
  }

  async handshake(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onEnd = () => reject(this.#error ?? new Deno.errors.UnexpectedEof());
    this.#socket.once("secureConnect", resolve);
    this.#socket.once("error", reject);
    this.#socket.once("close", onEnd);
    await promise;
    this.#socket.off("error", reject);
    this.#socket.off("close", onEnd);
  }

  async read(into: Uint8Array): Promise<number | null> {
    for (;;) {
      if (this.#closed) throw new Deno.errors.Interrupted("closed");
      const available = this.#socket.readableLength;
      if (available > 0) {
        const bytes: Uint8Array | null = this.#socket.read(
          Math.min(available, into.length),
        );
        if (bytes !== null) {
          into.set(bytes);
          return bytes.length;
        }
      }
      if (this.#error !== undefined) throw this.#error;
      if (this.#ended) return null;
      // Asks for more, if nothing is on its way.
      this.#socket.read(0);
      this.#readable ??= Promise.withResolvers();
      await this.#readable.promise;
    }
  }

  write(bytes: Uint8Array): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    // The socket keeps what it is given: it gets bytes of its own.
    this.#socket.write(bytes.slice(), (error) => {
      if (error) reject(error);
      else resolve(bytes.length);
    });
    return promise;
  }

  closeWrite(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#socket.end(resolve);
    return promise;
  }

  close(): void {
    this.#closed = true;
    this.#socket.destroy();
    this.#below.close();
    this.#readable?.resolve();
  }
}

/** A stream of ours as one of Node's. */
class StreamDuplex extends Duplex {
  readonly #stream: ByteStream;

  constructor(stream: ByteStream) {
    super();
    this.#stream = stream;
  }

  override _read(): void {
    const buffer = new Uint8Array(16 * 1024);
    this.#stream.read(buffer).then(
      (count) => {
        this.push(count === null ? null : buffer.subarray(0, count));
      },
      (error) => this.destroy(error),
    );
  }

  override _write(
    chunk: Uint8Array,
    _encoding: string,
    callback: (error?: Error | null) => void,
  ): void {
    this.#writeAll(chunk).then(() => callback(), callback);
  }

  async #writeAll(chunk: Uint8Array): Promise<void> {
    for (let rest = chunk; rest.length > 0;) {
      rest = rest.subarray(await this.#stream.write(rest));
    }
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#stream.closeWrite().then(() => callback(), callback);
  }
}
