import type { FrameDecoder } from "./frame_decoder.ts";
import { ProtocolError } from "./frames.ts";
import type { Transport } from "./listener.ts";

/** One read, bytes. */
const READ_SIZE = 64 * 1024;

/** How reading came to its end. */
export type ReadEnd =
  /** The client sent a FIN, or the connection broke. */
  | { readonly kind: "hang-up"; readonly error?: unknown }
  | { readonly kind: "violation"; readonly error: ProtocolError }
  /** By `stopForGood`. */
  | { readonly kind: "stopped" };

/**
 * The one loop that reads a connection. Whenever it pauses, the client's bytes
 * fill the network's buffers, and TCP slows the client down.
 */
export class FrameReader {
  readonly #transport: Transport;
  readonly #decoder: FrameDecoder;
  readonly #pause: () => Promise<void> | undefined;
  #stalled: PromiseWithResolvers<void> | undefined;
  #stopped = false;

  /** Before each read `pause` says what must be waited for, if anything. */
  constructor(
    transport: Transport,
    decoder: FrameDecoder,
    pause: () => Promise<void> | undefined,
  ) {
    this.#transport = transport;
    this.#decoder = decoder;
    this.#pause = pause;
  }

  /** Whether nothing is read any more. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Reads to the end; never rejects. `first` was read already. */
  async run(first: Uint8Array<ArrayBuffer>): Promise<ReadEnd> {
    const buffer = new Uint8Array(READ_SIZE);
    let bytes = first;
    try {
      for (;;) {
        this.#decoder.push(bytes);
        await this.#turn();
        if (this.#stopped) return { kind: "stopped" };
        const count = await this.#transport.read(buffer);
        // What a read that was under way still brought is nobody's business.
        if (this.#stopped) return { kind: "stopped" };
        if (count === null) return { kind: "hang-up" };
        bytes = buffer.subarray(0, count);
      }
    } catch (error) {
      return error instanceof ProtocolError
        ? { kind: "violation", error }
        : { kind: "hang-up", error };
    }
  }

  /** Pauses after the read that is under way. */
  stopReading(): void {
    this.#stalled ??= Promise.withResolvers();
  }

  resumeReading(): void {
    this.#stalled?.resolve();
    this.#stalled = undefined;
  }

  /** Ends the reading for good. */
  stopForGood(): void {
    this.#stopped = true;
    this.resumeReading();
  }

  async #turn(): Promise<void> {
    while (!this.#stopped) {
      const reason = this.#stalled?.promise ?? this.#pause();
      if (reason === undefined) return;
      await reason;
    }
  }
}
