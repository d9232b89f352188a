/**
 * What connects: one `Deno.HttpClient` per client, for its sockets and for the
 * diagnosis of their failures.
 *
 * It is made even without certificates and proxy, for `http2: false`. With the
 * runtime's own client every failed `wss://` handshake is tried once more over
 * HTTP/2, on a second TLS connection, and only the second error is told.
 * Without HTTP/2 there is one connection and one plain sign that the cause is
 * hidden. Measured, in TLS connections of an attempt that the server refuses,
 * diagnosis included: 3 before, 2 now. What is given up: WebSockets over HTTP/2
 * (RFC 8441) to a server that has no HTTP/1.1.
 *
 * @module
 */

import type { TlsConfig } from "../config.ts";

/** Where the settings of a {@linkcode Transport} come from. */
export interface TransportOptions {
  readonly tls?: TlsConfig;
  readonly proxy?: URL;
  /** The program's own; it is not closed here. */
  readonly httpClient?: Deno.HttpClient;
}

/** The HTTP client behind a client's connections, and its owner. */
export class Transport {
  /** The proxy, if it was set here. */
  readonly proxy: URL | undefined;
  /** Whether the program brought its own HTTP client. */
  readonly given: boolean;

  readonly #options: TransportOptions;
  #client: Deno.HttpClient | undefined;
  #closed = false;

  /** Takes the settings; nothing is opened yet. */
  constructor(options: TransportOptions = {}) {
    this.#options = options;
    this.proxy = options.proxy;
    this.given = options.httpClient !== undefined;
  }

  /**
   * The HTTP client, made at the first call.
   * @throws {Error} certificates or a key that cannot be used
   */
  open(): Deno.HttpClient {
    if (this.#closed) {
      throw new Error("Cannot connect: the transport is closed");
    }
    const { httpClient } = this.#options;
    return httpClient ?? (this.#client ??= makeClient(this.#options));
  }

  /** Closes what was made here. */
  close(): void {
    this.#closed = true;
    this.#client?.close();
    this.#client = undefined;
  }
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
  const url = new URL(proxy);
  const { username, password } = url;
  url.username = "";
  url.password = "";
  if (username === "" && password === "") return { url: url.href };
  return {
    url: url.href,
    basicAuth: {
      username: decodeUserinfo(username),
      password: decodeUserinfo(password),
    },
  };
}

/** User name or password of a URL as it was meant; a stray `%` stays one. */
export function decodeUserinfo(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
