/**
 * One native WebSocket as a {@linkcode Socket}. The quirks of the runtime's
 * socket are handled here and nowhere else:
 *
 * - A failed handshake and a broken connection both end with code 0; here it is
 *   1006 (RFC 6455, section 7.4.1).
 * - `bufferedAmount` reads 0 as soon as the socket is not open, with data still
 *   unsent; here it is `undefined`.
 * - Binary messages are `Blob`s by default; here `Uint8Array`.
 * - A view of shared memory cannot be sent; here it is copied.
 * - After our own close the end of the connection reads as a clean 1005, whether
 *   the server answered or just hung up. A server that answers repeats the code
 *   (RFC 6455, section 5.5.1), and ours is never empty; so here it is 1006, not
 *   clean.
 * - An `on*` handler costs twice the memory of an added listener; one object
 *   that handles all events costs least.
 * - A server that never answers a close frame keeps the native socket alive for
 *   ever, and nothing can end it. {@linkcode NativeSocket.terminate} detaches
 *   from it: it reports nothing more, and it ends when the server hangs up.
 *
 * @module
 */

import type { Message } from "../../message.ts";
import {
  type ConnectionFailure,
  DROPPED,
  type SendWindow,
  type Socket,
  type SocketEnd,
  type SocketListener,
} from "../transport.ts";
import { gist } from "./failure_text.ts";

/**
 * The native socket buffers without bound, and gets slower the more it has.
 * With fewer bytes there are more turns of the event loop; more small messages
 * push each other out of the processor's cache.
 */
const SEND_WINDOW: SendWindow = Object.freeze({
  bytes: 256 * 1024,
  messages: 256,
  reportsProgress: false,
});

/** The events that a native socket reports of an open connection. */
const EVENTS = ["message", "error", "close"] as const;

/** The runtime's words for frames that break RFC 6455. */
const PROTOCOL_VIOLATION =
  /Invalid (?:UTF-8|fragment|continuation frame|close frame|close code|value)|Reserved bits are not zero|Control frame must not be fragmented/;
const TOO_LARGE = /[Ff]rame too large/;

/** An open native WebSocket, or one that is about to open. */
export class NativeSocket implements Socket {
  bytesWritten = 0;
  readonly #native: WebSocket;
  #listener: SocketListener;
  #early: EarlyEvents | undefined;
  #closeTimer: ReturnType<typeof setTimeout> | undefined;
  #error: ErrorEvent | undefined;

  constructor(native: WebSocket) {
    native.binaryType = "arraybuffer";
    this.#native = native;
    this.#listener = this.#early = new EarlyEvents();
    for (const type of EVENTS) native.addEventListener(type, this);
  }

  get url(): string {
    return this.#native.url;
  }

  get protocol(): string {
    return this.#native.protocol;
  }

  get sendWindow(): SendWindow {
    return SEND_WINDOW;
  }

  /** The runtime's report of a handshake that failed. */
  get failureText(): string {
    return this.#error?.message ?? "the connection closed";
  }

  /** The exception behind it, if there is one. */
  get failureCause(): unknown {
    return this.#error?.error;
  }

  get bufferedAmount(): number | undefined {
    const native = this.#native;
    if (native.readyState !== WebSocket.OPEN) return undefined;
    return native.bufferedAmount;
  }

  listen(listener: SocketListener): void {
    const early = this.#early;
    this.#early = undefined;
    this.#listener = listener;
    if (early === undefined) return;
    // A listener that terminates the socket hears nothing more.
    for (const data of early.messages) this.#listener.onMessage(data);
    if (early.end !== undefined) this.#end(early.end);
  }

  /** Called by the native socket. */
  handleEvent(event: Event): void {
    if (event instanceof MessageEvent) {
      const { data } = event;
      this.#listener.onMessage(
        typeof data === "string" ? data : new Uint8Array(data),
      );
    } else if (event instanceof CloseEvent) {
      this.#end(this.#endOf(event));
    } else if (event instanceof ErrorEvent) {
      this.#error = event;
    }
  }

  send(data: Message): void {
    this.bytesWritten += data.length;
    const isOwned = typeof data === "string" || isUnshared(data);
    this.#native.send(isOwned ? data : new Uint8Array(data));
  }

  close(code: number, reason: string, timeout: number): void {
    if (this.#closeTimer !== undefined) return;
    this.#native.close(code, reason);
    this.#closeTimer = setTimeout(() => this.terminate(), timeout);
  }

  terminate(): void {
    // Tells the native socket to close, so that it can go when the server does.
    this.#native.close();
    this.#end(DROPPED);
  }

  #endOf({ code, reason, wasClean }: CloseEvent): SocketEnd {
    const isAnswer = this.#closeTimer === undefined || code !== 1005;
    if (code !== 0 && isAnswer) return { code, reason, wasClean };
    const text = this.#error?.message;
    if (text === undefined) return DROPPED;
    return { ...DROPPED, failure: failureOf(text, this.#error?.error) };
  }

  #end(end: SocketEnd): void {
    clearTimeout(this.#closeTimer);
    const listener = this.#listener;
    this.#listener = NOBODY;
    listener.onEnd(end);
  }
}

function failureOf(text: string, error: unknown): ConnectionFailure {
  const kind = TOO_LARGE.test(text)
    ? "too-large"
    : PROTOCOL_VIOLATION.test(text)
    ? "protocol"
    : "network";
  return { kind, detail: gist(text), cause: error ?? new Error(text) };
}

/** Keeps events until there is a listener. */
class EarlyEvents implements SocketListener {
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
