/**
 * TLS over a connection that is open already.
 *
 * `Deno.startTls` is fast, but knows no client certificate and accepts no
 * invalid server certificate, and it wants a bare TCP connection below. For
 * these cases there is `node:tls`, which works over any stream.
 *
 * @module
 */

import { createPublicKey, type KeyObject, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { Duplex } from "node:stream";
import { connect, rootCertificates, type TLSSocket } from "node:tls";
import { HandshakeFailure } from "../transport.ts";
import { type ByteStream, writeAll } from "./byte_stream.ts";

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

/** `node:tls` of Deno 2.6 sends no client certificate over a stream of ours. */
const LOSES_IDENTITY = Deno.version.deno.startsWith("2.6.");

/**
 * Makes the TLS handshake as a client. Closing `below` ends it.
 * @param dialled the port of `serverName` to which `below` leads directly
 */
export async function startTls(
  below: ByteStream | Deno.TcpConn,
  settings: TlsSettings,
  onReplaced: (stream: ByteStream) => void,
  dialled?: number,
): Promise<ByteStream> {
  const { serverName, caCerts, identity, insecure } = settings;
  checkPem(settings);
  if (identity !== undefined && dialled !== undefined && LOSES_IDENTITY) {
    // Deno itself takes a client certificate only where it dials.
    below.close();
    const conn = await Deno.connectTls({
      hostname: serverName,
      port: dialled,
      caCerts: [...caCerts],
      alpnProtocols: ["http/1.1"],
      ...identity,
    });
    onReplaced(conn);
    await conn.handshake();
    return conn;
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

const CERTIFICATE = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/;
const KEY = /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/;

/** The runtime ignores a text without a certificate, and goes on without it. */
function checkPem({ caCerts, identity }: TlsSettings): void {
  for (const pem of caCerts) requirePem("caCerts", CERTIFICATE, pem);
  if (identity === undefined) return;
  requirePem("cert", CERTIFICATE, identity.cert);
  requirePem("key", KEY, identity.key);
  checkPair(identity.cert, identity.key);
}

/** `node:tls` reports a wrong pair as an "unsupported protocol", or hangs. */
function checkPair(cert: string, key: string): void {
  let pair: readonly [KeyObject, KeyObject];
  try {
    pair = [new X509Certificate(cert).publicKey, createPublicKey(key)];
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    const detail = `'tls.cert' or 'tls.key' cannot be read: ${text}`;
    throw new HandshakeFailure({ kind: "options", detail, cause });
  }
  const [certified, own] = pair.map((half) =>
    half.export({ type: "spki", format: "pem" })
  );
  if (certified === own) return;
  const detail = "'tls.key' does not belong to 'tls.cert'";
  throw new HandshakeFailure({ kind: "options", detail });
}

function requirePem(option: string, pattern: RegExp, pem: string): void {
  if (pattern.test(pem)) return;
  const what = pattern === KEY ? "private key" : "certificate";
  const detail = `'tls.${option}' holds no ${what} in PEM`;
  throw new HandshakeFailure({ kind: "options", detail });
}

/** Whether `Deno.startTls` takes it: it wants a bare TCP connection. */
function isTcp(stream: ByteStream | Deno.TcpConn): stream is Deno.TcpConn {
  return "setNoDelay" in stream;
}

/** Deno 2.9 shows them only with `--allow-sys`, and would ask for it. */
function usualAuthorities(): readonly string[] {
  const { state } = Deno.permissions.querySync({ name: "sys" });
  return state === "granted" ? rootCertificates : [];
}

/** TLS by `node:tls` over any stream. */
export class NodeTlsStream implements ByteStream {
  readonly #below: StreamDuplex;
  readonly #socket: TLSSocket;
  /** What the socket has given and nobody has read; it is paused meanwhile. */
  #received: Uint8Array | undefined;
  /** Resolved once there is something to read, or the socket has ended. */
  #changed: PromiseWithResolvers<void> | undefined;
  #error: Error | undefined;
  #ended = false;
  #closed = false;

  constructor(below: ByteStream, settings: TlsSettings) {
    const { serverName, caCerts, identity, insecure } = settings;
    this.#below = new StreamDuplex(below);
    try {
      this.#socket = connect({
        socket: this.#below,
        // An address is no server name (RFC 6066, section 3), but what the
        // certificate is checked against.
        ...(isIP(serverName) === 0
          ? { servername: serverName }
          : { host: serverName }),
        // Node trusts these instead of the usual ones, Deno besides them.
        ...(caCerts.length > 0 && { ca: [...usualAuthorities(), ...caCerts] }),
        ...identity,
        rejectUnauthorized: !insecure,
        ALPNProtocols: ["http/1.1"],
      });
    } catch (cause) {
      throw new HandshakeFailure({
        kind: "options",
        detail: "the certificates in 'tls' cannot be used",
        cause,
      });
    }
    this.#socket.pause();
    this.#socket.on("data", (bytes: Uint8Array) => {
      this.#received = bytes;
      this.#socket.pause();
      this.#wake();
    });
    const onError = (error: Error) => {
      this.#error ??= error;
      this.#wake();
    };
    this.#socket.on("error", onError);
    // Deno 2.6 does not pass it on to the socket: nobody else would listen.
    this.#below.on("error", onError);
    for (const event of ["end", "close"]) {
      this.#socket.on(event, () => {
        this.#ended = true;
        this.#wake();
      });
    }
  }

  /** The socket of Node's, for what it knows of the other side. */
  get socket(): TLSSocket {
    return this.#socket;
  }

  #wake(): void {
    this.#changed?.resolve();
    this.#changed = undefined;
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
      const received = this.#received;
      if (received !== undefined) {
        const count = Math.min(received.length, into.length);
        into.set(received.subarray(0, count));
        this.#received = count < received.length
          ? received.subarray(count)
          : undefined;
        return count;
      }
      if (this.#error !== undefined) throw this.#error;
      if (this.#ended) return null;
      this.#changed ??= Promise.withResolvers();
      this.#socket.resume();
      await this.#changed.promise;
    }
  }

  write(bytes: Uint8Array): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    // The socket keeps what it is given: it gets bytes of its own.
    this.#socket.write(bytes.slice(), (error) => {
      // The first error is the cause.
      if (error) reject(this.#error ?? error);
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
    // Deno 2.6 would close its own resource a second time.
    this.#below.removeAllListeners("close");
    this.#socket.destroy();
    this.#wake();
    this.#below.close();
  }
}

/** A stream of ours as one of Node's. */
class StreamDuplex extends Duplex {
  readonly #stream: ByteStream;
  #closed = false;

  constructor(stream: ByteStream) {
    // Deno 2.6 loops at the end of a stream that stays half open.
    super({ allowHalfOpen: false });
    this.#stream = stream;
  }

  /** Closes the stream. Errors that follow from it are not reported. */
  close(): void {
    this.#closed = true;
    this.#stream.close();
  }

  override _read(): void {
    const buffer = new Uint8Array(16 * 1024);
    this.#stream.read(buffer).then(
      (count) => {
        this.push(count === null ? null : buffer.subarray(0, count));
      },
      (error) => this.destroy(this.#closed ? undefined : error),
    );
  }

  override _write(
    chunk: Uint8Array,
    _encoding: string,
    callback: (error?: Error | null) => void,
  ): void {
    writeAll(this.#stream, chunk).then(
      () => callback(),
      (error) => callback(this.#closed ? undefined : error),
    );
  }

  override _final(callback: (error?: Error | null) => void): void {
    const done = () => callback();
    if (this.#closed) done();
    else this.#stream.closeWrite().then(done, done);
  }
}
