import type { Message } from "../message.ts";

/** Messages that may wait for a taker before reading stops. */
const MAX_COUNT = 1024;

/** Their size (bytes; UTF-16 units for text) before reading stops. */
const MAX_SIZE = 1024 * 1024;

/**
 * Messages between the read loop and whoever takes them: a callback, which
 * gets each at once, or `take()`. While there is neither they are held.
 */
export class HeldMessages {
  #callback: ((data: Message) => unknown) | undefined;
  #messages: Message[] = [];
  /** Index of the first one not taken; shifting an array is slow. */
  #next = 0;
  #size = 0;
  #takers: PromiseWithResolvers<Message | undefined>[] = [];
  #room: PromiseWithResolvers<void> | undefined;
  #ended = false;
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
  room(): Promise<void> {
    this.#room ??= Promise.withResolvers();
    return this.#room.promise;
  }

  get callback(): ((data: Message) => unknown) | undefined {
    return this.#callback;
  }

  /** Hands what is held to the new callback first. */
  set callback(callback: ((data: Message) => unknown) | undefined) {
    this.#callback = callback;
    while (this.#callback !== undefined && this.#next < this.#messages.length) {
      this.#call(this.#callback, this.#shift());
    }
  }

  deliver(data: Message): void {
    if (this.#callback !== undefined) return this.#call(this.#callback, data);
    const taker = this.#takers.shift();
    if (taker !== undefined) {
      taker.resolve(data);
    } else {
      this.#messages.push(data);
      this.#size += data.length;
    }
  }

  #call(callback: (data: Message) => unknown, data: Message): void {
    try {
      const result = callback(data);
      if (result instanceof Promise) result.catch(this.#onFailure);
    } catch (error) {
      this.#onFailure(error);
    }
  }

  /** The next message; `undefined` when all are taken and no more will come. */
  take(): Promise<Message | undefined> {
    if (this.#next < this.#messages.length) {
      return Promise.resolve(this.#shift());
    }
    if (this.#ended) return Promise.resolve(undefined);
    const taker = Promise.withResolvers<Message | undefined>();
    this.#takers.push(taker);
    return taker.promise;
  }

  /** No more will come; what is held can still be taken. */
  end(): void {
    this.#ended = true;
    for (const taker of this.#takers.splice(0)) taker.resolve(undefined);
    this.release();
  }

  /** Lets the read loop go on, whatever is held. */
  release(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }

  #shift(): Message {
    const data = this.#messages[this.#next++];
    if (data === undefined) throw new Error("nothing is held");
    this.#size -= data.length;
    if (this.#next === this.#messages.length) {
      this.#messages = [];
      this.#next = 0;
    }
    if (!this.full) this.release();
    return data;
  }
}
