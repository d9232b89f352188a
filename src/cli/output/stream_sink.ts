/**
 * Stdout, or another stream with a reader of its own speed: written by a second
 * thread, so that a slow or stalled reader never keeps this one from signals
 * and deadlines. The same thread then writes stderr: under a flood of messages
 * the event loop of this one may not turn for seconds.
 *
 * Memory is bounded. Deno's WebSocket cannot be paused except by blocking its
 * thread, so `write` blocks while too much is waiting: the reader's slowness
 * becomes TCP backpressure towards the server, and no message is lost. A signal
 * or the deadline ends the block at once, which a blocking write could not.
 *
 * Where keys are typed, the second thread reads them too, so that Ctrl-C is
 * seen at once, and other keys after the write in progress. Ctrl-C comes as a
 * byte: where the kernel makes a signal of it, it also discards what the
 * terminal has not read, and a write that waits for room there is not woken
 * (Linux, `pty_flush_buffer`) and may wait for ever.
 *
 * @module
 */

import { type EndSignal, obeyedSignals } from "../exit_status.ts";
import { type Sink, type StderrThread, useStderrThread } from "../stdio.ts";

/** Where the bytes go. */
export type StreamTarget =
  | { readonly kind: "stdout" }
  /** A FIFO or a device. */
  | { readonly kind: "path"; readonly path: string };

/** Owns the stream: sets a deadline, and gets signals and failures. */
export interface StreamOwner {
  /** The time at which a block ends, as `performance.now()`; often Infinity. */
  readonly deadline: number;
  /** A signal came, or the deadline: the event loop has to turn. */
  interrupt(signal: EndSignal | undefined): void;
  /** The stream failed; from now on nothing is written. */
  outputFailed(error: Error): void;
}

/** How long something may take. */
export interface TimeLimit {
  /** Aborts when the time is over. */
  readonly signal: AbortSignal;
  /** How much of it is left, in milliseconds; often Infinity. */
  readonly left: number;
}

/** How a stream is written. */
export interface StreamOptions {
  /** How many bytes may wait before `write` blocks: a power of two. */
  readonly capacity: number;
  /**
   * How many bytes this thread writes by itself before it starts the second
   * one, which takes some milliseconds: no more than a pipe takes unread.
   */
  readonly direct: number;
}

/** How often to look whether everything is written, in milliseconds. */
const LOOK_AGAIN = 20;

/**
 * How long the second thread waits for more bytes before it sleeps, in
 * milliseconds. Waking it from its sleep takes both threads much longer.
 */
const WAKEFUL = 5;

/**
 * How long the end of a run may block, in milliseconds: longer than that only
 * the event loop waits, which sees signals and timers.
 */
const LAST_BLOCK = 60;

/** Where each number is in the memory that both threads see. */
const WORD = {
  /** Counts what may end a block: written bytes, signals, failures. */
  events: 0,
  /** How many bytes were put into the ring so far, modulo 2^32. */
  put: 1,
  /** How many bytes were written so far, modulo 2^32. */
  written: 2,
  /** The last signal, as its place in the list from 1. */
  signal: 3,
  /** 1: broken pipe; 2: another error. */
  failed: 4,
  /** 1: the second thread waits for a message. */
  idle: 5,
  /** How many bytes of stderr are not written yet. */
  stderr: 6,
  stopped: 7,
  /** 1: what was put up to `discardTo` is not to be written. */
  discard: 8,
  discardTo: 9,
  /** Counts the signals. */
  signals: 10,
  /** How many bytes were typed so far, modulo 2^32. */
  typed: 11,
  /** How many of them were taken so far, modulo 2^32. */
  taken: 12,
  /** 1: no more bytes will be typed. */
  typedEnd: 13,
} as const;

/** How many typed bytes may wait to be taken: a power of two. */
const TYPED_LIMIT = 4096;

/** The data with which the second thread starts. */
interface WorkerSetup {
  readonly memory: Int32Array<SharedArrayBuffer>;
  readonly word: typeof WORD;
  readonly wakeful: number;
  readonly ring: Uint8Array<SharedArrayBuffer>;
  /** Typed bytes, in a circle, too. */
  readonly keys: Uint8Array<SharedArrayBuffer>;
  /** How many bytes the runtime holds that a full pipe has not taken. */
  readonly held: number;
  readonly target: StreamTarget;
  readonly signals: readonly EndSignal[];
  /** Takes {@linkcode WorkerReport}s. */
  readonly reports: MessagePort;
}

/** What the second thread is sent; bytes are for stderr. */
type WorkerMessage = WorkerSetup | "look" | "read" | "stop" | Uint8Array;

/** What it sends: the text of an error; null: something was typed. */
type WorkerReport = string | null;

/** Writes to a stream from a second thread. */
export class StreamSink implements Sink, StderrThread {
  readonly #target: StreamTarget;
  readonly #owner: () => StreamOwner;
  readonly #signals = obeyedSignals();
  readonly #isTerminal: boolean;
  readonly #memory = new Int32Array(
    new SharedArrayBuffer(
      Object.keys(WORD).length * Int32Array.BYTES_PER_ELEMENT,
    ),
  );
  readonly #capacity: number;
  /** What the second thread writes next: it is read and written in a circle. */
  #ring: Uint8Array<SharedArrayBuffer> | undefined;
  #worker: Worker | undefined;
  #reports: MessagePort | undefined;
  #direct: number;
  #onStdin: (bytes: Uint8Array | null) => void = () => {};
  /** What was typed and not yet taken: it is read and written in a circle. */
  readonly #keys = new Uint8Array(new SharedArrayBuffer(TYPED_LIMIT));
  #isTaking = false;
  #failed = false;
  /** Resolves once the owner is told that the stream failed. */
  readonly #failure = Promise.withResolvers<void>();
  #interrupted = false;
  /** What found no room when a block was interrupted. */
  #rest: Uint8Array = new Uint8Array();

  /** @param owner called only once something is written */
  constructor(
    target: StreamTarget,
    { capacity, direct }: StreamOptions,
    owner: () => StreamOwner,
  ) {
    this.#target = target;
    this.#capacity = capacity;
    this.#owner = owner;
    this.#direct = target.kind === "stdout" ? direct : 0;
    this.#isTerminal = target.kind === "stdout" && Deno.stdout.isTerminal();
  }

  /** How many bytes are not written yet. */
  get pending(): number {
    return this.#inRing + this.#rest.length;
  }

  /** Takes all the bytes; blocks while there is no room for them. */
  write(bytes: Uint8Array): void {
    if (this.#failed) return;
    let rest = bytes;
    if (this.#worker === undefined && bytes.length <= this.#direct) {
      rest = this.#writeDirectly(bytes);
      if (rest.length === 0) return;
    }
    while (rest.length > 0 && !this.#interrupted && this.#waitForRoom()) {
      rest = this.#put(rest);
    }
    if (this.#isBroken) this.#fail(brokenPipe());
    else if (this.#interrupted) this.#rest = joined(this.#rest, rest);
    // A flood gives the event loop no chance to.
    this.#takeTyped();
  }

  /**
   * Waits until everything is written; false if the stream failed or the time is
   * over.
   */
  async written(limit: TimeLimit): Promise<boolean> {
    const { signal } = limit;
    // In a flood the event loop may not turn for seconds.
    if (this.#interrupted) {
      this.#blockUntil(
        () => this.pending === 0 || this.#hasFailed,
        Math.min(limit.left, LAST_BLOCK),
      );
    }
    for (;;) {
      const events = Atomics.load(this.#memory, WORD.events);
      if (this.#hasFailed || this.#failed) {
        // The second thread reports the error a little later.
        await Promise.race([this.#failure.promise, aborted(signal)]);
        return false;
      }
      this.#rest = this.#put(this.#rest);
      if (this.pending === 0) return true;
      if (limit.left === 0) return false;
      const { value } = Atomics.waitAsync(this.#memory, WORD.events, events);
      let timer: ReturnType<typeof setTimeout> | undefined;
      // An idle event loop of Deno 2.6 does not see that the wait is over.
      const look = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, LOOK_AGAIN);
      });
      await Promise.race([value, look, aborted(signal)]);
      clearTimeout(timer);
    }
  }

  #blockUntil(isDone: () => boolean, ms: number): boolean {
    const until = performance.now() + ms;
    for (;;) {
      const events = Atomics.load(this.#memory, WORD.events);
      this.#rest = this.#put(this.#rest);
      const rest = until - performance.now();
      if (isDone()) return true;
      if (rest <= 0) return false;
      Atomics.wait(this.#memory, WORD.events, events, rest);
    }
  }

  /** Writes a line to stderr. */
  writeStderr(bytes: Uint8Array): void {
    Atomics.add(this.#memory, WORD.stderr, bytes.length);
    this.#post(bytes);
  }

  /** Reads stdin in the second thread, until it ends. */
  readStdin(onBytes: (bytes: Uint8Array | null) => void): void {
    this.#onStdin = onBytes;
    this.#ring ??= this.#start();
    this.#post("read");
  }

  /** Reports typed bytes; not again while the program writes because of them. */
  #takeTyped(): void {
    if (this.#isTaking) return;
    this.#isTaking = true;
    try {
      for (;;) {
        // The end is reported after the last bytes.
        const isEnd = Atomics.load(this.#memory, WORD.typedEnd) === 1;
        const bytes = this.#nextTyped();
        if (bytes.length > 0) this.#onStdin(bytes);
        else if (!isEnd) return;
        else {
          Atomics.store(this.#memory, WORD.typedEnd, 0);
          return this.#onStdin(null);
        }
      }
    } finally {
      this.#isTaking = false;
    }
  }

  #nextTyped(): Uint8Array {
    const taken = Atomics.load(this.#memory, WORD.taken);
    const waiting = Atomics.load(this.#memory, WORD.typed) - taken | 0;
    const at = (taken >>> 0) % TYPED_LIMIT;
    const bytes = this.#keys.slice(at, at + waiting);
    Atomics.store(this.#memory, WORD.taken, taken + bytes.length | 0);
    return bytes;
  }

  /** Lets the reader miss what waits behind the write in progress. */
  discard(): void {
    this.#rest = new Uint8Array();
    const put = Atomics.load(this.#memory, WORD.put);
    Atomics.store(this.#memory, WORD.discardTo, put);
    Atomics.store(this.#memory, WORD.discard, 1);
  }

  /**
   * Blocks until nothing is being written; false if the reader has stalled, or a
   * signal came meanwhile.
   */
  settle(): boolean {
    if (this.#worker === undefined) return this.pending === 0;
    const signals = () => Atomics.load(this.#memory, WORD.signals);
    const before = signals();
    const isWriting = () => this.pending > 0 && !this.#hasFailed;
    this.#blockUntil(
      () => !isWriting() || signals() !== before,
      SETTLE_LIMIT,
    );
    return !isWriting();
  }

  /** How many bytes of stderr are not written yet. */
  get stderrPending(): number {
    return Atomics.load(this.#memory, WORD.stderr);
  }

  /**
   * Ends the second thread, so that a signal can end the program. Blocks for up
   * to `ms` until everything is written.
   */
  stop(ms: number = 0): void {
    if (this.#worker === undefined) return;
    // A reader that has stalled will not begin now.
    const isLost = this.#interrupted || this.#hasFailed;
    this.#blockUntil(
      () => this.stderrPending + (isLost ? 0 : this.pending) === 0,
      ms,
    );
    this.#post("stop");
    Atomics.wait(this.#memory, WORD.stopped, 0, STOP_LIMIT);
    this.#worker.terminate();
    this.#worker = undefined;
    this.#reports?.close();
    useStderrThread(undefined);
  }

  get #inRing(): number {
    return Atomics.load(this.#memory, WORD.put) -
        Atomics.load(this.#memory, WORD.written) | 0;
  }

  get #hasFailed(): boolean {
    return Atomics.load(this.#memory, WORD.failed) !== 0;
  }

  get #isBroken(): boolean {
    return Atomics.load(this.#memory, WORD.failed) === 1;
  }

  #writeDirectly(bytes: Uint8Array): Uint8Array {
    let rest = bytes;
    let part = rest;
    try {
      while (rest.length > 0) {
        part = wholePart(rest);
        const count = Deno.stdout.writeSync(part);
        this.#direct -= count;
        rest = rest.subarray(count);
      }
    } catch (error) {
      if (error instanceof Deno.errors.WouldBlock) {
        if (!isHeld(part)) return rest;
        Atomics.store(this.#memory, WORD.put, part.length);
        this.#ring ??= this.#start(part.length);
        return rest.subarray(part.length);
      }
      if (error instanceof Deno.errors.BrokenPipe) this.#fail(error);
      else if (error instanceof Error) this.#fail(this.#errorOf(error.message));
      else throw error;
      return new Uint8Array();
    }
    return rest;
  }

  /** Puts as much into the ring as there is room for; returns the rest. */
  #put(bytes: Uint8Array): Uint8Array {
    if (bytes.length === 0) return bytes;
    const ring = this.#ring ??= this.#start();
    const put = Atomics.load(this.#memory, WORD.put);
    const at = (put >>> 0) % ring.length;
    const count = Math.min(
      bytes.length,
      ring.length - at,
      ring.length - this.#inRing,
    );
    ring.set(bytes.subarray(0, count), at);
    Atomics.store(this.#memory, WORD.put, put + count | 0);
    if (Atomics.exchange(this.#memory, WORD.idle, 0) === 1) this.#post("look");
    else Atomics.notify(this.#memory, WORD.put);
    return bytes.subarray(count);
  }

  #post(message: WorkerMessage): void {
    this.#worker?.postMessage(message);
    // It may be waiting for bytes.
    Atomics.notify(this.#memory, WORD.put);
  }

  #start(held = 0): Uint8Array<SharedArrayBuffer> {
    const ring = new Uint8Array(new SharedArrayBuffer(this.#capacity));
    this.#worker = new Worker(
      `data:text/javascript,${
        encodeURIComponent(`(${writeInWorker})();${wholePart};${isHeld}`)
      }`,
      { type: "module" },
    );
    const { port1, port2 } = new MessageChannel();
    this.#reports = port1;
    port1.onmessage = ({ data }: MessageEvent<WorkerReport>) => {
      if (data === null) this.#takeTyped();
      else this.#fail(this.#isBroken ? brokenPipe() : this.#errorOf(data));
    };
    const setup: WorkerSetup = {
      memory: this.#memory,
      word: WORD,
      wakeful: WAKEFUL,
      ring,
      keys: this.#keys,
      held,
      target: this.#target,
      signals: this.#signals,
      reports: port2,
    };
    this.#worker.postMessage(setup, [port2]);
    useStderrThread(this);
    return ring;
  }

  /**
   * Waits for room in the ring; false if there will be none. Looks for a signal
   * even where there is room: a flood gives the event loop no chance to.
   */
  #waitForRoom(): boolean {
    for (;;) {
      const events = Atomics.load(this.#memory, WORD.events);
      if (this.#hasFailed) return false;
      const signal = Atomics.load(this.#memory, WORD.signal);
      const rest = this.#owner().deadline - performance.now();
      if (signal > 0 || rest <= 0) {
        this.#interrupted = true;
        this.#owner().interrupt(this.#signals[signal - 1]);
        return false;
      }
      if (this.#inRing < this.#capacity) return true;
      Atomics.wait(this.#memory, WORD.events, events, rest);
    }
  }

  #errorOf(why: string): Error {
    const what = this.#target.kind === "stdout"
      ? "stdout"
      : `--output ${this.#target.path}`;
    return new Error(`${what} cannot be written: ${why}`);
  }

  #fail(error: Error): void {
    if (this.#failed) return;
    this.#failed = true;
    // Writing to a terminal fails once it is closed, a little before SIGHUP.
    if (this.#isTerminal) this.#owner().interrupt("SIGHUP");
    else this.#owner().outputFailed(error);
    this.#failure.resolve();
  }
}

/**
 * The start of the bytes that a full pipe that does not block takes whole or not
 * at all (`PIPE_BUF`): the runtime writes up to the last newline, and the rest
 * later. Without a newline it writes everything.
 */
function wholePart(bytes: Uint8Array): Uint8Array {
  const part = bytes.subarray(0, Deno.build.os === "linux" ? 4096 : 512);
  const end = part.lastIndexOf(0x0a) + 1;
  return end > 0 ? part.subarray(0, end) : part;
}

/**
 * Whether the runtime keeps such a part for the next write when the pipe is full:
 * its own buffer takes fewer than 1024 bytes, if no newline is among them.
 */
function isHeld(part: Uint8Array): boolean {
  return part.length < 1024 && part.at(-1) !== 0x0a;
}

/** How long a terminal may take nothing, in milliseconds, until it has stalled. */
const SETTLE_LIMIT = 2_000;

/** How long to wait until the second thread has stopped, in milliseconds. */
const STOP_LIMIT = 100;

function brokenPipe(): Error {
  return new Deno.errors.BrokenPipe("the reader of the output has closed it");
}

function joined(one: Uint8Array, other: Uint8Array): Uint8Array {
  const all = new Uint8Array(one.length + other.length);
  all.set(one);
  all.set(other, one.length);
  return all;
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) =>
    signal.addEventListener("abort", () => resolve(), { once: true })
  );
}

/**
 * The second thread. The worker gets the text of this function, because a
 * worker from a file needs a permission to read it; so nothing from outside may
 * be used here but the two functions that it gets, too.
 */
function writeInWorker(): void {
  const listeners: (readonly [EndSignal, () => void])[] = [];
  let look = () => {};
  let stop = () => {};
  let read = () => {};
  let writeStderr = (_bytes: Uint8Array) => {};

  addEventListener("message", (event) => {
    if (!(event instanceof MessageEvent)) return;
    const message: WorkerMessage = event.data;
    if (message === "look") look();
    else if (message === "read") read();
    else if (message === "stop") stop();
    else if (message instanceof Uint8Array) writeStderr(message);
    else void start(message);
  });

  async function start(setup: WorkerSetup): Promise<void> {
    const { memory, word, signals, keys, reports } = setup;
    const wake = () => {
      Atomics.add(memory, word.events, 1);
      Atomics.notify(memory, word.events);
    };
    const note = (signal: EndSignal) => {
      Atomics.store(memory, word.signal, signals.indexOf(signal) + 1);
      Atomics.add(memory, word.signals, 1);
      wake();
    };
    signals.forEach((signal) => {
      const listener = () => note(signal);
      Deno.addSignalListener(signal, listener);
      listeners.push([signal, listener]);
    });
    read = async () => {
      for (;;) {
        const typed = Atomics.load(memory, word.typed);
        const waiting = typed - Atomics.load(memory, word.taken) | 0;
        const at = (typed >>> 0) % keys.length;
        const room = Math.min(keys.length - at, keys.length - waiting);
        if (room === 0) {
          await pause();
          continue;
        }
        const buffer = new Uint8Array(room);
        // Reading fails once the terminal is closed.
        const length = await Deno.stdin.read(buffer).catch(() => null);
        const bytes = buffer.subarray(0, length ?? 0);
        if (bytes.includes(3)) note("SIGINT");
        keys.set(bytes, at);
        Atomics.store(memory, word.typed, typed + bytes.length | 0);
        if (length === null) Atomics.store(memory, word.typedEnd, 1);
        reports.postMessage(null);
        if (length === null) return;
      }
    };
    let last = Promise.resolve();
    writeStderr = (bytes) => {
      last = last.then(async () => {
        for (let rest = bytes; rest.length > 0;) {
          rest = rest.subarray(await Deno.stderr.write(rest));
        }
      }).catch(() => {}).then(() => {
        Atomics.sub(memory, word.stderr, bytes.length);
        wake();
      });
    };
    stop = () => {
      for (const [signal, listener] of listeners) {
        Deno.removeSignalListener(signal, listener);
      }
      Atomics.store(memory, word.stopped, 1);
      Atomics.notify(memory, word.stopped);
    };
    try {
      await writeAll(setup, wake);
    } catch (error) {
      const isBroken = error instanceof Deno.errors.BrokenPipe;
      Atomics.store(memory, word.failed, isBroken ? 1 : 2);
      reports.postMessage(
        error instanceof Error ? error.message : String(error),
      );
      wake();
    }
  }

  async function writeAll(
    { memory, word, wakeful, ring, held, target }: WorkerSetup,
    wake: () => void,
  ): Promise<never> {
    const write = target.kind === "stdout"
      ? stdoutWriter()
      : writerOf(await Deno.open(target.path, { write: true }));
    if (held > 0) {
      await flushStdout();
      Atomics.store(memory, word.written, held);
      wake();
    }
    for (;;) {
      let written = Atomics.load(memory, word.written);
      if (Atomics.exchange(memory, word.discard, 0) === 1) {
        // What was put after that may have been written by now.
        const more = Atomics.load(memory, word.discardTo) - written | 0;
        written = written + Math.max(0, more) | 0;
        Atomics.store(memory, word.written, written);
        wake();
      }
      const waiting = Atomics.load(memory, word.put) - written | 0;
      if (waiting === 0) {
        Atomics.wait(memory, word.put, written, wakeful);
        if (Atomics.load(memory, word.put) !== written) continue;
        const looks = new Promise<void>((resolve) => look = resolve);
        Atomics.store(memory, word.idle, 1);
        // What was put before that has sent no message.
        if (Atomics.load(memory, word.put) === written) await looks;
        continue;
      }
      const at = (written >>> 0) % ring.length;
      // A part at a time, so that there is room again while the rest is written.
      const end = Math.min(at + waiting, ring.length, at + ring.length / 8);
      const count = await write(ring.subarray(at, end));
      Atomics.store(memory, word.written, written + count | 0);
      wake();
    }
  }

  /** Writes some of the bytes; gives their number. */
  type Write = (bytes: Uint8Array) => Promise<number>;

  function writerOf(file: Deno.FsFile): Write {
    return (bytes) => file.write(bytes);
  }

  /**
   * A parent may have given us a pipe with O_NONBLOCK set. Then an error of the
   * runtime does not say how much it has written, unless that can only be all or
   * nothing. Once much was written without an error, larger parts are quicker.
   */
  function stdoutWriter(): Write {
    const isTerminal = Deno.stdout.isTerminal();
    let carefully = 1024 * 1024;
    return async (bytes) => {
      const part = carefully > 0 ? wholePart(bytes) : bytes;
      try {
        const count = await Deno.stdout.write(part);
        if (!isTerminal) carefully -= count;
        return count;
      } catch (error) {
        if (!(error instanceof Deno.errors.WouldBlock)) throw error;
        if (carefully <= 0) {
          throw new Error("the pipe is full, and does not block");
        }
        carefully = Infinity;
        if (!isHeld(part)) {
          await pause();
          return 0;
        }
        await flushStdout();
        return part.length;
      }
    };
  }

  /** Waits until the pipe has taken what the runtime holds. */
  async function flushStdout(): Promise<void> {
    for (;;) {
      try {
        await Deno.stdout.write(new Uint8Array());
        return;
      } catch (error) {
        if (!(error instanceof Deno.errors.WouldBlock)) throw error;
        await pause();
      }
    }
  }

  function pause(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, 2));
  }
}
