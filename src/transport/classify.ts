/**
 * From facts to a {@linkcode WSError}. This is the only place that decides
 * whether a failure is transient or fatal. Pure: the time is an argument.
 *
 * A failure is fatal when the next attempt would end the same way: a wrong
 * path, wrong credentials, a certificate that is not accepted. Once the client
 * has been open, this configuration has worked. Then the world has changed, not
 * the program (a gateway is rolled out, a captive portal answers, a certificate
 * is renewed), and most fatal failures become transient.
 *
 * Fatal even then: no permission, options that cannot be used, the third 401 or
 * 403 in a row from one URL.
 *
 * @module
 */

import type { ClassifyContext, WSConfig } from "../config.ts";
import { closeCodeName } from "../protocol/close_codes.ts";
import {
  callbackError,
  redactUrl,
  type Severity,
  WSError,
  type WSErrorCode,
} from "../errors.ts";
import { isPromise } from "../handled.ts";
import { wrongKind } from "../rules.ts";
import type {
  ConnectionFailure,
  HandshakeFacts,
  HandshakeFailureKind,
  SocketEnd,
} from "./transport.ts";

/** What is known about an attempt besides its failure. */
export interface AttemptContext {
  /** The URL that was dialled; `undefined` before it is known. */
  readonly url: URL | undefined;
  /** Whether the client has been open before. */
  readonly wasOpen: boolean;
  /** How many 401 and 403 in a row this URL answered before. */
  readonly refusals: number;
  /** The wall clock, in milliseconds since the epoch, for `Retry-After`. */
  readonly now: number;
}

/** When a failure is fatal. */
type Rule =
  | "transient"
  /** Fatal until the client has been open. */
  | "fatal-at-first"
  | "fatal";

type Row = readonly [code: WSErrorCode, rule: Rule];

/** What is known besides the status, of which there is a table of its own. */
type Kind = Exclude<HandshakeFailureKind, "status">;

/** What happened, as the second half of "No connection to HOST: ...". */
const TEXTS: Readonly<Record<Kind, string>> = {
  permission: "Deno does not allow it",
  options: "the options 'tls' or 'proxy' cannot be used",
  "http-client-closed": "the 'httpClient' is closed",
  dns: "the host name does not resolve",
  unreachable: "nobody listens there, or the host cannot be reached",
  reset: "the connection broke before the server answered",
  "hung-up": "the server hung up before it answered",
  certificate: "the server's certificate is not accepted; " +
    "for a certificate authority of your own see 'tls.caCerts'",
  "certificate-not-yet-valid":
    "the server's certificate is not valid yet; is the clock right?",
  "client-certificate":
    "the server wants a client certificate, or another one; see 'tls.cert'",
  "not-tls": "the server does not speak TLS on this port: " +
    "use ws://, or the port for wss://",
  tls: "client and server could not agree on TLS",
  "tls-server": "the server failed during the TLS handshake",
  "no-http1": "the server has no HTTP/1.1, which the handshake needs",
  "not-http": "what answered is not HTTP; a TLS port wants wss://",
  "head-too-long": "the headers of the answer are too long",
  upgrade: "the server's 101 is not a WebSocket handshake",
  subprotocol: "the server chose a subprotocol that was not offered",
  "proxy-credentials":
    "the proxy wants a user name and a password in its URL, or other ones",
  "proxy-protocol": "what answered does not speak the proxy's protocol",
  "proxy-unreachable": "the proxy cannot be reached",
  "proxy-refused": "the proxy did not connect to the server",
  unknown: "the handshake failed",
  "provider-threw": "a function of the configuration threw",
  "provider-value":
    "a function of the configuration returned what cannot be used",
  redirect: "the server redirects where the client must not follow",
  timeout: "the attempt took too long",
};

/** The failure table of the design. */
function rowOf(kind: Kind): Row {
  switch (kind) {
    case "unreachable":
    case "reset":
    case "hung-up":
    case "tls-server":
    case "proxy-unreachable":
    case "proxy-refused":
    case "unknown":
    case "provider-threw":
      return ["CONNECT", "transient"];
    case "dns":
      return ["DNS", "transient"];
    case "timeout":
      return ["TIMEOUT", "transient"];
    case "redirect":
      return ["REDIRECT", "fatal-at-first"];
    case "no-http1":
    case "not-http":
    case "head-too-long":
    case "upgrade":
    case "subprotocol":
    case "proxy-protocol":
      return ["HANDSHAKE", "fatal-at-first"];
    case "certificate":
    case "client-certificate":
    case "not-tls":
    case "tls":
      return ["TLS", "fatal-at-first"];
    case "certificate-not-yet-valid":
      return ["TLS", "transient"];
    case "proxy-credentials":
      return ["HTTP_STATUS", "fatal-at-first"];
    case "provider-value":
      return ["CONNECT", "fatal-at-first"];
    case "permission":
      return ["PERMISSION", "fatal"];
    case "options":
      return ["TLS", "fatal"];
    case "http-client-closed":
      return ["CONNECT", "fatal"];
    default:
      return kind satisfies never;
  }
}

/** The error for a handshake that failed. */
export function handshakeError(
  facts: HandshakeFacts,
  context: AttemptContext,
): WSError {
  const { kind, detail = "" } = facts;
  if (kind === "status") return statusError(facts, context);
  const text = kind === "certificate" ? certificateText(detail) : TEXTS[kind];
  return failure(facts, context, rowOf(kind), text);
}

function certificateText(detail: string): string {
  if (/expired/i.test(detail)) return "the server's certificate has expired";
  if (/not ?valid ?for ?name/i.test(detail)) {
    return "the server's certificate is for another name: use that one, or " +
      "see 'tls.serverName' (tcp)";
  }
  return TEXTS.certificate;
}

/** 401 and 403: the server does not accept these credentials. */
export function isRefusal({ code, status }: WSError): boolean {
  return code === "HTTP_STATUS" && (status === 401 || status === 403);
}

/** After this many refusals in a row, a client that was open gives up too. */
const MAX_REFUSALS = 3;

/** Statuses that ask to come back later by themselves. */
const LATER: ReadonlySet<number> = new Set([408, 425, 429]);

const STATUS_ADVICE: ReadonlyMap<number, string> = new Map([
  [400, ", it does not accept the request"],
  [401, ", it wants other credentials"],
  [403, ", it does not allow this client"],
  [404, ", there is nothing at this path"],
  [407, ", the proxy wants a user name and a password in its URL"],
  [426, ", it wants another version of the protocol"],
  [429, ", there were too many requests"],
]);

function statusError(facts: HandshakeFacts, context: AttemptContext): WSError {
  const { status = 0, headers } = facts;
  const asked = headers?.get("retry-after") ?? null;
  const retryAfter = parseRetryAfter(asked, context.now);
  if (status < 400 || status > 599) {
    const row: Row = ["HANDSHAKE", "fatal-at-first"];
    const text =
      `this is no WebSocket endpoint, it answered ${status} instead of 101`;
    return failure(facts, context, row, text, retryAfter);
  }
  const rule = statusRule(status, retryAfter, context);
  const text = `the server answered ${status}${
    STATUS_ADVICE.get(status) ?? ""
  }`;
  return failure(facts, context, ["HTTP_STATUS", rule], text, retryAfter);
}

function statusRule(
  status: number,
  retryAfter: number | undefined,
  { refusals }: AttemptContext,
): Rule {
  if (status >= 500 || LATER.has(status)) return "transient";
  if (retryAfter !== undefined) return "transient";
  const isRefused = status === 401 || status === 403;
  return isRefused && refusals + 1 >= MAX_REFUSALS ? "fatal" : "fatal-at-first";
}

function failure(
  facts: HandshakeFacts,
  context: AttemptContext,
  [code, rule]: Row,
  text: string,
  retryAfter?: number,
): WSError {
  const { detail, advice, status, headers, body, cause } = facts;
  const { url, wasOpen } = context;
  const to = url === undefined ? "" : ` to ${hostOf(url)}`;
  const more = detail === undefined ? "" : ` (${detail})`;
  const hint = advice === undefined ? "" : `; ${advice}`;
  const isFatal = rule === "fatal" || rule === "fatal-at-first" && !wasOpen;
  return new WSError(`No connection${to}: ${text}${more}${hint}`, {
    code,
    severity: isFatal ? "fatal" : "transient",
    status,
    headers,
    body,
    retryAfter,
    url,
    cause,
  });
}

const SECONDS = /^\d+$/;

const DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)";
const LONG_DAY = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day";
const MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)";
const TIME = "\\d{2}:\\d{2}:\\d{2}";

/**
 * The three forms of an HTTP date (RFC 9110, section 5.6.7). `Date.parse` alone
 * would find a date in almost anything, "1.5" among it.
 */
const HTTP_DATES = [
  new RegExp(`^${DAY}, \\d{2} ${MONTH} \\d{4} ${TIME} GMT$`),
  new RegExp(`^${LONG_DAY}, \\d{2}-${MONTH}-\\d{2} ${TIME} GMT$`),
  new RegExp(`^${DAY} ${MONTH} [ \\d]\\d ${TIME} \\d{4}$`),
];

/**
 * The `Retry-After` header (RFC 9110, section 10.2.3): how long the server asks
 * to wait, in milliseconds from `now` (milliseconds since the epoch); 0 for a
 * date that is past, `undefined` for nonsense.
 */
export function parseRetryAfter(
  value: string | null,
  now: number,
): number | undefined {
  if (value === null) return undefined;
  if (SECONDS.test(value)) {
    return Math.min(Number(value) * 1000, Number.MAX_SAFE_INTEGER);
  }
  if (!HTTP_DATES.some((form) => form.test(value))) return undefined;
  // The third form, asctime's, is UTC without saying so.
  const date = Date.parse(value.endsWith("GMT") ? value : `${value} GMT`);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** The host as an error names it; for a unix socket its path. */
function hostOf(url: URL | string): string {
  const { host } = new URL(url);
  return host === "" ? redactUrl(url) : host;
}

// The end of an open connection -------------------------------------------------

/** The error for a connection that ended without our doing. */
export function closeError(end: SocketEnd, url: string): WSError {
  const { code, reason, failure } = end;
  return new WSError(describeEnd(end, url), {
    code: failure === undefined || failure.kind === "network"
      ? "CLOSED"
      : "PROTOCOL",
    severity: "transient",
    closeCode: code,
    reason,
    url,
    cause: failure?.cause,
  });
}

function describeEnd(
  { code, reason, failure }: SocketEnd,
  url: string,
): string {
  const host = hostOf(url);
  if (failure !== undefined) return describeFailure(failure, host);
  if (code === 1006) {
    return `The connection to ${host} dropped without a close frame`;
  }
  const name = closeCodeName(code);
  const meaning = name === undefined ? "" : ` (${name})`;
  // The reason comes from the network: quoted, so that it stays on its line.
  const why = reason === "" ? "" : `: ${JSON.stringify(reason)}`;
  return `${host} closed the connection with ${code}${meaning}${why}`;
}

function describeFailure(
  { kind, detail }: ConnectionFailure,
  host: string,
): string {
  switch (kind) {
    case "network":
      return `The connection to ${host} dropped without a close frame: ${detail}`;
    case "protocol":
      return `${host} broke the WebSocket protocol: ${detail}`;
    case "too-large":
      return `${host} sent a message that is too large: ${detail}`;
    default:
      return kind satisfies never;
  }
}

/**
 * The program's own decisions: `fatalCloseCodes`, then `classify`. An exception
 * of one of them is reported, and our decision stands.
 */
export function applyOverrides(
  error: WSError,
  { fatalCloseCodes, classify }: Pick<WSConfig, "fatalCloseCodes" | "classify">,
  context: ClassifyContext,
  report: (error: WSError) => void,
): WSError {
  function guarded<T>(name: string, ask: () => T): T | undefined {
    try {
      return ask();
    } catch (cause) {
      report(callbackError(name, cause));
      return undefined;
    }
  }
  const isFatal = guarded(
    "fatalCloseCodes",
    () => isFatalClose(error, fatalCloseCodes),
  );
  const ours = isFatal ? error.withSeverity("fatal") : error;
  const theirs = guarded(
    "classify",
    () => checkSeverity(classify?.(ours, context)),
  );
  return theirs === undefined ? ours : ours.withSeverity(theirs);
}

function isFatalClose(
  { code, closeCode }: WSError,
  fatal: WSConfig["fatalCloseCodes"],
): boolean {
  if (code !== "CLOSED" || closeCode === undefined) return false;
  if (typeof fatal !== "function") return fatal?.includes(closeCode) ?? false;
  const answer = fatal(closeCode);
  if (isPromise(answer)) {
    throw wrongKind("fatalCloseCodes()", "true or false", answer);
  }
  return Boolean(answer);
}

function checkSeverity(value: unknown): Severity | undefined {
  if (value === undefined) return undefined;
  if (value === "transient" || value === "fatal") return value;
  isPromise(value); // of an async function: it must not end the program
  throw wrongKind("classify()", '"transient", "fatal" or undefined', value);
}

/** The server ended the connection because it was done: 1000 and 1001. */
export function isNormalClose(error: WSError): boolean {
  return error.code === "CLOSED" && error.severity === "transient" &&
    (error.closeCode === 1000 || error.closeCode === 1001);
}

/** The connection that the program dropped itself. */
export function reconnectRequested(url: string): WSError {
  const text = `The program asked for a new connection to ${hostOf(url)}`;
  return transient("CLOSED", text, url, 1006);
}

/** The error of a `session` whose connection is closed by us. */
export function connectionClosed(url: string): WSError {
  const text = `The connection to ${hostOf(url)} is closed`;
  return transient("CLOSED", text, url, 1006);
}

/** A connection that does not show a sign of life. */
export function heartbeatError(text: string, url: string): WSError {
  const dead = `The connection to ${hostOf(url)} is dead: ${text}`;
  return transient("HEARTBEAT", dead, url);
}

/** `onConnect` did not take what arrived, nor settle. */
export function hookOverrun(count: number, url: string): WSError {
  const text = `${count} messages of ${hostOf(url)} arrived before onConnect ` +
    "settled: more than receiveBufferMaxSize or receiveBufferMaxBytes";
  return transient("SLOW_CONSUMER", text, url);
}

/** `onConnect` took too long. */
export function hookTimeout(ms: number, url: string): WSError {
  const text =
    `onConnect did not settle within ${
      Math.round(ms)
    } ms, on the connection to ` +
    hostOf(url);
  return transient("TIMEOUT", text, url);
}

function transient(
  code: WSErrorCode,
  message: string,
  url: string,
  closeCode?: number,
): WSError {
  return new WSError(message, { code, severity: "transient", closeCode, url });
}

/** The client gave up. */
export function retriesExhausted(why: string, last: WSError): WSError {
  return new WSError(`Gave up as ${why}; the last error: ${last.message}`, {
    code: "RETRIES_EXHAUSTED",
    severity: "fatal",
    cause: last,
    url: last.url,
  });
}
