import type { Message } from "../message.ts";
import { BatchWriter } from "./batch_writer.ts";
import { DelayedWriter } from "./delayed_writer.ts";
import { FaultInjector, type FaultPlan } from "./fault_plan.ts";
import { Opcode } from "./frames.ts";
import type { HandshakeRequest } from "./handshake.ts";
import { HeldMessages } from "./held_messages.ts";
import { type PeerClose, PeerLink } from "./peer_link.ts";
import { PendingPings } from "./pending_pings.ts";
import type { Transport } from "./listener.ts";

/** What the server makes a peer of. */
export interface PeerParts {
  readonly id: number;
  readonly request: HandshakeRequest;
  readonly protocol: string;
  readonly transport: Transport;
  /** What the client sent right behind its handshake. */
  readonly rest: Uint8Array<ArrayBuffer>;
  readonly maxMessageBytes: number;
  /** How long closing may take, ms. */
  readonly closeTimeout: number;
  /** Gets what a message callback threw. */
  readonly onError: (error: unknown) => void;
  readonly plan: FaultPlan | undefined;
}

/** A send after the end: routine for whoever sends to a peer that may leave. */
export class PeerClosedError extends Error {
  override readonly name = "PeerClosedError";
}

/**
 * An accepted WebSocket connection.
 *
 * Messages are taken by one callback, `onmessage`, or one at a time, by
 * `receive()` or `for await`. Until somebody takes them they are held, within
 * bounds, and then the client has to wait.
 *
 * @example
 * ```ts
 * import { serve } from "./server.ts";
 *
 * await using server = serve({
 *   async onPeer(peer) {
 *     for await (const message of peer) await peer.send(message);
 *   },
 * });
 * ```
 */
export class Peer implements AsyncIterable<Message> {
  /** The number of its handshake, from 0; refused ones count. */
  readonly id: number;
  readonly request: HandshakeRequest;
  /** The subprotocol; empty when there is none. */
  readonly protocol: string;
  /** Settles when the connection has ended; never rejects. */
  readonly closed: Promise<PeerClose>;
  readonly #link: PeerLink;
  readonly #faults: FaultInjector | undefined;
  readonly #messages = new HeldMessages(
    (error) => this.#callbackFailed(error),
  );
  readonly #pings = new PendingPings();
  readonly #onError: (error: unknown) => void;

  /** For the server. */
  constructor(parts: PeerParts) {
    const { transport, plan } = parts;
    this.id = parts.id;
    this.request = parts.request;
    this.protocol = parts.protocol;
    this.#onError = parts.onError;
    this.#link = new PeerLink({
      transport,
      writer: (onFailure) => {
        const writer = new BatchWriter(transport, onFailure);
        return plan?.hasLatency
          ? new DelayedWriter(writer, (message) => plan.latency(message))
          : writer;
      },
      maxMessageBytes: parts.maxMessageBytes,
      closeTimeout: parts.closeTimeout,
      sink: {
        message: (data) => this.#deliver(data),
        pong: (payload) => this.#pings.answer(payload),
      },
      pause: () => this.#pause(),
    });
    this.closed = this.#link.closed;
    this.closed.then(() => {
      this.#messages.end();
      this.#pings.abandon();
    });
    this.#faults = plan && new FaultInjector(plan, this);
    this.#link.start(parts.rest);
  }

  get state(): "open" | "closing" | "closed" {
    return this.#link.state;
  }

  /** Bytes that `send` has accepted and the kernel has not. */
  get bufferedAmount(): number {
    return this.#link.writer.size;
  }

  /**
   * Gets every message, in order, beginning with those that are held. What it
   * throws goes to the server's `onError`, and the peer is closed with 1011.
   */
  get onmessage(): ((data: Message) => unknown) | undefined {
    return this.#messages.callback;
  }

  set onmessage(callback: ((data: Message) => unknown) | undefined) {
    this.#messages.callback = callback;
  }

  /** The next message; `undefined` when the connection has ended. */
  receive(): Promise<Message | undefined> {
    return this.#messages.take();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Message> {
    for (;;) {
      const message = await this.receive();
      if (message === undefined) return;
      yield message;
    }
  }

  /**
   * Accepts a message. Resolves at once while there is room, otherwise when
   * the client has read enough. What is accepted is lost if the link ends.
   *
   * @throws {PeerClosedError} when the peer is closing or closed.
   */
  send(data: Message): Promise<void> {
    const { state, isBlackhole, writer } = this.#link;
    if (state !== "open") {
      return handled(Promise.reject(
        new PeerClosedError(`Cannot send to peer ${this.id}: ${state}`),
      ));
    }
    // A sender in a loop must not spin on a peer that takes nothing.
    if (isBlackhole || this.#faults?.passes("out") === false) {
      return this.#ended();
    }
    if (typeof data === "string") writer.text(data);
    else writer.frame(Opcode.binary, data);
    return writer.drained();
  }

  /**
   * Sends one after another, waiting only when there is no room.
   *
   * @throws {PeerClosedError} when the peer is closing or closed.
   */
  sendMany(messages: Iterable<Message>): Promise<void> {
    return handled(this.#sendMany(messages));
  }

  async #sendMany(messages: Iterable<Message>): Promise<void> {
    for (const data of messages) {
      const room = this.send(data);
      const { state, isBlackhole, writer } = this.#link;
      if (state !== "open" || isBlackhole || writer.full) await room;
    }
  }

  /** Resolves when all that was sent is with the kernel, or never will be. */
  flush(): Promise<void> {
    return this.#link.writer.flush();
  }

  /** Resolves with true at the pong, with false when the connection ends. */
  ping(): Promise<boolean> {
    if (this.#link.state !== "open") return Promise.resolve(false);
    const { payload, answered } = this.#pings.add();
    this.#link.writer.frame(Opcode.ping, payload);
    return answered;
  }

  /** Stops reading after what is being read, until `resumeReading`. */
  stopReading(): void {
    this.#link.stopReading();
  }

  resumeReading(): void {
    this.#link.resumeReading();
  }

  /**
   * Sends a close frame and waits for the client's, at most `closeTimeout`.
   * Resolves when the connection has ended, in whatever way.
   *
   * @throws {RangeError} at once, for a code or reason that cannot be sent.
   */
  close(code = 1000, reason = ""): Promise<void> {
    this.#link.close(code, reason);
    this.#messages.release();
    return this.#ended();
  }

  /**
   * Ends the TCP connection (FIN) without a close frame, after what was sent
   * before. Resolves when the connection has ended.
   */
  drop(): Promise<void> {
    this.#link.drop();
    return this.#ended();
  }

  /**
   * As `drop`, but by a TCP reset if the server is one of `serveWithResets`.
   * Otherwise a reset follows the FIN only if the client has sent more.
   */
  reset(): Promise<void> {
    this.#link.reset();
    return this.#ended();
  }

  /**
   * From now on nothing is read, answered or written, but the socket stays:
   * what a client sees when the network between has gone. It ends by `drop`,
   * `reset`, `close`, the server's end, or after ten minutes.
   */
  blackhole(): void {
    this.#link.blackhole();
  }

  /** What reading must wait for now. */
  #pause(): Promise<void> | undefined {
    if (this.#messages.full) return this.#messages.room();
    const { writer } = this.#link;
    return writer.full ? writer.drained() : undefined;
  }

  #deliver(data: Message): void {
    if (this.#faults?.passes("in") === false) return;
    // Only a closing peer reads on when it is full.
    if (this.#messages.full && this.#link.state !== "open") return;
    this.#messages.deliver(data);
  }

  #callbackFailed(error: unknown): void {
    this.#messages.callback = ignore;
    if (!(error instanceof PeerClosedError)) this.#onError(error);
    this.close(1011);
  }

  async #ended(): Promise<void> {
    await this.closed;
  }
}

/** A rejection that nobody awaits must not end the program. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(ignore);
  return promise;
}

function ignore(): void {}
