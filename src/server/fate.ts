import type { Blow, Chaos, ChaosItem } from "./chaos.ts";
import { random } from "./random.ts";

/** Which way a message goes, seen from the server. */
export type Direction = "in" | "out";

/** A blow that falls at an age of the connection. */
export interface TimedBlow {
  /** ms */
  readonly after: number;
  readonly blow: Blow;
}

/**
 * What chaos has in store for one connection: pure decisions, the same for the
 * same seed and connection, whenever and in whatever order they are asked for.
 */
export class Fate {
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

  /** The blow that falls at this message, if one does; messages count from 0. */
  blowAt(direction: Direction, message: number): Blow | undefined {
    for (const [index, item] of this.#items.entries()) {
      if (item.kind !== "blow" || item.when.kind !== "chance") continue;
      const way = direction === "in" ? 0 : 1;
      if (this.#random(index, way, message) < item.when.chance) {
        return item.blow;
      }
    }
    return undefined;
  }

  /** Those that fall at an age. */
  timedBlows(): readonly TimedBlow[] {
    return this.#items.flatMap((item) =>
      item.kind === "blow" && item.when.kind === "age"
        ? [{ after: item.when.after, blow: item.blow }]
        : []
    );
  }

  /** Whether anything is delayed. */
  get delays(): boolean {
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
