import { byteLength, type Message } from "../../src/message.ts";
import type { SendSocket } from "../../src/send/pump.ts";
import type { Turn } from "../../src/turns.ts";
import type { SendWindow } from "../../src/transport/transport.ts";

/** The window of the native socket. */
export const NATIVE: SendWindow = {
  bytes: 256 * 1024,
  messages: 256,
  reportsProgress: false,
};
/** The window of our own transport. */
export const TCP: SendWindow = {
  bytes: 256 * 1024,
  messages: Infinity,
  reportsProgress: true,
};

/** A socket whose network takes messages when it is told to. */
export class FakeSocket implements SendSocket {
  readonly sendWindow: SendWindow;
  /** All that it was given. */
  readonly sent: Message[] = [];
  isOpen = true;
  /** How often `bufferedAmount` was read. */
  looks = 0;
  readonly #onSend: (message: Message) => void;
  /** How many of `sent` are on the network. */
  #flushed = 0;
  #bytesLeft = 0;

  constructor(
    sendWindow: SendWindow = NATIVE,
    onSend: (message: Message) => void = () => {},
  ) {
    this.sendWindow = sendWindow;
    this.#onSend = onSend;
  }

  send(message: Message): void {
    // The native socket copies at once.
    const copy = typeof message === "string" ? message : message.slice();
    this.sent.push(copy);
    this.#bytesLeft += byteLength(copy);
    this.#onSend(copy);
  }

  get bufferedAmount(): number | undefined {
    this.looks++;
    return this.isOpen ? this.#bytesLeft : undefined;
  }

  /** Bytes not on the network, whether it is open or not. */
  get bytesLeft(): number {
    return this.#bytesLeft;
  }

  /** How many messages are on the network. */
  get flushed(): number {
    return this.#flushed;
  }

  /** The network takes so many messages. */
  drain(count = Infinity): void {
    for (; count > 0 && this.#flushed < this.sent.length; count--) {
      this.#bytesLeft -= byteLength(this.sent[this.#flushed++] ?? "");
    }
  }

  /** The network takes what has no bytes, until something with bytes. */
  drainEmpty(): void {
    while (this.sent[this.#flushed]?.length === 0) this.#flushed++;
  }

  /** What was sent, as text. */
  get texts(): string[] {
    return this.sent.map(toText);
  }
}

/** A message as text. */
export function toText(data: Message): string {
  return typeof data === "string" ? data : new TextDecoder().decode(data);
}

/** Turns of the event loop that happen when the test says so. */
export class ManualTurns {
  #waiting: (() => void)[] = [];

  readonly turn: Turn = (then) => {
    this.#waiting.push(then);
    return () => {
      this.#waiting = this.#waiting.filter((other) => other !== then);
    };
  };

  /** How many wait for the next turn. */
  get count(): number {
    return this.#waiting.length;
  }

  /** The next turn; whether anybody waited for it. */
  pass(): boolean {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const then of waiting) then();
    return waiting.length > 0;
  }
}
