/**
 * Whether the peer of one connection is still there. A connection is dead when
 *
 * - a ping was sent, and nothing came in for `pingTimeout` (any message is a
 *   sign of life);
 * - nothing came in for `idleTimeout`;
 * - bytes in the socket have not moved for `pingTimeout`.
 *
 * One timer does it all, with a look at the counters of the connection: nothing
 * is done when a message comes in. So a look sees a message a little later than
 * it came, and a dead connection is found up to one period late.
 *
 * It may be our side that is slow: a callback that blocks the event loop keeps
 * pings from leaving and pongs from being read, a stopped process or a sleeping
 * laptop likewise. Three rules keep a healthy connection alive then, and still
 * find a dead one even if the loop is always late:
 *
 * 1. Deadlines are told in the time somebody watched: a look that comes late
 *    counts no more than its timer was to wait.
 * 2. A late look may follow a long sleep, so deadlines come nearer: a ping goes
 *    out at once and must be answered soon; a connection that was quiet for
 *    `idleTimeout` by the clocks gets a short grace.
 * 3. A verdict must stand for several turns of the event loop, in which what
 *    waits in the socket gets through.
 *
 * @module
 */

import type { PingConfig } from "../config.ts";
import { WSError } from "../errors.ts";
import type { Message } from "../message.ts";
import { type Clock, Elapsed, SYSTEM_CLOCK } from "./elapsed.ts";
import { Pings } from "./pings.ts";
import { type Batch, SharedTimers, type Sleeper } from "./shared_timers.ts";
import { StuckWriter } from "./stuck_writer.ts";

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
  readonly received: number;
  /**
   * How much was handed to the socket so far: bytes, or UTF-16 code units of
   * texts, which are never more than their bytes.
   */
  readonly handed: number;
  /** The bytes that wait in the socket; `undefined` once it is not open. */
  readonly bufferedAmount: number | undefined;
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
/** A look that is later than this comes late. */
const LONGEST_LATENESS = 2_000;
const SHORTEST_LATENESS = 50;
/** What a connection gets that was quiet for too long when we woke up. */
const LONGEST_GRACE = 2_000;
/** How soon the ping after a late look must be answered. */
const LONGEST_PROBE = 5_000;

const TIMERS = new SharedTimers();

/** The heartbeat of one connection. */
export class Heartbeat implements Sleeper {
  /**
   * Whether a message is a pong, or a ping that was answered: not to be
   * delivered. Undefined when there is nothing to look for.
   */
  readonly intercept: ((data: Message) => boolean) | undefined;
  /** For the timers. */
  batch: Batch | undefined;
  readonly #options: HeartbeatOptions;
  readonly #link: Watched;
  readonly #hooks: HeartbeatHooks;
  readonly #clock: Clock;
  readonly #pings: Pings | undefined;
  readonly #writer: StuckWriter;
  /** The shortest of the timeouts. */
  readonly #shortest: number;

  /** How long the timer waits, in milliseconds. */
  #wait = 0;
  /** Undefined while nobody watches. */
  #elapsed: Elapsed | undefined;
  /** Milliseconds watched; every moment below is told in it. */
  #time = 0;
  #pingDue: number;
  #pongDue = Infinity;
  #pongTimeout = 0;
  #idleDue: number;
  /** Milliseconds without a message, by the clocks. */
  #quiet = 0;
  #received = 0;
  #confirmed = 0;
  #stamped = 0;
  #lastMessageAt: number | undefined;

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
    this.#pings = options.ping && new Pings(options.ping, {
      send: (data) => link.sendUrgent(data),
      onRtt: (ms) => hooks.onRtt(ms),
      onError: (error) => hooks.onError(error),
      monotonic: () => clock.monotonic(),
    });
    this.intercept = this.#pings?.intercept;
    const { pingInterval, pingTimeout, idleTimeout } = options;
    this.#writer = new StuckWriter(pingTimeout);
    this.#shortest = Math.min(pingTimeout, idleTimeout || Infinity);
    this.#pingDue = pingInterval || Infinity;
    this.#idleDue = idleTimeout || Infinity;
  }

  /**
   * When the last message came in, in milliseconds since the epoch: the moment
   * somebody first looked after it.
   */
  get lastMessageAt(): number | undefined {
    this.#stamp();
    return this.#lastMessageAt;
  }

  /** Begins to watch. */
  start(): void {
    this.#elapsed = new Elapsed(this.#clock);
    this.#lookForMessages(0);
    this.#lookForProgress();
    this.#lookIn(this.#untilNextLook());
  }

  /** Ends watching; nothing is called after it. */
  stop(): void {
    TIMERS.clear(this);
    this.#elapsed = undefined;
  }

  #lookIn(delay: number): void {
    // Whole, so that `#wait` is: a small integer needs no memory of its own.
    const now = Math.round(this.#clock.monotonic());
    this.#wait = TIMERS.set(this, delay, now);
  }

  /** Looks around. */
  wake(): void {
    const waited = this.#wait;
    const passed = this.#elapsed?.look(waited) ?? waited;
    const isLate = passed - waited > this.#tolerance;
    this.#time += isLate ? waited : passed;
    this.#stamp();
    this.#lookForMessages(passed);
    this.#lookForProgress();
    if (isLate) this.#wakeUp();
    if (this.#time >= this.#pingDue) this.#ping(this.#options.pingTimeout);
    // A ping may have run code of the program, which may have ended this.
    if (this.#elapsed !== undefined) this.#judge();
  }

  /** By how much a look may be late and count in full. */
  get #tolerance(): number {
    const tolerance = Math.min(LONGEST_LATENESS, this.#shortest / 4);
    return Math.max(SHORTEST_LATENESS, tolerance);
  }

  #stamp(): void {
    const { received } = this.#link;
    if (received === this.#stamped) return;
    this.#stamped = received;
    this.#lastMessageAt = this.#clock.wall();
  }

  #lookForMessages(passed: number): void {
    this.#quiet += passed;
    const { received } = this.#link;
    if (received === this.#received) return;
    this.#received = received;
    this.#quiet = 0;
    this.#idleDue = this.#time + (this.#options.idleTimeout || Infinity);
    this.#pongDue = Infinity;
  }

  #lookForProgress(): void {
    // What is not open is about to end, or is closed within a limit of its own.
    const { handed, bufferedAmount = 0 } = this.#link;
    this.#writer.look(handed, bufferedAmount, this.#time);
  }

  #wakeUp(): void {
    const { pingTimeout, idleTimeout } = this.#options;
    if (this.#quiet >= (idleTimeout || Infinity)) {
      const grace = Math.min(LONGEST_GRACE, this.#shortest);
      this.#idleDue = Math.min(this.#idleDue, this.#time + grace);
    }
    const probe = Math.min(LONGEST_PROBE, pingTimeout);
    if (this.#pingDue === Infinity || this.#pongDue <= this.#time + probe) {
      return;
    }
    this.#ping(probe);
  }

  #ping(timeout: number): void {
    this.#pingDue = this.#time + this.#options.pingInterval;
    if (this.#link.bufferedAmount === undefined) return;
    if (!this.#pings?.send()) return;
    if (this.#pongDue <= this.#time + timeout) return;
    this.#pongDue = this.#time + timeout;
    this.#pongTimeout = timeout;
  }

  #judge(): void {
    const verdict = this.#verdict();
    if (verdict === undefined) {
      this.#confirmed = 0;
      this.#lookIn(this.#untilNextLook());
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

  #verdict(): string | undefined {
    if (this.#time >= this.#pongDue) {
      return `Nothing came in for ${this.#pongTimeout} ms after a ping`;
    }
    if (this.#time >= this.#idleDue) {
      return `Nothing came in for ${this.#options.idleTimeout} ms`;
    }
    return this.#time >= this.#writer.due ? this.#writer.verdict : undefined;
  }

  #untilNextLook(): number {
    const due = Math.min(this.#pingDue, this.#pongDue, this.#idleDue);
    const period = Math.min(LONGEST_PERIOD, this.#shortest / 8);
    return Math.max(1, Math.min(period, due - this.#time));
  }
}
