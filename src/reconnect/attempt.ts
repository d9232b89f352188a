/**
 * One attempt to connect, within its deadline: ask the program for URL, headers
 * and subprotocols, dial, and follow redirects.
 *
 * @module
 */

import { WSError } from "../errors.ts";
import {
  type RequestSources,
  resolveRequest,
} from "../transport/handshake_request.ts";
import {
  type HandshakeFacts,
  HandshakeFailure,
  type HandshakeRequest,
  type Socket,
  type Transport,
} from "../transport/transport.ts";
import { Redirects } from "./redirect.ts";
import { withEither } from "./waiting.ts";

/** What an attempt needs. */
export interface AttemptOptions extends RequestSources {
  readonly transport: Transport;
  /** How many redirects to follow. */
  readonly followRedirects: number;
  /** The limit of the whole attempt, in milliseconds. */
  readonly timeout: number;
  /** Aborts the attempt. */
  readonly signal: AbortSignal;
  /** Turns facts into an error. */
  readonly classify: (facts: HandshakeFacts, url: URL | undefined) => WSError;
}

/** What the attempt is doing, for the error of one that took too long. */
interface Progress {
  activity: string;
  url?: URL;
  cause?: unknown;
}

/**
 * Opens a connection.
 * @throws {WSError} the connection was not opened
 * @throws the signal's reason, once it aborts
 */
export async function attempt(options: AttemptOptions): Promise<Socket> {
  const { timeout, signal, classify } = options;
  signal.throwIfAborted();
  const progress: Progress = { activity: "preparing" };
  const deadline = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const startTimer = () => {
    timer ??= setTimeout(() => deadline.abort(), timeout);
  };
  try {
    return await withEither(
      [signal, deadline.signal],
      (either) => connect(options, either, progress, startTimer),
    );
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof WSError) throw error;
    if (error instanceof HandshakeFailure) {
      throw classify(error.facts, progress.url);
    }
    const { activity, url, cause } = progress;
    if (!deadline.signal.aborted) {
      // Not an error that a transport should throw: its text may contain
      // secrets.
      const detail = error instanceof Error ? error.name : typeof error;
      throw classify({ kind: "unknown", detail, cause: error }, url);
    }
    const detail = `${Math.round(timeout)} ms, while ${activity}`;
    throw classify({ kind: "timeout", detail, cause }, url);
  } finally {
    clearTimeout(timer);
  }
}

async function connect(
  options: AttemptOptions,
  signal: AbortSignal,
  progress: Progress,
  startTimer: () => void,
): Promise<Socket> {
  const redirects = new Redirects(options.followRedirects);
  let request: HandshakeRequest = await resolveRequest(
    options,
    signal,
    (key) => {
      progress.activity = `waiting for the function '${key}'`;
      startTimer();
    },
  );
  for (;;) {
    progress.activity = "connecting";
    progress.url = request.url;
    try {
      const opening = options.transport.connect(request, signal);
      // The first timer loads the timers (see turns.ts): dial before that.
      startTimer();
      return await opening;
    } catch (error) {
      if (!(error instanceof HandshakeFailure)) throw error;
      progress.cause = error;
      const next = redirects.follow(request, error.facts);
      if (next === undefined) throw error;
      request = next;
    }
  }
}
