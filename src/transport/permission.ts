/**
 * Asks Deno for the permission to connect before Deno asks the user: its prompt
 * would stop the program and name an internal function.
 *
 * @module
 */

import { HandshakeFailure } from "./transport.ts";

const PORTS: ReadonlyMap<string, string> = new Map([
  ["ws:", "80"],
  ["http:", "80"],
  ["wss:", "443"],
  ["https:", "443"],
  ["socks5:", "1080"],
]);

/**
 * Requires the permission to connect to the URL's host.
 * @throws {HandshakeFailure} `permission`, with the flag to use
 */
export function requireNetPermission(url: URL): void {
  const port = url.port || PORTS.get(url.protocol);
  const host = `${url.hostname}:${port}`;
  const { state } = Deno.permissions.querySync({ name: "net", host });
  if (state === "granted") return;
  throw new HandshakeFailure({
    kind: "permission",
    detail: state === "denied"
      ? `--deny-net forbids ${host}`
      : `run with --allow-net=${host}`,
  });
}
