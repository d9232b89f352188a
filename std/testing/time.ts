import { createClock } from "@sinonjs/fake-timers";
import type { DelayOptions } from "@std/async/delay";

export type { DelayOptions };

const { Date, setTimeout, clearTimeout, setInterval, clearInterval } =
  globalThis;
const signalTimeout = AbortSignal.timeout;

let current: FakeTime | undefined;

/** Thrown when time is faked twice, or is not faked at all. */
export class TimeError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "TimeError";
  }
}

/** Options of {@linkcode FakeTime}. */
export interface FakeTimeOptions {
  /**
   * How fast fake time moves by itself: 1 is as fast as real time.
   *
   * @default {0}
   */
  advanceRate: number;
  /**
   * How often it does so, in real milliseconds.
   *
   * @default {10}
   */
  advanceFrequency?: number;
}

/**
 * Replaces `Date`, the timers and `AbortSignal.timeout` until it is disposed.
 *
 * It moves only when told to. `setImmediate`, `queueMicrotask` and
 * `performance` stay real, as with the original.
 */
export class FakeTime {
  readonly #clock: ReturnType<typeof createClock>;
  readonly #start: number;
  readonly #advancing: ReturnType<typeof setInterval> | undefined;

  /**
   * @throws {TimeError} when time is faked already
   * @throws {TypeError} when `start` is no date
   */
  constructor(
    start?: number | string | Date | null,
    options?: FakeTimeOptions,
  ) {
    if (current !== undefined) {
      throw new TimeError("Cannot construct FakeTime: time is already faked");
    }
    this.#start = Math.floor(new Date(start ?? Date.now()).valueOf());
    if (Number.isNaN(this.#start)) {
      throw new TypeError(
        `Cannot construct FakeTime: invalid start time ${this.#start}`,
      );
    }
    this.#clock = createClock(this.#start);
    const rate = Math.max(0, options?.advanceRate ?? 0);
    const frequency = Math.max(0, options?.advanceFrequency ?? 10);
    if (rate > 0) {
      this.#advancing = setInterval(
        () => this.tick(rate * frequency),
        frequency,
      );
    }
    this.#override();
    current = this;
  }

  /** Restores real time. */
  [Symbol.dispose](): void {
    this.restore();
  }

  /**
   * Restores real time.
   *
   * @throws {TimeError} when time is not faked
   */
  static restore(): void {
    if (current === undefined) throw notFaked();
    current.restore();
  }

  /** Runs `callback` in real time, until what it returns has settled. */
  static async restoreFor<T>(
    // deno-lint-ignore no-explicit-any
    callback: (...args: any[]) => Promise<T> | T,
    // deno-lint-ignore no-explicit-any
    ...args: any[]
  ): Promise<T> {
    if (current === undefined) throw notFaked();
    const time = current;
    restoreGlobals();
    try {
      const result = callback(...args);
      // A callback that is done at once gives fake time back at once.
      return result instanceof Promise ? await result : result;
    } finally {
      if (current === time) time.#override();
    }
  }

  /** The fake time, in epoch milliseconds; setting it runs what is due. */
  get now(): number {
    return this.#clock.now;
  }
  set now(value: number) {
    if (value < this.now) {
      throw new RangeError(
        `Cannot set current time in the past, time must be >= ${this.now}: received ${value}`,
      );
    }
    this.#clock.tick(value - this.now);
  }

  /** The fake time it began with, in epoch milliseconds. */
  get start(): number {
    return this.#start;
  }

  /** Resolves after `ms` milliseconds of real time. */
  delay(ms: number, options: DelayOptions = {}): Promise<void> {
    const { signal } = options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const aborted = () =>
      reject(new DOMException("Delay was aborted.", "AbortError"));
    if (signal?.aborted) {
      aborted();
      return promise;
    }
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", aborted, { once: true });
    return promise.finally(() => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", aborted);
    });
  }

  /** Lets everything that waits for settled promises run. */
  async runMicrotasks(): Promise<void> {
    await this.delay(0);
  }

  /** Moves time forward by `ms` and runs what is due. */
  tick(ms = 0): void {
    this.now += ms;
  }

  /** As {@linkcode tick}, after {@linkcode runMicrotasks}. */
  async tickAsync(ms = 0): Promise<void> {
    await this.runMicrotasks();
    this.tick(ms);
  }

  /** Moves time to the next timer, and runs all that are due then. */
  next(): boolean {
    if (this.#clock.countTimers() === 0) return false;
    this.#clock.next();
    this.#clock.tick(0);
    return true;
  }

  /** As {@linkcode next}, after {@linkcode runMicrotasks}. */
  async nextAsync(): Promise<boolean> {
    await this.runMicrotasks();
    return this.next();
  }

  /** Moves time from timer to timer until none is left. */
  runAll(): void {
    while (this.next());
  }

  /** As {@linkcode runAll}, with {@linkcode runMicrotasks} before each. */
  async runAllAsync(): Promise<void> {
    while (this.#clock.countTimers() > 0) await this.nextAsync();
  }

  /**
   * Restores real time.
   *
   * @throws {TimeError} when it is restored already
   */
  restore(): void {
    if (current === undefined) throw notFaked();
    current = undefined;
    restoreGlobals();
    clearInterval(this.#advancing);
  }

  #override(): void {
    const fake = this.#clock;
    Object.assign(globalThis, {
      Date: fake.Date,
      setTimeout: (...args: Parameters<typeof fake.setTimeout>) =>
        idOf(fake.setTimeout(...args)),
      clearTimeout: fake.clearTimeout,
      setInterval: (...args: Parameters<typeof fake.setInterval>) =>
        idOf(fake.setInterval(...args)),
      clearInterval: fake.clearInterval,
    });
    AbortSignal.timeout = (ms) => {
      const controller = new AbortController();
      const reason = new DOMException("Signal timed out.", "TimeoutError");
      fake.setTimeout(() => controller.abort(reason), ms);
      return controller.signal;
    };
  }
}

/** A number, as with the original; Node.js, and so Deno 2.6, has an object. */
function idOf(timer: unknown): number {
  return Number(timer);
}

function restoreGlobals(): void {
  Object.assign(globalThis, {
    Date,
    setTimeout,
    clearTimeout,
    setInterval,
    clearInterval,
  });
  AbortSignal.timeout = signalTimeout;
}

function notFaked(): TimeError {
  return new TimeError("Cannot restore time: time is already restored");
}
