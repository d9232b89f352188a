/**
 * The payload on its way out: messages are gathered, encoded in one piece and
 * written in one piece. A message costs one append; a line of a quiet feed waits
 * for nothing but the end of the event loop's turn. It goes to stdout, the files
 * of `--output`, or a FIFO or device that it names.
 *
 * @module
 */

import { nextTurn } from "../../turns.ts";
import type { Flags } from "../args/flags.ts";
import { UsageError } from "../args/values.ts";
import { fileNeeds, type Need } from "../permissions.ts";
import type { Sink } from "../stdio.ts";
import { OutputFiles, templateFolder } from "./files.ts";
import { type StreamOwner, StreamSink, type TimeLimit } from "./stream_sink.ts";
import type { StreamTarget } from "./writer_thread.ts";

/** How much is gathered before it is written, in bytes or UTF-16 code units. */
const BATCH = 256 * 1024;

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
   * @param delimiter the text that ends each message
   * @param onError called once, when the sink fails; from then on nothing is
   * written
   * @param batch how much is gathered; with 0 each message is written
   * separately
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
    // A batch with one long message at its end is encoded separately.
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
    nextTurn(() => {
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

/** The flags that say where the payload goes. */
export type OutputFlags = Pick<
  Flags,
  "output" | "rotate-size" | "rotate-every"
>;

/** How the output is written, and who owns it. */
export interface OutputOptions {
  /** Ends each message. */
  readonly delimiter: string;
  /** The host of the URL, for the names of files. */
  readonly host: string;
  /** Called only once something is written. */
  readonly owner: () => StreamOwner;
  /** Called with each file that is complete. */
  readonly onFile?: (path: string) => void;
}

/** An output that is open. */
export interface OpenOutput {
  readonly output: Output;
  /**
   * Writes the gathered messages and completes the file. Resolves with the number
   * of bytes that could not be written in time.
   */
  finish(limit: TimeLimit): Promise<number>;
  /**
   * Frees what would keep a signal from ending the program. Blocks for up to
   * `ms` until everything is written.
   */
  stop(ms?: number): void;
  /** Looks for a signal in a flood, in which the event loop does not turn. */
  look(): void;
}

/** How often to look whether a file's time is over, in milliseconds. */
const TICK = 1_000;

/** A smaller file could not hold every batch of messages, in bytes. */
const SMALL_FILE = 1024 * 1024;

/** How much may wait for the reader of a pipe, in bytes. */
const PIPE_LIMIT = 1024 * 1024;

/** The same for a terminal: waiting bytes are still shown after Ctrl-C. */
export const TERMINAL_LIMIT = 16 * 1024;

/** How much a short run prints, in bytes: it needs no second thread. */
const DIRECT_LIMIT = 4096;

/** The permissions that writing there needs. */
export function outputNeeds({ output }: OutputFlags): Need[] {
  if (output === undefined || isStdout(output)) return [];
  if (output === "/dev/null") return [{ kind: "write", path: output }];
  return fileNeeds(templateFolder(output));
}

/**
 * Opens the output.
 * @throws {UsageError} it cannot be written, or the flags contradict each other
 */
export function openOutput(
  flags: OutputFlags,
  options: OutputOptions,
): OpenOutput {
  const { output, "rotate-size": maxSize, "rotate-every": maxAge } = flags;
  const rotates = maxSize !== undefined || maxAge !== undefined;
  if (output === undefined || isStdout(output)) {
    if (rotates) {
      throw new UsageError("--rotate-size and --rotate-every need --output");
    }
    return openStream({ kind: "stdout" }, options);
  }
  if (isStream(output)) {
    if (rotates) {
      throw new UsageError(`--output cannot rotate ${output}: it is no file`);
    }
    return openStream({ kind: "path", path: output }, options);
  }
  return openFiles(
    new OutputFiles({
      template: output,
      host: options.host,
      maxSize,
      maxAge,
      onComplete: options.onFile,
    }),
    maxSize !== undefined && maxSize < SMALL_FILE ? 0 : undefined,
    options,
  );
}

/** Opens stdout, or a FIFO or device. */
export function openStream(
  target: StreamTarget,
  { delimiter, owner }: Pick<OutputOptions, "delimiter" | "owner">,
): OpenOutput {
  const sink = streamSink(target, owner);
  const output = new Output(
    sink,
    delimiter,
    // The stream reports to its owner.
    () => {},
    isTerminal(target) ? TERMINAL_LIMIT : undefined,
  );
  return streamOutput(sink, output);
}

/** An output that ends in a stream. */
export function streamOutput(sink: StreamSink, output: Output): OpenOutput {
  return {
    output,
    async finish(limit) {
      output.flush();
      await sink.written(limit);
      return sink.pending;
    },
    stop: (ms) => sink.stop(ms),
    look: () => sink.look(),
  };
}

/** Stdout, or a FIFO or device, as it is best written. */
export function streamSink(
  target: StreamTarget,
  owner: () => StreamOwner,
): StreamSink {
  const options = isTerminal(target)
    ? { capacity: TERMINAL_LIMIT, direct: 0 }
    : { capacity: PIPE_LIMIT, direct: DIRECT_LIMIT };
  return new StreamSink(target, options, owner);
}

function openFiles(
  files: OutputFiles,
  batch: number | undefined,
  { delimiter, owner }: OutputOptions,
): OpenOutput {
  const failure = (error: unknown) =>
    `--output ${files.path} cannot be written: ${asError(error).message}`;
  try {
    files.begin();
  } catch (error) {
    throw new UsageError(failure(error));
  }
  const fail = (error: unknown) =>
    owner().outputFailed(new Error(failure(error)));
  const guarded = (action: () => void) => {
    try {
      action();
    } catch (error) {
      fail(error);
    }
  };
  const output = new Output(files, delimiter, fail, batch);
  // Nothing is written to it: it sees signals, and writes stderr.
  const thread = streamSink({ kind: "stdout" }, owner);
  const ticker = setInterval(() => guarded(() => files.completeIfDue()), TICK);
  return {
    output,
    finish() {
      clearInterval(ticker);
      output.flush();
      guarded(() => files[Symbol.dispose]());
      return Promise.resolve(0);
    },
    stop: (ms) => {
      clearInterval(ticker);
      thread.stop(ms);
    },
    look: () => thread.look(),
  };
}

function isStdout(path: string): boolean {
  return path === "-" || path === "/dev/stdout";
}

function isTerminal(target: StreamTarget): boolean {
  return target.kind === "stdout" && Deno.stdout.isTerminal();
}

/** @throws {UsageError} it is a folder */
function isStream(path: string): boolean {
  if (path === "/dev/null") return true;
  try {
    const { isFile, isDirectory } = Deno.statSync(path);
    if (isDirectory) throw new UsageError(`--output is a folder: ${path}`);
    return !isFile;
  } catch (error) {
    // Opening the file reports the error.
    if (error instanceof UsageError) throw error;
    return false;
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
