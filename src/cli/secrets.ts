/**
 * What may be shown of headers and subprotocols, which may hold secrets.
 *
 * @module
 */

import { escapeLine } from "./format.ts";

/** The longest subprotocol that looks like a name, and not like a token. */
const LONGEST_NAME = 32;

/** Some servers take a token as a subprotocol. */
export function shownSubprotocol(name: string): string {
  const isHidden = name.length > LONGEST_NAME || SECRET.test(name);
  return isHidden ? "***" : escapeLine(name);
}

/** A header whose value is a secret, by its name. */
const SECRET = /auth|bearer|cookie|token|key|secret|password/i;

/** Headers of the handshake itself, and what a server says of credentials. */
const OPEN = /^(sec-websocket-.*|(www|proxy)-authenticate)$/i;

/** A header as it may be shown: safe for a terminal, no secret. */
export function headerLine(name: string, value: string): string {
  const isHidden = SECRET.test(name) && !OPEN.test(name);
  return `${escapeLine(name)}: ${isHidden ? "***" : escapeLine(value)}`;
}
