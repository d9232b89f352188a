/**
 * The lines of `-vv`: the handshake and the messages.
 *
 * @module
 */

import type { Message } from "../../../mod.ts";
import { headerListOf } from "../args/client_config.ts";
import type { Flags } from "../args/flags.ts";
import { displayUrl, escapeLine, showBytes, showMany } from "../format.ts";
import type { Notices } from "../notices.ts";
import { showHeader } from "../secrets.ts";

/** The response to a handshake. */
export function traceResponse(
  { status, headers }: { readonly status: number; readonly headers: Headers },
  notices: Notices,
): void {
  notices.trace(`< HTTP ${status}`);
  traceHeaders("<", headers, notices);
}

/** The parts of the response that the native socket shows. */
export function traceProtocol(protocol: string, notices: Notices): void {
  notices.trace(
    "< HTTP 101; the native transport shows no headers, --transport tcp does",
  );
  if (protocol === "") return;
  notices.trace(`< ${showHeader("sec-websocket-protocol", protocol)}`);
}

/** The parts of the handshake request that flags set, for `-vv`; no secrets. */
export function traceRequest(
  flags: Flags,
  urls: readonly string[],
  notices: Notices,
): void {
  if (flags.verbose < 2) return;
  for (const url of urls) {
    notices.trace(`> GET ${displayUrl(url)}`);
    traceHeaders(">", headerListOf(flags), notices);
    if (flags.subprotocol.length === 0) continue;
    const offered = flags.subprotocol.join(", ");
    notices.trace(`> ${showHeader("sec-websocket-protocol", offered)}`);
  }
}

/** One line for each header; no secrets. */
function traceHeaders(
  direction: "<" | ">",
  headers: Iterable<readonly [string, string]>,
  notices: Notices,
): void {
  for (const [name, value] of headers) {
    notices.trace(`${direction} ${showHeader(name, value)}`);
  }
}

/** A message with its kind and size, for `-vv`. */
export function traceMessage(
  direction: "<" | ">",
  data: Message,
  notices: Notices,
): void {
  notices.trace(
    typeof data === "string"
      ? `${direction} text, ${showMany(data.length, "character")}: ` +
        escapeLine(data.slice(0, PREVIEW))
      : `${direction} binary, ${showBytes(data.length)}: ` +
        data.subarray(0, PREVIEW / 2).toHex(),
  );
}

/** How much of a message `-vv` shows. */
const PREVIEW = 60;
