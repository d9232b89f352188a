import type { Message } from "../message.ts";
import { MessageDeflate } from "../protocol/deflate.ts";
import type { DeflateParameters } from "../protocol/deflate_parameters.ts";
import { Opcode } from "../protocol/frames.ts";
import type { Fault } from "./chaos.ts";
import { FaultInjector, type FaultPlan } from "./fault_plan.ts";
import { BatchWriter, type FrameWriter, QueuedWriter } from "./frame_writer.ts";
import {
  type ConnectionOwner,
  FramedConnection,
  type PeerClose,
} from "./framed_connection.ts";
import type { HandshakeRequest } from "./handshake.ts";
import type { Transport } from "./listener.ts";
import { ReadBuffer } from "./read_buffer.ts";

export type { PeerClose } from "./framed_connection.ts";

/** The compression of one connection. */
export interface PeerCompression {
  readonly parameters: DeflateParameters;
  /** Messages of fewer bytes are sent uncompressed. */
  readonly threshold: number;
}

/** The parts of which the server makes a peer. */
export interface PeerOptions {
  readonly id: number;
  readonly request: HandshakeRequest;
  readonly protocol: string;
  readonly compression: PeerCompression | undefined;
  readonly transport: Transport;
  /** The bytes that the client sent right after its handshake. */
  readonly rest: Uint8Array;
  readonly maxMessageBytes: number;
  /** How long closing may take, ms. */
  readonly closeTimeout: number;
  /** Gets an exception of a message callback. */
  readonly onError: (error: unknown) => void;
  readonly plan: FaultPlan | undefined;
  /** Called when the plan strikes. */
  readonly onFault: (fault: Fault) => void;
}

/** A send after the end: routine for a program whose peers may leave. */
export class PeerClosedError extends Error {
  override readonly name = "PeerClosedError";
}

/**
 * An accepted WebSocket connection.
 *
 * Messages go to one callback, `onmessage`, or are taken one at a time, by
 * `receive()` or `for await`. Until then they are kept, within bounds, and when
 * these are reached the client has to wait.
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
  /** Whether permessage-deflate was agreed on. */
  readonly isCompressed: boolean;
  /** Settles when the connection has ended; never rejects. */
  readonly closed: Promise<PeerClose>;
  readonly #connection: FramedConnection;
  readonly #faults: FaultInjector | undefined;
  readonly #messages = new ReadBuffer((error) => this.#callbackFailed(error));
  /** The pings that were not answered yet, by their payload. */
  readonly #pings = new Map<number, PromiseWithResolvers<boolean>>();
  readonly #onError: (error: unknown) => void;
  #nextPing = 0;

  /** For the server. */
  constructor(options: PeerOptions) {
    const { plan, onFault } = options;
    this.id = options.id;
    this.request = options.request;
    this.protocol = options.protocol;
    this.isCompressed = options.compression !== undefined;
    this.#onError = options.onError;
    this.#connection = connectionOf(options, {
      onMessage: (data) => this.#deliver(data),
      onPong: (payload) => this.#pong(payload),
      pause: () => this.#pause(),
    });
    this.closed = this.#connection.closed;
    this.closed.then(() => {
      this.#messages.close();
      for (const pong of this.#pings.values()) pong.resolve(false);
      this.#pings.clear();
    });
    this.#faults = plan && new FaultInjector(plan, this, onFault);
    this.#connection.start(options.rest);
  }

  get state(): "open" | "closing" | "closed" {
    return this.#connection.state;
  }

  /** Bytes that `send` has accepted and the kernel has not. */
  get bufferedAmount(): number {
    return this.#connection.writer.size;
  }

  /**
   * Gets every message, in order, beginning with those that were kept. An
   * exception goes to the server's `onError`, and the peer is closed with 1011.
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
   * the client has read enough. Accepted messages are lost if the connection
   * ends.
   *
   * @throws {PeerClosedError} when the peer is closing or closed.
   */
  send(data: Message): Promise<void> {
    const { state, isBlackhole, writer } = this.#connection;
    if (state !== "open") {
      return handled(Promise.reject(
        new PeerClosedError(`Cannot send to peer ${this.id}: ${state}`),
      ));
    }
    // A sender in a loop must not spin on a peer that takes nothing.
    if (isBlackhole || this.#faults?.passes("out") === false) {
      return this.#end();
    }
    writer.message(data);
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
      const { state, isBlackhole, writer } = this.#connection;
      if (state !== "open" || isBlackhole || writer.full) await room;
    }
  }

  /** Resolves when all that was sent is with the kernel, or never will be. */
  flush(): Promise<void> {
    return this.#connection.writer.flush();
  }

  /** Resolves with true at the pong, with false when the connection ends. */
  ping(): Promise<boolean> {
    if (this.state !== "open") return Promise.resolve(false);
    const id = this.#nextPing++;
    const payload = new Uint8Array(4);
    new DataView(payload.buffer).setUint32(0, id);
    const pong = Promise.withResolvers<boolean>();
    this.#pings.set(id, pong);
    this.#connection.writer.control(Opcode.ping, payload);
    return pong.promise;
  }

  /** Stops reading after the current read, until `resumeReading`. */
  stopReading(): void {
    this.#connection.stopReading();
  }

  resumeReading(): void {
    this.#connection.resumeReading();
  }

  /**
   * Sends a close frame and waits for the client's, at most `closeTimeout`.
   * Resolves when the connection has ended, in whatever way.
   *
   * @throws {RangeError} at once, for a code or reason that cannot be sent.
   */
  close(code = 1000, reason = ""): Promise<void> {
    this.#connection.close(code, reason);
    this.#messages.release();
    return this.#end();
  }

  /**
   * Ends the TCP connection (FIN) without a close frame, after what was sent
   * before. Resolves when the connection has ended.
   */
  drop(): Promise<void> {
    this.#connection.drop();
    return this.#end();
  }

  /**
   * As `drop`, but by a TCP reset if the server is one of `serveWithResets`.
   * Otherwise a reset follows the FIN only if the client has sent more.
   */
  reset(): Promise<void> {
    this.#connection.reset();
    return this.#end();
  }

  /**
   * From now on nothing is read, answered or written, but the socket stays: to
   * the client it looks like a broken network. It ends by `drop`, `reset`,
   * `close`, the server's end, or after ten minutes.
   */
  blackhole(): void {
    this.#connection.blackhole();
  }

  /** The promise that reading must wait for, if there is one. */
  #pause(): Promise<void> | undefined {
    if (this.#messages.full) return this.#messages.drained();
    const { writer } = this.#connection;
    return writer.full ? writer.drained() : undefined;
  }

  #deliver(data: Message): void {
    if (this.#faults?.passes("in") === false) return;
    // Only a closing peer reads on when it is full.
    if (this.#messages.full && this.state !== "open") return;
    this.#messages.deliver(data);
  }

  /** Unsolicited pongs are allowed and mean nothing (RFC 6455, 5.5.3). */
  #pong(payload: Uint8Array): void {
    if (payload.length !== 4) return;
    const id = new DataView(payload.buffer, payload.byteOffset).getUint32(0);
    this.#pings.get(id)?.resolve(true);
    this.#pings.delete(id);
  }

  #callbackFailed(error: unknown): void {
    this.#messages.callback = ignore;
    if (!(error instanceof PeerClosedError)) this.#onError(error);
    this.close(1011);
  }

  async #end(): Promise<void> {
    await this.closed;
  }
}

function connectionOf(
  options: PeerOptions,
  owner: ConnectionOwner,
): FramedConnection {
  const { transport, compression, plan } = options;
  const { maxMessageBytes, closeTimeout } = options;
  const deflate = compression &&
    new MessageDeflate("server", compression.parameters, maxMessageBytes);
  const writer = (onFailure: (error: unknown) => void): FrameWriter => {
    const batches = new BatchWriter(transport, onFailure);
    const latency = plan?.hasLatency
      ? (message: number) => plan.latency(message)
      : undefined;
    if (deflate === undefined && latency === undefined) return batches;
    const threshold = compression?.threshold ?? 0;
    return new QueuedWriter(batches, {
      latency,
      compression: deflate && { deflate, threshold },
    });
  };
  return new FramedConnection({
    transport,
    writer,
    deflate,
    maxMessageBytes,
    closeTimeout,
    owner,
  });
}

/** A rejection that is not awaited must not end the program. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(ignore);
  return promise;
}

function ignore(): void {}
