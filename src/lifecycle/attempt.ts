/**
 * One attempt at a connection, within its deadline: ask the program for URL,
 * headers and subprotocols; ask Deno for the permission; dial; follow redirects;
 * and if it fails, find out why.
 *
 * @module
 */

import { dial, HandshakeFailure, type Socket } from "../connection/socket.ts";
import { WSError } from "../errors.ts";
import { LONGEST_TIMER } from "../longest_timer.ts";
import type { Diagnosis } from "./diagnose.ts";
import {
  type HandshakeRequest,
  type RequestSources,
  resolveRequest,
} from "./handshake_request.ts";
import { requireNetPermission } from "./permission.ts";
import { Redirects } from "./redirect.ts";
import type { Transport } from "./transport.ts";

/** What an attempt needs. */
export interface AttemptOptions extends RequestSources {
  /** How many redirects to follow. */
  readonly followRedirects: number;
  /** The limit of the whole attempt, in milliseconds. */
  readonly connectTimeout: number;
  readonly transport: Transport;
  readonly diagnosis: Diagnosis;
  /** Gives up. */
  readonly signal: AbortSignal;
}

/** Where an attempt is, for the error of one that took too long. */
interface Progress {
  doing: string;
  url?: URL;
  cause?: unknown;
}

/**
 * Makes a connection, or tells why there is none.
 * @throws {WSError} it did not come about
 * @throws the signal's reason, once it aborts
 */
export async function attempt(options: AttemptOptions): Promise<Socket> {
  const { connectTimeout, signal } = options;
  signal.throwIfAborted();
  const progress: Progress = { doing: "preparing" };
  // Not AbortSignal.any(), which leaves its mark on the client's own signal
  // until that is collected.
  const either = new AbortController();
  const stop = () => either.abort(signal.reason);
  signal.addEventListener("abort", stop);
  const limit = Math.min(connectTimeout, LONGEST_TIMER);
  const deadline = setTimeout(() => either.abort(), limit);
  try {
    return await connect(options, either.signal, progress);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof WSError || !either.signal.aborted) throw error;
    throw timeoutError(connectTimeout, progress);
  } finally {
    clearTimeout(deadline);
    signal.removeEventListener("abort", stop);
  }
}

async function connect(
  options: AttemptOptions,
  signal: AbortSignal,
  progress: Progress,
): Promise<Socket> {
  const { followRedirects, transport, diagnosis } = options;
  const redirects = new Redirects(followRedirects);
  let request = await resolveRequest(options, signal, (key) => {
    progress.doing = `waiting for the function '${key}'`;
  });
  for (;;) {
    progress.doing = "connecting";
    progress.url = request.url;
    progress.cause = undefined;
    try {
      const socket = await open(request, transport, signal);
      checkSubprotocol(socket, request);
      return socket;
    } catch (cause) {
      if (!(cause instanceof HandshakeFailure)) {
        if (cause instanceof WSError || signal.aborted) throw cause;
        throw refusalError(cause, request.url);
      }
      progress.doing = "finding out why the handshake failed";
      progress.cause = cause;
      const redirect = await diagnosis.find(cause, request, signal);
      request = redirects.follow(request, redirect);
    }
  }
}

function open(
  request: HandshakeRequest,
  transport: Transport,
  signal: AbortSignal,
): Promise<Socket> {
  requireNetPermission(request.url);
  if (transport.proxy !== undefined) requireNetPermission(transport.proxy);
  const httpClient = openTransport(transport, request.url);
  return dial({ ...request, httpClient, signal });
}

function openTransport(
  transport: Transport,
  url: URL,
): Deno.HttpClient | undefined {
  try {
    return transport.forSocket(url);
  } catch (cause) {
    throw new WSError(
      "No connection: the options 'tls' or 'proxy' cannot be used",
      { code: "TLS", severity: "fatal", url, cause },
    );
  }
}

/**
 * RFC 6455, section 4.1: a subprotocol that was not offered fails the
 * connection; the runtime lets it pass. None at all is the server's right.
 */
function checkSubprotocol(socket: Socket, request: HandshakeRequest): void {
  const { protocol } = socket;
  if (protocol === "" || request.subprotocols.includes(protocol)) return;
  socket.abandon();
  throw new WSError(
    `No connection: the server chose the subprotocol ` +
      `${JSON.stringify(protocol)}, which was not offered`,
    { code: "HANDSHAKE", severity: "fatal", url: request.url },
  );
}

/** What `new WebSocket` throws at once. */
function refusalError(cause: unknown, url: URL): WSError {
  return new WSError("No connection: Deno refuses to try", {
    code: cause instanceof Deno.errors.NotCapable ? "PERMISSION" : "CONNECT",
    severity: "fatal",
    url,
    cause,
  });
}

function timeoutError(ms: number, { doing, url, cause }: Progress): WSError {
  return new WSError(`No connection within ${ms} ms, while ${doing}`, {
    code: "TIMEOUT",
    severity: "transient",
    url,
    cause,
  });
}
