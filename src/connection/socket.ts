/**
 * One native WebSocket. Every quirk of the runtime lives here and nowhere else:
 *
 * - a failed handshake and a dropped link both end with code 0; here it is 1006
 *   (RFC 6455, section 7.4.1);
 * - `bufferedAmount` reads 0 as soon as the socket is not open, whatever is
 *   still unsent; here it is `undefined`;
 * - binary messages are `Blob`s unless told otherwise; here `Uint8Array`;
 * - a view of shared memory cannot be sent; here it is copied;
 * - after our own close the end of the connection reads as a clean 1005, whether
 *   the peer answered or just hung up. Who answers repeats the code (RFC 6455,
 *   section 5.5.1), and ours is never empty; so here it is 1006, not clean;
 * - what is set as `onmessage` and the like costs twice the memory of a listener
 *   that is added, and an object that listens to everything the least;
 * - a peer that never answers a close frame keeps the native socket alive for
 *   ever, and nothing can end it; here it is abandoned: nobody hears of it any
 *   more, and it goes when the peer does.
 *
 * @module
 */

import { LONGEST_TIMER } from "../longest_timer.ts";
import type { Message } from "../message.ts";

/** How a connection ended. */
export interface SocketEnd {
  /** The close code; 1006 for a drop without a close frame. */
  readonly code: number;
  /** The reason in the peer's close frame. */
  readonly reason: string;
  /** Whether both sides exchanged close frames. */
  readonly wasClean: boolean;
  /** The text of the runtime's error, if there was one. */
  readonly message?: string;
}

/** Who hears what comes through a {@linkcode Socket}. It must not throw. */
export interface SocketListener {
  /** A message, in order. */
  onMessage(data: Message): void;
  /** The connection has ended; called once, after the last message. */
  onEnd(end: SocketEnd): void;
}

/** What to dial. */
export interface DialOptions {
  /** `ws://` or `wss://`, without user name, password and fragment. */
  readonly url: URL;
  /** Extra headers of the handshake. */
  readonly headers?: Headers;
  /** Subprotocols to offer. */
  readonly subprotocols: readonly string[];
  /** What connects: proxy, certificates, HTTP versions. */
  readonly httpClient?: Deno.HttpClient;
  /** Gives up; a connection that comes about all the same is closed at once. */
  readonly signal: AbortSignal;
}

/**
 * What the runtime tells of a handshake that failed. On `wss://` its text is
 * often not about the cause: see `lifecycle/diagnose.ts`.
 */
export class HandshakeFailure extends Error {
  override readonly name = "HandshakeFailure";
}

/**
 * Opens a connection.
 * @throws {HandshakeFailure} it did not come about
 * @throws the signal's reason, once it aborts
 * @throws {Deno.errors.NotCapable} no permission
 */
export function dial(options: DialOptions): Promise<Socket> {
  const { url, headers, subprotocols, httpClient, signal } = options;
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const native = new WebSocket(url, {
      headers,
      protocols: [...subprotocols],
      client: httpClient,
    });
    const socket = new Socket(native);

    function giveUp(): void {
      leave();
      // While it connects this cancels the attempt; should it be open by now,
      // the runtime closes it as soon as it notices.
      socket.abandon();
      reject(signal.reason);
    }
    function settle(event: Event): void {
      leave();
      if (event.type === "open") resolve(socket);
      else reject(socket.failure);
    }
    function leave(): void {
      signal.removeEventListener("abort", giveUp);
      for (const type of OUTCOMES) native.removeEventListener(type, settle);
    }
    signal.addEventListener("abort", giveUp, { once: true });
    for (const type of OUTCOMES) native.addEventListener(type, settle);
  });
}

/** How a handshake ends. */
const OUTCOMES = ["open", "close"] as const;

/** What a native socket tells of an open connection. */
const EVENTS = ["message", "error", "close"] as const;

/** An open connection, until it has ended. */
export class Socket {
  /**
   * How much was handed over so far: bytes, or UTF-16 code units of texts,
   * which are never more than their bytes.
   */
  handed = 0;

  readonly #native: WebSocket;
  #early: Early | undefined;
  #listener: SocketListener;
  #closing: ReturnType<typeof setTimeout> | undefined;
  /** What the runtime says went wrong. */
  #error: ErrorEvent | undefined;

  /** Takes over a native socket, open or about to be. */
  constructor(native: WebSocket) {
    native.binaryType = "arraybuffer";
    this.#native = native;
    this.#listener = this.#early = new Early();
    for (const type of EVENTS) native.addEventListener(type, this);
  }

  /** The URL that was dialled. */
  get url(): string {
    return this.#native.url;
  }

  /** The subprotocol the server chose; empty if none. */
  get protocol(): string {
    return this.#native.protocol;
  }

  /** Why it never opened. */
  get failure(): HandshakeFailure {
    const text = this.#error?.message ?? "the connection closed";
    return new HandshakeFailure(text, { cause: this.#error?.error });
  }

  /** Tells the listener everything, what came in before included; call it once. */
  listen(listener: SocketListener): void {
    const early = this.#early;
    this.#early = undefined;
    this.#listener = listener;
    if (early === undefined) return;
    // A listener that abandons the socket hears nothing more.
    for (const data of early.messages) this.#listener.onMessage(data);
    if (early.end !== undefined) this.#end(early.end);
  }

  /** What the native socket calls. */
  handleEvent(event: Event): void {
    if (event instanceof MessageEvent) {
      const { data } = event;
      this.#listener.onMessage(
        typeof data === "string" ? data : new Uint8Array(data),
      );
    } else if (event instanceof CloseEvent) {
      this.#end(this.#judge(event));
    } else if (event instanceof ErrorEvent) {
      this.#error = event;
    }
  }

  /**
   * Bytes handed to the socket that the network has not taken, without frame
   * headers; `undefined` once it is not open, where the runtime does not know.
   */
  get bufferedAmount(): number | undefined {
    const native = this.#native;
    if (native.readyState !== WebSocket.OPEN) return undefined;
    return native.bufferedAmount;
  }

  /**
   * Sends a message. Once the socket is not open it is lost: who sends knows
   * the state.
   */
  send(data: Message): void {
    this.handed += data.length;
    const isOfItsOwn = typeof data === "string" || isUnshared(data);
    this.#native.send(isOfItsOwn ? data : new Uint8Array(data));
  }

  /**
   * Closes, and waits at most `timeout` ms for the peer to answer; then the
   * socket is abandoned. Later calls change nothing.
   */
  close(code: number, reason: string, timeout: number): void {
    if (this.#closing !== undefined) return;
    this.#native.close(code, reason);
    const limit = Math.min(timeout, LONGEST_TIMER);
    this.#closing = setTimeout(() => this.abandon(), limit);
  }

  /**
   * Ends it at once, without waiting for anybody. The native socket is told to
   * close, so that it can go when the peer does.
   */
  abandon(): void {
    this.#native.close();
    this.#end(DROPPED);
  }

  #judge({ code, reason, wasClean }: CloseEvent): SocketEnd {
    const isAnswer = this.#closing === undefined || code !== 1005;
    return code !== 0 && isAnswer
      ? { code, reason, wasClean }
      : { ...DROPPED, message: this.#error?.message };
  }

  #end(end: SocketEnd): void {
    clearTimeout(this.#closing);
    const listener = this.#listener;
    this.#listener = NOBODY;
    listener.onEnd(end);
  }
}

/** Keeps what comes in until somebody listens. */
class Early implements SocketListener {
  readonly messages: Message[] = [];
  end: SocketEnd | undefined;

  onMessage(data: Message): void {
    this.messages.push(data);
  }

  onEnd(end: SocketEnd): void {
    this.end = end;
  }
}

const NOBODY: SocketListener = { onMessage: () => {}, onEnd: () => {} };

function isUnshared(bytes: Uint8Array): bytes is Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer;
}

/** RFC 6455, section 7.4.1: no close frame came. */
export const DROPPED: SocketEnd = { code: 1006, reason: "", wasClean: false };
