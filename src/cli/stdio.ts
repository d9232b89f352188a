/**
 * Texts of the program itself on stdout and stderr. The payload has its own way
 * (`output/`).
 *
 * @module
 */

const encoder = new TextEncoder();

/** Writes some of the bytes; resolves with their number. */
export type Write = (bytes: Uint8Array) => Promise<number>;

// The second thread of the output gets the texts of these three functions
// (`output/writer_thread.ts`): they may use nothing but each other.

/** Writes all the bytes. */
export async function writeAll(write: Write, bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0;) {
    rest = rest.subarray(await write(rest));
  }
}

/** Writes to stderr, though it may be a full pipe that does not block. */
export async function writeToStderr(bytes: Uint8Array): Promise<number> {
  try {
    return await Deno.stderr.write(bytes);
  } catch (error) {
    if (!(error instanceof Deno.errors.WouldBlock)) throw error;
    await pause();
    return 0;
  }
}

/** Gives a full pipe time, since nothing shows when it has room again. */
export function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 2));
}

/** Stdout cannot be written; exit code 1. */
export class OutputError extends Error {
  override readonly name = "OutputError";
}

/**
 * Writes a short text to stdout; blocks until it is written.
 * @throws {OutputError} the disk is full, for example
 * @throws {Deno.errors.BrokenPipe} the reader has closed it
 */
export function printToStdout(text: string): void {
  const stdout = blockingSink(Deno.stdout);
  try {
    // A full pipe that does not block takes a line whole, or nothing of it.
    for (const line of text.split(/(?<=\n)/)) {
      stdout.write(encoder.encode(line));
    }
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new OutputError(`stdout cannot be written: ${why}`);
  }
}

/** How much may wait for the reader of stderr, in bytes. */
const LIMIT = 64 * 1024;

/** A second thread that writes to stderr. */
export interface StderrThread {
  writeStderr(bytes: Uint8Array): void;
  readonly stderrPending: number;
  /** Ends it; blocks for up to `ms` until everything is written. */
  stop(ms: number): void;
}

let thread: StderrThread | undefined;
/** Lines that this thread writes next. */
let queue: Uint8Array[] = [];
/** The bytes of these lines, and of the line that is being written. */
let pending = 0;
/** When a line was printed and no other one was waiting (`performance.now()`). */
let idleAt = 0;
/** Settles when this thread writes nothing more. */
let writing: Promise<void> | undefined;

/**
 * From now on another thread writes to stderr, or none does any more. It takes
 * the lines that wait: in a flood this thread may not get to them for seconds.
 */
export function useStderrThread(other: StderrThread | undefined): void {
  thread = other;
  if (other === undefined) return;
  for (const bytes of queue) {
    pending -= bytes.length;
    other.writeStderr(bytes);
  }
  queue = [];
}

/**
 * Writes a line to stderr. It never blocks and never fails: a reader that has
 * stalled or closed the stream must not stop the program. Such a reader misses
 * lines.
 */
export function printToStderr(line: string): void {
  const bytes = encoder.encode(`${line}\n`);
  const waiting = pending + (thread?.stderrPending ?? 0);
  if (waiting === 0) idleAt = performance.now();
  if (waiting + bytes.length > LIMIT) return;
  if (thread !== undefined) return thread.writeStderr(bytes);
  pending += bytes.length;
  queue.push(bytes);
  writing ??= writeQueue();
}

/** How long lines may wait for a reader that has not stalled, in milliseconds. */
const STALLED = 100;

/** Whether the reader of stderr has not kept up with the lines for some time. */
export function isStderrStalled(): boolean {
  return performance.now() - idleAt > STALLED;
}

async function writeQueue(): Promise<void> {
  for (let bytes = queue.shift(); bytes; bytes = queue.shift()) {
    try {
      await writeAll(writeToStderr, bytes);
    } catch {
      // The reader has closed it.
    }
    pending -= bytes.length;
  }
  writing = undefined;
}

/**
 * The longest wait for a reader that counts as one, in milliseconds: when it
 * takes longer the program did not run, and perhaps nor did the write.
 */
export const COUNT_EVERY = 10;

/**
 * Waits until stderr is written, and ends it. Waits no longer than `ms`, but for
 * the time in which the program itself does not run.
 */
export async function endStderr(ms: number): Promise<void> {
  // In a flood a timer of this thread might go off only after seconds.
  if (thread !== undefined) return thread.stop(ms);
  for (let left = ms; writing !== undefined && left > 0; left -= COUNT_EVERY) {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const limit = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, Math.min(left, COUNT_EVERY));
    });
    await Promise.race([writing, limit]);
    clearTimeout(timer);
  }
}

/** Where bytes go. */
export interface Sink {
  /** Takes all the bytes before it returns, or throws. */
  write(bytes: Uint8Array): void;
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
