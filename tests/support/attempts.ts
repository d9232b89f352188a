/**
 * Attempts as a client makes them, one at a time.
 *
 * @module
 */

import { assertInstanceOf } from "@std/assert";
import type { Socket } from "../../src/connection/socket.ts";
import { WSError } from "../../src/errors.ts";
import { attempt, type AttemptOptions } from "../../src/lifecycle/attempt.ts";
import { Diagnosis } from "../../src/lifecycle/diagnose.ts";
import {
  Transport,
  type TransportOptions,
} from "../../src/lifecycle/transport.ts";
import type { Endpoint } from "../../src/resolve_config.ts";
import type { TcpScript } from "./tcp_peer.ts";

/** What differs from a client without options. */
export type AttemptSettings =
  & Partial<Omit<AttemptOptions, "endpoint" | "transport" | "diagnosis">>
  & TransportOptions;

/** One attempt, with a transport of its own. */
export async function attemptTo(
  endpoint: Endpoint,
  { tls, proxy, httpClient, ...settings }: AttemptSettings = {},
): Promise<Socket> {
  const transport = new Transport({ tls, proxy, httpClient });
  try {
    return await attempt({
      followRedirects: 5,
      connectTimeout: 5_000,
      signal: new AbortController().signal,
      ...settings,
      endpoint,
      transport,
      diagnosis: new Diagnosis(transport),
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
    socket.abandon();
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
