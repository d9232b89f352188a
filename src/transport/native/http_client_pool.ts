/**
 * The `Deno.HttpClient` behind the native sockets of one client, and behind the
 * diagnosis of their failures.
 *
 * - `ws://` without certificates and proxy: the runtime's own client.
 * - Everything else: one HTTP client, shared by all clients whose certificates
 *   and proxy are the same, because each costs some 100 KiB. It is made with
 *   `http2: false`. With the runtime's own client every failed handshake is tried
 *   once more over HTTP/2, on a second TLS connection, and only the second error
 *   is reported. Without HTTP/2 there is one connection, and a plain sign that
 *   the cause is hidden. The price: no WebSockets over HTTP/2 (RFC 8441) to a
 *   server that has no HTTP/1.1.
 *
 * @module
 */

import type { TlsConfig } from "../../config.ts";
import { splitCredentials } from "../handshake_request.ts";
import { HandshakeFailure } from "../transport.ts";

/** How connections are made. */
export interface NativeOptions {
  readonly tls?: TlsConfig | undefined;
  readonly proxy?: URL | undefined;
  /** The program's own; it is not closed here. */
  readonly httpClient?: Deno.HttpClient | undefined;
}

/** The clients in use, by their certificates and proxy. */
const SHARED = new Map<string, SharedClient>();

interface SharedClient {
  readonly client: Deno.HttpClient;
  users: number;
}

/** Gives one transport its HTTP client. */
export class HttpClientPool {
  readonly #options: NativeOptions;
  #shared: SharedClient | undefined;
  #isClosed = false;

  /** Takes the settings; nothing is opened yet. */
  constructor(options: NativeOptions) {
    this.#options = options;
  }

  /**
   * The client for a socket to this URL; `undefined` is the runtime's own.
   * @throws {HandshakeFailure} `options`
   */
  forSocket(url: URL): Deno.HttpClient | undefined {
    const { tls, proxy, httpClient } = this.#options;
    const isPlain = url.protocol === "ws:" && tls === undefined &&
      proxy === undefined && httpClient === undefined;
    return isPlain ? undefined : this.forRequest();
  }

  /**
   * The client for a request with the same settings; made at the first call.
   * @throws {HandshakeFailure} `options`
   */
  forRequest(): Deno.HttpClient {
    const { httpClient } = this.#options;
    if (httpClient !== undefined) return httpClient;
    if (this.#isClosed) {
      throw new Error("Cannot connect: the transport is closed");
    }
    this.#shared ??= this.#acquire();
    return this.#shared.client;
  }

  /** Releases the shared client. */
  close(): void {
    this.#isClosed = true;
    const shared = this.#shared;
    this.#shared = undefined;
    if (shared === undefined || --shared.users > 0) return;
    SHARED.delete(this.#settings);
    shared.client.close();
  }

  #acquire(): SharedClient {
    const shared = SHARED.get(this.#settings) ??
      { client: createClient(this.#options), users: 0 };
    SHARED.set(this.#settings, shared);
    shared.users++;
    return shared;
  }

  get #settings(): string {
    const { tls: { caCerts, cert, key } = {}, proxy } = this.#options;
    return JSON.stringify([caCerts, cert, key, proxy?.href]);
  }
}

function createClient({ tls, proxy }: NativeOptions): Deno.HttpClient {
  const { caCerts, cert, key } = tls ?? {};
  try {
    return Deno.createHttpClient({
      http2: false,
      // A connection kept from one diagnosis could be stale in the next.
      poolMaxIdlePerHost: 0,
      ...(caCerts !== undefined && { caCerts: [caCerts].flat() }),
      ...(cert !== undefined && key !== undefined && { cert, key }),
      ...(proxy !== undefined && { proxy: proxyOf(proxy) }),
    });
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw new HandshakeFailure({ kind: "options", detail, cause });
  }
}

function proxyOf(proxy: URL): Deno.Proxy {
  const { url, credentials: basicAuth } = splitCredentials(proxy);
  // Deno 2.6 does not derive the kind of the proxy from its URL.
  const transport = url.protocol === "socks5:"
    ? "socks5"
    : url.protocol === "https:"
    ? "https"
    : "http";
  return { transport, url: url.href, basicAuth };
}
