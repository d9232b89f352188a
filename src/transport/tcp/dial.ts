/**
 * The way to the server: TCP or a Unix socket, a tunnel through a proxy, TLS.
 *
 * @module
 */

import type { TlsConfig } from "../../config.ts";
import { percentDecode, splitCredentials } from "../handshake_request.ts";
import { requirePermission } from "../permission.ts";
import { HandshakeFailure } from "../transport.ts";
import type { ByteStream } from "./byte_stream.ts";
import { failureOf } from "./failures.ts";
import { tunnelByConnect, tunnelBySocks, type TunnelTarget } from "./proxy.ts";
import { startTls, type TlsSettings } from "./tls.ts";

/** How to reach servers. */
export interface DialOptions {
  readonly tls?: TlsConfig;
  /** `http:`, `https:` or `socks5:`; credentials in the user info. */
  readonly proxy?: URL;
}

const PORTS: ReadonlyMap<string, number> = new Map([
  ["ws:", 80],
  ["wss:", 443],
  ["http:", 80],
  ["https:", 443],
  ["socks5:", 1080],
]);

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
  const stream = proxy === undefined
    ? await dialTcp(target, holder, signal)
    : await openTunnel(
      await dialProxy(proxy, holder, signal),
      { proxy, target, tls },
      holder,
    );
  return url.protocol === "wss:"
    ? await secure(stream, target, tls, holder, proxy === undefined)
    : stream;
}

/** Where a URL leads. */
export function endOf(url: URL): TunnelTarget {
  return {
    hostname: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: Number(url.port || PORTS.get(url.protocol)),
  };
}

/**
 * Opens a TCP connection.
 * @throws {HandshakeFailure} it cannot be opened
 */
export async function dialTcp(
  { hostname, port }: TunnelTarget,
  holder: StreamHolder,
  signal: AbortSignal,
): Promise<Deno.TcpConn> {
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  requirePermission({ name: "net", host: `${host}:${port}` });
  try {
    const conn = await connectTcp(hostname, port, signal);
    holder.hold(conn);
    // Frames leave in one write each: Nagle's algorithm would only hold them
    // back until the server acknowledges what it has, 40 ms and more.
    conn.setNoDelay(true);
    return conn;
  } catch (error) {
    throw failureOf(error, "connect");
  }
}

/**
 * `Deno.connect` asks its signal once more when the connection is established,
 * and if that throws, the connection is lost without being closed. Here it does
 * not throw, so that the caller gets the connection and closes it.
 */
async function connectTcp(
  hostname: string,
  port: number,
  signal: AbortSignal,
): Promise<Deno.TcpConn> {
  signal.throwIfAborted();
  const cancel = AbortSignal.any([signal]);
  Object.defineProperty(cancel, "throwIfAborted", { value: () => {} });
  return await Deno.connect({ hostname, port, signal: cancel });
}

async function dialProxy(
  proxy: URL,
  holder: StreamHolder,
  signal: AbortSignal,
): Promise<Deno.TcpConn> {
  try {
    return await dialTcp(endOf(proxy), holder, signal);
  } catch (error) {
    const { facts } = failureOf(error, "connect");
    if (facts.kind === "permission") throw error;
    throw new HandshakeFailure({ ...facts, kind: "proxy-unreachable" });
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
  conn: Deno.TcpConn,
  { proxy, target, tls = {} }: Tunnel,
  holder: StreamHolder,
): Promise<ByteStream> {
  // Name and client certificate are for the server, not for the proxy.
  const { caCerts, insecure } = tls;
  const stream = proxy.protocol === "https:"
    ? await secure(conn, endOf(proxy), { caCerts, insecure }, holder)
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

/**
 * Speaks TLS with the target over a stream.
 * @param isDirect whether the stream leads to the target itself
 * @throws {HandshakeFailure} client and server do not agree
 */
export async function secure(
  stream: ByteStream | Deno.TcpConn,
  { hostname, port }: TunnelTarget,
  options: TlsConfig = {},
  holder: StreamHolder,
  isDirect = false,
): Promise<ByteStream> {
  const { caCerts = [], cert, key, serverName = hostname, insecure = false } =
    options;
  const settings: TlsSettings = {
    serverName,
    caCerts: [caCerts].flat(),
    ...(cert !== undefined && key !== undefined && { identity: { cert, key } }),
    insecure,
  };
  const isSame = isDirect && serverName === hostname && !insecure;
  const dialled = isSame ? port : undefined;
  try {
    return await startTls(stream, settings, holder.hold, dialled);
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

/** Deno 2.9 wants this permission for Unix sockets, Deno 2.6 knows it not. */
function requireUnixNetPermission(path: string): void {
  try {
    requirePermission({ name: "net", host: `unix:${path}` });
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
  }
}
