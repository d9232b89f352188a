/**
 * One accepted connection, from its server's side.
 *
 * Rules of this file:
 *
 * - A peer is `"open"`, then perhaps `"closing"`, then `"closed"`, and never
 *   goes back. `closed` settles exactly once, at the end.
 * - One loop reads. It stops while too much waits for a taker, while too much
 *   waits to be written, and while it is stalled: TCP then slows the client.
 * - Every step of closing has one deadline; past it the socket is dropped.
 * - A promise that is handed out never ends the program when nobody awaits it.
 *
 * @module
 */

import { BatchWriter } from "./batch_writer.ts";
import {
  encodeCloseBody,
  FrameDecoder,
  Opcode,
  ProtocolError,
} from "./frames.ts";
import type { HandshakeRequest } from "./handshake.ts";
import { HeldMessages, type Message } from "./held_messages.ts";
import { closeQuietly, linger, type Transport } from "./transport.ts";

/** How a connection ended, as the server saw it. */
export interface PeerClose {
  /** The client's close code; 1005 without one, 1006 without a close frame. */
  readonly code: number;
  readonly reason: string;
  /** Whether close frames went both ways. */
  readonly wasClean: boolean;
  /** What broke the connection, if something did. */
  readonly error?: unknown;
}

/** A send after the end: routine for whoever sends to a peer that may leave. */
export class PeerClosedError extends Error {
  override readonly name = "PeerClosedError";
}

/** What a peer is made of. */
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
  readonly onError: (error: unknown, peer: Peer) => void;
}

/** One read, bytes. */
const READ_SIZE = 64 * 1024;

/** A muted peer is dropped after this, ms: its client has gone long ago. */
const MUTE_LIMIT = 10 * 60_000;

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
  /** Counts from 0, in order of acceptance. */
  readonly id: number;
  readonly request: HandshakeRequest;
  /** The subprotocol; empty when there is none. */
  readonly protocol: string;
  /** Settles when the connection has ended; never rejects. */
  readonly closed: Promise<PeerClose>;

  readonly #transport: Transport;
  readonly #writer: BatchWriter;
  readonly #closeTimeout: number;
  readonly #onError: (error: unknown, peer: Peer) => void;
  readonly #messages = new HeldMessages();
  readonly #end = Promise.withResolvers<PeerClose>();
  #state: "open" | "closing" | "closed" = "open";
  /** Nothing is read any more: dropped or muted. */
  #deaf = false;
  #muted = false;
  #closeFrame: { code: number; reason: string } | undefined;
  #deadline: ReturnType<typeof setTimeout> | undefined;
  #stalled: PromiseWithResolvers<void> | undefined;
  #pings = new Map<number, PromiseWithResolvers<boolean>>();
  #pingId = 0;

  /** For `serve`. */
  constructor(parts: PeerParts) {
    this.id = parts.id;
    this.request = parts.request;
    this.protocol = parts.protocol;
    this.closed = this.#end.promise;
    this.#transport = parts.transport;
    this.#closeTimeout = parts.closeTimeout;
    this.#onError = parts.onError;
    this.#writer = new BatchWriter(
      parts.transport,
      (error) => this.#finish(error),
    );
    const decoder = new FrameDecoder({
      message: (data) => this.#deliver(data),
      ping: (payload) => this.#writer.frame(Opcode.pong, payload),
      pong: (payload) => this.#pong(payload),
      close: (code, reason) => this.#closeReceived(code, reason),
    }, parts.maxMessageBytes);
    this.#run(decoder, parts.rest);
  }

  get state(): "open" | "closing" | "closed" {
    return this.#state;
  }

  /** Bytes that `send` has accepted and the kernel has not. */
  get bufferedAmount(): number {
    return this.#writer.size;
  }

  /**
   * Gets every message, in order, from the one held the longest. What it
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
  send(data: string | Uint8Array): Promise<void> {
    if (this.#state !== "open") return this.#refuse();
    // A sender in a loop must not spin on a peer that takes nothing.
    if (this.#muted) return this.closed.then(ignore);
    this.#accept(data);
    return this.#writer.relief();
  }

  /**
   * Sends one after another, waiting only when there is no room.
   *
   * @throws {PeerClosedError} when the peer is closing or closed.
   */
  sendMany(messages: Iterable<string | Uint8Array>): Promise<void> {
    return handled(this.#sendMany(messages));
  }

  async #sendMany(messages: Iterable<string | Uint8Array>): Promise<void> {
    for (const data of messages) {
      if (this.#state !== "open" || this.#muted || this.#writer.full) {
        await this.send(data);
      } else {
        this.#accept(data);
      }
    }
    await this.#writer.relief();
  }

  #accept(data: string | Uint8Array): void {
    if (typeof data === "string") this.#writer.text(data);
    else this.#writer.frame(Opcode.binary, data);
  }

  #refuse(): Promise<never> {
    return handled(
      Promise.reject(
        new PeerClosedError(`Cannot send to peer ${this.id}: ${this.#state}`),
      ),
    );
  }

  /** Resolves when all that was sent is with the kernel, or never will be. */
  flush(): Promise<void> {
    return this.#writer.flush();
  }

  /** Resolves with true at the pong, with false when the connection ends. */
  ping(): Promise<boolean> {
    if (this.#state !== "open") return Promise.resolve(false);
    const pong = Promise.withResolvers<boolean>();
    const payload = new Uint8Array(4);
    new DataView(payload.buffer).setUint32(0, this.#pingId);
    this.#pings.set(this.#pingId++, pong);
    this.#writer.frame(Opcode.ping, payload);
    return pong.promise;
  }

  #pong(payload: Uint8Array<ArrayBuffer>): void {
    // Unsolicited pongs are allowed and mean nothing (RFC 6455, 5.5.3).
    if (payload.length !== 4) return;
    const id = new DataView(payload.buffer).getUint32(0);
    this.#pings.get(id)?.resolve(true);
    this.#pings.delete(id);
  }

  /** Stops reading: the client's bytes fill the network's buffers. */
  stall(): void {
    this.#stalled ??= Promise.withResolvers();
  }

  resume(): void {
    this.#stalled?.resolve();
    this.#stalled = undefined;
  }

  /**
   * Sends a close frame and waits for the client's, at most `closeTimeout`.
   *
   * @returns resolves when the connection has ended, in whatever way.
   * @throws {RangeError} at once, for a code or reason that cannot be sent.
   */
  close(code = 1000, reason = ""): Promise<void> {
    const body = encodeCloseBody(code, reason);
    if (this.#muted) {
      this.#finish();
    } else if (this.#state === "open") {
      this.#writer.frame(Opcode.close, body);
      this.#closing();
    }
    return this.closed.then(ignore);
  }

  /**
   * Ends the TCP connection (FIN) without a close frame, after what was sent
   * before. Resolves when the connection has ended.
   */
  drop(): Promise<void> {
    if (this.#muted) {
      this.#finish();
    } else if (this.#state !== "closed") {
      this.#deaf = true;
      this.#closing();
      this.#writer.flush().then(() => this.#finish());
    }
    return this.closed.then(ignore);
  }

  /**
   * Ends the TCP connection this instant; what was not yet written is lost,
   * and so is what the client sent that was not read.
   */
  reset(): void {
    this.#finish();
  }

  /**
   * From now on nothing is read, answered or written, but the socket stays:
   * what a client sees when the network between has gone. It ends by `drop`,
   * `reset`, `close`, the server's end, or after ten minutes.
   */
  mute(): void {
    if (this.#state === "closed" || this.#muted) return;
    this.#muted = true;
    this.#deaf = true;
    this.#writer.stop();
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.#finish(), MUTE_LIMIT);
  }

  async #run(
    decoder: FrameDecoder,
    rest: Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    try {
      decoder.push(rest);
      const buffer = new Uint8Array(READ_SIZE);
      for (;;) {
        if (this.#mustWait) await this.#turn();
        if (this.#deaf) return;
        const count = await this.#read(buffer);
        if (count === undefined || this.#deaf) return;
        decoder.push(buffer.subarray(0, count));
      }
    } catch (error) {
      if (error instanceof ProtocolError) await this.#fail(error);
      else this.#report(error);
    }
  }

  /** `undefined` when the connection has ended. */
  async #read(into: Uint8Array): Promise<number | undefined> {
    try {
      const count = await this.#transport.read(into);
      if (count !== null) return count;
      this.#finish();
    } catch (error) {
      this.#finish(error);
    }
    return undefined;
  }

  get #mustWait(): boolean {
    return this.#stalled !== undefined ||
      this.#state === "open" && (this.#messages.full || this.#writer.full);
  }

  /** Waits until nothing stands against reading on. */
  async #turn(): Promise<void> {
    while (this.#mustWait) {
      if (this.#stalled !== undefined) await this.#stalled.promise;
      else if (this.#messages.full) await this.#messages.room();
      else await this.#writer.relief();
    }
  }

  #deliver(data: Message): void {
    if (this.#deaf) return;
    // While closing, reading must go on for the sake of the close frame.
    if (this.#state !== "open" && this.#messages.full) return;
    const result = this.#messages.deliver(data);
    if (result instanceof Promise) {
      result.catch((error) => this.#report(error));
    }
  }

  #report(error: unknown): void {
    if (!(error instanceof PeerClosedError)) this.#onError(error, this);
    this.close(1011);
  }

  #closeReceived(code: number, reason: string): void {
    if (this.#deaf) return;
    this.#closeFrame = { code, reason };
    if (this.#state === "open") {
      // "It SHOULD ... echo the status code it received." (5.5.1)
      const body = code === 1005 ? new Uint8Array() : encodeCloseBody(code, "");
      this.#writer.frame(Opcode.close, body);
      this.#closing();
    }
    this.#writer.flush().then(() => this.#finish());
  }

  /** `Fail the WebSocket Connection` (7.1.7): say why, then hang up. */
  async #fail(error: ProtocolError): Promise<void> {
    if (this.#state === "open") {
      this.#writer.frame(
        Opcode.close,
        encodeCloseBody(error.closeCode, error.message),
      );
      this.#closing();
    }
    await this.#writer.flush();
    await linger(this.#transport);
    this.#finish(error);
  }

  #closing(): void {
    this.#state = "closing";
    this.#messages.release();
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.#finish(), this.#closeTimeout);
  }

  /** The one end of every connection. */
  #finish(error?: unknown): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#deaf = true;
    clearTimeout(this.#deadline);
    this.#writer.stop();
    closeQuietly(this.#transport);
    this.#messages.end();
    this.resume();
    for (const pong of this.#pings.values()) pong.resolve(false);
    this.#pings.clear();
    this.#end.resolve(
      this.#closeFrame === undefined
        ? { code: 1006, reason: "", wasClean: false, error }
        : { ...this.#closeFrame, wasClean: error === undefined },
    );
  }
}

function ignore(): void {}

/** A rejection that nobody awaits must not end the program. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(ignore);
  return promise;
}
