/**
 * Stdout, or another stream with a reader of its own speed: written by a second
 * thread, so that a slow or stalled reader never keeps this one from signals
 * and deadlines. The same thread then writes stderr: under a flood of messages
 * the event loop of this one may not turn for seconds.
 *
 * Memory is bounded. Deno's WebSocket cannot be paused except by blocking its
 * thread, so `write` blocks while too much is waiting: the reader's slowness
 * becomes TCP backpressure towards the server, and no message is lost. A signal
 * or the deadline ends the block at once, which a blocking write could not. It
 * first blocks once the second thread sees signals: earlier ones wait for the
 * event loop of this thread.
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
import {
  COUNT_EVERY,
  type Sink,
  type StderrThread,
  useStderrThread,
  writeAll,
} from "../stdio.ts";
import { aborted } from "../run/timers.ts";
import { SharedRing } from "./shared_ring.ts";
import { stdoutWriter } from "./stdout_writer.ts";
import {
  type FromThread,
  sharedNumbers,
  startWriterThread,
  type StreamTarget,
  type ToThread,
} from "./writer_thread.ts";

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
   * one, which takes longer than the rest of a short run.
   */
  readonly direct: number;
}

/**
 * How much may wait for the event loop to turn once, in bytes: by then it is
 * known that the second thread sees signals. A flood may not let it turn.
 */
const REST_LIMIT = 16 * 1024 * 1024;

/**
 * How long each write blocks beyond that, in milliseconds, where a pipe was full
 * already when this thread began to write.
 */
const REST_BLOCK = 100;

/** How often to look whether everything is written, in milliseconds. */
const LOOK_AGAIN = 20;

/**
 * How long the end of a run may block, in milliseconds: longer than that only
 * the event loop waits, which sees signals and timers.
 */
const LAST_BLOCK = 60;

/**
 * How often to look once the time is over, and how long each look waits, in
 * milliseconds: on a busy machine a write may not have had its turn.
 */
const LAST_LOOKS = 4;
const LAST_LOOK = 4;

/** How long a terminal may take nothing, in milliseconds, until it has stalled. */
const SETTLE_LIMIT = 2_000;

/** How long to wait until the second thread has stopped, in milliseconds. */
const STOP_LIMIT = 100;

/** How many typed bytes may wait to be taken. */
const TYPED_LIMIT = 4096;

/** The second thread, seen from the first one. */
interface Thread {
  readonly worker: Worker;
  readonly reports: MessagePort;
  /** What it writes next. */
  readonly output: SharedRing;
  /** What was typed. */
  readonly typed: SharedRing;
}

/** Writes to a stream from a second thread. */
export class StreamSink implements Sink, StderrThread {
  readonly #target: StreamTarget;
  readonly #owner: () => StreamOwner;
  readonly #signals = obeyedSignals();
  readonly #isTerminal: boolean;
  readonly #shared = sharedNumbers();
  readonly #capacity: number;
  #thread: Thread | undefined;
  /** Whether the second thread sees signals, and may write. */
  #mayBlock = false;
  /** How many bytes this thread may still write by itself. */
  #direct: number;
  /** Resolves once this thread has written what it writes by itself. */
  #lastDirect = Promise.resolve();
  #directPending = 0;
  readonly #writeDirectly = stdoutWriter();
  #onStdin: (bytes: Uint8Array | null) => void = () => {};
  #isTaking = false;
  #failed = false;
  /** Resolves once the owner is told that the stream failed. */
  readonly #failure = Promise.withResolvers<void>();
  #interrupted = false;
  /** What found no room, and could not wait for it in `write`. */
  #rest: Uint8Array[] = [];

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
    const waiting = this.#thread?.output.waiting ?? 0;
    return this.#rest.reduce(
      (sum, { length }) => sum + length,
      this.#directPending + waiting,
    );
  }

  /** Takes all the bytes; blocks while there is no room for them. */
  write(bytes: Uint8Array): void {
    if (this.#failed) return;
    if (this.#thread === undefined && bytes.length <= this.#direct) {
      return this.#startDirect(bytes.slice());
    }
    const thread = this.#thread ?? this.#start();
    let rest = bytes;
    if (this.#blockForRest(thread)) {
      while (rest.length > 0 && this.#waitForRoom(thread)) {
        rest = this.#put(thread, rest);
      }
    }
    if (this.#isBroken) this.#fail(brokenPipe());
    else if (rest.length > 0 && !this.#hasFailed) {
      this.#rest.push(rest.slice());
    }
    // A flood gives the event loop no chance to.
    this.#takeTyped(thread);
  }

  /**
   * Looks for a signal, which the second thread sees: in a flood the event loop
   * of this one may not turn for seconds.
   */
  look(): void {
    this.#thread ??= this.#start();
    this.#hasInterrupt();
  }

  /**
   * Waits until everything is written; false if the stream failed or the time is
   * over.
   */
  async written(limit: TimeLimit): Promise<boolean> {
    const { signal } = limit;
    const { events } = this.#shared;
    const isOver = aborted(signal);
    let lastLooks = this.#interrupted ? 0 : LAST_LOOKS;
    // In a flood the event loop may not turn for seconds.
    if (this.#interrupted) {
      this.#blockUntil(
        () => this.pending === 0 || this.#hasFailed,
        Math.min(limit.left, LAST_BLOCK),
      );
    }
    for (;;) {
      const before = Atomics.load(events, 0);
      if (this.#hasFailed || this.#failed) {
        // The second thread reports the error a little later.
        await Promise.race([this.#failure.promise, isOver]);
        return false;
      }
      this.#putRest();
      if (this.pending === 0) return true;
      const isLast = limit.left === 0;
      if (isLast && lastLooks-- === 0) return false;
      const { value } = Atomics.waitAsync(events, 0, before);
      const direct = this.#directPending > 0 ? [this.#lastDirect] : [];
      let timer: ReturnType<typeof setTimeout> | undefined;
      // An idle event loop of Deno 2.6 does not see that the wait is over.
      const look = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, isLast ? LAST_LOOK : LOOK_AGAIN);
      });
      const waits = isLast ? [] : [isOver];
      await Promise.race([value, look, ...waits, ...direct]);
      clearTimeout(timer);
    }
  }

  /** Blocks for up to `ms`, but for the time in which the program does not run. */
  #blockUntil(isDone: () => boolean, ms: number): void {
    for (let left = ms;;) {
      const before = Atomics.load(this.#shared.events, 0);
      this.#putRest();
      if (isDone() || left <= 0) return;
      const wait = Math.min(left, COUNT_EVERY);
      const start = performance.now();
      Atomics.wait(this.#shared.events, 0, before, wait);
      left -= Math.min(wait, performance.now() - start);
    }
  }

  /** Writes a line to stderr. */
  writeStderr(bytes: Uint8Array): void {
    Atomics.add(this.#shared.stderr, 0, bytes.length);
    this.#post({ kind: "stderr", bytes });
  }

  /** Reads stdin in the second thread, until it ends. */
  readStdin(onBytes: (bytes: Uint8Array | null) => void): void {
    this.#onStdin = onBytes;
    if (this.#thread === undefined) this.#start();
    this.#post({ kind: "read" });
  }

  /** Reports typed bytes; not again while the program writes because of them. */
  #takeTyped({ typed }: Thread): void {
    if (this.#isTaking) return;
    this.#isTaking = true;
    try {
      while (typed.waiting > 0) {
        const bytes = typed.next(TYPED_LIMIT).slice();
        typed.take(bytes.length);
        this.#onStdin(bytes);
      }
    } finally {
      this.#isTaking = false;
    }
  }

  /** Lets the reader miss what waits behind the write in progress. */
  discard(): void {
    this.#rest = [];
    if (this.#thread === undefined) return;
    this.#post({ kind: "discard", end: this.#thread.output.end });
  }

  /**
   * Blocks until nothing is being written; false if the reader has stalled, or a
   * signal came meanwhile.
   */
  settle(): boolean {
    const signals = () => Atomics.load(this.#shared.signals, 0);
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
    return Atomics.load(this.#shared.stderr, 0);
  }

  /**
   * Ends the second thread, so that a signal can end the program. Blocks for up
   * to `ms` until everything is written.
   */
  stop(ms: number = 0): void {
    if (this.#thread === undefined) return;
    // A reader that has stalled will not begin now.
    const isLost = this.#interrupted || this.#hasFailed;
    this.#blockUntil(
      () => this.stderrPending + (isLost ? 0 : this.pending) === 0,
      ms,
    );
    this.#post({ kind: "stop" });
    const wait = Atomics.wait(this.#shared.stopped, 0, 0, STOP_LIMIT);
    const { worker, reports } = this.#thread;
    this.#thread = undefined;
    // On a busy machine it still has to stop listening to signals.
    if (wait !== "timed-out") worker.terminate();
    reports.close();
    useStderrThread(undefined);
  }

  get #hasFailed(): boolean {
    return Atomics.load(this.#shared.failed, 0) !== 0;
  }

  get #isBroken(): boolean {
    return Atomics.load(this.#shared.failed, 0) === 1;
  }

  /** Writes without the second thread; never blocks. */
  #startDirect(bytes: Uint8Array): void {
    this.#direct -= bytes.length;
    this.#directPending += bytes.length;
    this.#lastDirect = this.#lastDirect.then(async () => {
      if (this.#failed) return;
      try {
        await writeAll(this.#writeDirectly, bytes);
        this.#directPending -= bytes.length;
      } catch (error) {
        if (error instanceof Deno.errors.BrokenPipe) this.#fail(error);
        else if (error instanceof Error) {
          this.#fail(this.#errorOf(error.message));
        } else throw error;
      }
    });
  }

  /** Puts the rest; blocks while there is no room for it. Whether it did. */
  #blockForRest(thread: Thread): boolean {
    while (this.#rest.length > 0 && this.#waitForRoom(thread)) this.#putRest();
    return this.#rest.length === 0;
  }

  /** Puts as much of the rest as there is room for. */
  #putRest(): void {
    if (this.#thread === undefined) return;
    for (;;) {
      const [first] = this.#rest;
      if (first === undefined) return;
      const rest = this.#put(this.#thread, first);
      if (rest.length > 0) {
        this.#rest[0] = rest;
        return;
      }
      this.#rest.shift();
    }
  }

  /** Puts as much into the ring as there is room for; returns the rest. */
  #put({ output }: Thread, bytes: Uint8Array): Uint8Array {
    const count = output.put(bytes);
    if (Atomics.exchange(this.#shared.asleep, 0, 0) === 1) {
      this.#post({ kind: "wake" });
    } else output.notify();
    return bytes.subarray(count);
  }

  #post(message: ToThread): void {
    this.#thread?.worker.postMessage(message);
    // It may be waiting for output.
    this.#thread?.output.notify();
  }

  #start(): Thread {
    const output = new SharedRing(SharedRing.memory(this.#capacity));
    const typed = new SharedRing(SharedRing.memory(TYPED_LIMIT));
    const worker = startWriterThread();
    worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(this.#errorOf(event.message));
    };
    const { port1, port2 } = new MessageChannel();
    const thread = { worker, reports: port1, output, typed };
    port1.onmessage = ({ data }: MessageEvent<FromThread>) =>
      this.#receive(data, thread);
    const message: ToThread = {
      kind: "setup",
      setup: {
        target: this.#target,
        signals: this.#signals,
        shared: this.#shared,
        output: output.memory,
        typed: typed.memory,
        reports: port2,
      },
    };
    worker.postMessage(message, [port2]);
    // Stderr may have lines for it already.
    this.#thread = thread;
    useStderrThread(this);
    void this.#letWrite();
    return thread;
  }

  /** Lets the second thread write, once this one does not. */
  async #letWrite(): Promise<void> {
    if (this.#directPending > 0) await this.#lastDirect;
    if (!this.#failed) this.#post({ kind: "write" });
  }

  #receive(message: FromThread, thread: Thread): void {
    switch (message.kind) {
      case "ready":
        return void this.#onReady(thread);
      case "typed":
        return this.#takeTyped(thread);
      case "end":
        this.#takeTyped(thread);
        return this.#onStdin(null);
      case "failed":
        return this.#fail(
          this.#isBroken ? brokenPipe() : this.#errorOf(message.why),
        );
      default:
        return message satisfies never;
    }
  }

  /** The second thread sees signals. */
  async #onReady(thread: Thread): Promise<void> {
    await this.#lastDirect;
    this.#mayBlock = true;
    this.#blockForRest(thread);
  }

  /**
   * Waits for room in the ring; false if there will be none, or this thread must
   * not block. Looks for a signal even where there is room: a flood gives the
   * event loop no chance to.
   */
  #waitForRoom({ output }: Thread): boolean {
    if (this.#interrupted) return false;
    for (;;) {
      const before = Atomics.load(this.#shared.events, 0);
      if (this.#hasFailed || this.#hasInterrupt()) return false;
      if (output.room > 0) return true;
      if (!this.#mayBlock && this.pending < REST_LIMIT) return false;
      const left = this.#owner().deadline - performance.now();
      // Only the event loop shows when this thread's own write is over.
      const isWriting = this.#directPending > 0;
      const most = isWriting ? Math.min(left, REST_BLOCK) : left;
      Atomics.wait(this.#shared.events, 0, before, Math.max(0, most));
      if (isWriting) return false;
    }
  }

  /** Whether a signal came, or the deadline; the owner is told. */
  #hasInterrupt(): boolean {
    const signal = Atomics.load(this.#shared.signal, 0);
    if (signal === 0 && performance.now() < this.#owner().deadline) {
      return false;
    }
    this.#interrupted = true;
    this.#owner().interrupt(this.#signals[signal - 1]);
    return true;
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

function brokenPipe(): Error {
  return new Deno.errors.BrokenPipe("the reader of the output has closed it");
}
