/**
 * The client as a pair of Web Streams.
 *
 * @module
 */

import { abortable } from "@std/async/abortable";
import { delay } from "@std/async/delay";
import { WSError } from "../errors.ts";
import type { Message } from "../message.ts";
import type { ReadBuffer } from "./read_buffer.ts";

/**
 * A pull costs the runtime more than a message: one may give the stream this
 * many messages.
 */
const MOST_AT_ONCE = 16;
/** But no further one after these bytes. */
const MOST_BYTES_AT_ONCE = 64 * 1024;

type ReadableState =
  | {
    readonly kind: "unread";
    readonly controller: ReadableStreamDefaultController<Message>;
  }
  | { readonly kind: "reading"; readonly reader: ReadBuffer }
  | { readonly kind: "closed" };

const CLOSED = { kind: "closed" } as const;

/** A reader as a stream; the reader is made at the first read. */
export class ReadableSide {
  readonly stream: ReadableStream<Message>;
  readonly #makeReader: () => ReadBuffer;
  #state: ReadableState = CLOSED;

  constructor(makeReader: () => ReadBuffer) {
    this.#makeReader = makeReader;
    this.stream = new ReadableStream<Message>({
      start: (controller) => {
        this.#state = { kind: "unread", controller };
      },
      pull: (controller) => this.#pull(controller),
      cancel: () => {
        const state = this.#state;
        this.#state = CLOSED;
        if (state.kind === "reading") state.reader.return();
      },
      // Messages are taken when one is asked for: the reader is the buffer.
    }, { highWaterMark: 0 });
  }

  /** The client has ended: a stream that was never read ends at once. */
  end(error: WSError | undefined): void {
    if (this.#state.kind !== "unread") return;
    const { controller } = this.#state;
    this.#state = CLOSED;
    if (error === undefined) controller.close();
    else controller.error(error);
  }

  #pull(
    controller: ReadableStreamDefaultController<Message>,
  ): Promise<void> | void {
    if (this.#state.kind === "unread") {
      this.#state = { kind: "reading", reader: this.#makeReader() };
    }
    if (this.#state.kind === "closed") return;
    const { reader } = this.#state;
    let message = reader.take();
    if (message === undefined) return this.#pullNext(reader, controller);
    controller.enqueue(message);
    if (!reader.keepsAll) return;
    let bytes = message.length;
    for (let i = 1; i < MOST_AT_ONCE && bytes < MOST_BYTES_AT_ONCE; i++) {
      message = reader.take();
      if (message === undefined) return;
      controller.enqueue(message);
      bytes += message.length;
    }
  }

  async #pullNext(
    reader: ReadBuffer,
    controller: ReadableStreamDefaultController<Message>,
  ): Promise<void> {
    const next = await reader.next();
    if (!next.done) controller.enqueue(next.value);
    else if (this.#state.kind === "reading") {
      this.#state = CLOSED;
      controller.close();
    }
  }
}

/** Where the messages of a {@linkcode WritableSide} go. */
export interface Sink {
  /**
   * Resolves when the message is accepted. The signal takes back a message that
   * is not accepted yet.
   */
  send(
    message: Message,
    options: { readonly signal: AbortSignal },
  ): Promise<void>;
  /** As the client's `flush()`. */
  flush(): Promise<unknown>;
  /** A message was refused, and there is no caller to reject. */
  onError(error: WSError): void;
}

/**
 * The queue as a stream.
 *
 * A write is done when the queue has accepted the message, so that writers feel
 * backpressure with every `overflow` policy: a message refused with
 * `QUEUE_FULL` is offered again once there is room. The promise of a write
 * cannot reject without ending the whole stream, so a refusal that concerns one
 * message only (`TOO_LARGE`, `SPOOL`) goes to `onError`, and the stream goes
 * on.
 *
 * Closing waits as `flush()` does, and does not stop the client. Aborting drops
 * the messages that the queue has not accepted; accepted ones are still sent.
 */
export class WritableSide {
  readonly #sink: Sink;
  #open: OpenStream | undefined;
  #ended: WSError | undefined;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  /** The stream; a new one after the last was closed, aborted or errored. */
  get stream(): WritableStream<Message> {
    if (this.#open === undefined) {
      const open: OpenStream = new OpenStream(this.#sink, () => {
        if (this.#open === open) this.#open = undefined;
      });
      this.#open = open;
      if (this.#ended !== undefined) open.end(this.#ended);
    }
    return this.#open.stream;
  }

  /** The client has ended: the stream errors, and `writer.closed` settles. */
  end(error: WSError): void {
    this.#ended ??= error;
    this.#open?.end(error);
  }
}

/** The shortest wait before a refused message is offered again. */
const ROOM_CHECK_MS = 1;

/** One stream, and the sink under it. */
class OpenStream implements UnderlyingSink<Message> {
  readonly stream: WritableStream<Message>;
  readonly #sink: Sink;
  readonly #onEnd: () => void;
  #controller: WritableStreamDefaultController | undefined;
  /** Takes back the message that is offered to the queue now. */
  #offer: AbortController | undefined;

  constructor(sink: Sink, onEnd: () => void) {
    this.#sink = sink;
    this.#onEnd = onEnd;
    this.stream = new WritableStream(this);
  }

  start(controller: WritableStreamDefaultController): void {
    this.#controller = controller;
    // The signal of the stream would also take back what was accepted before.
    const { signal } = controller;
    signal.addEventListener("abort", () => this.#offer?.abort(signal.reason));
  }

  async write(
    message: Message,
    { signal }: WritableStreamDefaultController,
  ): Promise<void> {
    try {
      while (!await this.#accepts(message, signal)) await this.#room(signal);
    } catch (error) {
      this.#onEnd();
      throw error;
    }
  }

  async close(): Promise<void> {
    if (this.#controller === undefined) return;
    try {
      // An abort does not wait for a connection.
      await abortable(this.#sink.flush(), this.#controller.signal);
    } finally {
      this.#onEnd();
    }
  }

  abort(): void {
    this.#onEnd();
  }

  end(error: WSError): void {
    this.#controller?.error(error);
  }

  /** Whether the message needs no further attention. */
  async #accepts(message: Message, signal: AbortSignal): Promise<boolean> {
    const offer = this.#offer = new AbortController();
    try {
      await this.#sink.send(message, { signal: offer.signal });
      return true;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof WSError)) throw error;
      switch (error.code) {
        case "QUEUE_FULL":
          return false;
        case "TOO_LARGE":
        case "SPOOL":
          if (error.severity === "fatal") throw error;
          this.#sink.onError(error);
          return true;
        default:
          throw error;
      }
    } finally {
      this.#offer = undefined;
    }
  }

  async #room(signal: AbortSignal): Promise<void> {
    await abortable(this.#sink.flush(), signal);
    // The queue may be full of messages that a flush does not wait for.
    await delay(ROOM_CHECK_MS, { signal });
  }
}
