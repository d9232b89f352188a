/**
 * What connects: the `Deno.HttpClient` behind the sockets of one client, and
 * behind the diagnosis of their failures.
 *
 * - `ws://` without certificates and proxy: the runtime's own client.
 * - Everything else: one that all clients share whose certificates and proxy are
 *   the same, as one for each would cost some 100 KiB. It is made for
 *   `http2: false`. With the runtime's own client every failed handshake is tried
 *   once more over HTTP/2, on a second TLS connection, and only the second error
 *   is told. Without HTTP/2 there is one connection and one plain sign that the
 *   cause is hidden. Measured, in TLS connections of an attempt that the server
 *   refuses, diagnosis included: 3 before, 2 now. What is given up: WebSockets
 *   over HTTP/2 (RFC 8441) to a server that has no HTTP/1.1.
 *
 * @module
 */

import type { TlsConfig } from "../config.ts";
import { splitCredentials } from "./credentials.ts";

/** Where the settings of a {@linkcode Transport} come from. */
export interface TransportOptions {
  readonly tls?: TlsConfig;
  readonly proxy?: URL;
  /** The program's own; it is not closed here. */
  readonly httpClient?: Deno.HttpClient;
}

/** What connects one of our clients, and its owner. */
export class Transport {
  /** The proxy, if it was set here. */
  readonly proxy: URL | undefined;
  /** Whether the program brought its own HTTP client. */
  readonly given: boolean;

  readonly #options: TransportOptions;
  #shared: SharedClient | undefined;
  #closed = false;

  /** Takes the settings; nothing is opened yet. */
  constructor(options: TransportOptions = {}) {
    this.#options = options;
    this.proxy = options.proxy;
    this.given = options.httpClient !== undefined;
  }

  /**
   * What opens a socket to this URL; `undefined` is the runtime's own client.
   * @throws {Error} certificates or a key that cannot be used
   */
  forSocket(url: URL): Deno.HttpClient | undefined {
    const isPlain = url.protocol === "ws:" && !this.given && this.#isBare;
    return isPlain ? undefined : this.forRequest();
  }

  /**
   * What makes a request with the same settings; made at the first call.
   * @throws {Error} certificates or a key that cannot be used
   */
  forRequest(): Deno.HttpClient {
    if (this.#closed) {
      throw new Error("Cannot connect: the transport is closed");
    }
    const { httpClient } = this.#options;
    if (httpClient !== undefined) return httpClient;
    this.#shared ??= SharedClient.take(this.#options);
    return this.#shared.client;
  }

  /** Gives back what was taken. */
  close(): void {
    this.#closed = true;
    this.#shared?.giveBack();
    this.#shared = undefined;
  }

  get #isBare(): boolean {
    const { tls, proxy } = this.#options;
    return tls === undefined && proxy === undefined;
  }
}

/** An HTTP client in use, for all who have the same settings. */
class SharedClient {
  readonly client: Deno.HttpClient;
  readonly #key: string;
  #users = 0;

  /**
   * The client with these settings, made for its first user.
   * @throws {Error} certificates or a key that cannot be used
   */
  static take(options: TransportOptions): SharedClient {
    const key = keyOf(options);
    const shared = IN_USE.get(key) ?? new SharedClient(key, options);
    shared.#users++;
    return shared;
  }

  private constructor(key: string, options: TransportOptions) {
    this.client = makeClient(options);
    this.#key = key;
    IN_USE.set(key, this);
  }

  /** The last user closes it. */
  giveBack(): void {
    if (--this.#users > 0) return;
    IN_USE.delete(this.#key);
    this.client.close();
  }
}

const IN_USE = new Map<string, SharedClient>();

function keyOf({ tls = {}, proxy }: TransportOptions): string {
  const { caCerts, cert, key } = tls;
  return JSON.stringify([caCerts, cert, key, proxy?.href]);
}

function makeClient({ tls, proxy }: TransportOptions): Deno.HttpClient {
  const { caCerts, cert, key } = tls ?? {};
  return Deno.createHttpClient({
    http2: false,
    // A connection kept from one diagnosis could be stale in the next.
    poolMaxIdlePerHost: 0,
    ...(caCerts !== undefined && { caCerts: [caCerts].flat() }),
    ...(cert !== undefined && key !== undefined && { cert, key }),
    ...(proxy !== undefined && { proxy: proxyOf(proxy) }),
  });
}

function proxyOf(proxy: URL): Deno.Proxy {
  const { url, credentials: basicAuth } = splitCredentials(proxy);
  // Deno 2.6 does not see by itself what kind of proxy the URL names.
  const transport = transportOf(url.protocol);
  return { transport, url: url.href, basicAuth };
}

function transportOf(scheme: string): "http" | "https" | "socks5" {
  if (scheme === "socks5:") return "socks5";
  return scheme === "https:" ? "https" : "http";
}
