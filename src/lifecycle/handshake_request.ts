/**
 * What an attempt asks for: URL, headers and subprotocols, from values or from
 * the program's functions, which are called once for each attempt.
 *
 * @module
 */

import { abortable } from "@std/async/abortable";
import type { HandshakeHeaders, Provider } from "../config.ts";
import { WSError } from "../errors.ts";
import {
  checkHeaders,
  checkSubprotocols,
  checkUrl,
} from "../handshake_rules.ts";
import type { Endpoint } from "../resolve_config.ts";
import { basicAuthorization, splitCredentials } from "./credentials.ts";

/** A handshake to be made. */
export interface HandshakeRequest {
  /** Without user name and password. */
  readonly url: URL;
  /** Extra ones, if there are any. */
  readonly headers?: Headers;
  readonly subprotocols: readonly string[];
}

/** Where the parts come from. */
export interface RequestSources {
  readonly endpoint: Endpoint;
  readonly headers?: Provider<HandshakeHeaders>;
  readonly subprotocols?: Provider<string | readonly string[]>;
}

/**
 * Asks for the parts, one after the other, and checks them.
 * @param asking told which of them is waited for
 * @throws {WSError} a function that threw (transient), a value that breaks the
 * rules (fatal)
 * @throws the signal's reason, once it aborts
 */
export async function resolveRequest(
  { endpoint, headers, subprotocols }: RequestSources,
  signal: AbortSignal,
  asking: (key: string) => void,
): Promise<HandshakeRequest> {
  async function ask<T>(
    key: string,
    provider: () => unknown,
    check: (value: unknown) => T,
  ): Promise<T> {
    asking(key);
    const value = await call(key, provider, signal);
    try {
      return check(value);
    } catch (cause) {
      throw new WSError(
        `No connection: the function '${key}' returned what cannot be used`,
        { code: "CONNECT", severity: "fatal", cause },
      );
    }
  }
  // Waiting costs memory, of which thousands that connect at once need much: it
  // is for functions only.
  return withCredentials({
    url: typeof endpoint === "function"
      ? await ask("url", endpoint, checkUrl)
      : checkUrl(endpoint),
    headers: typeof headers === "function"
      ? await ask("headers", headers, checkHeaders)
      : headers && checkHeaders(headers),
    subprotocols: typeof subprotocols === "function"
      ? await ask("subprotocols", subprotocols, checkSubprotocols)
      : subprotocols
      ? checkSubprotocols(subprotocols)
      : [],
  });
}

async function call(
  key: string,
  provider: () => unknown,
  signal: AbortSignal,
): Promise<unknown> {
  const asked = Promise.resolve().then(provider);
  try {
    return await abortable(asked, signal);
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof WSError) throw cause;
    throw new WSError(`No connection: the function '${key}' threw`, {
      code: "CONNECT",
      severity: "transient",
      cause,
    });
  }
}

/**
 * Moves user name and password from the URL to an `Authorization` header (RFC
 * 7617, in UTF-8), unless there is one.
 */
export function withCredentials(request: HandshakeRequest): HandshakeRequest {
  const { url, credentials } = splitCredentials(request.url);
  if (credentials === undefined) return request;
  const headers = new Headers(request.headers);
  if (!headers.has("authorization")) {
    headers.set("authorization", basicAuthorization(credentials));
  }
  return { ...request, url, headers };
}
