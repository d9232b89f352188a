/**
 * The one kind of error this module reports, and what each code means.
 *
 * ```text
 * WSError
 * ├── no connection came about
 * │   ├── CONNECT            refused, unreachable, reset, a provider failed
 * │   ├── DNS                the name does not resolve
 * │   ├── TIMEOUT            the attempt, or onConnect, took too long
 * │   ├── TLS                a certificate was not accepted, or no TLS is spoken
 * │   ├── HTTP_STATUS        the server answered the handshake with 4xx or 5xx
 * │   ├── REDIRECT           a redirect that must not be followed
 * │   ├── HANDSHAKE          what answered does not speak WebSocket
 * │   └── PERMISSION         Deno did not allow it
 * ├── a connection ended
 * │   ├── CLOSED             a close frame, or a drop without one (1006)
 * │   ├── PROTOCOL           a bad frame, bad UTF-8, a message too large
 * │   ├── HEARTBEAT          silent, idle or stuck for too long
 * │   └── SLOW_CONSUMER      a reader of ours fell too far behind (with
 * │                          "pause": reported, ends nothing)
 * ├── a message was not accepted or not kept
 * │   ├── QUEUE_FULL, TOO_LARGE, EXPIRED, ABORTED
 * │   └── SPOOL              the file behind the queue (fatal if it cannot open)
 * └── the client ended
 *     ├── RETRIES_EXHAUSTED  with the last error as its cause
 *     ├── STOPPED            stop() or the signal
 *     └── CALLBACK           a callback threw; reported, ends nothing
 * ```
 *
 * @module
 */

/** Whether trying again makes sense. */
export type Severity = "transient" | "fatal";

/** What happened; the tree at the top of `errors.ts` says more on each. */
export type WSErrorCode =
  | "CONNECT"
  | "DNS"
  | "TIMEOUT"
  | "TLS"
  | "HTTP_STATUS"
  | "REDIRECT"
  | "HANDSHAKE"
  | "PERMISSION"
  | "CLOSED"
  | "PROTOCOL"
  | "HEARTBEAT"
  | "SLOW_CONSUMER"
  | "QUEUE_FULL"
  | "TOO_LARGE"
  | "EXPIRED"
  | "ABORTED"
  | "SPOOL"
  | "RETRIES_EXHAUSTED"
  | "STOPPED"
  | "CALLBACK";

/** The facts of a {@linkcode WSError}. */
export interface WSErrorOptions {
  /** What happened. */
  readonly code: WSErrorCode;
  /** Whether trying again makes sense. */
  readonly severity: Severity;
  /** The original exception. */
  readonly cause?: unknown;
  /** The WebSocket close code (RFC 6455, section 7.4). */
  readonly closeCode?: number | undefined;
  /** The reason the server gave in its close frame. */
  readonly reason?: string | undefined;
  /** The HTTP status of the refused handshake. */
  readonly status?: number | undefined;
  /** The headers of the refused handshake. */
  readonly headers?: Headers | undefined;
  /** The start of the body of the refusal. */
  readonly body?: string | undefined;
  /** How long the server asked the client to wait, in milliseconds. */
  readonly retryAfter?: number | undefined;
  /** The URL; credentials and secrets in it are removed here. */
  readonly url?: string | URL | undefined;
}

/**
 * Everything that can go wrong with a client.
 *
 * @example
 * ```ts
 * import { WebSocketStreamClient, WSError } from "@ws-stream/client";
 *
 * const client = new WebSocketStreamClient({
 *   url: "ws://127.0.0.1:9",
 *   reconnect: false,
 * });
 * try {
 *   await client.start();
 * } catch (error) {
 *   if (error instanceof WSError) console.log(error.code, error.severity);
 * }
 * ```
 */
export class WSError extends Error {
  /** Always `"WSError"`. */
  override readonly name = "WSError";
  /** What happened. */
  readonly code: WSErrorCode;
  /** Whether trying again makes sense. */
  readonly severity: Severity;
  /** The WebSocket close code (RFC 6455, section 7.4); 1006 for a drop without a close frame. */
  declare readonly closeCode?: number;
  /** The reason the server gave in its close frame. */
  declare readonly reason?: string;
  /** The HTTP status of the refused handshake. */
  declare readonly status?: number;
  /** The headers of the refused handshake. */
  declare readonly headers?: Headers;
  /** The start of the refusal's body, where the transport saw it (tcp; native when it had to ask again). */
  declare readonly body?: string;
  /**
   * How long the server asked the client to wait (`Retry-After`), in
   * milliseconds.
   */
  declare readonly retryAfter?: number;
  /** The URL, without credentials and secrets. */
  declare readonly url?: string;

  /** Makes an error from its facts. */
  constructor(message: string, options: WSErrorOptions) {
    super(
      message,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    const { code, severity, url, closeCode, reason } = options;
    const { status, headers, body, retryAfter } = options;
    this.code = code;
    this.severity = severity;
    // Only what is known becomes a property, so that a log shows only that.
    if (closeCode !== undefined) this.closeCode = closeCode;
    if (reason !== undefined) this.reason = reason;
    if (status !== undefined) this.status = status;
    if (headers !== undefined) this.headers = headers;
    if (body !== undefined) this.body = body;
    if (retryAfter !== undefined) this.retryAfter = retryAfter;
    if (url !== undefined) this.url = redactUrl(url);
  }

  /** The original exception: another name for `cause`. */
  get exception(): unknown {
    return this.cause;
  }

  /** The same error with another severity. */
  withSeverity(severity: Severity): WSError {
    if (severity === this.severity) return this;
    // An error's cause is no enumerable property.
    const facts = { ...this, cause: this.cause, severity };
    const copy = new WSError(this.message, facts);
    copy.stack = this.stack; // where it happened, not where it was copied
    return copy;
  }
}

const SECRET_NAME =
  /token|secret|pass|pwd|auth|key|sig|jwt|session|credential|cookie|code|ticket|bearer|nonce|^(?:sid|sas|otp|pin|se|sp|st|sr)$|sas$|otp$/i;
/** Long runs without spaces: tokens, hashes, Base64 (`+`, `/`, `=`), `id:secret`. */
const SECRET_VALUE = /^[\w.~+/=:%@|,-]{24,}$/;

/**
 * The URL as it may be shown: without user name, password and fragment, and
 * with `***` for query values that are secrets by their name or by their looks.
 */
export function redactUrl(url: string | URL): string {
  const shown = URL.canParse(String(url)) ? new URL(url) : undefined;
  // "user:password@host" is a URL too, of the scheme "user" and without a host.
  if (!shown?.pathname.startsWith("/")) return redactText(String(url));
  shown.username = "";
  shown.password = "";
  shown.hash = "";
  // As it is written: in the parsed value a "+" would be a space.
  const query = shown.search.slice(1).split("&").map(redactParameter).join("&");
  shown.search = query;
  return shown.href;
}

function redactParameter(pair: string): string {
  const at = pair.indexOf("=");
  if (at < 0) return SECRET_VALUE.test(pair) ? "***" : pair;
  const name = pair.slice(0, at);
  const isSecret = SECRET_NAME.test(decodeOrKeep(name)) ||
    SECRET_VALUE.test(decodeOrKeep(pair.slice(at + 1)));
  return isSecret ? `${name}=***` : pair;
}

function decodeOrKeep(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a stray "%"
  }
}

/**
 * For a text that is not a valid URL: cuts off all parts that could be secret.
 */
function redactText(text: string): string {
  return text
    .replace(/[?#].*@.*$/s, "@***")
    .replace(/^((?:[a-z][a-z\d+.-]*:)?\/\/)?.*@/is, "$1")
    .replace(/[?#].*$/s, "");
}

/** A function of the program threw: it is reported and ends nothing. */
export function callbackError(name: string, cause: unknown): WSError {
  return new WSError(`${name} threw: ${causeText(cause)}`, {
    code: "CALLBACK",
    severity: "transient",
    cause,
  });
}

/**
 * A URL in a text; what follows it without a space may be a part of it. A scheme
 * with nothing but punctuation behind it (`ws://, wss://`) is no URL.
 */
const URL_IN_TEXT =
  /\b[a-z][a-z\d+.\-]*:\/\/(?=[^\s"<>`]*[\p{L}\p{N}])[^\s"<>`]+/giu;

/**
 * The text of whatever a program threw, which may be anything, even what throws
 * when it is looked at. The URLs in it show no secrets.
 */
export function causeText(cause: unknown): string {
  try {
    const text = String(cause instanceof Error ? cause.message : cause);
    return text.replace(URL_IN_TEXT, redactUrl);
  } catch {
    return "something that cannot be shown";
  }
}
