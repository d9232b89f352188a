/**
 * The payload on its way out: messages are gathered, encoded in one piece and
 * written in one piece. A message costs one append; a line of a quiet feed waits
 * for nothing but the end of the event loop's turn.
 *
 * @module
 */

import { setImmediate } from "node:timers";

/** How much is gathered before it is written, in bytes or UTF-16 code units. */
const BATCH = 256 * 1024;

/** Where bytes go. */
export interface Sink {
  /** Takes all the bytes before it returns, or throws. */
  write(bytes: Uint8Array): void;
}

/** Gathers messages and writes them in batches. */
export class Output {
  readonly #sink: Sink;
  readonly #delimiter: string;
  readonly #onError: (error: unknown) => void;
  readonly #batch: number;
  readonly #encoder = new TextEncoder();
  /** The delimiter, behind bytes. */
  readonly #end: Uint8Array;
  /** For encoded text: always the same memory, so that there is no garbage. */
  #room: Uint8Array = new Uint8Array(4096);
  #text = "";
  /** Either this or the text is gathered, never both. */
  #bytes: Uint8Array[] = [];
  #size = 0;
  #scheduled = false;
  #failed = false;

  /**
   * @param delimiter what ends each message
   * @param onError called once, when the sink fails; from then on nothing is
   * written
   * @param batch how much is gathered; with 0 each message is written by itself
   */
  constructor(
    sink: Sink,
    delimiter: string,
    onError: (error: unknown) => void,
    batch: number = BATCH,
  ) {
    this.#sink = sink;
    this.#delimiter = delimiter;
    this.#end = this.#encoder.encode(delimiter);
    this.#onError = onError;
    this.#batch = batch;
  }

  /** Adds a message of text. */
  text(message: string): void {
    if (this.#size > 0) this.flush();
    this.#text += message + this.#delimiter;
    if (this.#text.length >= this.#batch) this.flush();
    else if (!this.#scheduled) this.#schedule();
  }

  /** Adds a message of bytes as they are; they must stay so. */
  bytes(message: Uint8Array): void {
    if (this.#text !== "") this.flush();
    this.#bytes.push(message, this.#end);
    this.#size += message.length + this.#end.length;
    if (this.#size >= this.#batch) this.flush();
    else if (!this.#scheduled) this.#schedule();
  }

  /** Writes the gathered messages. */
  flush(): void {
    if (this.#text !== "") {
      const text = this.#text;
      this.#text = "";
      this.#write(this.#encode(text));
    } else if (this.#size > 0) this.#flushBytes();
  }

  #encode(text: string): Uint8Array {
    // A batch with one long message at its end is encoded by itself.
    if (text.length > 2 * BATCH) return this.#encoder.encode(text);
    // Three bytes of UTF-8 are the most for a UTF-16 code unit.
    if (this.#room.length < 3 * text.length) {
      this.#room = new Uint8Array(
        Math.max(3 * text.length, 2 * this.#room.length),
      );
    }
    const { written } = this.#encoder.encodeInto(text, this.#room);
    return this.#room.subarray(0, written);
  }

  #flushBytes(): void {
    const all = new Uint8Array(this.#size);
    let at = 0;
    for (const bytes of this.#bytes) {
      all.set(bytes, at);
      at += bytes.length;
    }
    this.#bytes = [];
    this.#size = 0;
    this.#write(all);
  }

  #schedule(): void {
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.flush();
    });
  }

  #write(bytes: Uint8Array): void {
    if (this.#failed) return;
    try {
      this.#sink.write(bytes);
    } catch (error) {
      this.#failed = true;
      this.#onError(error);
    }
  }
}

/** A blocking writer, as `Deno.stdout` is one. */
export interface SyncWriter {
  writeSync(bytes: Uint8Array): number;
}

/** A sink for short texts: it blocks until everything is written. */
export function blockingSink(writer: SyncWriter): Sink {
  return {
    write(bytes) {
      for (let rest = bytes; rest.length > 0;) {
        rest = rest.subarray(writeSome(writer, rest));
      }
    },
  };
}

/** How long to wait when a pipe that does not block is full, in milliseconds. */
const FULL_PIPE_WAIT = 2;

function writeSome(writer: SyncWriter, bytes: Uint8Array): number {
  try {
    return writer.writeSync(bytes);
  } catch (error) {
    // A parent may have given us a pipe with O_NONBLOCK set.
    if (!(error instanceof Deno.errors.WouldBlock)) throw error;
    const sleeper = new Int32Array(new SharedArrayBuffer(4));
    Atomics.wait(sleeper, 0, 0, FULL_PIPE_WAIT);
    return 0;
  }
}
