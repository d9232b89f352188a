/**
 * What one socket may be given, and when to look at it again.
 *
 * A socket buffers without bound, and gets slower and larger the more it has.
 * So it gets up to a window at a time, and the next when half of it is gone.
 *
 * Our own transport reports its progress. The native socket does not: in
 * between the pump looks once a turn of the event loop, and when several looks
 * in a row saw nothing move, less and less often, so that a peer that has
 * stalled costs no CPU.
 *
 * @module
 */

import type { Message } from "../message.ts";
import type { Socket } from "../transport/transport.ts";
import type { Turn } from "./turns.ts";

/** What is used of a socket. */
export type SendSocket = Pick<
  Socket,
  "send" | "bufferedAmount" | "sendWindow"
>;

/** Looks that saw nothing move before the pump waits for a timer. */
const IDLE_TURNS = 32;
/** Of the timer, in milliseconds. */
const LONGEST_DELAY = 16;

/** The pump of one attached socket. */
export class Pump {
  readonly #socket: SendSocket;
  readonly #windowBytes: number;
  readonly #windowMessages: number;
  readonly #reportsProgress: boolean;
  readonly #turn: Turn;
  readonly #look: () => void;
  /** Bytes in the socket: as of the last look, and what it was given since. */
  #bytes: number;
  #idleTurns = 0;
  #cancel: (() => void) | undefined;

  /** `onLook` is called when it is time to look at the socket. */
  constructor(
    socket: SendSocket,
    turn: Turn,
    onLook: () => void,
  ) {
    const { bytes, messages, reportsProgress } = socket.sendWindow;
    this.#socket = socket;
    this.#windowBytes = bytes;
    this.#windowMessages = messages;
    this.#reportsProgress = reportsProgress;
    this.#turn = turn;
    this.#look = () => {
      this.#cancel = undefined;
      onLook();
    };
    // What the connect hook has sent.
    this.#bytes = socket.bufferedAmount ?? 0;
  }

  /** Whether the socket has room, given how many messages it has. */
  hasRoom(inSocket: number): boolean {
    return this.#bytes < this.#windowBytes && inSocket < this.#windowMessages;
  }

  /** Whether half of the window is free, given how many messages it has. */
  isLow(inSocket: number): boolean {
    return this.#bytes <= this.#windowBytes / 2 &&
      inSocket <= this.#windowMessages / 2;
  }

  /** How many bytes there is room for. */
  get room(): number {
    return this.#windowBytes - this.#bytes;
  }

  /** How many messages there is room for. */
  roomFor(inSocket: number): number {
    return this.#windowMessages - inSocket;
  }

  /** Gives the socket a message of so many bytes. */
  send(data: Message, size: number): void {
    this.#bytes += size;
    this.#socket.send(data);
  }

  /** Looks: what the socket still has; `undefined` when it is not open. */
  sample(): number | undefined {
    const buffered = this.#socket.bufferedAmount;
    if (buffered === undefined) return undefined;
    const moved = buffered < this.#bytes || buffered === 0;
    this.#idleTurns = moved ? 0 : this.#idleTurns + 1;
    this.#bytes = buffered;
    return buffered;
  }

  /**
   * Looks again in time, if there is anything to see: `isAwaited` says whether
   * somebody waits for bytes to leave, `isEmpty` whether for a message without
   * bytes, which no socket reports.
   */
  watch(isAwaited: boolean, isEmpty: boolean): void {
    if (this.#cancel !== undefined) return;
    if (this.#reportsProgress ? !isEmpty : !isAwaited) return;
    this.#cancel = this.#idleTurns < IDLE_TURNS
      ? this.#turn(this.#look)
      : this.#delay(2 ** (this.#idleTurns - IDLE_TURNS));
  }

  /** Looks no more. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #delay(ms: number): () => void {
    const timer = setTimeout(this.#look, Math.min(ms, LONGEST_DELAY));
    Deno.unrefTimer(timer);
    return () => clearTimeout(timer);
  }
}
