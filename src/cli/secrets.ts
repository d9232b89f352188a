/**
 * Hides the secrets in the headers and subprotocols that are shown.
 *
 * @module
 */

import { redactUrl } from "./args/values.ts";
import { displayUrl, escapeLine } from "./format.ts";

/** Stands for a secret. */
const HIDDEN = "***";

/** Names of headers and of subprotocols that hold or announce a secret. */
const SECRET_NAME =
  /auth|bearer|cookie|credential|csrf|hmac|jwt|key|nonce|otp|pass|pwd|secret|session|sig|ticket|token|\bpin\b/i;

/** Values that are secrets whatever the name of the header is. */
const SECRET_VALUE = /^(basic|bearer|digest|token) \S|\beyJ[\w-]{8,}\./i;

/** Headers of the handshake itself, and those that ask for credentials. */
const NO_SECRET = /^(sec-websocket-(?!protocol).*|(www|proxy)-authenticate)$/i;

/** A URL, or one without its host. */
const URL_LIKE = /^([a-z][a-z\d+.-]*:)?\//i;

/** The value of a header without the parts that may be secret. */
export function redactHeader(name: string, value: string): string {
  if (NO_SECRET.test(name)) return value;
  if (/^sec-websocket-protocol$/i.test(name)) {
    return redactSubprotocols(value.split(/,\s*/)).join(", ");
  }
  if (SECRET_NAME.test(name) || SECRET_VALUE.test(value)) return HIDDEN;
  return URL_LIKE.test(value) ? redactReference(value) : value;
}

/** A URL without its secrets; one that has none stays as it is. */
function redactReference(value: string): string {
  const url = URL.parse(value);
  if (url === null) return redactUrl(value);
  const { username, password, search, hash } = url;
  const secret = username + password + search + hash;
  return secret === "" ? value : displayUrl(value);
}

/** A header as it may be shown: safe for a terminal, no secret. */
export function showHeader(name: string, value: string): string {
  return `${escapeLine(name)}: ${escapeLine(redactHeader(name, value))}`;
}

/** The longest subprotocol that looks like a name, and not like a token. */
const LONGEST_NAME = 32;

/**
 * Subprotocols without those that may be secret. Some servers take a token as a
 * subprotocol: `bearer.TOKEN`, or `bearer` and then `TOKEN`.
 */
export function redactSubprotocols(names: readonly string[]): string[] {
  return names.map((name, i) => {
    const announcesSecret = SECRET_NAME.test(names[i - 1] ?? "");
    const isSecret = name.length > LONGEST_NAME || SECRET_NAME.test(name);
    return announcesSecret || isSecret ? HIDDEN : name;
  });
}

/** The subprotocol of a connection, as {@linkcode redactSubprotocols}. */
export function redactSubprotocol(name: string): string {
  return redactSubprotocols([name]).join();
}
