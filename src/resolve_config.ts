/**
 * From what the program gave to what the client works with: complete, checked
 * and frozen.
 *
 * @module
 */

import type {
  Conflation,
  PingConfig,
  Provider,
  ReceiveOverflow,
  Redelivery,
  SendOverflow,
  TlsConfig,
  WSConfig,
} from "./config.ts";
import {
  checkHeaders,
  checkSubprotocols,
  checkUrl,
} from "./handshake_rules.ts";
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
} from "./rules.ts";

/** Where to connect: a checked URL, or the function that gives one. */
export type Endpoint = URL | (() => string | URL | Promise<string | URL>);

/** A {@linkcode WSConfig} without gaps. */
export interface ResolvedConfig {
  readonly endpoints: readonly Endpoint[];
  readonly headers: Provider<HeadersInit> | undefined;
  readonly subprotocols: Provider<string | readonly string[]> | undefined;
  readonly tls: TlsConfig | undefined;
  readonly proxy: URL | undefined;
  readonly httpClient: Deno.HttpClient | undefined;
  readonly followRedirects: number;
  readonly connectTimeout: number;
  readonly closeTimeout: number;
  readonly ping: PingConfig | undefined;
  readonly pingInterval: number;
  readonly pingTimeout: number;
  readonly idleTimeout: number;
  readonly maxConnectionAge: number;
  readonly reconnect: boolean;
  readonly initialBackoff: number;
  readonly maxBackoff: number;
  readonly backoffMultiplier: number;
  readonly jitter: number;
  readonly stableAfter: number;
  readonly maxRetries: number;
  readonly retryBudget: number;
  readonly fatalCloseCodes: readonly number[] | ((code: number) => boolean);
  readonly classify: WSConfig["classify"];
  readonly signal: AbortSignal | undefined;
  readonly sendQueueMaxSize: number;
  readonly sendQueueMaxBytes: number;
  readonly overflow: SendOverflow;
  readonly redeliver: Redelivery;
  readonly spool: string | undefined;
  readonly receiveBufferMaxSize: number;
  readonly receiveBufferMaxBytes: number;
  readonly receiveOverflow: ReceiveOverflow;
}

const MIB = 1024 * 1024;
const UNLIMITED_COUNT: NumberRule = { min: 0, integer: true, infinity: true };
const CLOSE_CODE: NumberRule = { min: 1000, max: 4999, integer: true };

/**
 * Checks a configuration.
 * @throws {TypeError} a value of the wrong kind, an unknown key
 * @throws {RangeError} a number outside its limits
 */
export function resolveConfig(config: WSConfig): ResolvedConfig {
  onlyKnownKeys("WSConfig", config, KEYS);
  const { signal, httpClient, reconnect = true, overflow = "wait" } = config;
  const { fatalCloseCodes = [], redeliver = "unflushed" } = config;
  const { receiveOverflow = "disconnect" } = config;
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw wrongKind("signal", "an AbortSignal", signal);
  }
  if (httpClient !== undefined) checkHttpClient(config);
  const sendQueueMaxSize = numberOr(config, "sendQueueMaxSize", 1000, COUNT);
  const ping = optional(config.ping, checkPing);
  return Object.freeze({
    endpoints: checkEndpoints(config.url),
    headers: optional(config.headers, checkedUnlessFunction(checkHeaders)),
    subprotocols: optional(
      config.subprotocols,
      checkedUnlessFunction(checkSubprotocols),
    ),
    tls: optional(config.tls, checkTls),
    proxy: optional(config.proxy, checkProxy),
    httpClient,
    followRedirects: numberOr(config, "followRedirects", 5, {
      min: 0,
      integer: true,
    }),
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
    retryBudget: numberOr(config, "retryBudget", Infinity, {
      ...POSITIVE_DURATION,
      infinity: true,
    }),
    fatalCloseCodes: checkFatalCloseCodes(fatalCloseCodes),
    classify: optional(config.classify, (f) => callable("classify", f)),
    signal,
    sendQueueMaxSize,
    sendQueueMaxBytes: numberOr(config, "sendQueueMaxBytes", 16 * MIB, COUNT),
    overflow: oneOf<SendOverflow>("overflow", overflow, [
      "wait",
      "reject",
      "drop-oldest",
      "drop-newest",
    ]),
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
  });
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

/** A value is checked now; what a function returns is checked at each attempt. */
function checkedUnlessFunction<P>(check: (value: P) => unknown) {
  return (provider: P): P => {
    if (typeof provider !== "function") check(provider);
    return provider;
  };
}

function checkEndpoints(url: WSConfig["url"]): readonly Endpoint[] {
  if (typeof url === "function") return [url];
  if (typeof url === "string" || url instanceof URL) return [checkUrl(url)];
  if (!Array.isArray(url) || url.length === 0) {
    throw wrongKind("url", "a ws:// or wss:// URL or a list of them", url);
  }
  return Object.freeze(url.map((entry) => checkUrl(entry)));
}

function checkHttpClient(config: WSConfig): void {
  const clash = (["tls", "proxy"] as const)
    .find((key) => config[key] !== undefined);
  if (clash !== undefined) {
    throw new TypeError(
      `Cannot use '${clash}' together with 'httpClient': ` +
        "give it to Deno.createHttpClient instead",
    );
  }
  if (!(config.httpClient instanceof Deno.HttpClient)) {
    throw wrongKind("httpClient", "a Deno.HttpClient", config.httpClient);
  }
}

function checkTls(tls: TlsConfig): TlsConfig {
  onlyKnownKeys("tls", tls, ["caCerts", "cert", "key"]);
  const { caCerts, cert, key } = tls;
  if ((cert === undefined) !== (key === undefined)) {
    throw new TypeError(
      "Cannot use 'tls' as a client certificate needs both 'cert' and 'key': " +
        `current value lacks '${cert === undefined ? "cert" : "key"}'`,
    );
  }
  const authorities = caCerts === undefined
    ? []
    : typeof caCerts === "string"
    ? [caCerts]
    : [...caCerts];
  for (const pem of authorities) checkPem("tls.caCerts", pem);
  if (cert !== undefined) checkPem("tls.cert", cert);
  if (key !== undefined) checkPem("tls.key", key);
  return Object.freeze({ caCerts: authorities, cert, key });
}

/** A key must not be shown, so the error tells only what it is not. */
function checkPem(key: string, value: unknown): void {
  if (typeof value !== "string" || !value.includes("-----BEGIN ")) {
    throw new TypeError(
      `Cannot use '${key}' as it must be PEM text ("-----BEGIN ..."): ` +
        `current value is a ${typeof value} without it`,
    );
  }
}

const PROXY_SCHEMES = ["http:", "https:", "socks5:"];

function checkProxy(value: string | URL): URL {
  const url = URL.canParse(String(value)) ? new URL(value) : undefined;
  if (url === undefined || !PROXY_SCHEMES.includes(url.protocol)) {
    const shown = url?.password ? `${url.protocol}//…@${url.host}` : value;
    throw wrongKind("proxy", "an http://, https:// or socks5:// URL", shown);
  }
  return url;
}

function checkPing(ping: PingConfig): PingConfig {
  onlyKnownKeys("ping", ping, ["message", "isPong", "answer"]);
  const { message, isPong, answer } = ping;
  if (isPong !== undefined) callable("ping.isPong", isPong);
  if (answer !== undefined) callable("ping.answer", answer);
  const isMessage = typeof message === "string" ||
    message instanceof Uint8Array || typeof message === "function";
  if (message !== undefined && !isMessage) {
    const rule = "a string, a Uint8Array or a function";
    throw wrongKind("ping.message", rule, message);
  }
  if (message === undefined && answer === undefined) {
    throw wrongKind("ping", "given a 'message', an 'answer' or both", ping);
  }
  if (message === undefined && isPong !== undefined) {
    throw new TypeError(
      "Cannot use 'ping.isPong' without 'ping.message': no ping of ours, no pong",
    );
  }
  return Object.freeze({ message, isPong, answer });
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
    backoffMultiplier: numberOr(config, "backoffMultiplier", 2, { min: 1 }),
    jitter: numberOr(config, "jitter", 1, { min: 0, max: 1 }),
  };
}

function checkFatalCloseCodes(
  codes: NonNullable<WSConfig["fatalCloseCodes"]>,
): NonNullable<WSConfig["fatalCloseCodes"]> {
  if (typeof codes === "function") return codes;
  if (!Array.isArray(codes)) {
    const rule = "a list of close codes or a function";
    throw wrongKind("fatalCloseCodes", rule, codes);
  }
  return Object.freeze(
    codes.map((code) => number("fatalCloseCodes", code, CLOSE_CODE)),
  );
}

function checkRedelivery(redeliver: Redelivery, window: number): Redelivery {
  if (typeof redeliver === "string") {
    return oneOf("redeliver", redeliver, ["unflushed", "none"]);
  }
  onlyKnownKeys("redeliver", redeliver, ["id", "acknowledged", "window"]);
  return Object.freeze({
    id: callable("redeliver.id", redeliver.id),
    acknowledged: callable("redeliver.acknowledged", redeliver.acknowledged),
    window: number("redeliver.window", redeliver.window ?? window, COUNT),
  });
}

/** Checks what to do when a reader's buffer is full. */
export function checkReceiveOverflow(
  key: string,
  overflow: ReceiveOverflow,
): ReceiveOverflow {
  if (typeof overflow === "string") {
    return oneOf(key, overflow, ["disconnect", "drop-oldest", "drop-newest"]);
  }
  onlyKnownKeys(key, overflow, ["conflate"]);
  const { conflate }: Conflation = overflow;
  return Object.freeze({ conflate: callable(`${key}.conflate`, conflate) });
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
