/**
 * Why a handshake failed.
 *
 * The runtime hides it for `wss://`, and for `ws://` it tells an HTTP status
 * without the headers. Then the same request is made once more, to see the
 * answer.
 *
 * @module
 */

import { HandshakeFailure } from "../connection/socket.ts";
import type { WSError } from "../errors.ts";
import { askAgain } from "./ask_again.ts";
import { readFailure } from "./failure_text.ts";
import {
  answerError,
  bareStatusError,
  type Circumstances,
  failureError,
} from "./handshake_error.ts";
import type { HandshakeRequest } from "./handshake_request.ts";
import { isRedirect, type Redirect } from "./redirect.ts";
import type { Transport } from "./transport.ts";

/**
 * Finds out why the handshake failed; a redirect is returned, to be followed.
 * @throws {WSError} the cause
 * @throws the signal's reason, once it aborts
 */
export async function diagnose(
  failure: HandshakeFailure,
  request: HandshakeRequest,
  transport: Transport,
  signal: AbortSignal,
): Promise<Redirect> {
  const { url } = request;
  const { code, plain, ...found } = readFailure(failure.message);
  const status = code === "HTTP_STATUS" ? found.status : undefined;
  const isHidden = url.protocol === "wss:" && !plain;
  const cause = isHidden ? hidden(failure) : failure.cause ?? failure;
  const circumstances = { url, cause, proxy: transport.proxy };
  if (!isHidden && status === undefined) {
    throw failureError(failure.message, circumstances);
  }
  let reply;
  try {
    reply = await askAgain(request, transport.forRequest(), signal);
  } catch (error) {
    // Out of time. What is known is still worth telling.
    if (status !== undefined) throw bareStatusError(status, circumstances);
    throw error;
  }
  if (reply.kind === "failure") {
    if (status !== undefined) throw bareStatusError(status, circumstances);
    throw hiddenError(reply.text, circumstances, transport);
  }
  if (isRedirect(reply)) return { ...reply, cause };
  throw answerError(reply, circumstances, Date.now());
}

/** What the runtime says is about HTTP/2, and would mislead who reads it. */
function hidden(failure: HandshakeFailure): HandshakeFailure {
  return new HandshakeFailure(
    "the runtime tells only of its second try, over HTTP/2",
    { cause: failure.cause },
  );
}

/**
 * With the program's own HTTP client the answer may stay hidden: one that may
 * use HTTP/2 cannot make the request to a server that offers it.
 */
function hiddenError(
  text: string,
  circumstances: Circumstances,
  { given }: Transport,
): WSError {
  const { known } = readFailure(text);
  const advice = given && !known
    ? "; make your 'httpClient' with http2: false to see why"
    : "";
  return failureError(text, circumstances, advice);
}
