/**
 * A connection from the end of its opening handshake to its own end: it reads,
 * writes and closes.
 *
 * - It is open, then perhaps closing, then closed, and never goes back.
 *   `closed` settles exactly once, at the end.
 * - Closing has one deadline; past it the socket is closed.
 * - One loop reads. Whenever it pauses, the client's bytes fill the network's
 *   buffers, and TCP slows the client down.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { Message } from "../message.ts";
import { Decoder, MAX_IN_PLACE } from "../protocol/decoder.ts";
import type { MessageDeflate } from "../protocol/deflate.ts";
import { encodeCloseBody } from "../protocol/encoder.ts";
import { Opcode, ProtocolError } from "../protocol/frames.ts";
import { decodeText } from "../protocol/text.ts";
import type { FrameWriter } from "./frame_writer.ts";
import { closeQuietly, linger, type Transport } from "./listener.ts";

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

/** The owner of a connection. */
export interface ConnectionOwner {
  onMessage(data: Message): void;
  /** The payload is valid during the call only. */
  onPong(payload: Uint8Array): void;
  /** The promise that reading must wait for, if there is one. */
  pause(): Promise<void> | undefined;
}

/** The options of a connection. */
export interface FramedConnectionOptions {
  readonly transport: Transport;
  /** Makes the writer, which reports a failed write. */
  readonly writer: (onFailure: (error: unknown) => void) => FrameWriter;
  readonly deflate: MessageDeflate | undefined;
  readonly maxMessageBytes: number;
  /** How long closing may take, ms. */
  readonly closeTimeout: number;
  readonly owner: ConnectionOwner;
}

type Timer = ReturnType<typeof setTimeout>;

type State =
  | { readonly kind: "open" }
  /** A close frame was sent; the client's is awaited. */
  | { readonly kind: "closing"; readonly deadline: Timer }
  /** Reads nothing more; the connection ends when everything is written. */
  | { readonly kind: "hanging-up"; readonly deadline: Timer }
  /** Nothing is read, answered or written any more, but the socket stays. */
  | { readonly kind: "blackhole"; readonly deadline: Timer }
  | { readonly kind: "closed" };

/** The states as the program sees them: a black hole looks open. */
const STATES = {
  "open": "open",
  "closing": "closing",
  "hanging-up": "closing",
  "blackhole": "open",
  "closed": "closed",
} as const satisfies Record<State["kind"], string>;

/** A black hole ends after this, ms: its client has gone long ago. */
const BLACKHOLE_LIMIT = 10 * 60_000;

/** The first read buffer, bytes: most connections receive little. */
const FIRST_READ = 4 * 1024;

export class FramedConnection {
  /** Settles when the connection has ended; never rejects. */
  readonly closed: Promise<PeerClose>;
  readonly writer: FrameWriter;
  readonly #transport: Transport;
  readonly #owner: ConnectionOwner;
  readonly #decoder: Decoder;
  readonly #deflate: MessageDeflate | undefined;
  readonly #maxMessageBytes: number;
  readonly #closeTimeout: number;
  readonly #end = Promise.withResolvers<PeerClose>();
  #state: State = { kind: "open" };
  #closeFrame: { code: number; reason: string } | undefined;
  /** Reading waits for it, while it is there. */
  #stopped: PromiseWithResolvers<void> | undefined;
  /** The compressed message for which the next ones have to wait. */
  #inflating: Promise<void> | undefined;

  constructor(options: FramedConnectionOptions) {
    const { transport, owner, deflate, maxMessageBytes } = options;
    this.closed = this.#end.promise;
    this.#transport = transport;
    this.#owner = owner;
    this.#deflate = deflate;
    this.#maxMessageBytes = maxMessageBytes;
    this.#closeTimeout = options.closeTimeout;
    this.writer = options.writer((error) => this.#finish(error));
    this.#decoder = new Decoder("server", {
      onMessage: (data) => this.#deliver(data),
      onCompressed: (payload, isText) => {
        this.#inflating = this.#inflate(payload, isText);
        this.#decoder.stop();
      },
      onPing: (payload) => {
        // After our close frame nothing may follow (5.5.1).
        if (this.#state.kind === "open") {
          this.writer.control(Opcode.pong, payload);
        }
      },
      onPong: (payload) => owner.onPong(payload),
      onClose: (code, reason) => this.#closeReceived(code, reason),
    }, { maxMessageBytes, compression: deflate !== undefined });
  }

  get state(): "open" | "closing" | "closed" {
    return STATES[this.#state.kind];
  }

  get isBlackhole(): boolean {
    return this.#state.kind === "blackhole";
  }

  /** Begins to read; `first` came right behind the handshake. */
  start(first: Uint8Array): void {
    this.#readAll(first).catch((error) => {
      if (error instanceof ProtocolError) this.#fail(error);
      else this.#finish(error);
    });
  }

  /** Stops reading after the current read, until `resumeReading`. */
  stopReading(): void {
    this.#stopped ??= Promise.withResolvers();
  }

  resumeReading(): void {
    this.#stopped?.resolve();
    this.#stopped = undefined;
  }

  /**
   * Sends a close frame and waits for the client's.
   *
   * @throws {RangeError} for a code or reason that cannot be sent.
   */
  close(code: number, reason: string): void {
    const body = encodeCloseBody(code, reason);
    if (this.#state.kind === "blackhole") this.#finish();
    else if (this.#state.kind === "open") this.#sendClose(body);
  }

  /** Writes sent messages, then ends TCP (FIN) without a close frame. */
  drop(): void {
    this.#hangUp(() => this.#finish());
  }

  /** As `drop`, but by a TCP reset where the transport can. */
  reset(): void {
    this.#hangUp(() => {
      this.#transport.reset?.();
      this.#finish();
    });
  }

  /** Reads and writes nothing any more, but keeps the socket. */
  blackhole(): void {
    if (this.#state.kind === "closed") return;
    this.writer.stop();
    this.#enter("blackhole", BLACKHOLE_LIMIT);
    this.resumeReading();
  }

  // Reading --------------------------------------------------------------------

  get #isReading(): boolean {
    return this.#state.kind === "open" || this.#state.kind === "closing";
  }

  /** Reads until the client hangs up, or nothing is to be read any more. */
  async #readAll(first: Uint8Array): Promise<void> {
    const size = Math.max(FIRST_READ, first.length);
    let buffer = new Uint8Array(size);
    buffer.set(first);
    let from = 0;
    let to = first.length;
    for (;;) {
      from = await this.#decodeAll(buffer, from, to);
      await this.#waitToRead();
      if (!this.#isReading) return;
      const isFull = to === buffer.length;
      const room = isFull && buffer.length < MAX_IN_PLACE
        ? Math.min(2 * buffer.length, MAX_IN_PLACE)
        : buffer.length;
      const needed = Math.max(room, this.#decoder.needed);
      const rest = buffer.subarray(from, to);
      if (needed > buffer.length) {
        buffer = new Uint8Array(needed);
        buffer.set(rest);
      } else buffer.copyWithin(0, from, to);
      from = 0;
      to = rest.length;
      const count = await this.#transport.read(buffer.subarray(to));
      // Data of a read that was still pending is ignored.
      if (!this.#isReading) return;
      if (count === null) return this.#finish();
      to += count;
    }
  }

  /** @returns where the bytes begin that were not decoded */
  async #decodeAll(
    buffer: Uint8Array<ArrayBuffer>,
    from: number,
    to: number,
  ): Promise<number> {
    let at = from;
    while (at < to && this.#isReading) {
      const next = this.#decoder.decode(buffer, at, to);
      const inflating = this.#inflating;
      this.#inflating = undefined;
      if (inflating !== undefined) await inflating;
      if (next === at) break;
      at = next;
    }
    return at;
  }

  /** Waits until the owner wants more. */
  async #waitToRead(): Promise<void> {
    while (this.#isReading) {
      // While closing, reading goes on for the sake of the client's close frame.
      const reason = this.#stopped?.promise ??
        (this.#state.kind === "open" ? this.#owner.pause() : undefined);
      if (reason === undefined) return;
      await reason;
    }
  }

  async #inflate(
    payload: Uint8Array<ArrayBuffer>,
    isText: boolean,
  ): Promise<void> {
    if (this.#deflate === undefined) return;
    const bytes = await this.#deflate.inflate(payload);
    if (!isText) return this.#deliver(bytes);
    const { buffer, byteOffset, length } = bytes;
    this.#deliver(
      decodeText(Buffer.from(buffer, byteOffset, length), 0, length),
    );
  }

  #deliver(data: Message): void {
    if (this.#isReading) this.#owner.onMessage(data);
  }

  #closeReceived(code: number, reason: string): void {
    if (!this.#isReading) return;
    this.#closeFrame = { code, reason };
    // "It SHOULD ... echo the status code it received." (5.5.1)
    if (this.#state.kind === "open") this.#sendClose(encodeCloseBody(code));
    this.writer.flush().then(() => this.#finish());
  }

  // Ending ---------------------------------------------------------------------

  #sendClose(body: Uint8Array, error?: ProtocolError): void {
    this.writer.control(Opcode.close, body);
    this.#enter("closing", this.#closeTimeout, error);
  }

  #hangUp(finish: () => void): void {
    if (this.#state.kind === "closed") return;
    if (this.#state.kind === "blackhole") return finish();
    this.#enter("hanging-up", this.#closeTimeout);
    this.resumeReading();
    this.writer.flush().then(finish);
  }

  /** "Fail the WebSocket Connection" (7.1.7): say why, then hang up. */
  async #fail(error: ProtocolError): Promise<void> {
    if (this.#state.kind === "open") {
      const body = encodeCloseBody(error.closeCode, error.message);
      this.#sendClose(body, error);
    }
    await this.writer.flush();
    await linger(this.#transport);
    this.#finish(error);
  }

  #enter(
    kind: "closing" | "hanging-up" | "blackhole",
    limit: number,
    error?: ProtocolError,
  ): void {
    this.#clearDeadline();
    const deadline = setTimeout(() => this.#finish(error), limit);
    this.#state = { kind, deadline };
  }

  #clearDeadline(): void {
    if ("deadline" in this.#state) clearTimeout(this.#state.deadline);
  }

  /** The one end of every connection. */
  #finish(error?: unknown): void {
    if (this.#state.kind === "closed") return;
    this.#clearDeadline();
    this.#state = { kind: "closed" };
    this.resumeReading();
    this.writer.stop();
    this.#deflate?.close();
    closeQuietly(this.#transport);
    this.#end.resolve(
      this.#closeFrame === undefined
        ? { code: 1006, reason: "", wasClean: false, error }
        : { ...this.#closeFrame, wasClean: error === undefined },
    );
  }
}
