import type { Transport } from "./transport.ts";

/** A connection that came in. */
export interface Incoming {
  readonly transport: Transport;
  readonly remote: Deno.NetAddr;
}

/** Where connections come in. */
export interface Listener {
  readonly addr: Deno.NetAddr;
  /** Rejects when it is closed, or when this one connection failed. */
  accept(): Promise<Incoming>;
  close(): void;
}

/** Where to listen. */
export interface ListenOptions {
  /** @default "127.0.0.1" */
  readonly hostname?: string;
  /** 0 chooses a free one. @default 0 */
  readonly port?: number;
  /** PEM texts; without them the server speaks plain TCP. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** With `tls`: what to offer by ALPN. @default none */
  readonly alpn?: readonly string[];
}

/**
 * Listens on TCP or TLS.
 *
 * @throws {Deno.errors.AddrInUse} when the port is taken.
 */
export function listen(options: ListenOptions): Listener {
  const { hostname = "127.0.0.1", port = 0, tls, alpn } = options;
  const listener: Deno.Listener<Deno.TcpConn | Deno.TlsConn, Deno.NetAddr> =
    tls === undefined ? Deno.listen({ hostname, port }) : Deno.listenTls({
      hostname,
      port,
      cert: tls.cert,
      key: tls.key,
      alpnProtocols: alpn === undefined ? undefined : [...alpn],
    });
  return {
    addr: listener.addr,
    async accept() {
      const conn = await listener.accept();
      // A frame that waits for an acknowledgement comes late.
      if ("setNoDelay" in conn) conn.setNoDelay(true);
      return { transport: conn, remote: conn.remoteAddr };
    },
    close: () => listener.close(),
  };
}
