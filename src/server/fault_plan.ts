/**
 * Which faults a connection gets, and how they are carried out.
 *
 * @module
 */

import type { Chaos, ChaosItem, Fault } from "./chaos.ts";

/** Which way a message goes, seen from the server. */
export type Direction = "in" | "out";

/** A fault that occurs at an age of the connection. */
export interface TimedFault {
  /** ms */
  readonly after: number;
  readonly fault: Fault;
}

/**
 * The faults of one connection: pure decisions, the same for the same seed and
 * connection, in whatever order they are asked for.
 */
export class FaultPlan {
  readonly #items: readonly ChaosItem[];
  readonly #seed: number;
  readonly #connection: number;

  /** `connection` counts the handshakes from 0. */
  constructor(chaos: Chaos, connection: number) {
    this.#items = chaos.items;
    this.#seed = chaos.seed;
    this.#connection = connection;
  }

  /** The HTTP status with which the handshake is refused, if it is. */
  refusal(): number | undefined {
    for (const item of this.#items) {
      if (
        item.kind === "refuse" && (this.#connection + 1) % item.every === 0
      ) return item.status;
    }
    return undefined;
  }

  /** The fault at this message, if there is one; messages count from 0. */
  faultAt(direction: Direction, message: number): Fault | undefined {
    for (const [index, item] of this.#items.entries()) {
      if (item.kind !== "fault" || item.time.kind !== "chance") continue;
      const way = direction === "in" ? 0 : 1;
      if (this.#random(index, way, message) < item.time.chance) {
        return item.fault;
      }
    }
    return undefined;
  }

  /** The faults that occur at an age. */
  timedFaults(): readonly TimedFault[] {
    return this.#items.flatMap((item) =>
      item.kind === "fault" && item.time.kind === "age"
        ? [{ after: item.time.after, fault: item.fault }]
        : []
    );
  }

  /** Whether anything is delayed. */
  get hasLatency(): boolean {
    return this.#items.some((item) => item.kind === "latency");
  }

  /** How much later this message to the client is written, ms. */
  latency(message: number): number {
    for (const [index, item] of this.#items.entries()) {
      if (item.kind !== "latency") continue;
      return item.least +
        (item.most - item.least) * this.#random(index, message);
    }
    return 0;
  }

  #random(...path: readonly number[]): number {
    return random(this.#seed, this.#connection, ...path);
  }
}

/** The connection that gets the faults; a `Peer` is one. */
export interface FaultTarget {
  readonly closed: Promise<unknown>;
  close(code: number, reason: string): Promise<void>;
  drop(): Promise<void>;
  reset(): Promise<void>;
  blackhole(): void;
}

/** Counts a connection's messages and its age, and carries out its plan. */
export class FaultInjector {
  readonly #plan: FaultPlan;
  readonly #target: FaultTarget;
  readonly #onFault: (fault: Fault) => void;
  readonly #timers: ReturnType<typeof setTimeout>[];
  readonly #messages = { in: 0, out: 0 };
  #struck = false;

  constructor(
    plan: FaultPlan,
    target: FaultTarget,
    onFault: (fault: Fault) => void = () => {},
  ) {
    this.#plan = plan;
    this.#onFault = onFault;
    this.#target = target;
    this.#timers = plan.timedFaults().map(({ after, fault }) =>
      setTimeout(() => this.#inject(fault), after)
    );
    target.closed.then(() => this.#timers.forEach(clearTimeout));
  }

  /** Whether the next message in this direction gets through. */
  passes(direction: Direction): boolean {
    if (this.#struck) return false;
    const message = this.#messages[direction]++;
    const fault = this.#plan.faultAt(direction, message);
    if (fault === undefined) return true;
    this.#inject(fault);
    return false;
  }

  #inject(fault: Fault): void {
    if (this.#struck) return;
    this.#struck = true;
    this.#onFault(fault);
    switch (fault.kind) {
      case "drop":
        this.#target.drop();
        return;
      case "reset":
        this.#target.reset();
        return;
      case "half-open":
        this.#target.blackhole();
        return;
      case "close":
        this.#target.close(fault.code, "chaos");
        return;
      default:
        fault satisfies never;
    }
  }
}

/**
 * A number in [0, 1) that depends on nothing but its arguments: the same seed
 * and the same path give the same number, in whatever order they are asked
 * for. It hashes with the steps of MurmurHash3; not for secrets.
 *
 * @example
 * ```ts
 * import { random } from "./fault_plan.ts";
 *
 * const connection = 3;
 * const message = 17;
 * random(42, connection, message); // always the same
 * ```
 */
export function random(seed: number, ...path: readonly number[]): number {
  let hash = mix(0x9e3779b9, seed);
  for (const step of path) hash = mix(hash, step);
  return avalanche(hash ^ path.length) / 0x1_0000_0000;
}

function mix(hash: number, value: number): number {
  const scrambled = Math.imul(
    rotate(Math.imul(value, 0xcc9e2d51), 15),
    0x1b873593,
  );
  return Math.imul(rotate(hash ^ scrambled, 13), 5) + 0xe6546b64 | 0;
}

function rotate(bits: number, by: number): number {
  return bits << by | bits >>> 32 - by;
}

/** Lets every bit of the input change about half of the bits. */
function avalanche(hash: number): number {
  hash = Math.imul(hash ^ hash >>> 16, 0x85ebca6b);
  hash = Math.imul(hash ^ hash >>> 13, 0xc2b2ae35);
  return (hash ^ hash >>> 16) >>> 0;
}
