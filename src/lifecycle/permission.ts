/**
 * Asking Deno before it asks the person: without the permission it would stop
 * the program with a prompt that names an internal function.
 *
 * @module
 */

import { WSError } from "../errors.ts";

const PORTS: ReadonlyMap<string, string> = new Map([
  ["ws:", "80"],
  ["http:", "80"],
  ["wss:", "443"],
  ["https:", "443"],
  ["socks5:", "1080"],
]);

/**
 * Makes sure that the program may connect to the URL's host.
 * @throws {WSError} `PERMISSION`, naming the flag
 */
export function requireNetPermission(url: URL): void {
  const port = url.port || PORTS.get(url.protocol);
  const host = `${url.hostname}:${port}`;
  const { state } = Deno.permissions.querySync({ name: "net", host });
  if (state === "granted") return;
  throw permissionError(host, state === "denied", url);
}

function permissionError(host: string, denied: boolean, url: URL): WSError {
  const advice = denied
    ? `--deny-net forbids it`
    : `run with --allow-net=${host}`;
  return new WSError(`No permission to connect to ${host}: ${advice}`, {
    code: "PERMISSION",
    severity: "fatal",
    url,
  });
}
