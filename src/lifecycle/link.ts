/**
 * One open connection, from the handshake to its end: what it received, its
 * heartbeat, and the queue that it carries once the gate has passed.
 *
 * - Until {@linkcode Link.release} messages are held, for the gate to take.
 * - {@linkcode Link.carry} attaches the queue; the link's end detaches it.
 * - {@linkcode Link.over} settles once, and after it nothing is delivered.
 *
 * @module
 */

import { clearImmediate, setImmediate } from "node:timers";
import { Heartbeat, type HeartbeatOptions } from "../connection/heartbeat.ts";
import type { Socket, SocketEnd } from "../connection/socket.ts";
import { WSError } from "../errors.ts";
import type { Message } from "../message.ts";
import { wrongKind } from "../rules.ts";
import { closeError } from "./classify.ts";
import { Hold, type HoldOptions } from "./hold.ts";

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
  readonly outflow: Outflow;
  readonly arrivals: Arrivals;
  /** Called for each message, in order. */
  readonly deliver: (data: Message) => void;
  readonly onRtt: (ms: number) => void;
  readonly onError: (error: WSError) => void;
}

/** How a link ended. */
export interface LinkEnd extends SocketEnd {
  /** What ended it; `undefined` when we did. */
  readonly error: WSError | undefined;
  /** In milliseconds. */
  readonly connectedFor: number;
}

const DROPPED: SocketEnd = { code: 1006, reason: "", wasClean: false };

/** One open connection. */
export class Link {
  readonly url: string;
  readonly protocol: string;
  /** Settles when the connection has ended; never rejects. */
  readonly over: Promise<LinkEnd>;
  /** Messages received on this link; the heartbeat's sign of life. */
  received = 0;

  readonly #socket: Pick<Socket, keyof Socket>;
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
  readonly #held: Hold;

  constructor(socket: Pick<Socket, keyof Socket>, parts: LinkParts) {
    this.#socket = socket;
    this.#parts = parts;
    this.#held = new Hold(parts);
    this.url = socket.url;
    this.protocol = socket.protocol;
    const { promise, resolve } = Promise.withResolvers<LinkEnd>();
    this.over = promise;
    this.#settleOver = resolve;
    this.#heartbeat = this.#startHeartbeat();
    socket.receive((data) => this.#hold(data));
    socket.ended.then((end) => this.#closeSoon(end));
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
    return this.#held.take();
  }

  /** Who still waits for a message must not get what comes after the gate. */
  endTaking(error: Error): void {
    this.#held.end(error);
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

  #startHeartbeat(): Heartbeat {
    const { heartbeat: options, onRtt, onError } = this.#parts;
    const heartbeat = new Heartbeat(options, {
      received: () => this.received,
      handed: () => this.#socket.handed,
      bufferedAmount: () => this.#socket.bufferedAmount,
      sendUrgent: (data) => {
        if (this.#carries) this.#parts.outflow.sendUrgent(data);
        else this.#socket.send(data);
      },
    }, { onDead: (error) => this.fail(error), onRtt, onError });
    heartbeat.start();
    return heartbeat;
  }

  #hold(data: Message): void {
    this.#count(data);
    if (this.#heartbeat.intercept?.(data)) return;
    if (!this.#held.push(data)) {
      this.#cut(gateOverrun(this.#held.size, this.url));
    }
  }

  #goLive(): void {
    if (this.#stage !== "released") return;
    this.#stage = "live";
    this.#deliverHeld();
    // A callback or a reader that is too slow may have ended the link.
    if (!this.isOver) this.#socket.receive(this.#receiver());
  }

  /** The hot path: nothing for a message but what must be. */
  #receiver(): (data: Message) => void {
    const { arrivals, deliver } = this.#parts;
    const { intercept } = this.#heartbeat;
    if (intercept === undefined) {
      return (data) => {
        this.received++;
        arrivals.messages++;
        arrivals.bytes += data.length;
        deliver(data);
      };
    }
    return (data) => {
      this.#count(data);
      if (!intercept(data)) deliver(data);
    };
  }

  #count(data: Message): void {
    this.received++;
    this.#parts.arrivals.messages++;
    this.#parts.arrivals.bytes += data.length;
  }

  #deliverHeld(): void {
    for (const data of this.#held.takeAll()) this.#parts.deliver(data);
  }

  /**
   * The runtime tells of messages and of the end behind them in one turn of the
   * event loop. A turn later a gate that waits for nothing has passed, so that
   * what a server said before it hung up is delivered.
   */
  #closeSoon(end: SocketEnd): void {
    if (this.isOver) return;
    // What an ended socket is given is lost.
    if (this.#carries && !this.isClosing) this.#parts.outflow.pause();
    this.#ending = setImmediate(() => this.#closed(end));
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

function connectionGone(url: string): WSError {
  return new WSError("The connection is closed", {
    code: "CLOSED",
    severity: "transient",
    closeCode: 1006,
    url,
  });
}

function gateOverrun(count: number, url: string): WSError {
  return new WSError(
    `${count} messages came in before onConnect took them or settled: ` +
      "more than receiveBufferMaxSize or receiveBufferMaxBytes",
    { code: "SLOW_CONSUMER", severity: "transient", url },
  );
}
