/**
 * Bare connections, as they come in, from Deno's listeners or from `node:net`.
 *
 * @module
 */

import { createServer, Socket } from "node:net";

/** A bare connection: a `Deno.TcpConn`, a `Deno.TlsConn` or a `node:net` one. */
export interface Transport {
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  closeWrite(): Promise<void>;
  /**
   * Ends both directions; a FIN is sent. Deno 2.6 does not interrupt a pending
   * write: there the socket stays until the client reads or goes.
   */
  close(): void;
  /** Ends both directions by a reset, where the runtime can. */
  reset?(): void;
}

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

/**
 * Whether connections can be reset: `Deno.Conn` always says FIN first, and
 * `node:net` can do better since Deno 2.9.
 */
export function canReset(): boolean {
  return typeof Socket.prototype.resetAndDestroy === "function";
}

/** As `listen`, but for plain TCP only, and its transports can `reset`. */
export async function listenForResets(
  { hostname = "127.0.0.1", port = 0 }: ListenOptions,
): Promise<Listener> {
  const incoming: Incoming[] = [];
  let waiting: PromiseWithResolvers<void> | undefined;
  const server = createServer({
    allowHalfOpen: true,
    noDelay: true,
    pauseOnConnect: true,
  });
  server.on("connection", (socket) => {
    incoming.push({
      transport: new SocketTransport(socket),
      remote: {
        transport: "tcp",
        hostname: socket.remoteAddress ?? "",
        port: socket.remotePort ?? 0,
      },
    });
    waiting?.resolve();
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, hostname, resolve);
  });
  server.on("error", () => waiting?.resolve());
  const address = server.address();
  if (address === null || typeof address === "string") {
    throw new Error(`Cannot listen on ${hostname}:${port}`);
  }
  return {
    addr: { transport: "tcp", hostname: address.address, port: address.port },
    async accept() {
      for (;;) {
        const next = incoming.shift();
        if (next !== undefined) return next;
        if (!server.listening) throw new Deno.errors.BadResource("closed");
        waiting = Promise.withResolvers();
        await waiting.promise;
      }
    },
    close() {
      server.close();
      waiting?.resolve();
    },
  };
}

/** A `node:net` socket, read and written by promises. */
class SocketTransport implements Transport {
  readonly #socket: Socket;
  #rest: Uint8Array = new Uint8Array(0);
  #ended = false;
  #failure: Error | undefined;
  /** Wakes the pending read. */
  #wake: (() => void) | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    const wake = () => this.#wake?.();
    socket.on("readable", wake);
    socket.on("close", wake);
    socket.on("end", () => {
      this.#ended = true;
      wake();
    });
    socket.on("error", (error) => {
      this.#failure = error;
      wake();
    });
  }

  async read(into: Uint8Array): Promise<number | null> {
    while (this.#rest.length === 0) {
      const chunk = this.#socket.read();
      if (chunk !== null) this.#rest = chunk;
      else if (this.#failure !== undefined) throw this.#failure;
      else if (this.#ended || this.#socket.destroyed) return null;
      else await new Promise<void>((resolve) => this.#wake = resolve);
    }
    const part = this.#rest.subarray(0, into.length);
    this.#rest = this.#rest.subarray(part.length);
    into.set(part);
    return part.length;
  }

  write(bytes: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => {
        if (error) reject(error);
        else resolve(bytes.length);
      });
    });
  }

  closeWrite(): Promise<void> {
    return new Promise((resolve) => this.#socket.end(resolve));
  }

  close(): void {
    this.#socket.destroy();
  }

  reset(): void {
    this.#socket.resetAndDestroy();
  }
}

/** Writes all of it. */
export async function writeAll(
  transport: Transport,
  bytes: Uint8Array,
): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += await transport.write(bytes.subarray(at));
  }
}

/**
 * Sends a FIN and reads on until the client has hung up too. Closing at once,
 * with input unread, would send a reset, with which the last written bytes
 * could be lost. It does not bound the time: closing the transport ends it.
 */
export async function linger(transport: Transport): Promise<void> {
  const rest = new Uint8Array(4096);
  try {
    await transport.closeWrite();
    while (await transport.read(rest) !== null);
  } catch {
    // The client reset it, or the deadline closed it: gone in any case.
  }
}

/** Closes it, if it is not closed yet. */
export function closeQuietly(transport: Transport): void {
  try {
    transport.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
