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
 *   that is added;
 * - a peer that never answers a close frame keeps the native socket alive for
 *   ever, and nothing can end it; here it is abandoned: nobody hears of it any
 *   more, and it goes when the peer does.
 *
 * @module
 */

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
    native.binaryType = "arraybuffer";
    let failure = new HandshakeFailure("the connection closed");

    function giveUp(): void {
      leave();
      // While it connects this cancels the attempt; should it be open by now,
      // the runtime closes it as soon as it notices.
      native.close();
      reject(signal.reason);
    }
    function settle(event: Event): void {
      if (event instanceof ErrorEvent) {
        const { message, error: cause } = event;
        failure = new HandshakeFailure(message, { cause });
      }
      if (event.type === "error") return;
      leave();
      if (event.type === "open") resolve(new Socket(native));
      else reject(failure);
    }

    function leave(): void {
      signal.removeEventListener("abort", giveUp);
      for (const type of OUTCOMES) native.removeEventListener(type, settle);
    }
    signal.addEventListener("abort", giveUp, { once: true });
    for (const type of OUTCOMES) native.addEventListener(type, settle);
  });
}

/** What a native socket tells about its handshake. */
const OUTCOMES = ["open", "error", "close"] as const;

/** An open connection, until it has ended. */
export class Socket {
  /** The URL that was dialled. */
  readonly url: string;
  /** The subprotocol the server chose; empty if none. */
  readonly protocol: string;
  /** How it ended. Never rejects. */
  readonly ended: Promise<SocketEnd>;
  /**
   * How much was handed over so far: bytes, or UTF-16 code units of texts,
   * which are never more than their bytes.
   */
  handed = 0;

  readonly #native: WebSocket;
  readonly #settle: (end: SocketEnd) => void;
  #held: Message[] = [];
  #listener: (data: Message) => void = (data) => this.#held.push(data);
  #closing = false;

  /** Takes over an open native socket, in the turn of its `open` event. */
  constructor(native: WebSocket) {
    const { promise, resolve } = Promise.withResolvers<SocketEnd>();
    this.url = native.url;
    this.protocol = native.protocol;
    this.ended = promise;
    this.#native = native;
    this.#settle = resolve;

    let message: string | undefined;
    native.addEventListener("message", ({ data }) => {
      this.#listener(typeof data === "string" ? data : new Uint8Array(data));
    });
    native.addEventListener("error", (event) => {
      if (event instanceof ErrorEvent) message = event.message;
    });
    native.addEventListener("close", ({ code, reason, wasClean }) => {
      const isAnswer = !this.#closing || code !== 1005;
      resolve(
        code !== 0 && isAnswer
          ? { code, reason, wasClean }
          : { ...DROPPED, message },
      );
    });
  }

  /**
   * Hands every message to the listener, which must not throw; a later call
   * replaces it. What came in before the first call is handed over in order.
   */
  receive(listener: (data: Message) => void): void {
    this.#listener = listener;
    let data: Message | undefined;
    while ((data = this.#held.shift()) !== undefined) listener(data);
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
   * socket is abandoned. Later calls wait for the first.
   */
  close(code: number, reason: string, timeout: number): Promise<SocketEnd> {
    if (this.#closing) return this.ended;
    this.#native.close(code, reason);
    this.#closing = true;
    const limit = Math.min(timeout, LONGEST_TIMER);
    const timer = setTimeout(() => this.abandon(), limit);
    this.ended.then(() => clearTimeout(timer));
    return this.ended;
  }

  /**
   * Ends it at once, without waiting for anybody. The native socket is told to
   * close, so that it can go when the peer does.
   */
  abandon(): void {
    this.#listener = ignore;
    this.#held = [];
    this.#native.close();
    this.#settle(DROPPED);
  }
}

function isUnshared(bytes: Uint8Array): bytes is Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer;
}

/** What a timer can wait: a longer one fires at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** RFC 6455, section 7.4.1: no close frame came. */
const DROPPED = { code: 1006, reason: "", wasClean: false };

function ignore(): void {}
