/**
 * Random scripts: what a program, its callbacks and its server do. The same
 * seed and number give the same script; how its parts interleave depends on
 * the network.
 *
 * @module
 */

import type {
  ReceiveOverflow,
  Redelivery,
  TransportName,
  WSConfig,
} from "../../mod.ts";
import { random } from "../../src/server/fault_plan.ts";

/** A stream of draws that depends on nothing but its arguments. */
export class Dice {
  readonly #seed: number;
  readonly #path: readonly number[];
  #next = 0;

  constructor(seed: number, ...path: readonly number[]) {
    this.#seed = seed;
    this.#path = path;
  }

  /** A whole number from 0 to `limit - 1`. */
  below(limit: number): number {
    return Math.floor(random(this.#seed, ...this.#path, this.#next++) * limit);
  }

  chance(probability: number): boolean {
    return random(this.#seed, ...this.#path, this.#next++) < probability;
  }

  pick<T>(...choices: readonly T[]): T {
    for (const choice of choices.slice(this.below(choices.length))) {
      return choice;
    }
    throw new RangeError("there is nothing to pick from");
  }

  /** Picks one of the keys; each weighs as much as its value says. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
    const entries = (Object.keys(weights) as readonly string[])
      .filter((key): key is K => key in weights)
      .map((key) => ({ key, weight: weights[key] }));
    let left = this.below(entries.reduce((sum, { weight }) => sum + weight, 0));
    for (const { key, weight } of entries) {
      left -= weight;
      if (left < 0) return key;
    }
    throw new RangeError("all weights are 0");
  }
}

/** What the server does with one handshake, and with the connection after it. */
export type ServerPlan =
  | { readonly do: "refuse"; readonly status: number; readonly hint?: string }
  | { readonly do: "hang" }
  | {
    readonly do:
      | "stay"
      | "drop"
      | "reset"
      | "blackhole"
      | "slow"
      | "silent"
      | "close";
    /** How long after the handshake, ms. */
    readonly after: number;
    /** How many messages it sends at once. */
    readonly says: number;
    readonly code: number;
  };

/** What the program does, one step after the other. */
export type Step =
  | "send"
  | "trySend"
  | "burst"
  | "flush"
  | "read"
  | "stream"
  | "write"
  | "reconnect"
  | "rotate"
  | "clear"
  | "abort a message"
  | "turn"
  | "wait"
  | "wait long";

/** What the connect hook does. */
export type HookPlan =
  | "nothing"
  | "async"
  | "session.send"
  | "client.send"
  | "receive"
  | "flush"
  | "heartbeat"
  | "throw"
  | "send and throw"
  | "reject"
  | "fatal"
  | "hang";

/** What any other callback does, besides being recorded. */
export type CallbackPlan =
  | "nothing"
  | "throw"
  | "reject"
  | "send"
  | "read"
  | "reconnect"
  | "clear"
  | "stop";

/** How the client is brought to its end. */
export type Ending =
  | "stop"
  | "drain"
  | "abort"
  | "stop twice"
  /** First everything becomes well, and everything must arrive. */
  | "recover";

export interface Script {
  readonly config: Omit<WSConfig, "url">;
  /** Connections are replaced before they end, so that two may overlap. */
  readonly rotates: boolean;
  readonly steps: readonly Step[];
  readonly ending: Ending;
  /** No callback throws or does anything. */
  readonly isCalm: boolean;
  /** The functions of the configuration throw now and then. */
  readonly hasBadFunctions: boolean;
}

export function serverPlan(dice: Dice): ServerPlan {
  const kind = dice.weighted({
    stay: 40,
    refuse: 12,
    hang: 3,
    drop: 10,
    reset: 6,
    blackhole: 4,
    slow: 6,
    silent: 4,
    close: 15,
  });
  if (kind === "hang") return { do: kind };
  if (kind === "refuse") {
    const status = dice.pick(503, 503, 502, 429, 408, 404, 401);
    const hint = dice.chance(0.3) ? "0" : undefined;
    return { do: kind, status, hint };
  }
  return {
    do: kind,
    after: dice.pick(0, 0, 1, 5, 20),
    says: dice.below(5),
    code: dice.pick(1000, 1001, 1008, 1009, 1011, 1012, 3000, 4000, 4001),
  };
}

export function hookPlan(dice: Dice): HookPlan {
  return dice.weighted<HookPlan>({
    "nothing": 40,
    "async": 12,
    "session.send": 10,
    "client.send": 10,
    "receive": 6,
    "flush": 3,
    "heartbeat": 3,
    "throw": 4,
    "send and throw": 4,
    "reject": 4,
    "fatal": 1,
    "hang": 2,
  });
}

export function callbackPlan(dice: Dice): CallbackPlan {
  return dice.weighted<CallbackPlan>({
    nothing: 150,
    throw: 10,
    reject: 10,
    send: 8,
    read: 3,
    reconnect: 4,
    clear: 2,
    stop: 1,
  });
}

/** The script of this number. */
export function scriptOf(
  seed: number,
  number: number,
  transport: TransportName,
): Script {
  const dice = new Dice(seed, number, 0);
  const isTcp = transport === "tcp";
  const rotates = dice.chance(0.4);
  const config: Omit<WSConfig, "url"> = {
    reconnect: rotates || dice.chance(0.9),
    connectTimeout: dice.pick(1_000, 3_000),
    closeTimeout: dice.pick(20, 60),
    initialBackoff: dice.pick(1, 5),
    maxBackoff: dice.pick(5, 10),
    jitter: dice.pick(0, 1),
    stableAfter: dice.pick(0, 5, 1_000),
    maxRetries: dice.pick(3, Infinity, Infinity),
    retryBudget: dice.pick(100, Infinity, Infinity),
    maxConnectionAge: rotates ? dice.pick(0, 10, 30) : 0,
    sendQueueMaxSize: dice.pick(1, 3, 100),
    overflow: dice.pick("wait", "reject", "drop-oldest", "drop-newest"),
    redeliver: dice.pick<Redelivery>("unflushed", "none", ACKNOWLEDGED),
    receiveBufferMaxSize: dice.pick(1, 3, 100),
    transport,
    receiveOverflow: dice.pick<ReceiveOverflow>(
      "disconnect",
      "drop-oldest",
      "drop-newest",
      ...(isTcp ? ["pause" as const] : []),
    ),
    compression: isTcp && dice.chance(0.3) ? { threshold: 8 } : false,
    fatalCloseCodes: dice.pick([], [4001]),
    idleTimeout: dice.pick(0, 0, 60),
    staleTimeout: dice.pick(0, 0, 0, 80),
    sendRate: dice.chance(0.15) ? { messages: 4, interval: 10 } : undefined,
    // Without `ping` the tcp transport sends ping frames.
    ...(isTcp && dice.chance(0.3)
      ? { pingInterval: dice.pick(10, 30), pingTimeout: 60 }
      : dice.chance(0.4)
      ? {
        pingInterval: dice.pick(10, 30),
        pingTimeout: dice.pick(30, 60),
        ping: {
          message: "ping",
          ...(dice.chance(0.5)
            ? { isPong: (data: unknown) => data === "pong" }
            : {}),
        },
      }
      : {}),
  };
  const steps = Array.from(
    { length: dice.below(25) },
    () =>
      dice.weighted<Step>({
        "send": 20,
        "trySend": 15,
        "burst": 4,
        "flush": 6,
        "read": 6,
        "stream": 2,
        "write": 4,
        "reconnect": 6,
        "rotate": rotates ? 6 : 0,
        "clear": 2,
        "abort a message": 3,
        "turn": 20,
        "wait": 20,
        "wait long": 6,
      }),
  );
  return {
    config,
    rotates,
    steps,
    ending: dice.pick(
      "stop",
      "drain",
      "abort",
      "stop twice",
      "recover",
      "recover",
    ),
    isCalm: dice.chance(0.4),
    hasBadFunctions: dice.chance(0.2),
  };
}

const ACKNOWLEDGED = {
  id: (data: unknown) => String(data),
  acknowledged: (data: unknown) =>
    typeof data === "string" && data.startsWith("ack ")
      ? data.slice(4)
      : undefined,
};
