/**
 * Faults that a server makes on purpose, as a text that fits on a command line:
 *
 * ```txt
 * drop=5%,close=1011@30s,refuse=503/10,latency=50..200ms,half-open,reset
 * ```
 *
 * Items are separated by commas. All of them apply to each connection; the
 * first fault that occurs ends it:
 *
 * | item                | meaning                                             |
 * | ------------------- | --------------------------------------------------- |
 * | `drop WHEN`         | the connection is cut without a close frame         |
 * | `reset WHEN`        | the same, by a TCP reset where the system can       |
 * | `half-open WHEN`    | nothing is read, answered or written any more, but  |
 * |                     | the socket stays                                    |
 * | `close=CODE WHEN`   | the server closes with this code                    |
 * | `refuse=STATUS[/N]` | every Nth handshake (without N: each) is refused    |
 * |                     | with this HTTP status                               |
 * | `latency=T[..T]`    | frames to the client leave so much later, drawn     |
 * |                     | uniformly for each message; the order is kept       |
 *
 * `WHEN` (written without the space) is one of
 *
 * - `=P%`: with this chance at each message, in both directions; that message
 *   is lost, those before it are not;
 * - `@T`: at this age of the connection;
 * - nothing: as `=1%`.
 *
 * `T` is a number with `ms`, `s`, `m` or `h`; the first of a range may leave its
 * unit to the second. What happens depends only on the seed, the number of the
 * handshake and the number of the message, never on timing.
 *
 * @module
 */

import { isCloseCode } from "../protocol/close_codes.ts";

/** What happens to a connection. */
export type Fault =
  | { readonly kind: "drop" }
  | { readonly kind: "reset" }
  | { readonly kind: "half-open" }
  | { readonly kind: "close"; readonly code: number };

/** What happens to a handshake. */
export interface RefuseFault {
  readonly kind: "refuse";
  /** The HTTP status of the answer. */
  readonly status: number;
}

/** When it happens. */
export type FaultTime =
  /** At each message, 0 to 1. */
  | { readonly kind: "chance"; readonly chance: number }
  /** At this age of the connection, ms. */
  | { readonly kind: "age"; readonly after: number };

/** One item of the specification. */
export type ChaosItem =
  | {
    readonly kind: "fault";
    readonly fault: Fault;
    readonly time: FaultTime;
  }
  | RefuseFault & { readonly every: number }
  /** From `least` to `most` ms. */
  | { readonly kind: "latency"; readonly least: number; readonly most: number };

/** All faults of a server, and the seed of their chances. */
export interface Chaos {
  readonly items: readonly ChaosItem[];
  /** A whole number; its lowest 32 bits count. */
  readonly seed: number;
}

/** The specification cannot be used. */
export class ChaosError extends TypeError {
  override readonly name = "ChaosError";
  /** The rule that was broken, as the end of "it must ...". */
  readonly rule: string;

  constructor(rule: string, spec: string) {
    super(`The faults must ${rule}: got ${JSON.stringify(spec)}`);
    this.rule = rule;
  }
}

const DEFAULT_CHANCE = 0.01;

/**
 * Parses a specification of faults.
 *
 * @example
 * ```ts
 * import { parseChaos } from "./chaos.ts";
 *
 * parseChaos("drop=5%,latency=50..200ms", 42);
 * ```
 *
 * @throws {ChaosError} that names the rule and the item.
 */
export function parseChaos(spec: string, seed: number): Chaos {
  const items = spec.split(",").map((text) => parseItem(text.trim()));
  if (items.filter((item) => item.kind === "latency").length > 1) {
    throw new ChaosError("have one latency", spec);
  }
  return { items, seed };
}

function parseItem(item: string): ChaosItem {
  const [, name, rest = ""] = /^([a-z-]+)(.*)$/.exec(item) ?? [];
  switch (name) {
    case "drop":
    case "reset":
    case "half-open":
      return { kind: "fault", fault: { kind: name }, time: when(item, rest) };
    case "close":
      return parseClose(item, rest);
    case "refuse":
      return parseRefuse(item, rest);
    case "latency":
      return parseLatency(item, rest);
    default:
      throw new ChaosError(
        "name drop, reset, half-open, close, refuse or latency",
        item,
      );
  }
}

function when(item: string, text: string): FaultTime {
  if (text === "") return { kind: "chance", chance: DEFAULT_CHANCE };
  if (text.startsWith("@")) {
    return { kind: "age", after: parseDuration(item, text.slice(1)) };
  }
  const [, percent] = /^=(\d+(?:\.\d+)?)%$/.exec(text) ?? [];
  const chance = Number(percent) / 100;
  if (!(chance <= 1)) {
    throw new ChaosError(
      "have a chance from =0% to =100%, an age such as @30s, or nothing",
      item,
    );
  }
  return { kind: "chance", chance };
}

function parseClose(item: string, text: string): ChaosItem {
  const [, digits, time = ""] = /^=(\d+)(.*)$/.exec(text) ?? [];
  const code = Number(digits);
  if (!isCloseCode(code)) {
    throw new ChaosError("close with a code such as close=1011", item);
  }
  return {
    kind: "fault",
    fault: { kind: "close", code },
    time: when(item, time),
  };
}

function parseRefuse(item: string, text: string): ChaosItem {
  const [, digits, every = "1"] = /^=(\d+)(?:\/(\d+))?$/.exec(text) ?? [];
  const status = Number(digits);
  if (!(status >= 200 && status <= 599) || Number(every) < 1) {
    throw new ChaosError(
      "refuse with a status from 200 to 599, and perhaps each Nth time, " +
        "such as refuse=503/10",
      item,
    );
  }
  return { kind: "refuse", status, every: Number(every) };
}

function parseLatency(item: string, text: string): ChaosItem {
  const [, from, to] = /^=(.+?)(?:\.\.(.+))?$/.exec(text) ?? [];
  const rule =
    "delay by a time or from less to more, such as latency=50..200ms";
  if (from === undefined) throw new ChaosError(rule, item);
  const most = parseDuration(item, to ?? from);
  const unit = /[a-z]+$/.exec(to ?? from)?.[0] ?? "";
  const least = parseDuration(item, /\d$/.test(from) ? from + unit : from);
  if (least > most) throw new ChaosError(rule, item);
  return { kind: "latency", least, most };
}

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Milliseconds. */
function parseDuration(item: string, text: string): number {
  const [, number, unit = ""] = /^(\d+(?:\.\d+)?)(ms|[smh])$/.exec(text) ?? [];
  const ms = Number(number) * (UNITS[unit] ?? NaN);
  // Timers beyond 2^31-1 ms misfire.
  if (!(ms < 2 ** 31)) {
    throw new ChaosError(
      "have times such as 200ms, 30s, 2m or 1h, of 24 days at most",
      item,
    );
  }
  return ms;
}
