/**
 * Moves the queue to the socket, as fast as the network takes it and no faster.
 *
 * The native socket buffers without bound, and gets slower and larger the more
 * it has. So it gets up to a window of bytes at a time, and the next when half
 * of them are gone. In between the pump looks once a turn of the event loop;
 * when several looks in a row saw nothing move, less and less often, so that a
 * peer that has stalled costs no CPU.
 *
 * @module
 */

import { clearImmediate, setImmediate } from "node:timers";
import type { Message } from "../message.ts";

/** What is pumped into: an open socket. */
export interface Sink {
  /** Must not throw; what it is given once it is not open may be lost. */
  send(message: Message): void;
  /** Bytes not on the network; `undefined` once the socket is not open. */
  readonly bufferedAmount: number | undefined;
}

/** Gives a message of so many bytes to the socket; whether it has room for more. */
export type Give = (data: Message, bytes: number) => boolean;

/** What is pumped. */
export interface Source {
  /**
   * Gives messages to the socket, at least one, and no more once it has no room;
   * `false` when there is none, or when this has ended or paused the link.
   */
  handOver(give: Give): boolean;
  /** That was all for now, and nothing of it is on the network yet. */
  ranOut(): void;
  /**
   * The socket still has so many bytes. `turned`: what it was given before, it
   * has had for a turn of the event loop.
   */
  sampled(buffered: number, turned: boolean): void;
  /** Whether a sample could tell it anything. */
  wantsSamples(): boolean;
}

/** How the pump waits. Each returns what calls it off. */
export interface Waits {
  /** For the next turn of the event loop. */
  turn(then: () => void): () => void;
  /** For so many milliseconds, keeping no process alive. */
  delay(ms: number, then: () => void): () => void;
}

/**
 * The window. With less there are more turns of the event loop, which costs a
 * few percent; more changes nothing but what is stale when the link is slow.
 */
const WINDOW_BYTES = 256 * 1024;
/**
 * More small messages at a time are slower by a tenth: they push each other out
 * of the processor's cache. Empty ones are bounded by nothing else.
 */
const WINDOW_MESSAGES = 256;
/** Looks that saw nothing move before the pump waits for a timer. */
const IDLE_TURNS = 32;
const LONGEST_DELAY = 16;

const EVENT_LOOP: Waits = {
  // Not unref'd: on Deno 2.6 that one never comes. It is one turn only.
  turn(then) {
    const immediate = setImmediate(then);
    return () => clearImmediate(immediate);
  },
  delay(ms, then) {
    const timer = setTimeout(then, ms);
    Deno.unrefTimer(timer);
    return () => clearTimeout(timer);
  },
};

/** The pump between one source and one sink after another. */
export class Pump {
  readonly #source: Source;
  readonly #waits: Waits;
  readonly #look = () => this.#wake();
  readonly #give: Give = (data, bytes) => {
    // Nobody is asked for a message without a socket that takes it.
    this.#sink?.send(data);
    this.#bytes += bytes;
    this.#messages++;
    return this.#hasRoom();
  };
  #sink: Sink | undefined;
  #paused = false;
  #pumping = false;
  /** Bytes in the socket: as of the last look, and what it was given since. */
  #bytes = 0;
  /** Messages in the socket: an estimate from the bytes. */
  #messages = 0;
  #idleTurns = 0;
  #cancel: (() => void) | undefined;

  constructor(source: Source, waits: Waits = EVENT_LOOP) {
    this.#source = source;
    this.#waits = waits;
  }

  /** Whether this is what it pumps into. */
  has(sink: Sink): boolean {
    return this.#sink === sink;
  }

  /** Begins to pump into an open socket, or goes on with it after a pause. */
  attach(sink: Sink): void {
    if (this.#sink !== sink) {
      this.#sink = sink;
      // What the gate has sent.
      this.#bytes = sink.bufferedAmount ?? 0;
      this.#messages = this.#bytes > 0 ? 1 : 0;
      this.#idleTurns = 0;
    }
    this.#paused = false;
    this.run();
    this.#watch();
  }

  /** Gives the socket nothing more, and keeps looking at it. */
  pause(): void {
    this.#paused = true;
    this.#sample(false);
  }

  /** Lets go of the socket, after a last look. */
  detach(): void {
    this.pause();
    this.#sink = undefined;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** Whether there is a socket that may be given messages. */
  get isTaking(): boolean {
    return this.#sink !== undefined && !this.#paused;
  }

  /** Gives the socket what it has room for. */
  run(): void {
    const sink = this.#sink;
    if (sink === undefined || this.#paused || !this.#hasRoom()) return;
    // What the source tells on the way may make the program send, which is
    // then the business of the loop that runs.
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      // It may also make the program end the link.
      while (this.isTaking && this.#sink === sink && this.#hasRoom()) {
        if (!this.#source.handOver(this.#give)) break;
      }
      this.#source.ranOut();
    } finally {
      this.#pumping = false;
    }
    this.#watch();
  }

  /** Gives the socket a message at once, whatever it has; whether it is open. */
  sendUrgent(data: Message, bytes: number): boolean {
    if (this.#sink?.bufferedAmount === undefined) return false;
    this.#give(data, bytes);
    this.#watch();
    return true;
  }

  #hasRoom(): boolean {
    return this.#bytes < WINDOW_BYTES && this.#messages < WINDOW_MESSAGES;
  }

  #watch(): void {
    if (this.#cancel !== undefined) return;
    if (this.#messages === 0 && !this.#source.wantsSamples()) return;
    this.#cancel = this.#idleTurns < IDLE_TURNS
      ? this.#waits.turn(this.#look)
      : this.#waits.delay(this.#backoff(), this.#look);
  }

  #backoff(): number {
    return Math.min(2 ** (this.#idleTurns - IDLE_TURNS), LONGEST_DELAY);
  }

  #wake(): void {
    this.#cancel = undefined;
    if (!this.#sample(true)) return;
    if (
      this.#bytes <= WINDOW_BYTES / 2 && this.#messages <= WINDOW_MESSAGES / 2
    ) {
      this.run();
    }
    this.#watch();
  }

  /** Looks at the socket; `false` when it is not open any more. */
  #sample(turned: boolean): boolean {
    const buffered = this.#sink?.bufferedAmount;
    if (buffered === undefined) return false;
    const moved = buffered < this.#bytes;
    this.#idleTurns = moved || buffered === 0 ? 0 : this.#idleTurns + 1;
    if (buffered === 0) this.#messages = 0;
    else if (moved) {
      this.#messages = Math.ceil(this.#messages * buffered / this.#bytes);
    }
    this.#bytes = buffered;
    this.#source.sampled(buffered, turned);
    return true;
  }
}
