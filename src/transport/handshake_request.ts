/**
 * The request of an attempt: URL, headers and subprotocols, from values or from
 * functions of the program, which are called once for each attempt.
 *
 * @module
 */

import { abortable } from "@std/async/abortable";
import type { HandshakeHeaders, Provider, TransportName } from "../config.ts";
import { causeText, WSError } from "../errors.ts";
import { checkHeaders, checkSubprotocols, checkUrl } from "../rules.ts";
import type { Endpoint } from "../resolve_config.ts";
import { HandshakeFailure, type HandshakeRequest } from "./transport.ts";

/** Where the parts of a request come from. */
export interface RequestSources {
  readonly endpoint: Endpoint;
  readonly headers?: Provider<HandshakeHeaders> | undefined;
  readonly subprotocols?: Provider<string | readonly string[]> | undefined;
  /** Decides which URLs are valid. */
  readonly transportName: TransportName;
}

/**
 * Asks for the parts, one after the other, and checks them.
 * @param onAsk called with the key of the function that is waited for
 * @throws {HandshakeFailure} `provider-threw`, `provider-value`
 * @throws {WSError} the one that a function threw
 * @throws the signal's reason, once it aborts
 */
export async function resolveRequest(
  { endpoint, headers, subprotocols, transportName }: RequestSources,
  signal: AbortSignal,
  onAsk: (key: string) => void,
): Promise<HandshakeRequest> {
  async function ask<T>(
    key: string,
    provider: () => unknown,
    check: (value: unknown) => T,
  ): Promise<T> {
    onAsk(key);
    const value = await call(key, provider, signal);
    try {
      return check(value);
    } catch (cause) {
      throw new HandshakeFailure({
        kind: "provider-value",
        detail: `'${key}': ${causeText(cause)}`,
        cause,
      });
    }
  }
  // Waiting costs memory, of which thousands that connect at once need much: it
  // is for functions only.
  return withCredentials({
    url: typeof endpoint === "function"
      ? await ask("url", endpoint, (value) => checkUrl(value, transportName))
      : checkUrl(endpoint, transportName),
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
    throw new HandshakeFailure({
      kind: "provider-threw",
      detail: `'${key}': ${causeText(cause)}`,
      cause,
    });
  }
}

/** User name and password, decoded. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** The URL without its user info, and the user info, if there is one. */
export function splitCredentials(
  url: URL,
): { readonly url: URL; readonly credentials?: Credentials } {
  const { username, password } = url;
  if (username === "" && password === "") return { url };
  const bare = new URL(url);
  bare.username = "";
  bare.password = "";
  return {
    url: bare,
    credentials: {
      username: percentDecode(username),
      password: percentDecode(password),
    },
  };
}

/** The value of a Basic `Authorization` header (RFC 7617), in UTF-8. */
export function basicAuthorization(
  { username, password }: Credentials,
): string {
  const pair = new TextEncoder().encode(`${username}:${password}`);
  return `Basic ${btoa(String.fromCharCode(...pair))}`;
}

/**
 * Moves user name and password from the URL to an `Authorization` header,
 * unless there is one.
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

/** A part of a URL without its percent-encoding. */
export function percentDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A stray "%" that encodes nothing is one; the URL parser lets it through.
    return text;
  }
}
