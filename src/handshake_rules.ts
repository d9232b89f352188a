/**
 * Rules for what goes into a handshake: URL, headers, subprotocols. They hold
 * for the values of the configuration and for what its providers return.
 *
 * @module
 */

import { redactUrl } from "./errors.ts";
import { wrongKind, wrongSecret } from "./rules.ts";

/** RFC 9110, section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** RFC 9110, section 5.5; `Headers` itself lets control characters through. */
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Headers that the handshake sets itself; the runtime would drop or double them. */
const OWN_HEADERS = new Set([
  "connection",
  "content-length",
  "host",
  "transfer-encoding",
  "upgrade",
]);

/**
 * A URL that can be dialled (RFC 6455, section 3).
 * @throws {TypeError} not an absolute `ws://` or `wss://` URL, or with a fragment
 */
export function checkUrl(value: unknown): URL {
  if (typeof value !== "string" && !(value instanceof URL)) {
    throw wrongSecret("url", "a ws:// or wss:// URL", value);
  }
  const url = URL.parse(String(value));
  if (url === null) {
    const rule = "an absolute ws:// or wss:// URL";
    throw wrongKind("url", rule, redactUrl(value));
  }
  if (url.protocol !== "ws:" && url.protocol !== "wss:") {
    throw wrongKind("url", "a ws:// or wss:// URL", redactUrl(value));
  }
  if (url.href.includes("#")) {
    throw wrongKind("url", "without a fragment ('#')", redactUrl(value));
  }
  return url;
}

/**
 * Extra headers of a handshake, copied.
 * @throws {TypeError} no headers, or one that the handshake sets itself
 */
export function checkHeaders(value: unknown): Headers {
  const headers = toHeaders(value);
  for (const [name, text] of headers) {
    // The value may be a secret: it is not shown.
    if (name === "sec-websocket-protocol") {
      throw wrongKind("headers", "without it: use 'subprotocols'", name);
    }
    if (OWN_HEADERS.has(name) || name.startsWith("sec-websocket-")) {
      throw wrongKind("headers", "without what the handshake sets", name);
    }
    if (!FIELD_VALUE.test(text)) {
      throw wrongKind("headers", "free of control characters", name);
    }
  }
  return headers;
}

function toHeaders(value: unknown): Headers {
  if (typeof value !== "object" || value === null) {
    throw wrongSecret("headers", "a Headers object, a record or pairs", value);
  }
  try {
    // The constructor is the check: it takes what fetch() would take.
    return new Headers(value as HeadersInit);
  } catch {
    // What it throws shows the value, which may be a secret.
    const rule = "valid HTTP headers: names are tokens, values one line each";
    throw wrongSecret("headers", rule, value);
  }
}

/**
 * The subprotocols to offer (RFC 6455, section 4.1: tokens, all unique; the
 * runtime compares them without regard to case).
 * @throws {TypeError} not a token, or twice
 */
export function checkSubprotocols(value: unknown): readonly string[] {
  const offered: unknown[] = Array.isArray(value) ? [...value] : [value];
  const tokens = offered.map((entry) => {
    if (typeof entry === "string" && TOKEN.test(entry)) return entry;
    throw wrongKind("subprotocols", "a token or a list of tokens", entry);
  });
  const distinct = new Set(tokens.map((token) => token.toLowerCase()));
  if (distinct.size < tokens.length) {
    throw wrongKind("subprotocols", "without repetition", tokens);
  }
  return Object.freeze(tokens);
}
