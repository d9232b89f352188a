/**
 * From the options that a program gives to the ones the client works with:
 * checked, complete and frozen. One table holds the default and the check of
 * every key.
 *
 * @module
 */

import type {
  CompressionConfig,
  Conflation,
  HandshakeHeaders,
  PingConfig,
  Provider,
  ReceiveOverflow,
  Redelivery,
  SendRate,
  TlsConfig,
  TransportName,
  WSConfig,
} from "./config.ts";
import { redactUrl } from "./errors.ts";
import { isMessage } from "./message.ts";
import {
  abortSignal,
  boolean,
  callable,
  checkHeaders,
  checkSubprotocols,
  checkUrl,
  COUNT,
  COUNT_OR_NONE,
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

/** These may be absent; every other key has a value. */
type Absent =
  | "headers"
  | "subprotocols"
  | "tls"
  | "httpClient"
  | "ping"
  | "classify"
  | "signal"
  | "sendRate"
  | "spool"
  | "decode";

/** A {@linkcode WSConfig} without gaps. */
export interface ResolvedConfig
  extends
    Required<Omit<WSConfig, "url" | "proxy" | "compression" | Absent>>,
    Pick<WSConfig, Absent> {
  /** `url`, checked; a list without repetitions. */
  readonly endpoints: readonly Endpoint[];
  readonly proxy: URL | undefined;
  readonly compression: false | Required<CompressionConfig>;
}

/** All keys of the table: `url` becomes `endpoints`. */
type Key = Exclude<keyof WSConfig, "url">;

type Given<K extends Key> = Exclude<WSConfig[K], undefined>;

/** One row of the table. */
interface Row<T, R> {
  /** The value of a key that is absent. */
  readonly fallback: (config: WSConfig) => R;
  /** Checks, and copies, the value that was given. */
  readonly check: (key: string, value: T, config: WSConfig) => R;
}

type Table = { readonly [K in Key]: Row<Given<K>, ResolvedConfig[K]> };

/** A row whose default depends on nothing. */
function row<T, R>(fallback: R, check: Row<T, R>["check"]): Row<T, R> {
  return { fallback: () => fallback, check };
}

/** A row for a number. */
function limit(fallback: number, rule: NumberRule): Row<number, number> {
  return row(fallback, (key, value) => number(key, value, rule));
}

/** A row for one of several texts. */
function choice<const T extends string>(
  fallback: T,
  allowed: readonly T[],
): Row<T, T> {
  return row(fallback, (key, value) => oneOf(key, value, allowed));
}

/** A row for a value or a function that is called for each attempt. */
function provider<T>(
  check: (value: unknown) => T,
): Row<Provider<T>, Provider<T> | undefined> {
  // What a function returns is checked in each attempt.
  return row(
    undefined,
    (_, value) => typeof value === "function" ? value : check(value),
  );
}

const MIB = 1024 * 1024;
const RUNTIME_MAX_MESSAGE = 64 * MIB;
const PING_INTERVAL = 20_000;
const INITIAL_BACKOFF = 500;
const MAX_BACKOFF = 30_000;

/** Keys whose checks need others come after them: `transport` is first. */
const TABLE: Table = {
  // Where to connect, and how
  transport: choice("native", ["native", "tcp"]),
  headers: provider<HandshakeHeaders>(checkHeaders),
  subprotocols: provider<string | readonly string[]>(checkSubprotocols),
  tls: row(undefined, checkTls),
  proxy: row(undefined, checkProxy),
  httpClient: row(undefined, checkHttpClient),
  compression: row(false, checkCompression),
  maxMessageBytes: row(RUNTIME_MAX_MESSAGE, checkMaxMessageBytes),
  followRedirects: limit(5, COUNT_OR_NONE),

  // Time
  connectTimeout: limit(10_000, POSITIVE_DURATION),
  closeTimeout: limit(3_000, DURATION),
  ping: row(undefined, checkPing),
  pingInterval: {
    fallback: (config) => canPing(config) ? PING_INTERVAL : 0,
    check: (_, value, config) => checkPingInterval(value, config),
  },
  pingTimeout: limit(20_000, POSITIVE_DURATION),
  idleTimeout: limit(0, DURATION),
  staleTimeout: limit(0, DURATION),
  maxConnectionAge: limit(0, DURATION),

  // Reconnecting
  reconnect: row(true, boolean),
  maxBackoff: {
    // One of the two alone takes the other with it; they contradict each other
    // only when both are given.
    fallback: ({ initialBackoff }) =>
      initialBackoff === undefined
        ? MAX_BACKOFF
        : Math.max(MAX_BACKOFF, backoff("initialBackoff", initialBackoff)),
    check: backoff,
  },
  initialBackoff: {
    fallback: ({ maxBackoff = INITIAL_BACKOFF }) =>
      Math.min(INITIAL_BACKOFF, maxBackoff),
    check: checkInitialBackoff,
  },
  backoffMultiplier: limit(2, { min: 1 }),
  jitter: limit(1, { min: 0, max: 1 }),
  stableAfter: limit(5_000, DURATION),
  maxRetries: limit(Infinity, { ...COUNT_OR_NONE, infinity: true }),
  retryBudget: limit(Infinity, { ...POSITIVE_DURATION, infinity: true }),
  fatalCloseCodes: row(Object.freeze([]), checkFatalCloseCodes),
  classify: row(undefined, callable),
  signal: row(undefined, abortSignal),

  // Sending
  sendQueueMaxSize: limit(1000, COUNT),
  sendQueueMaxBytes: limit(16 * MIB, COUNT),
  overflow: choice("wait", ["wait", "reject", "drop-oldest", "drop-newest"]),
  sendRate: row(undefined, checkSendRate),
  redeliver: row("unflushed", checkRedelivery),
  spool: row(undefined, text),

  // Receiving
  receiveBufferMaxSize: limit(10_000, COUNT),
  receiveBufferMaxBytes: limit(64 * MIB, COUNT),
  receiveOverflow: {
    fallback: ({ transport }) => transport === "tcp" ? "pause" : "disconnect",
    check: (key, value, { transport }) =>
      checkReceiveOverflow(key, value, transport),
  },
  decode: row(undefined, callable),
};

const TABLE_KEYS = Object.keys(TABLE).filter(isKey);
const CONFIG_KEYS = ["url", ...TABLE_KEYS];

/** A {@linkcode ResolvedConfig} whose keys are not all resolved yet. */
type Draft = { [K in Key | "endpoints"]?: unknown };

/**
 * Checks the options and fills in the defaults.
 * @throws {TypeError} a value of the wrong kind, an unknown key, a key that the
 * transport does not have
 * @throws {RangeError} a number outside its limits
 */
export function resolveConfig(config: WSConfig): ResolvedConfig {
  onlyKnownKeys("WSConfig", config, CONFIG_KEYS);
  // A copy of a literal keeps its compact layout; an object that grows key by
  // key takes 1.4 KiB more, for each of many thousand clients.
  const draft: Draft = { ...TABLE, endpoints: undefined };
  for (const key of TABLE_KEYS) draft[key] = resolveKey(key, config);
  draft.endpoints = checkEndpoints(config.url, config.transport);
  if (!isComplete(draft)) throw new TypeError("An option has no row");
  return Object.freeze(draft);
}

function resolveKey<K extends Key>(
  key: K,
  config: WSConfig,
): ResolvedConfig[K] {
  const row: Table[K] = TABLE[key];
  const given: WSConfig[K] = config[key];
  return isGiven(given) ? row.check(key, given, config) : row.fallback(config);
}

function isKey(key: string): key is Key {
  return Object.hasOwn(TABLE, key);
}

function isGiven<T>(value: T): value is Exclude<T, undefined> {
  return value !== undefined;
}

function isComplete(draft: Draft): draft is ResolvedConfig {
  return TABLE_KEYS.every((key) => draft[key] !== TABLE[key]);
}

/** The error for a key that only the other transport has. */
function notOn(
  transport: TransportName,
  key: string,
  why: string,
  value: unknown,
): TypeError {
  const other = transport === "tcp" ? "native" : "tcp";
  return new TypeError(
    `Cannot use '${key}' with transport "${transport}" as ${why}: ` +
      `set transport to "${other}", or remove '${key}'. ` +
      `Current value is ${show(value)}`,
  );
}

// Where to connect, and how -----------------------------------------------------

function checkEndpoints(
  url: WSConfig["url"],
  transport: TransportName | undefined,
): readonly Endpoint[] {
  if (typeof url === "function") return Object.freeze([url]);
  const isOne = typeof url === "string" || url instanceof URL;
  if (!isOne && !(Array.isArray(url) && url.length > 0)) {
    throw wrongSecret("url", "a ws:// or wss:// URL or a list of them", url);
  }
  const hrefs = [url].flat().map((one) => checkUrl(one, transport).href);
  return Object.freeze([...new Set(hrefs)]);
}

function checkTls(_: string, tls: TlsConfig, config: WSConfig): TlsConfig {
  const keys = ["caCerts", "cert", "key", "serverName", "insecure"];
  onlyKnownKeys("tls", tls, keys);
  const { caCerts, cert, key, serverName, insecure = false } = tls;
  if ((cert === undefined) !== (key === undefined)) {
    throw new TypeError(
      "Cannot use 'tls' as a client certificate needs both 'cert' and 'key': " +
        `current value lacks '${cert === undefined ? "cert" : "key"}'`,
    );
  }
  const authorities = caCerts === undefined ? [] : [caCerts].flat();
  for (const pem of authorities) checkPem("tls.caCerts", pem);
  if (cert !== undefined) checkPem("tls.cert", cert);
  if (key !== undefined) checkPem("tls.key", key);
  boolean("tls.insecure", insecure);
  if (serverName !== undefined) text("tls.serverName", serverName);
  if (config.transport !== "tcp") {
    const why = "Deno's WebSocket has no such option";
    if (insecure) throw notOn("native", "tls.insecure", why, insecure);
    if (serverName !== undefined) {
      throw notOn("native", "tls.serverName", why, serverName);
    }
  }
  return Object.freeze({
    caCerts: Object.freeze(authorities),
    cert,
    key,
    serverName,
    insecure,
  });
}

/** A key must not be shown, so the error names only the kind of the value. */
function checkPem(key: string, value: unknown): void {
  if (typeof value !== "string" || !value.includes("-----BEGIN ")) {
    throw wrongSecret(key, 'PEM text ("-----BEGIN ...")', value);
  }
}

const PROXY_SCHEMES = ["http:", "https:", "socks5:"];

function checkProxy(_: string, value: string | URL): URL {
  const rule = "an http://, https:// or socks5:// URL";
  if (typeof value !== "string" && !(value instanceof URL)) {
    throw wrongSecret("proxy", rule, value);
  }
  const url = URL.parse(String(value));
  if (url === null || !PROXY_SCHEMES.includes(url.protocol)) {
    throw wrongKind("proxy", rule, redactUrl(value));
  }
  return url;
}

/** An HTTP client brings its own certificates and proxy. */
function checkHttpClient(
  key: string,
  client: Deno.HttpClient,
  config: WSConfig,
): Deno.HttpClient {
  if (!(client instanceof Deno.HttpClient)) {
    throw wrongSecret(key, "a Deno.HttpClient", client);
  }
  if (config.transport === "tcp") {
    throw notOn("tcp", key, "it uses no HTTP client", client);
  }
  const clash = (["tls", "proxy"] as const)
    .find((key) => config[key] !== undefined);
  if (clash !== undefined) {
    throw new TypeError(
      `Cannot use '${clash}' together with 'httpClient': ` +
        "give it to Deno.createHttpClient instead",
    );
  }
  return client;
}

/** The threshold of the widely used `ws` package. */
const COMPRESSION_THRESHOLD = 1024;

function checkCompression(
  key: string,
  value: boolean | CompressionConfig,
  config: WSConfig,
): ResolvedConfig["compression"] {
  if (value === false) return false;
  if (value !== true && (typeof value !== "object" || value === null)) {
    throw wrongKind(key, "true, false or an object", value);
  }
  const options: CompressionConfig = value === true ? {} : value;
  onlyKnownKeys(key, options, ["threshold", "contextTakeover"]);
  const { threshold = COMPRESSION_THRESHOLD, contextTakeover = true } = options;
  const resolved = {
    threshold: number(`${key}.threshold`, threshold, COUNT_OR_NONE),
    contextTakeover: boolean(`${key}.contextTakeover`, contextTakeover),
  };
  if (config.transport !== "tcp") {
    const why = "Deno's WebSocket does not offer permessage-deflate";
    throw notOn("native", key, why, value);
  }
  return Object.freeze(resolved);
}

function checkMaxMessageBytes(
  key: string,
  value: number,
  config: WSConfig,
): number {
  number(key, value, COUNT);
  if (config.transport !== "tcp" && value !== RUNTIME_MAX_MESSAGE) {
    const why = `the runtime's limit of ${RUNTIME_MAX_MESSAGE} bytes is fixed`;
    throw notOn("native", key, why, value);
  }
  return value;
}

// Time ----------------------------------------------------------------------------

function checkPing(_: string, ping: PingConfig): PingConfig {
  onlyKnownKeys("ping", ping, ["message", "isPong", "answer"]);
  const { message, isPong, answer } = ping;
  if (isPong !== undefined) callable("ping.isPong", isPong);
  if (answer !== undefined) callable("ping.answer", answer);
  const isValid = typeof message === "function" || isMessage(message);
  if (message !== undefined && !isValid) {
    const rule = "a string, a Uint8Array or a function";
    throw wrongSecret("ping.message", rule, message);
  }
  if (message === undefined && answer === undefined) {
    throw wrongKind("ping", "given a 'message', an 'answer' or both", ping);
  }
  if (message === undefined && isPong !== undefined) {
    throw new TypeError(
      "Cannot use 'ping.isPong' without 'ping.message': " +
        "a pong answers a ping of ours",
    );
  }
  // The program may reuse the memory of a binary message.
  const own = message instanceof Uint8Array ? new Uint8Array(message) : message;
  return Object.freeze({ message: own, isPong, answer });
}

type Pinging = Pick<WSConfig, "transport" | "ping">;

/** Whether there is anything to send at each `pingInterval`. */
function canPing({ transport, ping }: Pinging): boolean {
  return transport === "tcp" || ping?.message !== undefined;
}

/** Checks a period for the heartbeat of a client with these options. */
export function checkPingInterval(value: number, config: Pinging): number {
  number("pingInterval", value, DURATION);
  if (value > 0 && !canPing(config)) {
    throw new TypeError(
      "Cannot use 'pingInterval' without 'ping.message' with transport " +
        '"native" as Deno\'s WebSocket cannot send ping frames: a heartbeat ' +
        "is then a message of your protocol. Set 'ping: { message }', use " +
        "'idleTimeout', or set transport to \"tcp\", which sends ping frames. " +
        `Current value is ${show(value)}`,
    );
  }
  return value;
}

// Reconnecting ----------------------------------------------------------------------

function backoff(key: string, value: number): number {
  return number(key, value, POSITIVE_DURATION);
}

function checkInitialBackoff(
  key: string,
  value: number,
  { maxBackoff }: WSConfig,
): number {
  backoff(key, value);
  if (maxBackoff !== undefined && value > maxBackoff) {
    throw new RangeError(
      `Cannot use '${key}' as it must be at most 'maxBackoff' ` +
        `(${maxBackoff}): current value is ${value}`,
    );
  }
  return value;
}

const CLOSE_CODE: NumberRule = { min: 1000, max: 4999, integer: true };

/** Close codes (RFC 6455, section 7.4), or a function that knows them. */
function checkFatalCloseCodes(
  key: string,
  codes: Given<"fatalCloseCodes">,
): Given<"fatalCloseCodes"> {
  if (typeof codes === "function") return codes;
  if (!Array.isArray(codes)) {
    throw wrongKind(key, "a list of close codes or a function", codes);
  }
  return Object.freeze(codes.map((code) => number(key, code, CLOSE_CODE)));
}

// Sending -----------------------------------------------------------------------------

function checkSendRate(key: string, rate: SendRate): SendRate {
  onlyKnownKeys(key, rate, ["messages", "interval"]);
  const { messages, interval } = rate;
  return Object.freeze({
    messages: number(`${key}.messages`, messages, COUNT),
    interval: number(`${key}.interval`, interval, POSITIVE_DURATION),
  });
}

function checkRedelivery(
  key: string,
  redeliver: Redelivery,
  { sendQueueMaxSize }: WSConfig,
): Redelivery {
  if (typeof redeliver === "string") {
    return oneOf(key, redeliver, ["unflushed", "none"]);
  }
  onlyKnownKeys(key, redeliver, ["id", "acknowledged", "window"]);
  const queue = sendQueueMaxSize ??
    TABLE.sendQueueMaxSize.fallback({ url: "" });
  const { id, acknowledged, window = queue } = redeliver;
  return Object.freeze({
    id: callable(`${key}.id`, id),
    acknowledged: callable(`${key}.acknowledged`, acknowledged),
    window: number(`${key}.window`, window, COUNT),
  });
}

// Receiving ---------------------------------------------------------------------------

/** Checks what to do when a reader's buffer is full. */
export function checkReceiveOverflow(
  key: string,
  overflow: ReceiveOverflow,
  transport: TransportName = "native",
): ReceiveOverflow {
  if (typeof overflow !== "string") {
    onlyKnownKeys(key, overflow, ["conflate"]);
    const { conflate }: Conflation = overflow;
    return Object.freeze({ conflate: callable(`${key}.conflate`, conflate) });
  }
  if (overflow === "pause" && transport !== "tcp") {
    const why = "reading from Deno's WebSocket cannot be paused";
    throw notOn("native", key, why, overflow);
  }
  return oneOf(key, overflow, [
    "disconnect",
    "drop-oldest",
    "drop-newest",
    "pause",
  ]);
}
