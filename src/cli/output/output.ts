/**
 * The way of the payload to stdout: gathered, encoded in one piece, written
 * with a blocking write. A message costs one append; a line on a quiet feed
 * waits for nothing but the end of the event loop's turn.
 *
 * The write blocks on purpose. Reading a WebSocket cannot be paused but by
 * blocking the thread, so a stalled reader of our pipe becomes backpressure
 * towards the sender instead of memory in this process.
 *
 * @module
 */

import { setImmediate } from "node:timers";

/** How much text is gathered before it is encoded, in UTF-16 code units. */
const BATCH = 64 * 1024;

/** Room for one batch, at most three bytes of UTF-8 for each code unit. */
const ROOM = 3 * BATCH;

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
  readonly #room = new Uint8Array(ROOM);
  #text = "";
  #scheduled = false;
  #failed = false;
  #writtenAt = 0;

  /**
   * @param delimiter what ends each message
   * @param onError told once, when the sink fails; from then on nothing is
   * written
   * @param batch how much text is gathered, in UTF-16 code units; with 0 each
   * message is written by itself
   */
  constructor(
    sink: Sink,
    delimiter: string,
    onError: (error: unknown) => void,
    batch: number = BATCH,
  ) {
    this.#sink = sink;
    this.#delimiter = delimiter;
    this.#onError = onError;
    this.#batch = batch;
  }

  /** When the last batch was written (`performance.now()`); 0 for never. */
  get writtenAt(): number {
    return this.#writtenAt;
  }

  /** Adds a message of text. */
  text(message: string): void {
    this.#text += message + this.#delimiter;
    if (this.#text.length >= this.#batch) this.flush();
    else if (!this.#scheduled) this.#schedule();
  }

  /** Adds a message of bytes as they are. */
  bytes(message: Uint8Array): void {
    this.flush();
    this.#write(this.#ended(message));
  }

  /** Writes what was gathered. */
  flush(): void {
    const text = this.#text;
    if (text === "") return;
    this.#text = "";
    if (text.length > BATCH * 2) {
      this.#write(this.#encoder.encode(text));
      return;
    }
    this.#write(this.#encode(text));
  }

  /** The message with its delimiter, so that both get into the same file. */
  #ended(message: Uint8Array): Uint8Array {
    if (this.#delimiter === "") return message;
    const delimiter = this.#encoder.encode(this.#delimiter);
    const ended = new Uint8Array(message.length + delimiter.length);
    ended.set(message);
    ended.set(delimiter, message.length);
    return ended;
  }

  #encode(text: string): Uint8Array {
    const { read, written } = this.#encoder.encodeInto(text, this.#room);
    // A batch with one long message at its end may not fit.
    return read < text.length
      ? this.#encoder.encode(text)
      : this.#room.subarray(0, written);
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
      this.#writtenAt = performance.now();
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

/** A sink that writes again until everything was taken. */
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

const sleeper = new Int32Array(new SharedArrayBuffer(4));

function writeSome(writer: SyncWriter, bytes: Uint8Array): number {
  try {
    return writer.writeSync(bytes);
  } catch (error) {
    // A parent may have given us a pipe with O_NONBLOCK set.
    if (!(error instanceof Deno.errors.WouldBlock)) throw error;
    Atomics.wait(sleeper, 0, 0, FULL_PIPE_WAIT);
    return 0;
  }
}
