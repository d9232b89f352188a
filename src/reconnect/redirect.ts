/**
 * Following the redirects of a handshake. Pure.
 *
 * @module
 */

import { redactUrl } from "../errors.ts";
import { withCredentials } from "../transport/handshake_request.ts";
import {
  type HandshakeFacts,
  HandshakeFailure,
  type HandshakeRequest,
} from "../transport/transport.ts";

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** Credentials: meant for the first server only. */
const CREDENTIALS = ["authorization", "cookie", "proxy-authorization"];

/** The redirects of one attempt. */
export class Redirects {
  readonly #limit: number;
  readonly #visited = new Set<string>();

  /** @param limit how many may be followed */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * The request that follows a failed handshake; `undefined` if its answer was
   * no redirect.
   * @throws {HandshakeFailure} `redirect`: too many, in a loop, to a bad place
   */
  follow(
    request: HandshakeRequest,
    { kind, status = 0, headers, cause }: HandshakeFacts,
  ): HandshakeRequest | undefined {
    const location = headers?.get("location") ?? undefined;
    if (kind !== "status" || !REDIRECTS.has(status)) return undefined;
    if (location === undefined) return undefined;
    function refuse(detail: string): HandshakeFailure {
      return new HandshakeFailure({
        kind: "redirect",
        detail,
        status,
        headers,
        cause,
      });
    }
    const url = resolve(location, request.url);
    if (url === undefined) {
      const shown = JSON.stringify(redactUrl(location));
      throw refuse(`to ${shown}, which is no WebSocket URL`);
    }
    if (request.url.protocol === "wss:" && url.protocol === "ws:") {
      throw refuse("from wss:// to ws://, which is not encrypted");
    }
    this.#visited.add(request.url.href);
    if (this.#visited.has(url.href)) throw refuse("in a loop");
    if (this.#visited.size > this.#limit) {
      throw refuse(`more often than 'followRedirects' allows: ${this.#limit}`);
    }
    const copy = new Headers(request.headers);
    if (url.origin !== request.url.origin) {
      for (const name of CREDENTIALS) copy.delete(name);
    }
    return withCredentials({ ...request, url, headers: copy });
  }
}

/** The target as a WebSocket URL; a fragment means nothing here. */
function resolve(location: string, base: URL): URL | undefined {
  if (!URL.canParse(location, base)) return undefined;
  const { href } = new URL(location, base);
  const url = new URL(href.replace(/^http/, "ws").replace(/#.*$/s, ""));
  return /^wss?:$/.test(url.protocol) ? url : undefined;
}
