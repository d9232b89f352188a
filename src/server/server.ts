/**
 * A WebSocket server on bare TCP or TLS. `Deno.upgradeWebSocket` gives no
 * control over what makes a test server worth having: dropping, resetting,
 * going silent, refusing.
 *
 * @module
 */

import type { Chaos } from "./chaos.ts";
import { FaultPlan } from "./fault_plan.ts";
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
import {
  type Incoming,
  listen,
  type Listener,
  type ListenOptions,
} from "./listener.ts";
import { canReset, listenForResets } from "./listener.ts";
import { Newcomer } from "./newcomer.ts";
import { Peer, PeerClosedError } from "./peer.ts";
import { closeQuietly, linger, type Transport, writeAll } from "./listener.ts";

/** After a failed accept (such as too many open files), ms. */
const ACCEPT_PAUSE = 50;

/** What `serve` takes. */
export interface ServeOptions extends ListenOptions {
  /** Spoken here, the preferred first. @default none */
  readonly subprotocols?: readonly string[];
  /** A larger message ends its connection with 1009. @default 16 MiB */
  readonly maxMessageBytes?: number;
  /** How long closing a peer may take, ms. @default 3_000 */
  readonly closeTimeout?: number;
  /** What goes wrong on purpose: `parseChaos`. @default nothing */
  readonly chaos?: Chaos;
  /** Looks at a sound request; a refusal is answered instead of the upgrade. */
  readonly accept?: (
    request: HandshakeRequest,
  ) => Refusal | undefined | Promise<Refusal | undefined>;
  /**
   * Called for each connection. Messages that come before it sets `onmessage`
   * or receives are held. If it throws, the peer is closed with 1011; that a
   * peer has left (`PeerClosedError`) is no failure.
   */
  readonly onPeer: (peer: Peer) => void | Promise<void>;
  /**
   * Gets what `accept`, `onPeer` and `onmessage` threw. Without it `close`
   * rejects with the first of them, so that no failure goes unseen.
   */
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
  options.signal?.throwIfAborted();
  return new Server(options, listen(options));
}

/**
 * As `serve`, but `peer.reset()` is a true TCP reset, for somewhat less speed.
 * Over TLS and before Deno 2.9 that cannot be had: there it is `serve`.
 */
export async function serveWithResets(
  options: ServeOptions,
): Promise<WebSocketServer> {
  if (options.tls !== undefined || !canReset()) return serve(options);
  options.signal?.throwIfAborted();
  return new Server(options, await listenForResets(options));
}

class Server implements WebSocketServer {
  readonly url: string;
  readonly port: number;
  readonly addr: Deno.NetAddr;
  readonly peers: Set<Peer> = new Set();
  readonly #options: ServeOptions;
  readonly #listener: Listener;
  /** Connections that are not peers yet. */
  readonly #newcomers = new Set<Newcomer>();
  readonly #accepting: Promise<void>;
  readonly #abort = () => this.#closeForSignal();
  readonly #failures: unknown[] = [];
  #closing: Promise<void> | undefined;
  #nextId = 0;

  constructor(options: ServeOptions, listener: Listener) {
    this.#options = options;
    this.#listener = listener;
    this.addr = listener.addr;
    this.port = listener.addr.port;
    const { hostname = "127.0.0.1", tls, signal } = options;
    const host = hostname.includes(":") ? `[${hostname}]` : hostname;
    this.url = `${tls === undefined ? "ws" : "wss"}://${host}:${this.port}`;
    signal?.addEventListener("abort", this.#abort, { once: true });
    this.#accepting = this.#acceptAll();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #closeForSignal(): void {
    // Whoever calls close() is told; the signal has nobody to tell.
    this.close().catch(() => {});
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
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  #failed(error: unknown): void {
    if (this.#options.onError !== undefined) this.#options.onError(error);
    else this.#failures.push(error);
  }

  async #acceptAll(): Promise<void> {
    while (this.#closing === undefined) {
      let incoming: Incoming;
      try {
        incoming = await this.#listener.accept();
      } catch {
        // Closed, or one client failed, or no file descriptor is left: an
        // accept that fails must neither end the server nor spin.
        if (this.#closing === undefined) await pause(ACCEPT_PAUSE);
        continue;
      }
      const newcomer = new Newcomer(
        incoming.transport,
        (gone) => this.#welcome(incoming, gone),
      );
      this.#newcomers.add(newcomer);
      newcomer.done.then(() => this.#newcomers.delete(newcomer));
    }
  }

  /** From a bare connection to a peer, or to its end; never rejects. */
  async #welcome(incoming: Incoming, gone: Promise<undefined>): Promise<void> {
    try {
      const peer = await this.#handshake(incoming, gone);
      if (peer !== undefined) return this.#introduce(peer);
    } catch (error) {
      // Anything else is the client's: it hung up, or failed at TLS.
      if (error instanceof HandshakeError) {
        await refuse(incoming.transport, error.refusal);
      }
    }
    closeQuietly(incoming.transport);
  }

  async #handshake(
    { transport, remote }: Incoming,
    gone: Promise<undefined>,
  ): Promise<Peer | undefined> {
    const head = await readHead(transport);
    if (head === undefined) return undefined;
    const request = parseHead(head.text, remote);
    checkUpgrade(request);
    const id = this.#nextId++;
    const { subprotocols, chaos } = this.#options;
    const plan = chaos && new FaultPlan(chaos, id);
    const refusal = await Promise.race([this.#judge(request, plan), gone]);
    if (refusal !== undefined) {
      await refuse(transport, refusal);
      return undefined;
    }
    const protocol = chooseSubprotocol(request.subprotocols, subprotocols);
    await writeAll(transport, await encodeAcceptance(request, protocol));
    return new Peer({
      id,
      request,
      protocol: protocol ?? "",
      transport,
      rest: head.rest,
      maxMessageBytes: this.#options.maxMessageBytes ?? 16 * 1024 * 1024,
      closeTimeout: this.#options.closeTimeout ?? 3_000,
      onError: (error) => this.#failed(error),
      plan,
    });
  }

  async #judge(
    request: HandshakeRequest,
    plan: FaultPlan | undefined,
  ): Promise<Refusal | undefined> {
    const status = plan?.refusal();
    if (status !== undefined) return { status };
    try {
      return await this.#options.accept?.(request);
    } catch (error) {
      this.#failed(error);
      return { status: 500 };
    }
  }

  #introduce(peer: Peer): void {
    this.peers.add(peer);
    peer.closed.then(() => this.peers.delete(peer));
    this.#attend(peer);
  }

  /** Lets the owner's handler run; never rejects. */
  async #attend(peer: Peer): Promise<void> {
    try {
      await this.#options.onPeer(peer);
    } catch (error) {
      if (!(error instanceof PeerClosedError)) this.#failed(error);
      await peer.close(1011);
    }
  }
}

/** Says no, hangs up; the handshake's deadline bounds it. */
async function refuse(transport: Transport, refusal: Refusal): Promise<void> {
  try {
    await writeAll(transport, encodeRefusal(refusal));
  } catch {
    return; // The client did not wait for the answer.
  }
  await linger(transport);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
