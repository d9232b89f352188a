/**
 * Whether the server of one connection is still there. A connection is dead when
 *
 * - a ping was sent, and nothing arrived for `pingTimeout`;
 * - nothing arrived for `idleTimeout`;
 * - nothing was delivered for `staleTimeout` (pongs and pings do not count);
 * - bytes in the socket have not moved for `pingTimeout`, for each MiB of them.
 *
 * While many bytes wait in the socket and still leave it the first two do not
 * run: a ping waits behind them, and so does its pong. It still does when they
 * are in the buffer of the kernel, so on a slow line the first two wait until
 * that should be empty. While reading is paused the first three do not run,
 * because nothing could be seen to arrive. After a pause the first check at
 * which nothing more has arrived sends a ping.
 *
 * One timer checks the counters of the connection periodically; nothing is done
 * when a message arrives. So a check sees a message slightly after its arrival,
 * and a dead connection is found up to one period late.
 *
 * Our side may be slow: a callback that blocks the event loop keeps pings from
 * leaving and pongs from being read, and so does a stopped process. Three rules
 * keep a healthy connection alive then, and still find a dead one even if the
 * event loop is always late:
 *
 * 1. Deadlines are measured in watched time: a late check adds only the delay
 *    for which its timer was set.
 * 2. A late check may follow a long sleep, so deadlines come nearer: a ping
 *    goes out at once and must be answered soon; a connection that was silent
 *    for `idleTimeout` gets a short grace.
 * 3. The result must hold for several turns of the event loop, in which data
 *    waiting in the socket is read.
 *
 * All durations are monotonic. The wall clock stamps `lastMessageAt`; when it
 * jumps forward the machine may have slept, so a ping goes out at once. Its
 * answer has the full `pingTimeout`, as somebody may just have set the clock.
 *
 * @module
 */

import { type Clock, SYSTEM_CLOCK } from "../clock.ts";
import type { PingConfig } from "../config.ts";
import type { HeartbeatTimes } from "../method_options.ts";
import type { ResolvedConfig } from "../resolve_config.ts";
import type { Socket } from "../transport/transport.ts";
import { Pings, type PingSocket, type PingTarget } from "./pings.ts";
import {
  type SharedTimer,
  SharedTimers,
  type TimerEntry,
} from "./shared_timers.ts";

/** What to watch for. */
export type HeartbeatOptions = Pick<
  ResolvedConfig,
  "ping" | "pingInterval" | "pingTimeout" | "idleTimeout" | "staleTimeout"
>;

/** Its socket. */
export type HeartbeatSocket =
  & PingSocket
  & Pick<Socket, "bytesFlushed" | "bytesRead" | "bytesWritten">;

/** The connection that is watched. */
export interface HeartbeatTarget extends PingTarget {
  /** How many messages arrived. */
  readonly received: number;
  /** How many messages were delivered. */
  readonly delivered: number;
  /** Called once, after the heartbeat stopped itself. */
  onDead(text: string): void;
}

/** The longest time between two checks. */
const LONGEST_PERIOD = 1_000;
/** How many more checks must confirm a result, and how far apart they are. */
const CONFIRMATIONS = 4;
const CONFIRMATION_DELAY = 25;
/** A check that is delayed by more than this is a late one. */
const LONGEST_LATENESS = 2_000;
const SHORTEST_LATENESS = 50;
/** The grace of a connection that was silent for too long at a late check. */
const LONGEST_GRACE = 2_000;
/** How soon the ping after a late check must be answered. */
const LONGEST_PROBE = 5_000;
/** A wall clock that runs ahead by more than this may mean sleep. */
const WALL_JUMP = 2_000;

/** Bytes in a socket that do not get through to the kernel at once. */
const BACKLOG = 16 * 1024;
/**
 * The kernel accepts more only when a third of its buffer is free (Linux:
 * `sk_stream_is_writeable`), so a full one is empty after this many pauses.
 */
const PAUSES_PER_BUFFER = 3;

const TIMERS = new SharedTimers();
const NO_PING: PingConfig = Object.freeze({});

/** The heartbeat of one connection. */
export class Heartbeat implements TimerEntry {
  /** For the timers. */
  timer: SharedTimer | undefined;
  /** `undefined` without `ping`, if the socket sends no pings of its own. */
  readonly pings: Pings | undefined;
  readonly #options: HeartbeatOptions;
  #times: Required<HeartbeatTimes>;
  readonly #socket: HeartbeatSocket;
  readonly #target: HeartbeatTarget;
  readonly #clock: Clock;
  readonly #writes: WriteStall;
  #isRunning = false;

  /** How long the timer waits, in milliseconds. */
  #wait = 0;
  #checkedAt = 0;
  #wallAt = 0;
  /** Watched time in milliseconds; all deadlines below are measured in it. */
  #time = 0;
  #pingDue = Infinity;
  #pongDue = Infinity;
  #pongTimeout = 0;
  /** The last ping has left when this many bytes have left the socket. */
  #pingEnd = -Infinity;
  /** When the bytes that the kernel has accepted should be on the network. */
  #kernelEmptyAt = 0;
  #idleDue = Infinity;
  #staleDue = Infinity;
  /** Milliseconds of silence, by the monotonic clock. */
  #silence = 0;
  #arrived = 0;
  /** Reading was paused, and no ping has gone out since because of that. */
  #wasPaused = false;
  #delivered = 0;
  #confirmed = 0;
  #stampedMessages = 0;
  #lastMessageAt: number | undefined;

  constructor(
    options: HeartbeatOptions,
    socket: HeartbeatSocket,
    target: HeartbeatTarget,
    clock: Clock = SYSTEM_CLOCK,
  ) {
    this.#options = options;
    this.#times = options;
    this.#socket = socket;
    this.#target = target;
    this.#clock = clock;
    const { ping } = options;
    if (ping !== undefined || socket.ping !== undefined) {
      this.pings = new Pings(
        ping ?? NO_PING,
        socket,
        target,
        clock.monotonic,
      );
    }
    this.#writes = new WriteStall(options.pingTimeout);
  }

  /**
   * When the last message arrived, in milliseconds since the epoch: the moment
   * of the first check after it.
   */
  get lastMessageAt(): number | undefined {
    this.#stamp();
    return this.#lastMessageAt;
  }

  /** Starts watching. */
  start(): void {
    this.#isRunning = true;
    this.#checkedAt = Math.round(this.#clock.monotonic());
    this.#wallAt = this.#clock.wall();
    this.#restartDeadlines();
    this.#setTimer(this.#untilNextCheck());
  }

  /** Stops watching; nothing is called after it. */
  stop(): void {
    this.#isRunning = false;
    TIMERS.clear(this);
  }

  /** Uses other times from now on. */
  setTimes(times: HeartbeatTimes): void {
    const { pingInterval, pingTimeout, idleTimeout } = this.#times;
    this.#times = {
      pingInterval: times.pingInterval ?? pingInterval,
      pingTimeout: times.pingTimeout ?? pingTimeout,
      idleTimeout: times.idleTimeout ?? idleTimeout,
    };
    this.#writes.timeout = this.#times.pingTimeout;
    this.#restartDeadlines();
    if (this.#isRunning) this.#setTimer(this.#untilNextCheck());
  }

  /** Checks the connection. */
  onTimer(): void {
    const now = Math.round(this.#clock.monotonic());
    const passed = Math.max(this.#wait, now - this.#checkedAt);
    const wall = this.#clock.wall();
    const isLate = passed - this.#wait > this.#tolerance;
    const hasJumped = wall - this.#wallAt - passed > WALL_JUMP;
    this.#checkedAt = now;
    this.#wallAt = wall;
    this.#time += isLate ? this.#wait : passed;
    this.#stamp();
    this.#checkArrivals(passed);
    this.#checkWrites();
    this.pings?.onCheck();
    if (isLate) this.#probe();
    else if (hasJumped && this.#pingDue !== Infinity) {
      this.#pingDue = this.#time;
    }
    if (this.#time >= this.#pingDue) this.#ping(this.#times.pingTimeout);
    // A ping may have run code of the program, which may have stopped this.
    if (this.#isRunning) this.#decide();
  }

  #setTimer(delay: number): void {
    // Whole, so that `#wait` is: a small integer needs no memory of its own.
    const now = Math.round(this.#clock.monotonic());
    this.#wait = TIMERS.set(this, delay, now);
  }

  #restartDeadlines(): void {
    const { pingInterval, idleTimeout } = this.#times;
    const { staleTimeout } = this.#options;
    this.#pingDue = this.#time + (pingInterval || Infinity);
    this.#pongDue = Infinity;
    this.#idleDue = this.#time + (idleTimeout || Infinity);
    this.#staleDue = this.#time + (staleTimeout || Infinity);
    this.#arrived = this.#arrivals;
    this.#delivered = this.#target.delivered;
    this.#silence = 0;
  }

  /** Grows with whatever arrives: messages, or bytes where they are counted. */
  get #arrivals(): number {
    return this.#socket.bytesRead ?? this.#target.received;
  }

  /** The shortest of the timeouts. */
  get #shortest(): number {
    const { pingTimeout, idleTimeout } = this.#times;
    const { staleTimeout } = this.#options;
    return Math.min(
      pingTimeout,
      idleTimeout || Infinity,
      staleTimeout || Infinity,
    );
  }

  /** By how much a check may be late and still count in full. */
  get #tolerance(): number {
    const tolerance = Math.min(LONGEST_LATENESS, this.#shortest / 4);
    return Math.max(SHORTEST_LATENESS, tolerance);
  }

  #stamp(): void {
    const { received } = this.#target;
    if (received === this.#stampedMessages) return;
    this.#stampedMessages = received;
    this.#lastMessageAt = this.#clock.wall();
  }

  #checkArrivals(passed: number): void {
    const { delivered, isPaused } = this.#target;
    const arrived = this.#arrivals;
    this.#silence += passed;
    if (isPaused) this.#wasPaused = true;
    else if (this.#wasPaused && arrived === this.#arrived) {
      // What had arrived during the pause is read: it was no sign of life.
      this.#wasPaused = false;
      if (this.#pingDue !== Infinity) this.#pingDue = this.#time;
    }
    if (arrived !== this.#arrived || isPaused) {
      this.#arrived = arrived;
      this.#silence = 0;
      this.#idleDue = this.#time + (this.#times.idleTimeout || Infinity);
      this.#pongDue = Infinity;
    }
    if (delivered !== this.#delivered || isPaused) {
      this.#delivered = delivered;
      this.#staleDue = this.#time + (this.#options.staleTimeout || Infinity);
    }
  }

  #checkWrites(): void {
    // A connection that is not open is about to end, or closes within its own
    // time limit.
    const { bytesWritten, bytesFlushed, bufferedAmount = 0 } = this.#socket;
    const left = bytesFlushed ?? bytesWritten - bufferedAmount;
    this.#writes.check(left, bufferedAmount, this.#time);
    // A few bytes may just have been written: the kernel accepts them on a dead
    // connection too.
    if (bufferedAmount < BACKLOG) return;
    const { pingTimeout, idleTimeout } = this.#times;
    const pause = Math.min(this.#writes.longestPause, pingTimeout);
    this.#kernelEmptyAt = this.#time + PAUSES_PER_BUFFER * pause;
    // A write stall has a deadline of its own.
    if (this.#pongDue !== Infinity) {
      this.#pongDue = this.#kernelEmptyAt + this.#pongTimeout;
    }
    if (this.#idleDue !== Infinity) {
      this.#idleDue = this.#kernelEmptyAt + idleTimeout;
    }
  }

  #probe(): void {
    const { pingTimeout, idleTimeout } = this.#times;
    if (this.#silence >= (idleTimeout || Infinity)) {
      const grace = Math.min(LONGEST_GRACE, this.#shortest);
      this.#idleDue = Math.min(this.#idleDue, this.#time + grace);
    }
    const timeout = Math.min(LONGEST_PROBE, pingTimeout);
    if (this.#pingDue === Infinity) return;
    if (this.#pongDue > this.#time + timeout) this.#ping(timeout);
  }

  #ping(timeout: number): void {
    this.#pingDue = this.#time + this.#times.pingInterval;
    const { bufferedAmount, bytesWritten } = this.#socket;
    if (bufferedAmount === undefined) return;
    // While a ping is in the socket another one behind it gives no more
    // information, and when the server reads nothing they would pile up.
    if (bytesWritten - bufferedAmount < this.#pingEnd) return;
    if (!this.pings?.send(this.#times.pingTimeout)) return;
    this.#pingEnd = this.#socket.bytesWritten;
    const due = Math.max(this.#time, this.#kernelEmptyAt) + timeout;
    if (this.#pongDue <= due) return;
    this.#pongDue = due;
    this.#pongTimeout = timeout;
  }

  #decide(): void {
    const reason = this.#deadReason();
    if (reason === undefined) {
      this.#confirmed = 0;
      this.#setTimer(this.#untilNextCheck());
    } else if (this.#confirmed < CONFIRMATIONS) {
      this.#confirmed++;
      this.#setTimer(CONFIRMATION_DELAY);
    } else {
      this.stop();
      this.#target.onDead(reason);
    }
  }

  #deadReason(): string | undefined {
    if (this.#time >= this.#pongDue) {
      return `nothing arrived for ${this.#pongTimeout} ms after a ping`;
    }
    if (this.#time >= this.#idleDue) {
      return `nothing arrived for ${this.#times.idleTimeout} ms`;
    }
    if (this.#time >= this.#staleDue) {
      return `nothing was delivered for ${this.#options.staleTimeout} ms`;
    }
    return this.#time >= this.#writes.due ? this.#writes.reason : undefined;
  }

  #untilNextCheck(): number {
    const due = Math.min(
      this.#pingDue,
      this.#pongDue,
      this.#idleDue,
      this.#staleDue,
    );
    const period = Math.min(LONGEST_PERIOD, this.#shortest / 8);
    return Math.max(1, Math.min(period, due - this.#time));
  }
}

/** Bytes that may take the timeout to leave. */
const UNIT = 1024 * 1024;

/**
 * Whether bytes written to a socket leave it. The server may have stopped
 * reading, or be gone. Then not even its close is noticed, because the native
 * socket reads no further until it has written its answer.
 */
export class WriteStall {
  /**
   * How long a MiB may stand still, in milliseconds. A socket may report only
   * whole messages that have left, so the timeout is per MiB: otherwise a large
   * message on a slow line would be cut off every time.
   */
  timeout: number;
  #buffered = 0;
  #left = -Infinity;
  #since = 0;
  #longestPause = 0;

  /** @param timeout in milliseconds */
  constructor(timeout: number) {
    this.timeout = timeout;
  }

  /** The moment from which the writes count as stalled. */
  get due(): number {
    return this.#since + this.#limit;
  }

  /**
   * The longest time for which nothing left since the socket was empty, in
   * milliseconds; 0 if each check saw something leave.
   */
  get longestPause(): number {
    return this.#longestPause;
  }

  /** What is wrong, in a few words. */
  get reason(): string {
    return `${this.#buffered} bytes have not moved for ${this.#limit} ms`;
  }

  /**
   * Checks the socket: the bytes that have `left` it so far, or a lower bound
   * of them that grows only if something left, and the bytes `buffered` in it.
   * A full socket may be busy: it has stalled only if nothing leaves it.
   */
  check(left: number, buffered: number, now: number): void {
    if (buffered === 0) this.#longestPause = 0;
    if (buffered === 0 || left > this.#left) this.#since = now;
    else this.#longestPause = Math.max(this.#longestPause, now - this.#since);
    this.#left = left;
    this.#buffered = buffered;
  }

  get #limit(): number {
    return Math.round(this.timeout * Math.max(1, this.#buffered / UNIT));
  }
}
