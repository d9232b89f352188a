/**
 * Whether the peer of one connection is still there. A connection is dead when
 *
 * - a ping was sent, and nothing came in for `pingTimeout` (any message is a
 *   sign of life);
 * - nothing came in for `idleTimeout`;
 * - bytes in the socket have not moved for `pingTimeout`, or a close that the
 *   peer began has not ended for so long.
 *
 * One timer does it all, with a look at the counters of the connection: nothing
 * is done when a message comes in. So a look sees a message a little later than
 * it came, and a dead connection is found up to one period late.
 *
 * Two rules keep a healthy connection alive when it is our side that is slow:
 *
 * 1. No verdict from one look. Whoever blocked the event loop also kept the
 *    pong from being read, so a verdict must stand for several more turns of
 *    the loop, in which what waits in the socket gets through.
 * 2. A look that comes late (a blocked loop, a stopped process, a laptop that
 *    slept) begins with a grace and, where there are pings, with a ping at once
 *    that must be answered soon: the connection may be long dead. There is one
 *    grace until the next message, so that a loop that is always late still
 *    finds a dead connection.
 *
 * @module
 */

import type { PingConfig } from "../config.ts";
import { WSError } from "../errors.ts";
import type { Message } from "../message.ts";
import { type Clock, Elapsed, SYSTEM_CLOCK } from "./elapsed.ts";
import { Pings } from "./pings.ts";

/** What to watch for; durations in milliseconds. */
export interface HeartbeatOptions {
  readonly ping?: PingConfig;
  /** 0 sends no pings. */
  readonly pingInterval: number;
  /** More than 0. */
  readonly pingTimeout: number;
  /** 0 is off. */
  readonly idleTimeout: number;
}

/** The connection that is watched. */
export interface Watched {
  /** How many messages came in so far. */
  received(): number;
  /**
   * How much was handed to the socket so far: bytes, or UTF-16 code units of
   * texts, which are never more than their bytes.
   */
  handed(): number;
  /** The bytes that wait in the socket; `undefined` once it is not open. */
  bufferedAmount(): number | undefined;
  /** Sends ahead of the queue; must not throw. */
  sendUrgent(data: Message): void;
}

/** What a {@linkcode Heartbeat} tells its owner. */
export interface HeartbeatHooks {
  /** Called once, after the heartbeat stopped itself. */
  onDead(error: WSError): void;
  /** A pong came, so many milliseconds after its ping. */
  onRtt(ms: number): void;
  /** A function of the program threw; it goes no further. */
  onError(error: WSError): void;
}

/** The longest time between two looks. */
const LONGEST_PERIOD = 1_000;
/** How many more looks a verdict must stand, and how far apart they are. */
const CONFIRMATIONS = 4;
const CONFIRMATION_DELAY = 25;
/** By how much a look may be late without a grace. */
const LONGEST_LATENESS = 2_000;
const SHORTEST_LATENESS = 50;
/** How long after a late look there is no verdict. */
const LONGEST_GRACE = 2_000;
/** How soon the ping after a late look must be answered. */
const LONGEST_PROBE = 5_000;

/** The heartbeat of one connection. */
export class Heartbeat {
  /**
   * Whether a message is a pong, or a ping that was answered: not to be
   * delivered. Undefined when there is nothing to look for.
   */
  readonly intercept: ((data: Message) => boolean) | undefined;
  readonly #options: HeartbeatOptions;
  readonly #link: Watched;
  readonly #hooks: HeartbeatHooks;
  readonly #clock: Clock;
  readonly #pings: Pings;
  readonly #period: number;
  readonly #lateness: number;
  readonly #grace: number;

  #timer: ReturnType<typeof setTimeout> | undefined;
  #elapsed: Elapsed | undefined;
  /** Milliseconds since the start; every moment below is told in it. */
  #time = 0;
  #received = 0;
  #stamped = 0;
  #lastMessageAt: number | undefined;
  #quietSince = 0;
  /** A lower bound of what has left the socket; it grows only if some did. */
  #left = -Infinity;
  #stuckSince = 0;
  #pingDue: number;
  #pongDue = Infinity;
  #graceEnds: number | undefined;
  #confirmed = 0;

  constructor(
    options: HeartbeatOptions,
    link: Watched,
    hooks: HeartbeatHooks,
    clock: Clock = SYSTEM_CLOCK,
  ) {
    this.#options = options;
    this.#link = link;
    this.#hooks = hooks;
    this.#clock = clock;
    this.#pings = new Pings(options.ping ?? {}, {
      send: (data) => link.sendUrgent(data),
      onRtt: (ms) => hooks.onRtt(ms),
      onError: (error) => hooks.onError(error),
      monotonic: () => clock.monotonic(),
    });
    this.intercept = this.#pings.intercept;
    const { pingInterval, pingTimeout, idleTimeout } = options;
    const shortest = Math.min(pingTimeout, idleTimeout || Infinity);
    this.#period = Math.max(1, Math.min(LONGEST_PERIOD, shortest / 8));
    this.#lateness = Math.max(
      SHORTEST_LATENESS,
      Math.min(LONGEST_LATENESS, shortest / 4),
    );
    this.#grace = Math.min(LONGEST_GRACE, shortest);
    this.#pingDue = pingInterval || Infinity;
  }

  /**
   * When the last message came in, in milliseconds since the epoch: the moment
   * somebody first looked after it.
   */
  get lastMessageAt(): number | undefined {
    this.#stampMessage();
    return this.#lastMessageAt;
  }

  /** Begins to watch. */
  start(): void {
    this.#elapsed = new Elapsed(this.#clock);
    this.#lookForMessages();
    this.#lookForProgress();
    this.#lookIn(this.#nextLook());
  }

  /** Ends watching; nothing is called after it. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #lookIn(delay: number): void {
    this.#timer = setTimeout(() => this.#look(delay), delay);
  }

  #look(waited: number): void {
    const passed = this.#elapsed?.look(waited) ?? waited;
    this.#time += passed;
    this.#stampMessage();
    this.#lookForMessages();
    this.#lookForProgress();
    if (passed - waited > this.#lateness) this.#wakeUp();
    if (this.#time >= this.#pingDue && this.#ping()) {
      const due = this.#time + this.#options.pingTimeout;
      this.#pongDue = Math.min(this.#pongDue, due);
    }
    const verdict = this.#verdict();
    if (verdict === undefined) {
      this.#confirmed = 0;
      this.#lookIn(this.#nextLook());
    } else if (this.#confirmed < CONFIRMATIONS) {
      this.#confirmed++;
      this.#lookIn(CONFIRMATION_DELAY);
    } else {
      this.stop();
      this.#hooks.onDead(
        new WSError(verdict, { code: "HEARTBEAT", severity: "transient" }),
      );
    }
  }

  #stampMessage(): void {
    const received = this.#link.received();
    if (received === this.#stamped) return;
    this.#stamped = received;
    this.#lastMessageAt = this.#clock.wall();
  }

  #lookForMessages(): void {
    const received = this.#link.received();
    if (received === this.#received) return;
    this.#received = received;
    this.#quietSince = this.#time;
    this.#pongDue = Infinity;
    this.#graceEnds = undefined;
  }

  #lookForProgress(): void {
    const buffered = this.#link.bufferedAmount();
    if (buffered === undefined) return;
    const left = this.#link.handed() - buffered;
    if (buffered === 0 || left > this.#left) this.#stuckSince = this.#time;
    this.#left = left;
  }

  #wakeUp(): void {
    if (this.#graceEnds !== undefined) return;
    this.#graceEnds = this.#time + this.#grace;
    // The answer to an earlier ping may have been due while nobody looked.
    if (this.#pingDue !== Infinity && this.#ping()) {
      this.#pongDue = this.#time +
        Math.min(LONGEST_PROBE, this.#options.pingTimeout);
    }
  }

  #ping(): boolean {
    this.#pingDue = this.#time + this.#options.pingInterval;
    return this.#link.bufferedAmount() !== undefined && this.#pings.send();
  }

  get #idleEnds(): number {
    const { idleTimeout } = this.#options;
    return this.#quietSince + (idleTimeout || Infinity);
  }

  get #stuckEnds(): number {
    return this.#stuckSince + this.#options.pingTimeout;
  }

  #nextLook(): number {
    const moments = [
      this.#pingDue,
      this.#pongDue,
      this.#idleEnds,
      this.#stuckEnds,
    ];
    const ahead = moments.map((moment) => moment - this.#time)
      .filter((delay) => delay > 0);
    return Math.max(1, Math.min(this.#period, ...ahead));
  }

  #verdict(): string | undefined {
    const { pingTimeout, idleTimeout } = this.#options;
    if (this.#time < (this.#graceEnds ?? 0)) return undefined;
    if (this.#time >= this.#pongDue) {
      return `Nothing came in for ${pingTimeout} ms after a ping`;
    }
    if (this.#time >= this.#idleEnds) {
      return `Nothing came in for ${idleTimeout} ms`;
    }
    if (this.#time >= this.#stuckEnds) {
      const buffered = this.#link.bufferedAmount();
      return buffered === undefined
        ? `The connection has been closing for ${pingTimeout} ms`
        : `${buffered} bytes have not moved for ${pingTimeout} ms`;
    }
    return undefined;
  }
}
