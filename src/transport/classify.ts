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
import { parseRetryAfter } from "./retry_after.ts";
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
  /** The proxy of the configuration. */
  readonly proxy: URL | undefined;
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

interface Row {
  readonly code: WSErrorCode;
  readonly rule: Rule;
  /** What happened, as the second half of "No connection to HOST: ...". */
  readonly text: string;
}

/** The failure table of the design; `status` has a table of its own. */
const HANDSHAKE: Readonly<
  Record<Exclude<HandshakeFailureKind, "status">, Row>
> = {
  "permission": {
    code: "PERMISSION",
    rule: "fatal",
    text: "Deno does not allow it",
  },
  "options": {
    code: "TLS",
    rule: "fatal",
    text: "the options 'tls' or 'proxy' cannot be used",
  },
  "http-client-closed": {
    code: "CONNECT",
    rule: "fatal",
    text: "the 'httpClient' is closed",
  },
  "dns": {
    code: "DNS",
    rule: "transient",
    text: "the host name does not resolve",
  },
  "unreachable": {
    code: "CONNECT",
    rule: "transient",
    text: "nobody listens there, or the host cannot be reached",
  },
  "reset": {
    code: "CONNECT",
    rule: "transient",
    text: "the connection broke before the server answered",
  },
  "hung-up": {
    code: "CONNECT",
    rule: "transient",
    text: "the server hung up before it answered",
  },
  "certificate": {
    code: "TLS",
    rule: "fatal-at-first",
    text: "the server's certificate is not accepted; " +
      "for a certificate authority of your own see 'tls.caCerts'",
  },
  "certificate-not-yet-valid": {
    code: "TLS",
    rule: "transient",
    text: "the server's certificate is not valid yet; is the clock right?",
  },
  "client-certificate": {
    code: "TLS",
    rule: "fatal-at-first",
    text: "the server wants another client certificate; see 'tls.cert'",
  },
  "not-tls": {
    code: "TLS",
    rule: "fatal-at-first",
    text: "the server does not speak TLS on this port: " +
      "use ws://, or the port for wss://",
  },
  "tls": {
    code: "TLS",
    rule: "fatal-at-first",
    text: "client and server could not agree on TLS",
  },
  "tls-server": {
    code: "CONNECT",
    rule: "transient",
    text: "the server failed during the TLS handshake",
  },
  "no-http1": {
    code: "HANDSHAKE",
    rule: "fatal-at-first",
    text: "the server has no HTTP/1.1, which the handshake needs",
  },
  "not-http": {
    code: "HANDSHAKE",
    rule: "fatal-at-first",
    text: "what answered is not HTTP; a TLS port wants wss://",
  },
  "upgrade": {
    code: "HANDSHAKE",
    rule: "fatal-at-first",
    text: "the server's 101 is not a WebSocket handshake",
  },
  "subprotocol": {
    code: "HANDSHAKE",
    rule: "fatal-at-first",
    text: "the server chose a subprotocol that was not offered",
  },
  "proxy-credentials": {
    code: "HTTP_STATUS",
    rule: "fatal-at-first",
    text:
      "the proxy wants a user name and a password in its URL, or other ones",
  },
  "proxy-protocol": {
    code: "HANDSHAKE",
    rule: "fatal-at-first",
    text: "what answered does not speak the proxy's protocol",
  },
  "proxy-unreachable": {
    code: "CONNECT",
    rule: "transient",
    text: "the proxy cannot be reached",
  },
  "proxy-refused": {
    code: "CONNECT",
    rule: "transient",
    text: "the proxy did not connect to the server",
  },
  "unknown": {
    code: "CONNECT",
    rule: "transient",
    text: "the handshake failed",
  },
  "provider-threw": {
    code: "CONNECT",
    rule: "transient",
    text: "a function of the configuration threw",
  },
  "provider-value": {
    code: "CONNECT",
    rule: "fatal-at-first",
    text: "a function of the configuration returned what cannot be used",
  },
  "redirect": {
    code: "REDIRECT",
    rule: "fatal-at-first",
    text: "the server redirects where the client must not follow",
  },
  "timeout": {
    code: "TIMEOUT",
    rule: "transient",
    text: "the attempt took too long",
  },
};

/** The error for a handshake that failed. */
export function handshakeError(
  facts: HandshakeFacts,
  context: AttemptContext,
): WSError {
  if (facts.kind === "status") return statusError(facts, context);
  const { code, rule, text } = HANDSHAKE[facts.kind];
  return failure(facts, context, code, rule, text);
}

/** 401 and 403: the server does not accept these credentials. */
export function isRefusal({ code, status }: WSError): boolean {
  return code === "HTTP_STATUS" && (status === 401 || status === 403);
}

/** After so many refusals in a row a client that was open gives up, too. */
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
  const retryAfter = parseRetryAfter(
    headers?.get("retry-after") ?? null,
    context.now,
  );
  if (status < 400 || status > 599) {
    return failure(
      facts,
      context,
      "HANDSHAKE",
      "fatal-at-first",
      `this is no WebSocket endpoint, it answered ${status} instead of 101`,
      retryAfter,
    );
  }
  return failure(
    facts,
    context,
    "HTTP_STATUS",
    statusRule(status, retryAfter, context),
    `the server answered ${status}${STATUS_ADVICE.get(status) ?? ""}`,
    retryAfter,
  );
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
  code: WSErrorCode,
  rule: Rule,
  text: string,
  retryAfter?: number,
): WSError {
  const { detail, advice, status, headers, body, cause } = facts;
  const { url, wasOpen } = context;
  const to = url === undefined ? "" : ` to ${hostOf(url)}`;
  const more = detail === undefined ? "" : ` (${detail})`;
  const hint = advice === undefined ? "" : `; ${advice}`;
  return new WSError(`No connection${to}: ${text}${more}${hint}`, {
    code,
    severity: severityBy(rule, wasOpen),
    status,
    headers,
    body,
    retryAfter,
    url,
    cause,
  });
}

function severityBy(rule: Rule, wasOpen: boolean): Severity {
  switch (rule) {
    case "transient":
      return "transient";
    case "fatal-at-first":
      return wasOpen ? "transient" : "fatal";
    case "fatal":
      return "fatal";
    default:
      return rule satisfies never;
  }
}

/** The host as an error names it; for a unix socket its path. */
function hostOf(url: URL): string {
  return url.host === "" ? redactUrl(url) : url.host;
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
  const host = hostOf(new URL(url));
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
 * The program's own decisions: `fatalCloseCodes`, then `classify`. What one of
 * them throws is reported, and our decision stands.
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
  const host = hostOf(new URL(url));
  return new WSError(`The program asked for a new connection to ${host}`, {
    code: "CLOSED",
    severity: "transient",
    closeCode: 1006,
    url,
  });
}

/** The error of a `session` whose connection is closed by us. */
export function connectionClosed(url: string): WSError {
  return new WSError(`The connection to ${hostOf(new URL(url))} is closed`, {
    code: "CLOSED",
    severity: "transient",
    closeCode: 1006,
    url,
  });
}

/** A connection that does not show a sign of life. */
export function heartbeatError(text: string, url: string): WSError {
  return new WSError(
    `The connection to ${hostOf(new URL(url))} is dead: ${text}`,
    {
      code: "HEARTBEAT",
      severity: "transient",
      url,
    },
  );
}

/** `onConnect` did not take what arrived, nor settle. */
export function hookOverrun(count: number, url: string): WSError {
  return new WSError(
    `${count} messages of ${hostOf(new URL(url))} arrived before onConnect ` +
      "settled: more than receiveBufferMaxSize or receiveBufferMaxBytes",
    { code: "SLOW_CONSUMER", severity: "transient", url },
  );
}

/** `onConnect` took too long. */
export function hookTimeout(ms: number, url: string): WSError {
  return new WSError(
    `onConnect did not settle within ${ms} ms, on the connection to ` +
      hostOf(new URL(url)),
    { code: "TIMEOUT", severity: "transient", url },
  );
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
