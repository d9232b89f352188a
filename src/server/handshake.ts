/**
 * The opening handshake from the server's side: reads a request and says
 * whether it is one for a WebSocket.
 *
 * @module
 */

import { GrowingBytes } from "../protocol/growing_bytes.ts";
import {
  checkRequest,
  offeredSubprotocols,
  RefusedHandshake,
} from "../protocol/handshake.ts";
import {
  endOfHead,
  HeadError,
  headText,
  MAX_HEAD,
  parseRequestHead,
  type RequestHead,
} from "../protocol/http_head.ts";
import type { Transport } from "./listener.ts";

export type { Refusal } from "../protocol/handshake.ts";

/** The request of the client. */
export interface HandshakeRequest {
  readonly method: string;
  /** The request target: path and query, as sent. */
  readonly path: string;
  readonly headers: Headers;
  /** What the client offered, in its order. */
  readonly subprotocols: readonly string[];
  readonly remote: Deno.NetAddr;
}

/** A valid request, its key, and the bytes after it in the same read. */
export interface Handshake {
  readonly request: HandshakeRequest;
  readonly key: string;
  readonly rest: Uint8Array;
}

/**
 * How the bytes so far must look: the beginning of a request line. Input of
 * another protocol, such as a TLS handshake, never ends like a head does.
 */
const REQUEST_LINE =
  /^[A-Z]{1,20}(?: [^\s]*(?: (?:H|HT|HTT|HTTP|HTTP\/|HTTP\/1|HTTP\/1\.|HTTP\/1\.1\r?(?:\n[^]*)?)?)?)?$/;

/**
 * Reads a request for a WebSocket. It does not bound the time: closing the
 * connection ends it.
 *
 * @returns `undefined` when the client hung up first.
 * @throws {RefusedHandshake} the answer, when it is no such request.
 */
export async function readHandshake(
  transport: Transport,
  remote: Deno.NetAddr,
): Promise<Handshake | undefined> {
  const gathered = new GrowingBytes();
  const chunk = new Uint8Array(4096);
  while (gathered.length <= MAX_HEAD) {
    const count = await transport.read(chunk);
    if (count === null) return undefined;
    // The end may lie across two reads: look three bytes back.
    const from = Math.max(0, gathered.length - 3);
    gathered.append(chunk.subarray(0, count));
    const bytes = gathered.view();
    if (!REQUEST_LINE.test(headText(bytes))) throw notHttp();
    const end = endOfHead(bytes, from, bytes.length);
    if (end > MAX_HEAD) break;
    if (end < 0) continue;
    const head = parse(headText(bytes.subarray(0, end)));
    const key = checkRequest(head);
    const { method, target, headers } = head;
    const subprotocols = offeredSubprotocols(headers);
    return {
      request: { method, path: target, headers, subprotocols, remote },
      key,
      rest: bytes.slice(end),
    };
  }
  throw new RefusedHandshake(431, `the head has more than ${MAX_HEAD} bytes`);
}

function parse(text: string): RequestHead {
  try {
    return parseRequestHead(text);
  } catch (error) {
    if (!(error instanceof HeadError)) throw error;
    throw new RefusedHandshake(400, error.message);
  }
}

function notHttp(): RefusedHandshake {
  return new RefusedHandshake(400, "not an HTTP/1.1 request");
}
