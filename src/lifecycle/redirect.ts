/**
 * Following the redirects of a handshake. Pure.
 *
 * @module
 */

import { redactUrl, WSError } from "../errors.ts";
import type { Answer } from "./ask_again.ts";
import { type HandshakeRequest, withCredentials } from "./handshake_request.ts";

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/** An answer that says where else to ask. */
export interface Redirect extends Answer {
  /** What the runtime made of it. */
  readonly cause: unknown;
}

/** Whether the answer says where else to ask. */
export function isRedirect({ status, headers }: Answer): boolean {
  return REDIRECTS.has(status) && headers.has("location");
}

/** The way of one attempt from redirect to redirect. */
export class Redirects {
  readonly #limit: number;
  readonly #visited = new Set<string>();

  /** @param limit how many may be followed */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * The request that follows. What is meant for the first server, its
   * `Authorization` and `Cookie`, is not sent to another origin.
   * @throws {WSError} `REDIRECT`: too many, in a loop, to a bad place
   */
  follow(request: HandshakeRequest, answer: Redirect): HandshakeRequest {
    const { status, headers: answered, cause } = answer;
    const location = answered.get("location") ?? "";
    function refuse(why: string): WSError {
      return new WSError(`No connection: the server redirects ${why}`, {
        code: "REDIRECT",
        severity: "fatal",
        status,
        headers: answered,
        url: request.url,
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
      throw refuse(`once more than 'followRedirects' allows (${this.#limit})`);
    }
    const headers = new Headers(request.headers);
    if (url.origin !== request.url.origin) {
      headers.delete("authorization");
      headers.delete("cookie");
    }
    return withCredentials({ ...request, url, headers });
  }
}

/** The target as a WebSocket URL; a fragment means nothing here and goes. */
function resolve(location: string, base: URL): URL | undefined {
  if (!URL.canParse(location, base)) return undefined;
  const { href } = new URL(location, base);
  const url = new URL(href.replace(/^http/, "ws").replace(/#.*$/s, ""));
  return /^wss?:$/.test(url.protocol) ? url : undefined;
}
