/**
 * Waiting for what happens, with a deadline and without sleeping.
 *
 * @module
 */

import { delay } from "@std/async/delay";

/** How long a test waits for anything, ms; a busy machine may take long. */
const DEADLINE = 20_000;

interface Waiter {
  readonly satisfied: () => boolean;
  readonly resolve: () => void;
}

/**
 * Records events by name, and waits for them. `Events` maps each name to what
 * comes with it.
 *
 * @example
 * ```ts
 * import { Recorder } from "./events.ts";
 *
 * const events = new Recorder<{ open: Event; close: CloseEvent }>();
 * const socket = new WebSocket("ws://127.0.0.1:8000");
 * socket.onopen = events.on("open");
 * socket.onclose = events.on("close");
 * await events.next("open");
 * socket.close();
 * const { code } = await events.next("close");
 * console.log(code, events.names); // ["open", "close"]
 * ```
 */
export class Recorder<Events extends object> {
  readonly #deadline: number;
  readonly #names: (keyof Events)[] = [];
  readonly #values: { [Name in keyof Events]?: Events[Name][] } = {};
  readonly #taken: { [Name in keyof Events]?: number } = {};
  readonly #waiters = new Set<Waiter>();

  /** `deadline` is how long each wait may take, ms. */
  constructor(deadline: number = DEADLINE) {
    this.#deadline = deadline;
  }

  /** The names of all events so far, in order. */
  get names(): readonly (keyof Events)[] {
    return this.#names;
  }

  /** What came with the events of this name so far, in order. */
  all<Name extends keyof Events>(name: Name): readonly Events[Name][] {
    return this.#values[name] ?? [];
  }

  /** A callback that records. */
  on<Name extends keyof Events>(name: Name): (value: Events[Name]) => void {
    return (value) => this.add(name, value);
  }

  add<Name extends keyof Events>(name: Name, value: Events[Name]): void {
    this.#names.push(name);
    const values: Events[Name][] = this.#values[name] ?? [];
    values.push(value);
    this.#values[name] = values;
    for (const waiter of this.#waiters) {
      if (waiter.satisfied()) waiter.resolve();
    }
  }

  /** The first event of this name, then the second one, and so on. */
  async next<Name extends keyof Events>(name: Name): Promise<Events[Name]> {
    const index = this.#taken[name] ?? 0;
    this.#taken[name] = index + 1;
    const what = `event ${index + 1} of the name ${String(name)}`;
    await this.until(() => this.all(name).length > index, what);
    for (const value of this.all(name).slice(index)) return value;
    throw new Error(`${what} is not there`);
  }

  /** Waits until this holds; it is asked again at each event. */
  async until(holds: () => boolean, what = "what was waited for") {
    if (holds()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiter = { satisfied: holds, resolve };
    this.#waiters.add(waiter);
    try {
      await within(promise, what, this.#deadline);
    } catch (error) {
      const last = this.#names.slice(-20).map(String).join(", ");
      throw new Error(
        `${what} did not come; there were ${this.#names.length} events, ` +
          `the last ones: ${last}`,
        { cause: error },
      );
    } finally {
      this.#waiters.delete(waiter);
    }
  }
}

/**
 * The promise, unless it takes too long; the timer is gone in any case.
 *
 * @throws {Error} that names `what` when the deadline (ms) has passed.
 */
export async function within<T>(
  promise: Promise<T>,
  what: string,
  deadline: number = DEADLINE,
): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`${what} took more than ${deadline} ms`)),
    deadline,
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Resolves when the next attempt after one that has just failed has begun:
 * `retry` lets a timer pass between the two, which is set by the time the first
 * of these has fired, and fires before the second.
 */
export async function nextAttempt(): Promise<void> {
  await delay(1);
  await delay(1);
}
