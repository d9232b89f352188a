/**
 * Writes the queue to one socket.
 *
 * A socket buffers without bound, and gets slower and larger the more it has.
 * So the pump writes up to a window, and goes on when half of it has left.
 *
 * Our own transport reports its progress. The native socket does not: the pump
 * checks it once a turn of the event loop, and less and less often when several
 * checks in a row found no progress, so that a stalled server costs no CPU.
 *
 * @module
 */

import type { Clock } from "../clock.ts";
import type { SendRate } from "../config.ts";
import { byteLength, type Message } from "../message.ts";
import type { Socket } from "../transport/transport.ts";
import type { Item } from "./item.ts";
import type { SendConfig } from "./send_config.ts";
import type { SendQueue } from "./send_queue.ts";
import type { Turn } from "../turns.ts";

/** The parts of a socket that are used. */
export type SendSocket = Pick<
  Socket,
  "send" | "bufferedAmount" | "sendWindow"
>;

/** The parts that a pump uses. */
export interface PumpParts {
  readonly socket: SendSocket;
  /** The identity of the connection. */
  readonly target: object | undefined;
  readonly queue: SendQueue;
  readonly config: SendConfig;
  readonly rate: RateLimiter | undefined;
  readonly clock: Clock;
  readonly turn: Turn;
  /** Half of the window is free, or the queue may no longer be held back. */
  readonly onRoom: () => void;
}

/** Checks without progress after which the pump uses a timer. */
const IDLE_TURNS = 32;
/** The longest delay of the timer, in milliseconds. */
const LONGEST_DELAY = 16;
/** How long a failed erasure holds the queue back, in milliseconds. */
const ERASE_RETRY = 250;

/** The pump of one attached socket. */
export class Pump {
  readonly #socket: SendSocket;
  readonly #parts: PumpParts;
  readonly #queue: SendQueue;
  readonly #rate: RateLimiter | undefined;
  readonly #windowBytes: number;
  readonly #windowMessages: number;
  readonly #reportsProgress: boolean;
  /** Bytes in the socket at the last check, plus those written since. */
  #bytes: number;
  #isFilling = false;
  #idleTurns = 0;
  readonly #onTurn = () => {
    this.#cancelLook = undefined;
    this.look(true);
  };
  #cancelLook: (() => void) | undefined;
  /** Goes on when the rate or the disk may allow a message to leave. */
  #wakeTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(parts: PumpParts) {
    const { socket } = parts;
    const { bytes, messages, reportsProgress } = socket.sendWindow;
    this.#socket = socket;
    this.#parts = parts;
    this.#queue = parts.queue;
    this.#rate = parts.rate;
    this.#windowBytes = bytes;
    this.#windowMessages = messages;
    this.#reportsProgress = reportsProgress;
    // These bytes were sent by the connect hook.
    this.#bytes = socket.bufferedAmount ?? 0;
  }

  /** Writes to the socket while it has room. */
  fill(): void {
    // When the socket reports progress meanwhile, the running loop goes on.
    if (this.#isFilling || !this.#hasRoom) return;
    const queue = this.#queue;
    this.#isFilling = true;
    for (
      let next = queue.next;
      next !== undefined && this.#hasRoom;
      next = queue.next
    ) {
      if (queue.isExpired(next)) {
        queue.drop(next, "expired");
        continue;
      }
      if (!this.#mayLeave(next)) break;
      if (this.#rate !== undefined && !this.#takeRate(this.#rate)) break;
      const { data, size } = next;
      queue.take(next);
      this.#bytes += size;
      this.#socket.send(data, size);
    }
    this.#isFilling = false;
  }

  /**
   * Sends a plain message, if no message is before it and nothing holds it
   * back.
   */
  sendPlain(data: Message, size: number): boolean {
    if (
      this.#queue.next !== undefined || this.#rate !== undefined ||
      this.#isFilling || !this.#hasRoom
    ) return false;
    this.#isFilling = true;
    this.#queue.takeNew(data, size);
    this.#bytes += size;
    this.#socket.send(data, size);
    this.#isFilling = false;
    // For messages that were queued meanwhile.
    this.fill();
    this.watch();
    return true;
  }

  /** Sends ahead of the queue. */
  sendUrgent(data: Message): void {
    const size = byteLength(data);
    this.#bytes += size;
    this.#socket.send(data, size);
    this.#queue.inFlight.addUrgent(size);
    this.watch();
  }

  /** Checks the socket, and goes on when half of the window is free. */
  look(afterTurn: boolean): void {
    if (!this.sample(afterTurn)) return;
    const isLow = this.#bytes <= this.#windowBytes / 2 &&
      this.#queue.inFlight.inSocket <= this.#windowMessages / 2;
    if (isLow) this.#parts.onRoom();
    else this.watch();
  }

  /** Settles messages that have left the socket; `false` if it is not open. */
  sample(afterTurn: boolean): boolean {
    const buffered = this.#socket.bufferedAmount;
    if (buffered === undefined) return false;
    const moved = buffered < this.#bytes || buffered === 0;
    this.#idleTurns = moved ? 0 : this.#idleTurns + 1;
    this.#bytes = buffered;
    this.#queue.flushTo(buffered, afterTurn);
    return true;
  }

  /** Schedules the next check, if there may be any progress to see. */
  watch(): void {
    if (this.#cancelLook !== undefined) return;
    const { inSocket, isNextEmpty } = this.#queue.inFlight;
    // No socket reports that a message without bytes has left.
    const isWorthwhile = this.#reportsProgress ? isNextEmpty : inSocket > 0 ||
      this.#queue.count > 0 && this.#bytes >= this.#windowBytes;
    if (!isWorthwhile) return;
    this.#cancelLook = this.#idleTurns < IDLE_TURNS
      ? this.#parts.turn(this.#onTurn)
      : this.#delay(2 ** (this.#idleTurns - IDLE_TURNS));
  }

  /** Stops checking. */
  stop(): void {
    this.#cancelLook?.();
    this.#cancelLook = undefined;
    clearTimeout(this.#wakeTimer);
    this.#wakeTimer = undefined;
  }

  get #hasRoom(): boolean {
    return this.#bytes < this.#windowBytes &&
      this.#queue.inFlight.inSocket < this.#windowMessages;
  }

  /** Whether the next item may be written to the socket now. */
  #mayLeave(item: Item): boolean {
    const { target, config } = this.#parts;
    if (item.target !== undefined && item.target !== target) return false;
    const { redeliver, sendQueueMaxSize } = config;
    if (typeof redeliver === "object") {
      const { count } = this.#queue.inFlight;
      return count < (redeliver.window ?? sendQueueMaxSize);
    }
    return redeliver !== "none" || item.row === 0 || this.#eraseNext();
  }

  /**
   * At most once: messages must be erased from the disk before they are written
   * to the socket. Returns whether that was possible.
   */
  #eraseNext(): boolean {
    const { target, clock } = this.#parts;
    const { queued, inFlight, spool } = this.#queue;
    const items: Item[] = [];
    let room = this.#windowBytes - this.#bytes;
    let count = Math.min(
      this.#windowMessages - inFlight.inSocket,
      this.#rate?.allowance(clock.monotonic()) ?? Infinity,
    );
    for (const item of queued) {
      if (room <= 0 || count <= 0) break;
      if (item.target !== undefined && item.target !== target) break;
      room -= item.size;
      count--;
      items.push(item);
    }
    if (items.length === 0 || spool?.eraseNow(items)) return true;
    this.#wakeAfter(ERASE_RETRY);
    return false;
  }

  #takeRate(rate: RateLimiter): boolean {
    const now = this.#parts.clock.monotonic();
    const wait = rate.wait(now);
    if (wait === 0) {
      rate.record(now);
      return true;
    }
    this.#wakeAfter(wait);
    return false;
  }

  #wakeAfter(ms: number): void {
    if (this.#wakeTimer !== undefined) return;
    this.#wakeTimer = setTimeout(() => {
      this.#wakeTimer = undefined;
      this.#parts.onRoom();
    }, Math.ceil(ms));
    Deno.unrefTimer(this.#wakeTimer);
  }

  #delay(ms: number): () => void {
    const timer = setTimeout(this.#onTurn, Math.min(ms, LONGEST_DELAY));
    Deno.unrefTimer(timer);
    return () => clearTimeout(timer);
  }
}

/** Keeps the queue to `sendRate`: remembers when the last messages left. */
export class RateLimiter {
  readonly #rate: SendRate;
  /** When each of the last `messages` messages left; a ring when it is full. */
  readonly #times: number[] = [];
  /** The index of the oldest time, once the ring is full. */
  #oldest = 0;

  constructor(rate: SendRate) {
    this.#rate = rate;
  }

  /** A message leaves now, whether it had to wait or not. */
  record(now: number): void {
    if (this.#times.length < this.#rate.messages) {
      this.#times.push(now);
      return;
    }
    this.#times[this.#oldest] = now;
    this.#oldest = (this.#oldest + 1) % this.#rate.messages;
  }

  /** How many messages may leave now. */
  allowance(now: number): number {
    const { messages, interval } = this.#rate;
    const recent = this.#times.filter((time) => time + interval > now);
    return messages - recent.length;
  }

  /** How many milliseconds the next message has to wait; 0 for none. */
  wait(now: number): number {
    if (this.#times.length < this.#rate.messages) return 0;
    const oldest = this.#times[this.#oldest] ?? -Infinity;
    return Math.max(0, oldest + this.#rate.interval - now);
  }
}
