import type { Message } from "../message.ts";

/** Messages that may wait before reading stops. */
const MAX_COUNT = 1024;

/** Their size (bytes; UTF-16 code units for text) before reading stops. */
const MAX_SIZE = 1024 * 1024;

/**
 * Messages between the read loop and the program, which takes them with a
 * callback, at once, or one by one with `take()`. Without either they are kept.
 */
export class ReadBuffer {
  #callback: ((data: Message) => unknown) | undefined;
  #messages: Message[] = [];
  /** Index of the first message that was not taken; shifting is slow. */
  #next = 0;
  #size = 0;
  #pendingReads: PromiseWithResolvers<Message | undefined>[] = [];
  #drained: PromiseWithResolvers<void> | undefined;
  #isClosed = false;
  readonly #onFailure: (error: unknown) => void;

  /** `onFailure` gets what a callback throws or rejects with. */
  constructor(onFailure: (error: unknown) => void) {
    this.#onFailure = onFailure;
  }

  /** Whether reading should stop. */
  get full(): boolean {
    return this.#size >= MAX_SIZE ||
      this.#messages.length - this.#next >= MAX_COUNT;
  }

  /** Resolves when there is room again. */
  drained(): Promise<void> {
    this.#drained ??= Promise.withResolvers();
    return this.#drained.promise;
  }

  get callback(): ((data: Message) => unknown) | undefined {
    return this.#callback;
  }

  /** The new callback gets the kept messages first. */
  set callback(callback: ((data: Message) => unknown) | undefined) {
    this.#callback = callback;
    while (this.#callback !== undefined && this.#next < this.#messages.length) {
      this.#call(this.#callback, this.#shift());
    }
  }

  deliver(data: Message): void {
    if (this.#callback !== undefined) return this.#call(this.#callback, data);
    const read = this.#pendingReads.shift();
    if (read !== undefined) {
      read.resolve(data);
    } else {
      this.#messages.push(data);
      this.#size += data.length;
    }
  }

  /** The next message; `undefined` when all are taken and no more will come. */
  take(): Promise<Message | undefined> {
    if (this.#next < this.#messages.length) {
      return Promise.resolve(this.#shift());
    }
    if (this.#isClosed) return Promise.resolve(undefined);
    const read = Promise.withResolvers<Message | undefined>();
    this.#pendingReads.push(read);
    return read.promise;
  }

  /** No more will come; kept messages can still be taken. */
  close(): void {
    this.#isClosed = true;
    for (const read of this.#pendingReads.splice(0)) read.resolve(undefined);
    this.release();
  }

  /** Lets the read loop go on, however full the buffer is. */
  release(): void {
    this.#drained?.resolve();
    this.#drained = undefined;
  }

  #call(callback: (data: Message) => unknown, data: Message): void {
    try {
      const result = callback(data);
      if (result instanceof Promise) result.catch(this.#onFailure);
    } catch (error) {
      this.#onFailure(error);
    }
  }

  #shift(): Message {
    const data = this.#messages[this.#next++];
    if (data === undefined) throw new Error("the buffer is empty");
    this.#size -= data.length;
    if (this.#next === this.#messages.length) {
      this.#messages = [];
      this.#next = 0;
    }
    if (!this.full) this.release();
    return data;
  }
}
