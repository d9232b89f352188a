/**
 * A WebSocket server on bare TCP or TLS. `Deno.upgradeWebSocket` gives no
 * control over what makes a test server worth having: dropping, resetting,
 * going silent, refusing.
 *
 * @module
 */

import {
  checkUpgrade,
  chooseSubprotocol,
  encodeAcceptance,
  encodeRefusal,
  HandshakeError,
  type HandshakeRequest,
  parseHead,
  readHead,
  type Refusal,
} from "./handshake.ts";
import { Peer, PeerClosedError } from "./peer.ts";
import { closeQuietly, linger, writeAll } from "./transport.ts";

/** How long a client may take for TLS and its request head, ms. */
const HANDSHAKE_TIMEOUT = 10_000;

/** After a failed accept (such as too many open files), ms. */
const ACCEPT_PAUSE = 50;

const CLOSE_TIMEOUT = 3_000;
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

/** What `serve` takes. */
export interface ServeOptions {
  /** @default "127.0.0.1" */
  readonly hostname?: string;
  /** 0 chooses a free one. @default 0 */
  readonly port?: number;
  /** PEM texts; without them the server speaks plain TCP. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** With `tls`: what to offer by ALPN. @default none */
  readonly alpn?: readonly string[];
  /** Spoken here, the preferred first. @default none */
  readonly subprotocols?: readonly string[];
  /** A larger message ends its connection with 1009. @default 16 MiB */
  readonly maxMessageBytes?: number;
  /** How long closing a peer may take, ms. @default 3_000 */
  readonly closeTimeout?: number;
  /** Looks at a sound request; a refusal is answered instead of the upgrade. */
  readonly accept?: (
    request: HandshakeRequest,
  ) => Refusal | undefined | Promise<Refusal | undefined>;
  /**
   * Called for each connection, before its first message. If it throws, the
   * peer is closed with 1011; sending to a peer that has left is no failure.
   */
  readonly onPeer: (peer: Peer) => void | Promise<void>;
  /** Gets what `accept`, `onPeer` and `onmessage` threw. @default console.error */
  readonly onError?: (error: unknown) => void;
  /** Closes the server. */
  readonly signal?: AbortSignal;
}

/** A running server. */
export interface WebSocketServer extends AsyncDisposable {
  /** `ws://127.0.0.1:4711`, without a slash at the end. */
  readonly url: string;
  readonly port: number;
  readonly addr: Deno.NetAddr;
  /** Those that are open or closing now. */
  readonly peers: ReadonlySet<Peer>;
  /** Stops listening, closes every peer with 1001; bounded by `closeTimeout`. */
  close(): Promise<void>;
}

/**
 * Starts a server.
 *
 * @example Echo on a free port
 * ```ts
 * import { serve } from "./server.ts";
 *
 * await using server = serve({
 *   onPeer: (peer) => {
 *     peer.onmessage = (data) => peer.send(data);
 *   },
 * });
 * console.log(server.url);
 * ```
 *
 * @throws {Deno.errors.AddrInUse} when the port is taken.
 */
export function serve(options: ServeOptions): WebSocketServer {
  return new Server(options);
}

type Connection = Deno.TcpConn | Deno.TlsConn;

class Server implements WebSocketServer {
  readonly url: string;
  readonly port: number;
  readonly addr: Deno.NetAddr;
  readonly peers: Set<Peer> = new Set();

  readonly #options: ServeOptions;
  readonly #onError: (error: unknown) => void;
  readonly #listener: Deno.Listener<Connection, Deno.NetAddr>;
  /** Connections that are not peers yet. */
  readonly #newcomers = new Set<Newcomer>();
  readonly #accepting: Promise<void>;
  readonly #abort = () => void this.close();
  #closing: Promise<void> | undefined;
  #nextId = 0;

  constructor(options: ServeOptions) {
    this.#options = options;
    this.#onError = options.onError ?? console.error;
    options.signal?.throwIfAborted();
    const { hostname = "127.0.0.1", port = 0, tls, alpn } = options;
    this.#listener = tls === undefined
      ? Deno.listen({ hostname, port })
      : Deno.listenTls({
        hostname,
        port,
        cert: tls.cert,
        key: tls.key,
        alpnProtocols: alpn === undefined ? undefined : [...alpn],
      });
    this.addr = this.#listener.addr;
    this.port = this.addr.port;
    const host = hostname.includes(":") ? `[${hostname}]` : hostname;
    this.url = `${tls === undefined ? "ws" : "wss"}://${host}:${this.port}`;
    options.signal?.addEventListener("abort", this.#abort, { once: true });
    this.#accepting = this.#acceptAll();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#options.signal?.removeEventListener("abort", this.#abort);
    this.#listener.close();
    await this.#accepting;
    await Promise.all([...this.#newcomers].map((newcomer) => {
      newcomer.end();
      return newcomer.done;
    }));
    await Promise.all([...this.peers].map((peer) => peer.close(1001)));
  }

  async #acceptAll(): Promise<void> {
    while (this.#closing === undefined) {
      let conn: Connection;
      try {
        conn = await this.#listener.accept();
      } catch {
        // Closed, or one client failed, or no file descriptor is left: an
        // accept that fails must neither end the server nor spin.
        if (this.#closing === undefined) await pause(ACCEPT_PAUSE);
        continue;
      }
      const newcomer = new Newcomer(conn, (gone) => this.#welcome(conn, gone));
      this.#newcomers.add(newcomer);
      newcomer.done.then(() => this.#newcomers.delete(newcomer));
    }
  }

  /** From a bare connection to a peer, or to its end; never rejects. */
  async #welcome(conn: Connection, gone: Promise<undefined>): Promise<void> {
    try {
      const peer = await this.#handshake(conn, gone);
      if (peer !== undefined) return this.#introduce(peer);
    } catch (error) {
      // Anything else is the client's: it hung up, or failed at TLS.
      if (error instanceof HandshakeError) await refuse(conn, error.refusal);
    }
    closeQuietly(conn);
  }

  async #handshake(
    conn: Connection,
    gone: Promise<undefined>,
  ): Promise<Peer | undefined> {
    // A frame that waits for an acknowledgement is a late one.
    if ("setNoDelay" in conn) conn.setNoDelay(true);
    const head = await readHead(conn);
    if (head === undefined) return undefined;
    const request = parseHead(head.text, conn.remoteAddr);
    checkUpgrade(request);
    const id = this.#nextId++;
    const refusal = await Promise.race([this.#judge(request), gone]);
    if (refusal !== undefined) {
      await refuse(conn, refusal);
      return undefined;
    }
    const { subprotocols = [], maxMessageBytes, closeTimeout } = this.#options;
    const protocol = chooseSubprotocol(request.subprotocols, subprotocols);
    await writeAll(conn, await encodeAcceptance(request, protocol));
    return new Peer({
      id,
      request,
      protocol: protocol ?? "",
      transport: conn,
      rest: head.rest,
      maxMessageBytes: maxMessageBytes ?? MAX_MESSAGE_BYTES,
      closeTimeout: closeTimeout ?? CLOSE_TIMEOUT,
      onError: this.#onError,
    });
  }

  async #judge(request: HandshakeRequest): Promise<Refusal | undefined> {
    try {
      return await this.#options.accept?.(request);
    } catch (error) {
      this.#onError(error);
      return { status: 500 };
    }
  }

  #introduce(peer: Peer): void {
    this.peers.add(peer);
    peer.closed.then(() => this.peers.delete(peer));
    this.#attend(peer);
    if (this.#closing !== undefined) peer.close(1001);
  }

  /** Lets the owner's handler run; never rejects. */
  async #attend(peer: Peer): Promise<void> {
    try {
      await this.#options.onPeer(peer);
    } catch (error) {
      if (!(error instanceof PeerClosedError)) this.#onError(error);
      await peer.close(1011);
    }
  }
}

/** A connection during its handshake, and the deadline of that. */
class Newcomer {
  readonly done: Promise<void>;
  readonly #conn: Connection;
  readonly #gone = Promise.withResolvers<undefined>();

  /** `welcome` must end soon after `gone` has resolved. */
  constructor(
    conn: Connection,
    welcome: (gone: Promise<undefined>) => Promise<void>,
  ) {
    this.#conn = conn;
    const deadline = setTimeout(() => this.end(), HANDSHAKE_TIMEOUT);
    this.done = welcome(this.#gone.promise).finally(() => {
      clearTimeout(deadline);
    });
  }

  end(): void {
    closeQuietly(this.#conn);
    this.#gone.resolve(undefined);
  }
}

/** Says no, hangs up; the handshake's deadline bounds it. */
async function refuse(conn: Deno.Conn, refusal: Refusal): Promise<void> {
  try {
    await writeAll(conn, encodeRefusal(refusal));
  } catch {
    return; // The client did not wait for the answer.
  }
  await linger(conn);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
