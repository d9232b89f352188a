/**
 * Asks Deno for the permission to connect before Deno asks the user: its prompt
 * would stop the program and name an internal function.
 *
 * @module
 */

import { HandshakeFailure } from "./transport.ts";

const PORTS: ReadonlyMap<string, number> = new Map([
  ["ws:", 80],
  ["http:", 80],
  ["wss:", 443],
  ["https:", 443],
  ["socks5:", 1080],
]);

/** The port of a URL, given or usual for its scheme. */
export function portOf({ port, protocol }: URL): number {
  return Number(port || PORTS.get(protocol));
}

/**
 * Requires the permission to connect to the URL's host.
 * @throws {HandshakeFailure} `permission`, with the flag to use
 */
export function requireNetPermission(url: URL): void {
  requirePermission({ name: "net", host: `${url.hostname}:${portOf(url)}` });
}

/** A permission that a connection needs. */
export type NeededPermission =
  | { readonly name: "net"; readonly host: string }
  | { readonly name: "read" | "write"; readonly path: string };

/**
 * Requires a permission.
 * @throws {HandshakeFailure} `permission`, with the flag to use
 */
export function requirePermission(needed: NeededPermission): void {
  const { state } = Deno.permissions.querySync(needed);
  if (state === "granted") return;
  const { name } = needed;
  const where = needed.name === "net" ? needed.host : needed.path;
  throw new HandshakeFailure({
    kind: "permission",
    detail: state === "denied"
      ? `--deny-${name} forbids ${where}`
      : `run with --allow-${name}=${where}`,
  });
}
