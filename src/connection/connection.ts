/**
 * One open connection, whatever carries it, from the handshake to its end.
 *
 * Invariants:
 *
 * - Until {@linkcode Connection.release} messages are kept in a receive buffer,
 *   for the connect hook to read.
 * - {@linkcode Connection.attachQueue} attaches the send queue to the socket;
 *   the end of the connection, or {@linkcode Connection.detachQueue}, detaches
 *   it.
 * - {@linkcode Connection.closed} resolves once; nothing is delivered after it.
 *
 * ```text
 * open --close()----------> closing ----+
 *   |                                   |
 *   +--the server closes--> answering --+
 *   |                                   |
 *   +--the socket has ended-------------+--> ending --next turn--> closed
 *   +--terminate()--------------------------------------------------^
 * ```
 *
 * The socket and the heartbeat call methods of the connection: closures would
 * cost memory, which counts with thousands of idle connections.
 *
 * @module
 */

import type { HandshakeResponse } from "../callbacks.ts";
import { callbackError, type WSError } from "../errors.ts";
import { isPromise, rejected } from "../handled.ts";
import { isMessage, type Message } from "../message.ts";
import type { HeartbeatTimes } from "../method_options.ts";
import type { Notifier } from "../notifier.ts";
import type { ResolvedConfig } from "../resolve_config.ts";
import { noMessage, wrongSecret } from "../rules.ts";
import type { ConnectionLog } from "../stats.ts";
import {
  closeError,
  connectionClosed,
  heartbeatError,
  hookOverrun,
} from "../transport/classify.ts";
import {
  DROPPED,
  type Socket,
  type SocketEnd,
  type SocketListener,
} from "../transport/transport.ts";
import { nextTurn } from "../turns.ts";
import { Heartbeat, type HeartbeatTarget } from "./heartbeat.ts";
import { ReceiveBuffer } from "./receive_buffer.ts";

/** The sender of the client, as a connection sees it. */
export interface Sender {
  /** Whether messages in the socket may be unsent. */
  readonly hasUnflushed: boolean;
  /** Writes the queue to the socket from now on. */
  attach(socket: Socket, target: object): void;
  /** Writes no more to the socket, but still watches what leaves it. */
  pause(): void;
  /** The socket has made progress. */
  onProgress(): void;
  /**
   * The connection will never get the queue: messages meant for it go to the
   * next one.
   */
  release(target: object): void;
  /** The socket has closed. */
  detach(end: { readonly flushed: boolean; readonly tooLarge: boolean }): void;
  /** Sends ahead of the queue; `false` without an open socket. */
  sendUrgent(data: Message): boolean;
  /** A message was sent past the queue. */
  countUnqueued(): void;
  /** Looks for acknowledgements in an inbound message. */
  acknowledge(data: Message): void;
}

/** The parts of the client that a connection uses. */
export interface ConnectionHost {
  readonly config: ResolvedConfig;
  readonly sender: Sender;
  readonly log: ConnectionLog;
  readonly notifier: Notifier;
  /** Whether reading is to be paused because a reader is full. */
  readonly isReadingPaused: boolean;
  /** Whether messages wait in the buffers of readers. */
  readonly hasUnread: boolean;
  /** Called for each message, in order. */
  deliver(data: Message): void;
}

/** How a connection ended. */
export interface ConnectionEnd extends SocketEnd {
  /** The error that ended it; `undefined` if the client ended it. */
  readonly error: WSError | undefined;
  /** In milliseconds. */
  readonly connectedFor: number;
}

type State =
  | { readonly tag: "open" }
  /** Our close frame is sent; `messages` and `bytes` had arrived by then. */
  | {
    readonly tag: "closing";
    readonly closeCode: number;
    readonly messages: number;
    readonly bytes: number;
  }
  /**
   * The server has closed, or broken the protocol: nothing more can be sent, and
   * the socket ends soon.
   */
  | { readonly tag: "answering" }
  /** The socket has ended; the connection follows a turn later. */
  | {
    readonly tag: "ending";
    readonly closeCode: number | undefined;
    readonly cancelTurn: () => void;
  }
  | { readonly tag: "closed"; readonly end: ConnectionEnd };

const OPEN: State = Object.freeze({ tag: "open" });
const ANSWERING: State = Object.freeze({ tag: "answering" });

/** One open connection. */
export class Connection implements SocketListener, HeartbeatTarget {
  /** Messages that arrived. */
  received = 0;
  /** Messages that were delivered, or kept to be delivered. */
  delivered = 0;
  /** When the handshake was completed, in milliseconds of a monotonic clock. */
  readonly openedAt = performance.now();

  readonly #socket: Socket;
  readonly #host: ConnectionHost;
  readonly #heartbeat: Heartbeat;
  readonly #needsMessages: boolean;
  #state: State = OPEN;
  /** Made at the first use. */
  #closed: PromiseWithResolvers<ConnectionEnd> | undefined;
  #resolveUse: ((result: ConnectionEnd | "replace") => void) | undefined;
  #isReplacementRequested = false;
  #closedError: WSError | undefined;
  /** The socket of an abandoned connection has ended. */
  #onAbandonedEnd: (() => void) | undefined;
  /** Keeps messages until they are delivered. */
  #buffer: ReceiveBuffer | undefined;
  #isReleased = false;
  #hasQueue = false;
  #isPausedForHook = false;
  #isPausedForReaders = false;

  constructor(socket: Socket, host: ConnectionHost) {
    this.#socket = socket;
    this.#host = host;
    const canPause = socket.pause !== undefined;
    this.#buffer = new ReceiveBuffer(host.config, canPause);
    this.#heartbeat = new Heartbeat(host.config, socket, this);
    this.#needsMessages = this.#heartbeat.pings?.needsMessages === true;
    this.#heartbeat.start();
    socket.listen(this);
  }

  get url(): string {
    return this.#socket.url;
  }

  get protocol(): string {
    return this.#socket.protocol;
  }

  get response(): HandshakeResponse | undefined {
    return this.#socket.response;
  }

  /** Resolves when the connection has ended; never rejects. */
  get closed(): Promise<ConnectionEnd> {
    if (this.#closed === undefined) {
      this.#closed = Promise.withResolvers();
      if (this.#state.tag === "closed") this.#closed.resolve(this.#state.end);
    }
    return this.#closed.promise;
  }

  /**
   * Resolves when the connection has ended or is to be replaced. One promise for
   * both, because `Promise.race` would cost each idle connection half a KiB.
   */
  use(): Promise<ConnectionEnd | "replace"> {
    if (this.#state.tag === "closed") return Promise.resolve(this.#state.end);
    if (this.#isReplacementRequested) return Promise.resolve("replace");
    return new Promise((resolve) => this.#resolveUse = resolve);
  }

  /** Resolves {@linkcode Connection.use}: another connection is wanted. */
  requestReplacement(): void {
    this.#isReplacementRequested = true;
    this.#resolveUse?.("replace");
    this.#resolveUse = undefined;
  }

  get isOpen(): boolean {
    return this.#state.tag === "open";
  }

  get isClosed(): boolean {
    return this.#state.tag === "closed";
  }

  /**
   * The wall clock's time of the last message, as of the heartbeat's last
   * check.
   */
  get lastMessageAt(): number | undefined {
    return this.#heartbeat.lastMessageAt;
  }

  /** Uses other heartbeat times from now on. */
  setHeartbeat(times: HeartbeatTimes): void {
    this.#heartbeat.setTimes(times);
  }

  // For the connect hook ---------------------------------------------------------

  /** The error of sends and reads once the connection cannot be used. */
  get closedError(): WSError {
    const state = this.#state;
    const known = state.tag === "closed" ? state.end.error : undefined;
    return this.#closedError ??= known ?? connectionClosed(this.url);
  }

  /**
   * Sends past the queue.
   * @throws {WSError} the connection has ended, or is being closed
   */
  sendDirectly(data: Message): void {
    if (!isMessage(data)) throw noMessage("data", data);
    const state = this.#state;
    const isEndedByServer = state.tag === "answering" ||
      state.tag === "ending" && state.closeCode === undefined;
    // The hook first gets what the server sent before it hung up: no throw yet.
    if (isEndedByServer) return;
    if (state.tag !== "open") throw this.closedError;
    this.#socket.send(data);
    this.#host.sender.countUnqueued();
  }

  /**
   * Takes the next message; rejects with the error that ended the connection.
   */
  read(): Promise<Message> {
    const buffer = this.#buffer;
    if (buffer === undefined) return rejected(this.closedError);
    const next = buffer.shift();
    if (next === undefined) return buffer.read();
    if (this.#isPausedForHook && buffer.isHalfEmpty) {
      this.#isPausedForHook = false;
      this.#pauseOrResume();
    }
    this.#host.sender.acknowledge(next);
    return Promise.resolve(next);
  }

  /** Rejects pending reads, and later ones. */
  endReads(error: Error): void {
    this.#buffer?.endReads(error);
  }

  // Delivery and the queue -----------------------------------------------------

  /**
   * Delivers messages from the next turn of the event loop on, so that the code
   * after `await start()` runs first.
   */
  release(): void {
    if (this.isClosed) return;
    this.#isReleased = true;
    nextTurn(() => this.#deliverKept());
  }

  /** Attaches the queue to the socket, if that is still open. */
  attachQueue(): void {
    if (!this.isOpen) return this.#host.sender.release(this);
    this.#hasQueue = true;
    this.#host.sender.attach(this.#socket, this);
  }

  /** Detaches the queue, as the connection has ended or another one gets it. */
  detachQueue(how = { flushed: false, tooLarge: false }): void {
    if (!this.#hasQueue) return;
    this.#hasQueue = false;
    this.#host.sender.detach(how);
  }

  /**
   * Stops or starts reading, where the transport can, as readers have room. Not
   * during the connect hook, whose messages do not go to readers.
   */
  setPausedForReaders(isPaused: boolean): void {
    if (this.#buffer !== undefined || this.isClosed) return;
    this.#isPausedForReaders = isPaused && !this.#hasRoomToClose;
    this.#pauseOrResume();
  }

  // The end ----------------------------------------------------------------------

  /**
   * Ends the connection at once because of an error, without waiting for the
   * server. A connection that is already closing goes on: its close has a time
   * limit.
   */
  fail(error: WSError): void {
    if (this.isOpen) this.#terminate(error);
  }

  /** Ends the connection at once, without an error. */
  terminate(): void {
    this.#terminate(undefined);
  }

  /**
   * Ends the connection at once. Its socket, if it is open, still makes the
   * close handshake, for at most `timeout` milliseconds. Resolves when the
   * socket has ended.
   */
  async abandon(code: number, reason: string, timeout: number): Promise<void> {
    if (!this.isOpen) return this.terminate();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onAbandonedEnd = resolve;
    this.#socket.close(code, reason, timeout);
    this.#close(DROPPED, undefined, false);
    // A paused socket would not see the answer.
    this.#socket.resume?.();
    await promise;
  }

  /** Ends a close handshake at once, also that of an abandoned connection. */
  skipClose(): void {
    if (this.isClosed) this.#socket.terminate();
    else this.terminate();
  }

  /**
   * Makes the close handshake, for at most `timeout` milliseconds. The server's
   * close frame comes after its messages, so reading goes on: full readers take
   * up to another buffer's worth.
   */
  close(
    code: number,
    reason: string,
    timeout: number,
  ): Promise<ConnectionEnd> {
    if (this.isOpen) {
      const { messages, bytes } = this.#host.log;
      this.#state = { tag: "closing", closeCode: code, messages, bytes };
      this.#heartbeat.stop();
      if (this.#hasQueue) this.#host.sender.pause();
      this.#socket.close(code, reason, timeout);
      this.#isPausedForHook = this.#isPausedForReaders = false;
      this.#pauseOrResume();
    } else if (this.#state.tag === "answering") {
      // It has no more time than another close.
      this.#socket.close(code, reason, timeout);
    }
    return this.closed;
  }

  // Called by the socket -----------------------------------------------------------

  /** The hot path: does only what every message needs. */
  onMessage(data: Message): void {
    // The connection is abandoned, and its socket is still closing.
    if (this.#state.tag === "closed") return;
    const { log, config } = this.#host;
    this.received++;
    log.messages++;
    log.bytes += data.length;
    if (config.decode !== undefined) {
      const decoded = this.#decode(data, config.decode);
      if (decoded === undefined) return;
      data = decoded;
    }
    if (this.#needsMessages && this.#heartbeat.pings?.intercept(data)) return;
    this.delivered++;
    if (this.#buffer === undefined) this.#host.deliver(data);
    else this.#keep(this.#buffer, data);
  }

  /** From now on the queue keeps its messages for the next connection. */
  onEnding(): void {
    if (!this.isOpen) return;
    this.#state = ANSWERING;
    this.#heartbeat.stop();
    if (this.#hasQueue) this.#host.sender.pause();
  }

  /**
   * The runtime reports messages and the end after them in one turn of the
   * event loop. The connection ends a turn later: by then a hook that waits for
   * nothing has passed, and what the server sent before it hung up is
   * delivered.
   */
  onEnd(end: SocketEnd): void {
    const state = this.#state;
    if (state.tag === "closed") return this.#onAbandonedEnd?.();
    if (state.tag === "ending") return;
    // Messages written to an ended socket would be lost.
    if (this.#hasQueue && state.tag === "open") this.#host.sender.pause();
    this.#state = {
      tag: "ending",
      closeCode: state.tag === "closing" ? state.closeCode : undefined,
      cancelTurn: nextTurn(() => this.#ended(end)),
    };
  }

  get hasUnread(): boolean {
    return this.#host.hasUnread;
  }

  onPong(id: number): void {
    this.#heartbeat.pings?.onPong(id);
  }

  onProgress(): void {
    if (this.#hasQueue) this.#host.sender.onProgress();
  }

  // Called by the heartbeat ----------------------------------------------------------

  get isPaused(): boolean {
    return this.#isPausedForHook || this.#isPausedForReaders;
  }

  sendUrgent(data: Message): void {
    if (!this.isOpen) return;
    if (this.#hasQueue && this.#host.sender.sendUrgent(data)) return;
    this.#socket.send(data);
    this.#host.sender.countUnqueued();
  }

  onDead(text: string): void {
    this.fail(heartbeatError(text, this.url));
  }

  onRtt(ms: number): void {
    this.#host.log.addRtt(ms);
  }

  onError(error: WSError): void {
    this.#host.notifier.error(error);
  }

  #decode(
    data: Message,
    decode: (data: Message) => Message,
  ): Message | undefined {
    try {
      const decoded: unknown = decode(data);
      if (isMessage(decoded)) return decoded;
      isPromise(decoded); // of an async function: it must not end the program
      throw wrongSecret(
        "decode",
        "a function that returns a string or a Uint8Array",
        decoded,
      );
    } catch (thrown) {
      const { notifier } = this.#host;
      const cause = callbackError("decode", thrown);
      notifier.error(cause);
      const now = Date.now();
      notifier.gap({ from: now, to: now, cause, attempts: 0, count: 1 });
      return undefined;
    }
  }

  #keep(buffer: ReceiveBuffer, data: Message): void {
    // The hook has settled, and the message has no receiver.
    if (!this.isOpen && !this.#isReleased) return;
    // The connect hook has read it: it is not delivered elsewhere.
    if (buffer.push(data)) return this.#host.sender.acknowledge(data);
    if (!buffer.isOverfull) return;
    if (this.#isReleased) return this.#deliverKept();
    // Without a hook no reader is too slow: the buffer is emptied next turn.
    if (!this.#host.notifier.hasConnectHook) return;
    if (
      this.#host.config.receiveOverflow !== "disconnect" &&
      this.#socket.pause !== undefined
    ) {
      this.#isPausedForHook = true;
      this.#pauseOrResume();
    } else {
      this.fail(hookOverrun(buffer.size, this.url));
    }
  }

  /**
   * Whether full readers take more messages, so that a close can be answered.
   */
  get #hasRoomToClose(): boolean {
    const state = this.#state;
    if (state.tag !== "closing") return false;
    const { log, config } = this.#host;
    return log.messages - state.messages < config.receiveBufferMaxSize &&
      log.bytes - state.bytes < config.receiveBufferMaxBytes;
  }

  #pauseOrResume(): void {
    if (!this.isPaused) return this.#socket.resume?.();
    this.#heartbeat.pings?.onPause();
    this.#socket.pause?.();
  }

  #deliverKept(): void {
    const buffer = this.#buffer;
    if (buffer === undefined) return;
    this.#buffer = undefined;
    for (const data of buffer.takeAll()) this.#host.deliver(data);
    this.#isPausedForHook = false;
    this.setPausedForReaders(this.#host.isReadingPaused);
  }

  #ended(end: SocketEnd): void {
    const state = this.#state;
    if (state.tag !== "ending") return;
    if (state.closeCode === undefined) {
      return this.#close(end, closeError(end, this.url), false);
    }
    // A server that answers our close frame (RFC 6455, section 5.5.1) has read
    // everything before it; one that sent its own close frame at the same time
    // may not have.
    this.#close(end, undefined, end.wasClean && end.code === state.closeCode);
  }

  #terminate(error: WSError | undefined): void {
    if (this.isClosed) return;
    this.#close(DROPPED, error, false);
    this.#socket.terminate();
  }

  #close(
    end: SocketEnd,
    error: WSError | undefined,
    flushed: boolean,
  ): void {
    const state = this.#state;
    if (state.tag === "closed") return;
    if (state.tag === "ending") state.cancelTurn();
    const connectedFor = performance.now() - this.openedAt;
    const ended: ConnectionEnd = { ...end, error, connectedFor };
    this.#state = { tag: "closed", end: ended };
    this.#heartbeat.stop();
    // Before the socket is terminated: `bufferedAmount` is unknown after that.
    this.detachQueue({ flushed, tooLarge: end.code === 1009 });
    if (this.#isReleased) this.#deliverKept();
    this.endReads(this.closedError);
    this.#closed?.resolve(ended);
    this.#resolveUse?.(ended);
  }
}
