/**
 * A peer's connection from the end of its handshake to its own.
 *
 * - A link is `"open"`, then perhaps `"closing"`, then `"closed"`, and never
 *   goes back. `closed` settles exactly once, at the end.
 * - Closing has one deadline; past it the socket is dropped.
 *
 * @module
 */

import { encodeCloseBody } from "./close_body.ts";
import { FrameDecoder, type FrameSink } from "./frame_decoder.ts";
import { FrameReader, type ReadEnd } from "./frame_reader.ts";
import type { FrameWriter } from "./frame_writer.ts";
import { Opcode, type ProtocolError } from "./frames.ts";
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

/** What a link is made of. */
export interface PeerLinkOptions {
  readonly transport: Transport;
  /** Makes the writer; a failed write is to be told. */
  readonly writer: (onFailure: (error: unknown) => void) => FrameWriter;
  readonly maxMessageBytes: number;
  /** How long closing may take, ms. */
  readonly closeTimeout: number;
  /** Whoever takes what comes in; nothing comes after `drop` or `blackhole`. */
  readonly sink: Pick<FrameSink, "message" | "pong">;
  /** What reading must wait for, if anything. */
  readonly pause: () => Promise<void> | undefined;
}

/** A black hole is dropped after this, ms: its client has gone long ago. */
const BLACKHOLE_LIMIT = 10 * 60_000;

/** Reads, writes and closes; see the rules above. */
export class PeerLink {
  /** Settles when the connection has ended; never rejects. */
  readonly closed: Promise<PeerClose>;
  readonly writer: FrameWriter;
  readonly #transport: Transport;
  readonly #reader: FrameReader;
  readonly #closeTimeout: number;
  readonly #end = Promise.withResolvers<PeerClose>();
  #state: "open" | "closing" | "closed" = "open";
  #isBlackhole = false;
  #closeFrame: { code: number; reason: string } | undefined;
  #deadline: ReturnType<typeof setTimeout> | undefined;

  constructor(options: PeerLinkOptions) {
    const { transport, maxMessageBytes, sink, pause } = options;
    this.closed = this.#end.promise;
    this.#transport = transport;
    this.#closeTimeout = options.closeTimeout;
    this.writer = options.writer((error) => this.#finish(error));
    const decoder = new FrameDecoder({
      message: (data) => {
        if (!this.#reader.stopped) sink.message(data);
      },
      ping: (payload) => this.writer.frame(Opcode.pong, payload),
      pong: (payload) => sink.pong(payload),
      close: (code, reason) => this.#closeReceived(code, reason),
    }, maxMessageBytes);
    // While closing, reading goes on for the sake of the client's close frame.
    this.#reader = new FrameReader(
      transport,
      decoder,
      () => this.#state === "open" ? pause() : undefined,
    );
  }

  get state(): "open" | "closing" | "closed" {
    return this.#state;
  }

  get isBlackhole(): boolean {
    return this.#isBlackhole;
  }

  /** Begins to read; `first` came right behind the handshake. */
  start(first: Uint8Array<ArrayBuffer>): void {
    this.#reader.run(first).then((end) => this.#readingEnded(end));
  }

  /** Stops reading, until `resumeReading`. */
  stopReading(): void {
    this.#reader.stopReading();
  }

  resumeReading(): void {
    this.#reader.resumeReading();
  }

  /**
   * Sends a close frame and waits for the client's.
   *
   * @throws {RangeError} for a code or reason that cannot be sent.
   */
  close(code: number, reason: string): void {
    const body = encodeCloseBody(code, reason);
    if (this.#isBlackhole) {
      this.#finish();
    } else if (this.#state === "open") {
      this.writer.frame(Opcode.close, body);
      this.#closing();
    }
  }

  /** Writes what was sent, then ends TCP (FIN) without a close frame. */
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
    if (this.#state === "closed") return;
    this.#isBlackhole = true;
    this.#reader.stopForGood();
    this.writer.stop();
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.#finish(), BLACKHOLE_LIMIT);
  }

  #hangUp(finish: () => void): void {
    if (this.#state === "closed") return;
    if (this.#isBlackhole) return finish();
    this.#reader.stopForGood();
    this.#closing();
    this.writer.flush().then(finish);
  }

  #closeReceived(code: number, reason: string): void {
    if (this.#reader.stopped) return;
    this.#closeFrame = { code, reason };
    if (this.#state === "open") {
      // "It SHOULD ... echo the status code it received." (5.5.1)
      const body = code === 1005 ? new Uint8Array() : encodeCloseBody(code, "");
      this.writer.frame(Opcode.close, body);
      this.#closing();
    }
    this.writer.flush().then(() => this.#finish());
  }

  #readingEnded(end: ReadEnd): void {
    switch (end.kind) {
      case "stopped":
        return;
      case "hang-up":
        return this.#finish(end.error);
      case "violation":
        this.#fail(end.error);
        return;
      default:
        end satisfies never;
    }
  }

  /** "Fail the WebSocket Connection" (7.1.7): say why, then hang up. */
  async #fail(error: ProtocolError): Promise<void> {
    if (this.#state === "open") {
      const body = encodeCloseBody(error.closeCode, error.message);
      this.writer.frame(Opcode.close, body);
      this.#closing();
    }
    await this.writer.flush();
    await linger(this.#transport);
    this.#finish(error);
  }

  #closing(): void {
    this.#state = "closing";
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.#finish(), this.#closeTimeout);
  }

  /** The one end of every link. */
  #finish(error?: unknown): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    clearTimeout(this.#deadline);
    this.#reader.stopForGood();
    this.writer.stop();
    closeQuietly(this.#transport);
    this.#end.resolve(
      this.#closeFrame === undefined
        ? { code: 1006, reason: "", wasClean: false, error }
        : { ...this.#closeFrame, wasClean: error === undefined },
    );
  }
}
