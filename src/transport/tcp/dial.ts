/**
 * The way to the server: TCP or a Unix socket, a tunnel through a proxy, TLS.
 *
 * @module
 */

import type { TlsConfig } from "../../config.ts";
import { percentDecode, splitCredentials } from "../handshake_request.ts";
import {
  portOf,
  requireNetPermission,
  requirePermission,
} from "../permission.ts";
import { HandshakeFailure } from "../transport.ts";
import { type ByteStream, NEEDS_NODE_SOCKET } from "./byte_stream.ts";
import { failureOf } from "./failures.ts";
import { tunnelByConnect, tunnelBySocks, type TunnelTarget } from "./proxy.ts";
import { startTls, type TlsSettings } from "./tls.ts";

/** How to reach servers. */
export interface DialOptions {
  readonly tls?: TlsConfig;
  /** `http:`, `https:` or `socks5:`; credentials in the user info. */
  readonly proxy?: URL;
}

/** The stream of a connection that is being set up, and its owner until then. */
export class StreamHolder {
  #stream: ByteStream | undefined;
  #closed = false;

  /** Holds this stream, which may be made of the one before. */
  readonly hold = (stream: ByteStream): void => {
    this.#stream = stream;
    if (this.#closed) closeQuietly(stream);
  };

  /** Gives the stream away: it is not closed here any more. */
  release(): void {
    this.#stream = undefined;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#stream !== undefined) closeQuietly(this.#stream);
    this.#stream = undefined;
  }
}

/** Closes a stream that may be closed already. */
export function closeQuietly(stream: ByteStream): void {
  try {
    stream.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

/**
 * Opens a stream to the server of this URL. Closing the holder ends it.
 * @throws {HandshakeFailure} it cannot be opened
 */
export async function dial(
  url: URL,
  options: DialOptions,
  holder: StreamHolder,
  signal: AbortSignal,
): Promise<ByteStream> {
  if (url.protocol === "ws+unix:") return await dialUnix(url, holder);
  const { tls, proxy } = options;
  const target = endOf(url);
  const conn = await dialTcp(url, options, holder, signal);
  const stream = proxy === undefined
    ? conn
    : await openTunnel(conn, { proxy, target, tls }, holder);
  return url.protocol === "wss:"
    ? await secure(stream, target, tls, holder)
    : stream;
}

/** Where a URL leads. */
export function endOf(url: URL): TunnelTarget {
  return {
    hostname: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: portOf(url),
  };
}

/** A TCP connection. */
export interface TcpStream extends ByteStream {
  readonly remoteAddr: { readonly hostname: string; readonly port: number };
}

/**
 * Opens the TCP connection to the server, or to the proxy.
 * @throws {HandshakeFailure} it cannot be opened
 */
export async function dialTcp(
  url: URL,
  options: DialOptions,
  holder: StreamHolder,
  signal: AbortSignal,
): Promise<TcpStream> {
  const { proxy } = options;
  requireNetPermission(proxy ?? url);
  const { hostname, port } = endOf(proxy ?? url);
  try {
    if (needsNode(url, options)) {
      const { connectNode } = await import("./node_stream.ts");
      return await connectNode(hostname, port, holder.hold);
    }
    const conn = await connectTcp(hostname, port, signal);
    holder.hold(conn);
    // Frames leave in one write each: Nagle's algorithm would only hold them
    // back until the server acknowledges what it has, 40 ms and more.
    conn.setNoDelay(true);
    return conn;
  } catch (error) {
    const failure = failureOf(error, "connect");
    const { facts } = failure;
    if (proxy === undefined || facts.kind === "permission") throw failure;
    const detail = `${proxy.host}: ${facts.detail}`;
    throw new HandshakeFailure({ ...facts, kind: "proxy-unreachable", detail });
  }
}

/** Whether the first TLS is one by `node:tls`, and that over its own socket. */
function needsNode(url: URL, { proxy, tls = {} }: DialOptions): boolean {
  if (!NEEDS_NODE_SOCKET) return false;
  const { insecure = false, cert } = tls;
  return proxy?.protocol === "https:"
    ? insecure
    : url.protocol === "wss:" && (insecure || cert !== undefined);
}

/** How long `Deno.connect` may take to end once it is aborted, ms. */
const ABORT_GRACE = 100;

/**
 * `Deno.connect` asks its signal once more when the connection is established,
 * and if that throws, the connection is lost without being closed. Here it does
 * not throw, so that the caller gets the connection and closes it.
 *
 * Deno 2.6 ignores the signal while it resolves a name, which takes ten seconds
 * and more if no name server answers. So an aborted call is not awaited for
 * long; a connection that it still makes is closed.
 */
async function connectTcp(
  hostname: string,
  port: number,
  signal: AbortSignal,
): Promise<Deno.TcpConn> {
  signal.throwIfAborted();
  const cancel = AbortSignal.any([signal]);
  Object.defineProperty(cancel, "throwIfAborted", { value: () => {} });
  const connecting = Deno.connect({ hostname, port, signal: cancel });
  const givenUp = Promise.withResolvers<never>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const abort = () => {
    timer = setTimeout(() => {
      givenUp.reject(signal.reason);
      connecting.then(closeQuietly, () => {});
    }, ABORT_GRACE);
  };
  signal.addEventListener("abort", abort);
  try {
    return await Promise.race([connecting, givenUp.promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  }
}

/** A tunnel through a proxy. */
export interface Tunnel {
  readonly proxy: URL;
  readonly target: TunnelTarget;
  readonly tls?: TlsConfig;
}

/**
 * Makes a connection to a proxy one to the target.
 * @throws {HandshakeFailure} the proxy does not open the tunnel
 */
export async function openTunnel(
  conn: ByteStream,
  { proxy, target, tls = {} }: Tunnel,
  holder: StreamHolder,
): Promise<ByteStream> {
  const stream = proxy.protocol === "https:"
    ? await secureProxy(conn, proxy, tls, holder)
    : conn;
  const { credentials } = splitCredentials(proxy);
  try {
    if (proxy.protocol === "socks5:") {
      await tunnelBySocks(stream, target, credentials);
    } else await tunnelByConnect(stream, target, credentials);
  } catch (error) {
    const failure = failureOf(error, "http");
    const { facts } = failure;
    throw facts.kind === "reset" || facts.kind === "hung-up"
      ? new HandshakeFailure({ ...facts, kind: "proxy-refused" })
      : failure;
  }
  return stream;
}

/** @throws {HandshakeFailure} client and proxy do not agree */
async function secureProxy(
  conn: ByteStream,
  proxy: URL,
  // Name and client certificate are for the server, not for the proxy.
  { caCerts, insecure }: TlsConfig,
  holder: StreamHolder,
): Promise<ByteStream> {
  try {
    return await secure(conn, endOf(proxy), { caCerts, insecure }, holder);
  } catch (error) {
    const { facts } = failureOf(error, "tls");
    const detail = `from the proxy ${proxy.host}: ${facts.detail}`;
    throw new HandshakeFailure({ ...facts, detail });
  }
}

/**
 * Speaks TLS with the target over a stream.
 * @throws {HandshakeFailure} client and server do not agree
 */
export async function secure(
  stream: ByteStream,
  { hostname }: TunnelTarget,
  options: TlsConfig = {},
  holder: StreamHolder,
): Promise<ByteStream> {
  const { caCerts = [], cert, key, serverName = hostname, insecure = false } =
    options;
  const settings: TlsSettings = {
    serverName,
    caCerts: [caCerts].flat(),
    ...(cert !== undefined && key !== undefined && { identity: { cert, key } }),
    insecure,
  };
  try {
    return await startTls(stream, settings, holder.hold);
  } catch (error) {
    throw failureOf(error, "tls");
  }
}

/** The parts of a `ws+unix:/path/to.sock:/request/path?query` URL. */
export function unixParts(
  { pathname, search }: URL,
): { readonly path: string; readonly target: string } {
  const colon = pathname.indexOf(":");
  const path = colon < 0 ? pathname : pathname.slice(0, colon);
  const target = colon < 0 ? "/" : pathname.slice(colon + 1);
  return {
    path: percentDecode(path),
    target: (target.startsWith("/") ? target : `/${target}`) + search,
  };
}

async function dialUnix(url: URL, holder: StreamHolder): Promise<ByteStream> {
  const { path } = unixParts(url);
  if (url.host !== "" || !path.startsWith("/")) {
    const detail = "the form is ws+unix:/path/to.sock:/request/path";
    throw new HandshakeFailure({ kind: "options", detail });
  }
  requirePermission({ name: "read", path });
  requirePermission({ name: "write", path });
  requireUnixNetPermission(path);
  try {
    const conn = await Deno.connect({ transport: "unix", path });
    holder.hold(conn);
    return conn;
  } catch (error) {
    throw failureOf(error, "connect");
  }
}

/**
 * Deno 2.9 requires this permission for Unix sockets; Deno 2.6 does not have
 * it.
 */
function requireUnixNetPermission(path: string): void {
  try {
    requirePermission({ name: "net", host: `unix:${path}` });
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
  }
}
