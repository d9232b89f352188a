import { byteLength, type Message } from "../../src/message.ts";
import type { Sink, Waits } from "../../src/outbound/pump.ts";

/** A socket whose network takes messages when it is told to. */
export class FakeSink implements Sink {
  /** All that it was given. */
  readonly sent: Message[] = [];
  isOpen = true;
  readonly #onSend: (message: Message) => void;
  /** How many of `sent` are on the network. */
  #flushed = 0;

  constructor(onSend: (message: Message) => void = () => {}) {
    this.#onSend = onSend;
  }

  send(message: Message): void {
    // The native socket copies at once.
    const copy = typeof message === "string" ? message : message.slice();
    this.sent.push(copy);
    this.#onSend(copy);
  }

  get bufferedAmount(): number | undefined {
    return this.isOpen ? this.bytesLeft : undefined;
  }

  /** Bytes not on the network, whether it is open or not. */
  get bytesLeft(): number {
    return this.sent.slice(this.#flushed)
      .reduce((sum, message) => sum + byteLength(message), 0);
  }

  /** How many messages are on the network. */
  get flushed(): number {
    return this.#flushed;
  }

  /** The network takes so many messages. */
  drain(count = Infinity): void {
    this.#flushed = Math.min(this.sent.length, this.#flushed + count);
  }

  /** The network takes what has no bytes, until something with bytes. */
  drainEmpty(): void {
    while (this.sent[this.#flushed]?.length === 0) this.#flushed++;
  }

  /** What was sent, as text. */
  get texts(): string[] {
    return this.sent.map((message) =>
      typeof message === "string" ? message : new TextDecoder().decode(message)
    );
  }
}

/** Waits that are over when the test says so. */
export class ManualWaits implements Waits {
  /** How long the pump wants to wait, in ms; 0 for a turn. */
  wanted: number | undefined;
  #then: (() => void) | undefined;

  turn(then: () => void): () => void {
    return this.delay(0, then);
  }

  delay(ms: number, then: () => void): () => void {
    if (this.#then !== undefined) throw new Error("the pump waits twice");
    this.wanted = ms;
    this.#then = then;
    return () => this.#clear();
  }

  /** Ends the wait; whether there was one. */
  pass(): boolean {
    const then = this.#then;
    this.#clear();
    then?.();
    return then !== undefined;
  }

  #clear(): void {
    this.wanted = undefined;
    this.#then = undefined;
  }
}
