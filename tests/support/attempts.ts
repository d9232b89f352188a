/**
 * Attempts as a client makes them, one at a time.
 *
 * @module
 */

import { assertInstanceOf } from "@std/assert";
import type { TransportName } from "../../src/config.ts";
import { WSError } from "../../src/errors.ts";
import { attempt, type AttemptOptions } from "../../src/reconnect/attempt.ts";
import type { Endpoint } from "../../src/resolve_config.ts";
import { handshakeError } from "../../src/transport/classify.ts";
import type { NativeOptions } from "../../src/transport/native/http_client_pool.ts";
import { NativeTransport } from "../../src/transport/native/native_transport.ts";
import { TcpTransport } from "../../src/transport/tcp/tcp_transport.ts";
import type { Socket } from "../../src/transport/transport.ts";
import type { TcpScript } from "./tcp_peer.ts";

/** What differs from a client without options. */
export type AttemptSettings =
  & Partial<
    Omit<
      AttemptOptions,
      "endpoint" | "transport" | "transportName" | "classify"
    >
  >
  & NativeOptions
  & {
    /** @default "native" */
    readonly through?: TransportName;
    /** Whether the client has been open before. */
    readonly wasOpen?: boolean;
    /** 401 and 403 in a row before. */
    readonly refusals?: number;
  };

/** One attempt, with a transport of its own. */
export async function attemptTo(
  endpoint: Endpoint,
  {
    tls,
    proxy,
    httpClient,
    through = "native",
    wasOpen = false,
    refusals = 0,
    ...settings
  }: AttemptSettings = {},
): Promise<Socket> {
  const transport = through === "native"
    ? new NativeTransport({ tls, proxy, httpClient })
    : new TcpTransport({
      tls,
      proxy: proxy === undefined ? undefined : new URL(proxy),
    });
  try {
    return await attempt({
      followRedirects: 5,
      timeout: 5_000,
      signal: new AbortController().signal,
      ...settings,
      endpoint,
      transport,
      transportName: through,
      classify: (facts, url) =>
        handshakeError(facts, { url, wasOpen, refusals, now: Date.now() }),
    });
  } finally {
    transport.close();
  }
}

/** The error that one attempt ends with. */
export async function failureOf(
  endpoint: Endpoint,
  settings: AttemptSettings = {},
): Promise<WSError> {
  try {
    const socket = await attemptTo(endpoint, settings);
    socket.terminate();
  } catch (error) {
    assertInstanceOf(error, WSError);
    return error;
  }
  throw new Error("the attempt did not fail");
}

/** Does what the path of the request asks for. */
export function byPath(
  scripts: Readonly<Record<string, TcpScript>>,
): TcpScript {
  return async (exchange) => {
    const request = await exchange.readRequest();
    if (request === undefined) return;
    const { conn, index } = exchange;
    const script = scripts[request.path];
    if (script === undefined) throw new Error(`no script: ${request.path}`);
    await script({
      conn,
      index,
      readRequest: () => Promise.resolve(request),
      write: (data) => exchange.write(data),
      gone: () => exchange.gone(),
    });
  };
}
