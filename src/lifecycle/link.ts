/**
 * One open connection, from the handshake to its end: what it received, its
 * heartbeat, and the queue that it carries once the gate has passed.
 *
 * - Until {@linkcode Link.release} messages are held, for the gate to take.
 * - {@linkcode Link.carry} attaches the queue; the link's end detaches it.
 * - {@linkcode Link.over} settles once, and after it nothing is delivered.
 *
 * The link itself is what its socket and its heartbeat tell and ask: of many
 * thousand idle connections each closure would cost.
 *
 * @module
 */

import { clearImmediate, setImmediate } from "node:timers";
import {
  Heartbeat,
  type HeartbeatHooks,
  type HeartbeatOptions,
  type Watched,
} from "../connection/heartbeat.ts";
import {
  DROPPED,
  type Socket,
  type SocketEnd,
  type SocketListener,
} from "../connection/socket.ts";
import type { WSError } from "../errors.ts";
import { rejected } from "../handled.ts";
import type { Message } from "../message.ts";
import { wrongKind } from "../rules.ts";
import { closeError, connectionGone, gateOverrun } from "./classify.ts";
import { Hold, type HoldOptions } from "./hold.ts";

/** A socket, as far as a link is concerned. */
export type LinkSocket = Omit<Socket, "handleEvent" | "failure">;

/** The queue, as far as a link is concerned. */
export interface Outflow {
  attach(sink: Pick<Socket, "send" | "bufferedAmount">): void;
  pause(): void;
  detach(delivered: boolean): void;
  sendUrgent(data: Message): void;
}

/** What arrived on all links of a client. */
export interface Arrivals {
  messages: number;
  /** UTF-16 code units of texts, bytes of binary messages. */
  bytes: number;
}

/** What a link works with. */
export interface LinkParts extends HoldOptions {
  readonly heartbeat: HeartbeatOptions;
  /** Whether somebody takes what is held before the release. */
  readonly hasGate: boolean;
  readonly outflow: Outflow;
  readonly arrivals: Arrivals;
  /** Called for each message, in order. */
  deliver(data: Message): void;
  onRtt(ms: number): void;
  onError(error: WSError): void;
}

/** How a link ended. */
export interface LinkEnd extends SocketEnd {
  /** What ended it; `undefined` when we did. */
  readonly error: WSError | undefined;
  /** In milliseconds. */
  readonly connectedFor: number;
}

/** One open connection. */
export class Link implements SocketListener, Watched, HeartbeatHooks {
  /** Settles when the connection has ended; never rejects. */
  readonly over: Promise<LinkEnd>;
  /** Messages received on this link; the heartbeat's sign of life. */
  received = 0;

  readonly #socket: LinkSocket;
  readonly #parts: LinkParts;
  readonly #heartbeat: Heartbeat;
  readonly #openedAt = performance.now();
  readonly #settleOver: (end: LinkEnd) => void;
  #stage: "held" | "released" | "live" | "over" = "held";
  #carries = false;
  /** The code of our close frame, once we have sent one. */
  #closeCode: number | undefined;
  #error: WSError | undefined;
  #ending: ReturnType<typeof setImmediate> | undefined;
  /** Until it is live. */
  #held: Hold | undefined;

  constructor(socket: LinkSocket, parts: LinkParts) {
    this.#socket = socket;
    this.#parts = parts;
    this.#held = new Hold(parts);
    const { promise, resolve } = Promise.withResolvers<LinkEnd>();
    this.over = promise;
    this.#settleOver = resolve;
    this.#heartbeat = new Heartbeat(parts.heartbeat, this, this);
    this.#heartbeat.start();
    socket.listen(this);
  }

  get url(): string {
    return this.#socket.url;
  }

  get protocol(): string {
    return this.#socket.protocol;
  }

  get isOver(): boolean {
    return this.#stage === "over";
  }

  /** Whether its end has begun: with our close frame, or with the socket's end. */
  get isClosing(): boolean {
    return !this.isOver &&
      (this.#closeCode !== undefined || this.#ending !== undefined);
  }

  /** The wall clock's time of the last message, as of the last tick. */
  get lastMessageAt(): number | undefined {
    return this.#heartbeat.lastMessageAt;
  }

  /**
   * Sends past the queue, for the gate.
   * @throws {WSError} what ended the link, or that it is being closed
   */
  sendDirectly(data: Message): void {
    if (typeof data !== "string" && !(data instanceof Uint8Array)) {
      throw wrongKind("data", "a string or a Uint8Array", data);
    }
    if (this.isOver || this.#closeCode !== undefined) throw this.#gone;
    this.#socket.send(data);
  }

  /** The next held message, for the gate; rejects with what ended the link. */
  takeNext(): Promise<Message> {
    return this.#held?.take() ?? rejected(this.#gone);
  }

  /** Who still waits for a message must not get what comes after the gate. */
  endTaking(error: Error): void {
    this.#held?.end(error);
  }

  /**
   * The gate has passed: deliver from now on. It begins a turn of the event
   * loop later, so that what follows `await start()` runs before.
   */
  release(): void {
    if (this.isOver) return;
    this.#stage = "released";
    setImmediate(() => this.#goLive());
  }

  /** Gives the connection to the queue. */
  carry(): void {
    if (this.isOver || this.isClosing) return;
    this.#carries = true;
    this.#parts.outflow.attach(this.#socket);
  }

  /**
   * Ends the connection at once, because of an error; the peer is not waited
   * for. One that is closing is left to its close, which has a limit.
   */
  fail(error: WSError): void {
    if (!this.isClosing) this.#cut(error);
  }

  /** Ends the connection at once, because the program wants another. */
  drop(): void {
    this.#cut(undefined);
  }

  /** Closes in order, within `timeout` milliseconds. */
  close(code: number, reason: string, timeout: number): Promise<LinkEnd> {
    if (!this.isOver && !this.isClosing) {
      this.#closeCode = code;
      this.#heartbeat.stop();
      if (this.#carries) this.#parts.outflow.pause();
      this.#socket.close(code, reason, timeout);
    }
    return this.over;
  }

  /** What the gate is told, once the link cannot be used. */
  get #gone(): WSError {
    return this.#error ?? connectionGone(this.url);
  }

  // What the socket tells ------------------------------------------------------

  /** The hot path: nothing for a message but what must be. */
  onMessage(data: Message): void {
    const { arrivals } = this.#parts;
    this.received++;
    arrivals.messages++;
    arrivals.bytes += data.length;
    if (this.#heartbeat.intercept?.(data)) return;
    if (this.#held === undefined) this.#parts.deliver(data);
    else this.#hold(this.#held, data);
  }

  /**
   * The runtime tells of messages and of the end behind them in one turn of the
   * event loop. A turn later a gate that waits for nothing has passed, so that
   * what a server said before it hung up is delivered.
   */
  onEnd(end: SocketEnd): void {
    if (this.isOver) return;
    // What an ended socket is given is lost.
    if (this.#carries && !this.isClosing) this.#parts.outflow.pause();
    this.#ending = setImmediate(() => this.#closed(end));
  }

  // What the heartbeat asks and tells ------------------------------------------

  get handed(): number {
    return this.#socket.handed;
  }

  get bufferedAmount(): number | undefined {
    return this.#socket.bufferedAmount;
  }

  sendUrgent(data: Message): void {
    if (this.#carries) this.#parts.outflow.sendUrgent(data);
    else this.#socket.send(data);
  }

  onDead(error: WSError): void {
    this.fail(error);
  }

  onRtt(ms: number): void {
    this.#parts.onRtt(ms);
  }

  onError(error: WSError): void {
    this.#parts.onError(error);
  }

  #hold(held: Hold, data: Message): void {
    if (held.push(data)) return;
    // Without a pending gate nobody is too slow: the burst fills one turn.
    if (this.#stage === "released") this.#goLive();
    else if (this.#parts.hasGate) this.#cut(gateOverrun(held.size, this.url));
  }

  #goLive(): void {
    if (this.#stage !== "released") return;
    this.#stage = "live";
    this.#deliverHeld();
  }

  #deliverHeld(): void {
    const held = this.#held;
    this.#held = undefined;
    for (const data of held?.takeAll() ?? []) this.#parts.deliver(data);
  }

  #closed(end: SocketEnd): void {
    if (this.#closeCode === undefined) {
      return this.#end(end, closeError(end, this.url), false);
    }
    // Who answers our close frame (RFC 6455, section 5.5.1) has read all before
    // it; who sent one at the same time has not.
    const answered = end.wasClean && end.code === this.#closeCode;
    this.#end(end, undefined, answered);
  }

  #cut(error: WSError | undefined): void {
    this.#end(DROPPED, error, false);
    this.#socket.abandon();
  }

  #end(end: SocketEnd, error: WSError | undefined, delivered: boolean): void {
    if (this.isOver) return;
    const wasReleased = this.#stage === "released";
    this.#stage = "over";
    clearImmediate(this.#ending);
    this.#heartbeat.stop();
    // Before the socket is let go: its buffered bytes can be read only now.
    if (this.#carries) this.#parts.outflow.detach(delivered);
    // Last: who gets what was held may end the link too.
    if (wasReleased) this.#deliverHeld();
    this.#error = error;
    this.endTaking(this.#gone);
    const connectedFor = performance.now() - this.#openedAt;
    this.#settleOver({ ...end, error, connectedFor });
  }
}
