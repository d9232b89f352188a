/**
 * From what the program gave to what the client works with: complete, checked
 * and frozen.
 *
 * @module
 */

import type { PingConfig, SendOverflow, WSConfig } from "./config.ts";
import {
  checkHeaders,
  checkSubprotocols,
  checkUrl,
} from "./handshake_rules.ts";
import {
  checkFatalCloseCodes,
  checkHttpClient,
  checkPing,
  checkProxy,
  checkReceiveOverflow,
  checkRedelivery,
  checkTls,
} from "./nested_options.ts";
import {
  boolean,
  callable,
  COUNT,
  DURATION,
  number,
  type NumberRule,
  oneOf,
  onlyKnownKeys,
  POSITIVE_DURATION,
  show,
  text,
  wrongKind,
  wrongSecret,
} from "./rules.ts";

/** Where to connect: a checked URL, or the function that gives one. */
export type Endpoint = string | (() => string | URL | Promise<string | URL>);

/** What may be absent; everything else has a default. */
type Absent =
  | "headers"
  | "subprotocols"
  | "tls"
  | "httpClient"
  | "ping"
  | "classify"
  | "signal"
  | "spool";

/** A {@linkcode WSConfig} without gaps. */
export interface ResolvedConfig
  extends
    Required<Omit<WSConfig, "url" | "proxy" | Absent>>,
    Pick<WSConfig, Absent> {
  readonly endpoints: readonly Endpoint[];
  readonly proxy: URL | undefined;
}

const MIB = 1024 * 1024;
const COUNT_OR_NONE: NumberRule = { min: 0, integer: true };
const UNLIMITED_COUNT: NumberRule = { ...COUNT_OR_NONE, infinity: true };
const UNLIMITED_DURATION: NumberRule = { ...POSITIVE_DURATION, infinity: true };
const AT_LEAST_ONE: NumberRule = { min: 1 };
const PART: NumberRule = { min: 0, max: 1 };
const NO_CODES: readonly number[] = Object.freeze([]);
const SEND_OVERFLOWS = [
  "wait",
  "reject",
  "drop-oldest",
  "drop-newest",
] as const;

/**
 * Checks a configuration. The result holds only what differs from the defaults,
 * and inherits the rest: of many thousand clients each keeps one.
 * @throws {TypeError} a value of the wrong kind, an unknown key
 * @throws {RangeError} a number outside its limits
 */
export function resolveConfig(config: WSConfig): ResolvedConfig {
  const complete = resolveAll(config);
  const kept = {};
  for (const key of RESOLVED_KEYS) {
    const value = Reflect.get(complete, key);
    if (value !== Reflect.get(DEFAULTS, key)) Reflect.set(kept, key, value);
  }
  return Object.freeze(Object.setPrototypeOf(kept, DEFAULTS));
}

function resolveAll(config: WSConfig): ResolvedConfig {
  onlyKnownKeys("WSConfig", config, KEYS);
  const { signal, httpClient, reconnect = true, overflow = "wait" } = config;
  const { fatalCloseCodes, redeliver = "unflushed" } = config;
  const { receiveOverflow = "disconnect" } = config;
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw wrongKind("signal", "an AbortSignal", signal);
  }
  if (httpClient !== undefined) checkHttpClient(config);
  const sendQueueMaxSize = numberOr(config, "sendQueueMaxSize", 1000, COUNT);
  const ping = optional(config.ping, checkPing);
  return {
    endpoints: checkEndpoints(config.url),
    headers: checkProvider(config.headers, checkHeaders),
    subprotocols: checkProvider(config.subprotocols, checkSubprotocols),
    tls: optional(config.tls, checkTls),
    proxy: optional(config.proxy, checkProxy),
    httpClient,
    followRedirects: numberOr(config, "followRedirects", 5, COUNT_OR_NONE),
    connectTimeout: numberOr(
      config,
      "connectTimeout",
      10_000,
      POSITIVE_DURATION,
    ),
    closeTimeout: numberOr(config, "closeTimeout", 3_000, DURATION),
    ping,
    pingInterval: checkPingInterval(config, ping),
    pingTimeout: numberOr(config, "pingTimeout", 20_000, POSITIVE_DURATION),
    idleTimeout: numberOr(config, "idleTimeout", 0, DURATION),
    maxConnectionAge: numberOr(config, "maxConnectionAge", 0, DURATION),
    reconnect: boolean("reconnect", reconnect),
    ...checkBackoff(config),
    stableAfter: numberOr(config, "stableAfter", 5_000, DURATION),
    maxRetries: numberOr(config, "maxRetries", Infinity, UNLIMITED_COUNT),
    retryBudget: numberOr(config, "retryBudget", Infinity, UNLIMITED_DURATION),
    fatalCloseCodes: fatalCloseCodes === undefined
      ? NO_CODES
      : checkFatalCloseCodes(fatalCloseCodes),
    classify: optional(config.classify, (f) => callable("classify", f)),
    signal,
    sendQueueMaxSize,
    sendQueueMaxBytes: numberOr(config, "sendQueueMaxBytes", 16 * MIB, COUNT),
    overflow: oneOf<SendOverflow>("overflow", overflow, SEND_OVERFLOWS),
    redeliver: checkRedelivery(
      redeliver,
      sendQueueMaxSize,
    ),
    spool: optional(config.spool, (path) => text("spool", path)),
    receiveBufferMaxSize: numberOr(
      config,
      "receiveBufferMaxSize",
      10_000,
      COUNT,
    ),
    receiveBufferMaxBytes: numberOr(
      config,
      "receiveBufferMaxBytes",
      64 * MIB,
      COUNT,
    ),
    receiveOverflow: checkReceiveOverflow(
      "receiveOverflow",
      receiveOverflow,
    ),
  };
}

type NumberKey = {
  [K in keyof WSConfig]-?: WSConfig[K] extends number | undefined ? K : never;
}[keyof WSConfig];

function numberOr(
  config: WSConfig,
  key: NumberKey,
  fallback: number,
  rule: NumberRule,
): number {
  const { [key]: value = fallback } = config;
  return number(key, value, rule);
}

function optional<T, R>(
  value: T | undefined,
  check: (value: T) => R,
): R | undefined {
  return value === undefined ? undefined : check(value);
}

/**
 * A value is checked, and copied, now; what a function returns is checked at
 * each attempt.
 */
function checkProvider<P>(
  provider: P | undefined,
  check: (value: unknown) => P,
): P | undefined {
  if (provider === undefined || typeof provider === "function") return provider;
  return check(provider);
}

function checkEndpoints(url: WSConfig["url"]): readonly Endpoint[] {
  if (typeof url === "function") return Object.freeze([url]);
  const isOne = typeof url === "string" || url instanceof URL;
  if (!isOne && !(Array.isArray(url) && url.length > 0)) {
    throw wrongSecret("url", "a ws:// or wss:// URL or a list of them", url);
  }
  const hrefs = [url].flat().map((one) => checkUrl(one).href);
  return Object.freeze([...new Set(hrefs)]);
}

function checkPingInterval(
  config: WSConfig,
  ping: PingConfig | undefined,
): number {
  const given = config.pingInterval;
  const interval = numberOr(config, "pingInterval", 20_000, DURATION);
  if (ping?.message !== undefined) return interval;
  if (given !== undefined && given > 0) {
    throw new TypeError(
      "Cannot use 'pingInterval' without 'ping.message': Deno's WebSocket " +
        "cannot send ping frames, so a heartbeat is a message of your " +
        "protocol. Give 'ping: { message }', or use 'idleTimeout': current " +
        `value is ${show(given)}`,
    );
  }
  return 0;
}

function checkBackoff(config: WSConfig) {
  const maxBackoff = numberOr(
    config,
    "maxBackoff",
    30_000,
    POSITIVE_DURATION,
  );
  // A low cap alone lowers the first delay too; the two contradict each other
  // only when both were given.
  const first = Math.min(500, maxBackoff);
  return {
    maxBackoff,
    initialBackoff: numberOr(config, "initialBackoff", first, {
      ...POSITIVE_DURATION,
      max: maxBackoff,
    }),
    backoffMultiplier: numberOr(config, "backoffMultiplier", 2, AT_LEAST_ONE),
    jitter: numberOr(config, "jitter", 1, PART),
  };
}

const KEYS = [
  "url",
  "headers",
  "subprotocols",
  "tls",
  "proxy",
  "httpClient",
  "followRedirects",
  "connectTimeout",
  "closeTimeout",
  "ping",
  "pingInterval",
  "pingTimeout",
  "idleTimeout",
  "maxConnectionAge",
  "reconnect",
  "initialBackoff",
  "maxBackoff",
  "backoffMultiplier",
  "jitter",
  "stableAfter",
  "maxRetries",
  "retryBudget",
  "fatalCloseCodes",
  "classify",
  "signal",
  "sendQueueMaxSize",
  "sendQueueMaxBytes",
  "overflow",
  "redeliver",
  "spool",
  "receiveBufferMaxSize",
  "receiveBufferMaxBytes",
  "receiveOverflow",
] as const satisfies readonly (keyof WSConfig)[];

/** What every configuration inherits; here, as it needs all of the above. */
const DEFAULTS = Object.freeze(resolveAll({ url: "ws://default.invalid" }));
const RESOLVED_KEYS = Object.keys(DEFAULTS);
