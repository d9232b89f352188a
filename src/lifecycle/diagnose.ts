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
  notAskedError,
} from "./handshake_error.ts";
import type { HandshakeRequest } from "./handshake_request.ts";
import { isRedirect, type Redirect } from "./redirect.ts";
import type { Transport } from "./transport.ts";

/** Finds out why handshakes of one client fail. */
export class Diagnosis {
  readonly #transport: Transport;
  /** The URL at which the last request went through. */
  #wentThrough: string | undefined;

  /** `transport` makes the requests. */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /**
   * Finds out why this one failed; a redirect is returned, to be followed.
   * @throws {WSError} the cause
   * @throws the signal's reason, once it aborts
   */
  async find(
    failure: HandshakeFailure,
    request: HandshakeRequest,
    signal: AbortSignal,
  ): Promise<Redirect> {
    const { url } = request;
    const { code, plain, ...found } = readFailure(failure.message);
    const status = code === "HTTP_STATUS" ? found.status : undefined;
    const isHidden = url.protocol === "wss:" && !plain;
    const cause = isHidden ? hidden(failure) : failure.cause ?? failure;
    const circumstances = { url, cause, proxy: this.#transport.proxy };
    if (!isHidden && status === undefined) {
      throw failureError(failure.message, circumstances);
    }
    // Where two servers take turns and one of them refuses, asking again would
    // always take the turn of the good one, and the client never get in. So it
    // is not asked right after it went through.
    const wentThrough = this.#wentThrough === url.href;
    this.#wentThrough = undefined;
    if (wentThrough) throw notAskedError(status, circumstances);
    let reply;
    try {
      reply = await askAgain(request, this.#transport.forRequest(), signal);
    } catch (error) {
      // Out of time. What is known is still worth telling.
      if (status !== undefined) throw bareStatusError(status, circumstances);
      throw error;
    }
    if (reply.kind === "failure") {
      if (status !== undefined) throw bareStatusError(status, circumstances);
      throw hiddenError(reply.text, circumstances, this.#transport);
    }
    if (isRedirect(reply)) return { ...reply, cause };
    if (reply.status === 101) this.#wentThrough = url.href;
    throw answerError(reply, circumstances, Date.now());
  }
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
