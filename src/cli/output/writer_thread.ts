/**
 * The second thread of the program: it writes stdout (or a FIFO or a device),
 * and stderr, sees signals, and reads typed keys, while the first thread may be
 * blocked or busy.
 *
 * The protocol between the two threads:
 *
 * - Output and typed bytes go through one {@linkcode SharedRing} each.
 * - {@linkcode SharedNumbers} are seen while the other thread's event loop does
 *   not turn.
 * - {@linkcode ToThread} and {@linkcode FromThread} are messages: they are seen
 *   when it does.
 *
 * The thread is a worker that gets the texts of functions, from a `data:` URL. A
 * worker from a file needs `--allow-read` for it, also if the program imports the
 * same file, and an import of a file as text needs a flag in Deno 2.6. So the
 * parts of the thread may use nothing from outside but each other; types do not
 * count.
 *
 * @module
 */

import type { EndSignal } from "../exit_status.ts";
import { pause, type Write, writeAll, writeToStderr } from "../stdio.ts";
import { SharedRing } from "./shared_ring.ts";
import {
  flushStdout,
  isHeld,
  stdoutWriter,
  wholePart,
} from "./stdout_writer.ts";

/** Where the bytes go. */
export type StreamTarget =
  | { readonly kind: "stdout" }
  /** A FIFO or a device. */
  | { readonly kind: "path"; readonly path: string };

/** Memory for one number, for `Atomics`. */
export type SharedNumber = Int32Array<SharedArrayBuffer>;

/** The numbers that both threads see. */
export interface SharedNumbers {
  /**
   * Counts what may end a block of the first thread: written bytes, signals,
   * failures. It is changed, and its waiters are notified, after all others.
   */
  readonly events: SharedNumber;
  /** The last signal, as its place in the list from 1. */
  readonly signal: SharedNumber;
  /** Counts the signals. */
  readonly signals: SharedNumber;
  /** Why nothing more is written. 1: a broken pipe; 2: another error. */
  readonly failed: SharedNumber;
  /** How many bytes of stderr are not written yet. */
  readonly stderr: SharedNumber;
  /** 1: the second thread sleeps until it gets a message. */
  readonly asleep: SharedNumber;
  /** 1: the second thread listens to no signal any more. */
  readonly stopped: SharedNumber;
}

/** Numbers that are all 0. */
export function sharedNumbers(): SharedNumbers {
  const zero = () => new Int32Array(new SharedArrayBuffer(4));
  return {
    events: zero(),
    signal: zero(),
    signals: zero(),
    failed: zero(),
    stderr: zero(),
    asleep: zero(),
    stopped: zero(),
  };
}

/** The parts that the second thread needs at its start. */
export interface ThreadSetup {
  readonly target: StreamTarget;
  /** The signals to see. */
  readonly signals: readonly EndSignal[];
  readonly shared: SharedNumbers;
  /** The memory of a {@linkcode SharedRing}: what to write to the target. */
  readonly output: SharedArrayBuffer;
  /** The same: typed bytes. */
  readonly typed: SharedArrayBuffer;
  /** Takes the messages of the second thread. */
  readonly reports: MessagePort;
}

/** A message to the second thread. */
export type ToThread =
  | { readonly kind: "setup"; readonly setup: ThreadSetup }
  /** Write the output from now on. */
  | { readonly kind: "write" }
  /** There is output again. */
  | { readonly kind: "wake" }
  /** Do not write the output before this end of the ring. */
  | { readonly kind: "discard"; readonly end: number }
  | { readonly kind: "stderr"; readonly bytes: Uint8Array }
  /** Read stdin until it ends. */
  | { readonly kind: "read" }
  /** Let signals have their default effects again. */
  | { readonly kind: "stop" };

/** A message from the second thread. */
export type FromThread =
  /** It sees signals from now on. */
  | { readonly kind: "ready" }
  /** There are typed bytes. */
  | { readonly kind: "typed" }
  /** Stdin has ended. */
  | { readonly kind: "end" }
  /** The output cannot be written. */
  | { readonly kind: "failed"; readonly why: string };

/** Starts the thread; it waits for its setup. */
export function startWriterThread(): Worker {
  const parts = [
    SharedRing,
    WriterThread,
    flushStdout,
    isHeld,
    pause,
    stdoutWriter,
    wholePart,
    writeAll,
    writeToStderr,
  ];
  const text = parts.map((part) => `const ${part.name} = ${part};`).join("\n") +
    `(${listen})();`;
  return new Worker(`data:text/javascript,${encodeURIComponent(text)}`, {
    type: "module",
  });
}

function listen(): void {
  let thread: WriterThread | undefined;
  addEventListener("message", (event) => {
    if (!(event instanceof MessageEvent)) return;
    const message: ToThread = event.data;
    if (message.kind === "setup") thread = new WriterThread(message.setup);
    else thread?.receive(message);
  });
}

/** The state of the second thread. */
class WriterThread {
  readonly #setup: ThreadSetup;
  readonly #shared: SharedNumbers;
  readonly #output: SharedRing;
  readonly #typed: SharedRing;
  readonly #listeners: readonly (readonly [EndSignal, () => void])[];
  /** Ends the sleep. */
  #wake = () => {};
  /** Output before this end of the ring is not to be written. */
  #discardTo: number | undefined;
  #lastStderr = Promise.resolve();

  constructor(setup: ThreadSetup) {
    this.#setup = setup;
    this.#shared = setup.shared;
    this.#output = new SharedRing(setup.output);
    this.#typed = new SharedRing(setup.typed);
    this.#listeners = setup.signals.map((signal) => {
      const listener = () => this.#note(signal);
      Deno.addSignalListener(signal, listener);
      return [signal, listener];
    });
    this.#report({ kind: "ready" });
  }

  receive(message: Exclude<ToThread, { kind: "setup" }>): void {
    switch (message.kind) {
      case "write":
        return void this.#writeOutput();
      case "wake":
        return this.#wake();
      case "discard":
        this.#discardTo = message.end;
        return;
      case "stderr":
        return this.#writeStderr(message.bytes);
      case "read":
        return void this.#readStdin();
      case "stop":
        return this.#stop();
      default:
        message satisfies never;
    }
  }

  async #writeOutput(): Promise<void> {
    try {
      const write = await this.#open();
      // A part at a time, so that there is room again while the rest is written.
      const most = this.#output.capacity / 8;
      for (;;) {
        if (this.#discardTo !== undefined) {
          this.#output.takeTo(this.#discardTo);
          this.#discardTo = undefined;
          this.#noteEvent();
        }
        if (this.#output.waiting === 0) await this.#untilOutput();
        else {
          this.#output.take(await write(this.#output.next(most)));
          this.#noteEvent();
        }
      }
    } catch (error) {
      const isBroken = error instanceof Deno.errors.BrokenPipe;
      Atomics.store(this.#shared.failed, 0, isBroken ? 1 : 2);
      const why = error instanceof Error ? error.message : String(error);
      this.#report({ kind: "failed", why });
      this.#noteEvent();
    }
  }

  async #open(): Promise<Write> {
    const { target } = this.#setup;
    if (target.kind === "stdout") return stdoutWriter();
    const file = await Deno.open(target.path, { write: true });
    return (bytes) => file.write(bytes);
  }

  async #untilOutput(): Promise<void> {
    // Waking from a sleep takes both threads much longer than this wait, which
    // lasts 5 ms.
    this.#output.wait(5);
    if (this.#output.waiting > 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    Atomics.store(this.#shared.asleep, 0, 1);
    // Output that was put before that has sent no message.
    if (this.#output.waiting === 0) await promise;
  }

  /** Writes a line after the lines before it. */
  #writeStderr(bytes: Uint8Array): void {
    this.#lastStderr = this.#lastStderr
      .then(() => writeAll(writeToStderr, bytes))
      // The reader has closed it.
      .catch(() => {})
      .then(() => {
        Atomics.sub(this.#shared.stderr, 0, bytes.length);
        this.#noteEvent();
      });
  }

  async #readStdin(): Promise<void> {
    for (;;) {
      const { room } = this.#typed;
      if (room === 0) {
        await pause();
        continue;
      }
      const buffer = new Uint8Array(room);
      // Reading fails once the terminal is closed.
      const length = await Deno.stdin.read(buffer).catch(() => null);
      if (length === null) return this.#report({ kind: "end" });
      const bytes = buffer.subarray(0, length);
      this.#typed.put(bytes);
      // Ctrl-C.
      if (bytes.includes(3)) this.#note("SIGINT");
      this.#report({ kind: "typed" });
    }
  }

  #stop(): void {
    for (const [signal, listener] of this.#listeners) {
      Deno.removeSignalListener(signal, listener);
    }
    Atomics.store(this.#shared.stopped, 0, 1);
    Atomics.notify(this.#shared.stopped, 0);
  }

  #note(signal: EndSignal): void {
    const place = this.#setup.signals.indexOf(signal) + 1;
    Atomics.store(this.#shared.signal, 0, place);
    Atomics.add(this.#shared.signals, 0, 1);
    this.#noteEvent();
  }

  #noteEvent(): void {
    Atomics.add(this.#shared.events, 0, 1);
    Atomics.notify(this.#shared.events, 0);
  }

  #report(message: FromThread): void {
    this.#setup.reports.postMessage(message);
  }
}
