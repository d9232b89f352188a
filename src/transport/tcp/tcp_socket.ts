import type { HandshakeResponse } from "../../callbacks.ts";
import { byteLength, type Message } from "../../message.ts";
import { MessageDeflate } from "../../protocol/deflate.ts";
import type { DeflateParameters } from "../../protocol/deflate_parameters.ts";
import { encodeCloseBody, encodeFrame } from "../../protocol/encoder.ts";
import {
  MAX_CLOSE_REASON,
  Opcode,
  type ProtocolError,
} from "../../protocol/frames.ts";
import { parseResponseHead } from "../../protocol/http_head.ts";
import {
  DROPPED,
  type SendWindow,
  type Socket,
  type SocketEnd,
  type SocketListener,
} from "../transport.ts";
import type { ByteStream } from "./byte_stream.ts";
import { DeflateQueue } from "./deflate_queue.ts";
import { closeQuietly } from "./dial.ts";
import { detailOf } from "./failures.ts";
import { type ReceiveEvents, Receiver } from "./receiver.ts";
import { type WriteEvents, WriteQueue } from "./write_queue.ts";

/** An open connection to be made a {@linkcode TcpSocket}. */
export interface OpenConnection {
  readonly url: string;
  readonly protocol: string;
  /** The text of the 101's head. */
  readonly head: string;
  readonly stream: ByteStream;
  /** The bytes that the server sent after its 101. */
  readonly rest: Uint8Array<ArrayBuffer>;
  readonly maxMessageBytes: number;
  readonly compression?: Compression;
}

/** How messages are compressed. */
export interface Compression {
  readonly parameters: DeflateParameters;
  /** Shorter messages are sent as they are, bytes. */
  readonly threshold: number;
}

/**
 * How long the connection may stay open once both close frames are through, or
 * after we have failed it, ms. "A server [...] closes the TCP connection first"
 * (RFC 6455, section 7.1.1).
 */
const LINGER = 1000;

/** Of more pings without an answer the oldest are forgotten. */
const MAX_PINGS = 16;

const SEND_WINDOW: SendWindow = {
  bytes: 512 * 1024,
  messages: 8192,
  reportsProgress: true,
};

type Timer = ReturnType<typeof setTimeout>;

/** The states of RFC 6455, section 4.1 and 7, as this side sees them. */
type State =
  | { readonly kind: "open" }
  /** Our close frame is on its way, the server's has not come. */
  | { readonly kind: "closing"; readonly timer: Timer }
  /** Nothing is delivered any more; the stream is about to end. */
  | {
    readonly kind: "ending";
    readonly timer: Timer;
    readonly end: SocketEnd;
    /** Whether the server's close frame has come. */
    readonly answered: boolean;
  }
  | { readonly kind: "closed"; readonly end: SocketEnd };

/** A WebSocket on a stream of bytes (RFC 6455). */
export class TcpSocket implements Socket, ReceiveEvents, WriteEvents {
  readonly url: string;
  readonly protocol: string;
  readonly sendWindow: SendWindow = SEND_WINDOW;

  readonly #head: string;
  readonly #stream: ByteStream;
  readonly #rest: Uint8Array<ArrayBuffer>;
  readonly #receiver: Receiver;
  readonly #writes: WriteQueue;
  readonly #deflate: MessageDeflate | undefined;
  readonly #deflates: DeflateQueue | undefined;
  #listener: SocketListener | undefined;
  #state: State = { kind: "open" };
  #bytesWritten = 0;
  #closeWritten = false;
  /** The server closed its side before our close frame was written. */
  #readEnded = false;
  /** The numbers of our pings without an answer, oldest first. */
  #pings: number[] | undefined;

  constructor(connection: OpenConnection) {
    const { stream, maxMessageBytes, compression } = connection;
    this.url = connection.url;
    this.protocol = connection.protocol;
    this.#head = connection.head;
    this.#stream = stream;
    this.#rest = connection.rest;
    this.#writes = new WriteQueue(stream, this);
    if (compression !== undefined) {
      const { parameters, threshold } = compression;
      const deflate = new MessageDeflate("client", parameters, maxMessageBytes);
      this.#deflate = deflate;
      // zlib has no window of 2^8 for deflation: it uses 2^9, which the server
      // could not inflate. A message need not be compressed.
      if (parameters.clientMaxWindowBits > 8) {
        this.#deflates = new DeflateQueue(deflate, this.#writes, threshold);
      }
    }
    const options = { maxMessageBytes, deflate: this.#deflate };
    this.#receiver = new Receiver(stream, this, options);
  }

  /** Parsed when asked for: thousands of connections keep the text alone. */
  get response(): HandshakeResponse {
    return parseResponseHead(this.#head);
  }

  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  get bytesRead(): number {
    return this.#receiver.bytesRead;
  }

  get bufferedAmount(): number {
    return this.#writes.buffered;
  }

  get bytesFlushed(): number {
    return this.#writes.flushed;
  }

  listen(listener: SocketListener): void {
    const state = this.#state;
    this.#listener = listener;
    queueMicrotask(() => {
      if (state.kind === "closed") listener.onEnd(state.end);
      else if (this.#state.kind !== "closed") this.#receiver.run(this.#rest);
    });
  }

  send(data: Message, size: number = byteLength(data)): void {
    if (this.#state.kind !== "open") return;
    this.#bytesWritten += size;
    if (this.#deflates === undefined) this.#writes.add(data, size);
    else this.#deflates.add(data, size);
  }

  close(code: number, reason: string, timeout: number): void {
    const state = this.#state;
    if (state.kind === "ending" && timeout < LINGER) {
      clearTimeout(state.timer);
      const timer = setTimeout(() => this.#finish(state.end), timeout);
      this.#state = { ...state, timer };
    }
    if (state.kind !== "open") return;
    const body = encodeCloseBody(code, reason);
    const timer = setTimeout(() => this.terminate(), timeout);
    this.#state = { kind: "closing", timer };
    this.#writeClose(body);
  }

  terminate(): void {
    this.#finish(DROPPED);
  }

  ping(id: number): void {
    if (this.#state.kind !== "open") return;
    this.#pings ??= [];
    this.#pings.push(id);
    if (this.#pings.length > MAX_PINGS) this.#pings.shift();
    this.#writes.addPing(new TextEncoder().encode(String(id)));
  }

  pause(): void {
    this.#receiver.pause();
  }

  resume(): void {
    this.#receiver.resume();
  }

  // --- What is received ---

  onMessage(data: Message): void {
    this.#listener?.onMessage(data);
  }

  get hasUnread(): boolean {
    return this.#listener?.hasUnread === true;
  }

  onPing(payload: Uint8Array): void {
    this.#writes.addPong(payload);
  }

  onPong(payload: Uint8Array): void {
    const pings = this.#pings;
    if (pings === undefined || pings.length === 0) return;
    const id = numberIn(payload);
    const index = pings.indexOf(id);
    // A pong may answer nothing at all, and need not answer each ping (RFC
    // 6455, section 5.5.3).
    if (index < 0) return;
    pings.splice(0, index + 1);
    this.#listener?.onPong?.(id);
  }

  onClose(code: number, reason: string): void {
    const end = { code, reason, wasClean: false };
    // "an endpoint typically echos the status code it received" (5.5.1)
    this.#end(end, code, "", true);
  }

  onViolation({ closeCode, message }: ProtocolError): void {
    const kind = closeCode === 1009 ? "too-large" : "protocol";
    const failure = { kind, detail: message } as const;
    this.#end({ ...DROPPED, failure }, closeCode, message, false);
  }

  onReadEnd(error?: unknown): void {
    const state = this.#state;
    switch (state.kind) {
      case "open": {
        const detail = error === undefined
          ? "the server hung up"
          : detailOf(error);
        const failure = { kind: "network", detail, cause: error } as const;
        return this.#finish({ ...DROPPED, failure });
      }
      case "closing":
        return this.#finish(DROPPED);
      case "ending":
        // The server may hang up behind its close frame; ours is written then
        // if the network still takes it.
        if (
          this.#writes.isStopped || error !== undefined || !state.answered
        ) return this.#finish(state.end);
        this.#readEnded = true;
        return;
      case "closed":
        return;
      default:
        state satisfies never;
    }
  }

  // --- What is written ---

  onProgress(): void {
    if (this.#state.kind !== "closed") this.#listener?.onProgress?.();
  }

  onCloseWritten(): void {
    this.#closeWritten = true;
    if (this.#state.kind !== "ending") return;
    if (this.#readEnded) return this.#finish(this.#state.end);
    if (this.#state.answered) return;
    // We failed the connection: the server reads our close frame, and that
    // nothing follows, before the connection is torn down.
    this.#stream.closeWrite().catch(() => {});
  }

  /** Reading goes on: the server may have sent a reason before it hung up. */
  onWriteError(): void {
    if (this.#state.kind === "ending" && this.#readEnded) {
      this.#finish(this.#state.end);
    }
  }

  /** Answers the server's close frame, or fails the connection. */
  #end(
    end: SocketEnd,
    code: number,
    reason: string,
    answered: boolean,
  ): void {
    const state = this.#state;
    switch (state.kind) {
      case "open":
      case "closing":
        break;
      case "ending":
      case "closed":
        return;
      default:
        state satisfies never;
    }
    if (state.kind === "closing") clearTimeout(state.timer);
    const timer = setTimeout(() => this.#finish(end), LINGER);
    this.#state = { kind: "ending", timer, end, answered };
    if (answered) {
      // A server that has closed reads no more messages. Those that are not
      // being written stay in `bufferedAmount`.
      this.#deflates?.clear();
      this.#writes.dropMessages();
      // Our close frame is on its way already.
      if (state.kind === "closing") return;
    }
    const part = reason.slice(0, MAX_CLOSE_REASON);
    this.#writeClose(encodeCloseBody(code, part));
    if (state.kind === "open") this.#listener?.onEnding?.();
  }

  /** Writes the close frame behind all messages. */
  #writeClose(body: Uint8Array): void {
    const frame = encodeFrame("client", Opcode.close, body);
    if (this.#deflates === undefined) this.#writes.close(frame);
    else this.#deflates.whenIdle(() => this.#writes.close(frame));
  }

  #finish(end: SocketEnd): void {
    const state = this.#state;
    switch (state.kind) {
      case "open":
        break;
      case "closing":
        clearTimeout(state.timer);
        break;
      case "ending":
        clearTimeout(state.timer);
        end = state.answered && this.#closeWritten
          ? { ...state.end, wasClean: true }
          : state.end;
        break;
      case "closed":
        return;
      default:
        state satisfies never;
    }
    this.#state = { kind: "closed", end };
    this.#receiver.stop();
    this.#deflates?.stop();
    this.#deflate?.close();
    this.#writes.stop();
    closeQuietly(this.#stream);
    this.#listener?.onEnd(end);
  }
}

/** The number whose digits these bytes are; NaN if they are none. */
function numberIn(payload: Uint8Array): number {
  let number = 0;
  for (const byte of payload) {
    if (byte < 0x30 || byte > 0x39) return NaN;
    number = number * 10 + byte - 0x30;
  }
  return String(number).length === payload.length ? number : NaN;
}
