/**
 * A WebSocket server on bare TCP or TLS. `Deno.upgradeWebSocket` gives no
 * control over what makes a test server worth having: dropping, resetting,
 * going silent, refusing.
 *
 * @module
 */

import {
  chooseSubprotocol,
  encodeAcceptance,
  encodeRefusal,
  RefusedHandshake,
} from "../protocol/handshake.ts";
import { chooseDeflate } from "../protocol/deflate_parameters.ts";
import type { Chaos, Fault, RefuseFault } from "./chaos.ts";
import { FaultPlan } from "./fault_plan.ts";
import {
  type HandshakeRequest,
  readHandshake,
  type Refusal,
} from "./handshake.ts";
import {
  canReset,
  closeQuietly,
  type Incoming,
  linger,
  listen,
  type Listener,
  listenForResets,
  type ListenOptions,
  type Transport,
  writeAll,
} from "./listener.ts";
import { Peer, PeerClosedError, type PeerCompression } from "./peer.ts";

/** After a failed accept (such as too many open files), ms. */
const ACCEPT_PAUSE = 50;

/** How messages are compressed (permessage-deflate, RFC 7692). */
export interface ServerCompression {
  /** Messages of fewer bytes are sent uncompressed. @default 1024 */
  readonly threshold?: number;
  /** Whether a message may refer to earlier ones. @default true */
  readonly contextTakeover?: boolean;
}

/** What `serve` takes. */
export interface ServeOptions extends ListenOptions {
  /** Spoken here, the preferred first. @default none */
  readonly subprotocols?: readonly string[];
  /** A larger message ends its connection with 1009. @default 16 MiB */
  readonly maxMessageBytes?: number;
  /** How long a client may take for TLS and its request, ms. @default 10_000 */
  readonly handshakeTimeout?: number;
  /** Agrees to the compression that clients offer. @default false */
  readonly compression?: boolean | ServerCompression;
  /** How long closing a peer may take, ms. @default 3_000 */
  readonly closeTimeout?: number;
  /** What goes wrong on purpose: `parseChaos`. @default nothing */
  readonly chaos?: Chaos;
  /** Called when the chaos strikes the client of this number. */
  readonly onFault?: (fault: Fault | RefuseFault, id: number) => void;
  /** Looks at a sound request; a refusal is answered instead of the upgrade. */
  readonly accept?: (
    request: HandshakeRequest,
  ) => Refusal | undefined | Promise<Refusal | undefined>;
  /**
   * Called for each connection. Messages that come before it sets `onmessage`
   * or receives are kept. If it throws, the peer is closed with 1011;
   * `PeerClosedError`, which says that the peer has left, is no failure.
   */
  readonly onPeer: (peer: Peer) => void | Promise<void>;
  /**
   * Gets the errors of `accept`, `onPeer` and `onmessage`. Without it `close`
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

/** A connection whose handshake has not ended. */
interface PendingHandshake {
  readonly done: Promise<void>;
  /** Gives it up: the connection is closed. */
  readonly abort: () => void;
}

class Server implements WebSocketServer {
  readonly url: string;
  readonly port: number;
  readonly addr: Deno.NetAddr;
  readonly peers: Set<Peer> = new Set();
  readonly #options: ServeOptions;
  readonly #listener: Listener;
  readonly #pending = new Set<PendingHandshake>();
  readonly #accepting: Promise<void>;
  readonly #onAbort = () => this.#closeForSignal();
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
    signal?.addEventListener("abort", this.#onAbort, { once: true });
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
    // The caller of close() gets the failure; after an abort there is no
    // caller.
    this.close().catch(() => {});
  }

  async #close(): Promise<void> {
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#listener.close();
    await this.#accepting;
    await Promise.all([...this.#pending].map((handshake) => {
      handshake.abort();
      return handshake.done;
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
      try {
        this.#begin(await this.#listener.accept());
      } catch {
        // Closed, or one client failed, or no file descriptor is left: an
        // accept that fails must neither end the server nor spin.
        if (this.#closing === undefined) await pause(ACCEPT_PAUSE);
      }
    }
  }

  /** Begins the handshake of a new connection. */
  #begin(incoming: Incoming): void {
    const aborted = Promise.withResolvers<undefined>();
    const abort = () => {
      closeQuietly(incoming.transport);
      aborted.resolve(undefined);
    };
    const deadline = setTimeout(
      abort,
      this.#options.handshakeTimeout ?? 10_000,
    );
    const done = this.#establish(incoming, aborted.promise)
      .finally(() => {
        clearTimeout(deadline);
        this.#pending.delete(handshake);
      });
    const handshake: PendingHandshake = { done, abort };
    this.#pending.add(handshake);
  }

  /** From a bare connection to a peer, or to its end; never rejects. */
  async #establish(
    incoming: Incoming,
    aborted: Promise<undefined>,
  ): Promise<void> {
    try {
      const peer = await this.#handshake(incoming, aborted);
      if (peer !== undefined) return this.#register(peer);
    } catch (error) {
      // Other errors are the client's: it hung up, or failed at TLS.
      if (error instanceof RefusedHandshake) {
        await refuse(incoming.transport, error.refusal);
      }
    }
    closeQuietly(incoming.transport);
  }

  async #handshake(
    { transport, remote }: Incoming,
    aborted: Promise<undefined>,
  ): Promise<Peer | undefined> {
    const handshake = await readHandshake(transport, remote);
    if (handshake === undefined) return undefined;
    const { request, key, rest } = handshake;
    const id = this.#nextId++;
    const { subprotocols, chaos, onFault } = this.#options;
    const plan = chaos && new FaultPlan(chaos, id);
    const status = plan?.refusal();
    if (status !== undefined) onFault?.({ kind: "refuse", status }, id);
    const refusal = status !== undefined
      ? { status }
      : await Promise.race([this.#refusal(request), aborted]);
    if (refusal !== undefined) {
      await refuse(transport, refusal);
      return undefined;
    }
    const subprotocol = chooseSubprotocol(request.subprotocols, subprotocols);
    const deflate = this.#chooseDeflate(request);
    const answer = { key, subprotocol, extensions: deflate?.response };
    await writeAll(transport, await encodeAcceptance(answer));
    return new Peer({
      id,
      request,
      protocol: subprotocol ?? "",
      compression: deflate?.compression,
      transport,
      rest,
      maxMessageBytes: this.#options.maxMessageBytes ?? 16 * 1024 * 1024,
      closeTimeout: this.#options.closeTimeout ?? 3_000,
      onError: (error) => this.#failed(error),
      plan,
      onFault: (fault) => onFault?.(fault, id),
    });
  }

  async #refusal(request: HandshakeRequest): Promise<Refusal | undefined> {
    try {
      return await this.#options.accept?.(request);
    } catch (error) {
      this.#failed(error);
      return { status: 500 };
    }
  }

  #chooseDeflate(
    { headers }: HandshakeRequest,
  ): { response: string; compression: PeerCompression } | undefined {
    const { compression = false } = this.#options;
    if (compression === false) return undefined;
    const { threshold = 1024, contextTakeover = true } = compression === true
      ? {}
      : compression;
    const offers = headers.get("sec-websocket-extensions") ?? "";
    const chosen = chooseDeflate(offers, { contextTakeover });
    if (chosen === undefined) return undefined;
    const { response, parameters } = chosen;
    return { response, compression: { parameters, threshold } };
  }

  #register(peer: Peer): void {
    this.peers.add(peer);
    peer.closed.then(() => this.peers.delete(peer));
    this.#runHandler(peer);
  }

  /** Never rejects. */
  async #runHandler(peer: Peer): Promise<void> {
    try {
      await this.#options.onPeer(peer);
    } catch (error) {
      if (!(error instanceof PeerClosedError)) this.#failed(error);
      await peer.close(1011);
    }
  }
}

/** Answers with the refusal and hangs up; the deadline bounds it. */
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
