/**
 * The opening handshake over an open stream.
 *
 * @module
 */

import {
  type Agreement,
  checkResponse,
  type ClientHandshake,
  encodeRequest,
  newKey,
  UpgradeError,
} from "../../protocol/handshake.ts";
import type { DeflateOffer } from "../../protocol/deflate_parameters.ts";
import {
  endOfHead,
  HeadError,
  headText,
  MAX_HEAD,
  parseResponseHead,
  type ResponseHead,
} from "../../protocol/http_head.ts";
import { HandshakeFailure, type HandshakeRequest } from "../transport.ts";
import { type ByteStream, writeAll } from "./byte_stream.ts";
import { unixParts } from "./dial.ts";

/** An accepted handshake. */
export interface Upgrade extends Agreement {
  /** The text of the 101's head. */
  readonly head: string;
  /** The bytes that the server sent after its 101, in a buffer of their own. */
  readonly rest: Uint8Array<ArrayBuffer>;
}

/**
 * Most heads fit into this, and the connection keeps the buffer to wait for
 * messages with, bytes.
 */
const FIRST_READ = 2 * 1024;

/** So much of the body of a refusal is kept, bytes. */
const MAX_BODY = 4096;

/** So much of an answer that is not HTTP is shown, characters. */
const SHOWN = 60;

/** The longest wait for the end of a body, in milliseconds. */
const BODY_TIMEOUT = 300;

/** The handshake that makes a request (RFC 6455, section 4.1). */
export function handshakeOf(
  { url, headers, subprotocols }: HandshakeRequest,
  deflate?: DeflateOffer,
): ClientHandshake {
  const isUnix = url.protocol === "ws+unix:";
  return {
    host: isUnix ? "localhost" : url.host,
    target: isUnix ? unixParts(url).target : url.pathname + url.search,
    key: newKey(),
    headers,
    subprotocols,
    deflate,
  };
}

/**
 * Makes the handshake.
 * @throws {HandshakeFailure} the server did not accept it
 */
export async function upgrade(
  stream: ByteStream,
  handshake: ClientHandshake,
): Promise<Upgrade> {
  const answer = await askForUpgrade(stream, handshake);
  const { head, rest } = answer;
  return { ...await checkAnswer(answer, handshake), head, rest };
}

/** A 101 that is not checked yet. */
export interface Answer extends Pick<Upgrade, "head" | "rest"> {
  readonly response: ResponseHead;
}

/**
 * Sends the request and reads the answer.
 * @throws {HandshakeFailure} there is none, or it is no 101
 */
export async function askForUpgrade(
  stream: ByteStream,
  handshake: ClientHandshake,
): Promise<Answer> {
  await writeAll(stream, encodeRequest(handshake));
  const reader = new HeadReader(stream);
  let response = await reader.read();
  // Interim responses, "103 Early Hints" for one, come before the answer.
  while (response.status < 200 && response.status !== 101) {
    response = await reader.read();
  }
  const { status, headers } = response;
  if (status === 101) return { response, head: reader.head, rest: reader.rest };
  const body = await readBody(stream, response, reader.rest);
  const detail = response.statusText || undefined;
  throw new HandshakeFailure({ kind: "status", detail, status, headers, body });
}

/**
 * Checks a 101.
 * @throws {HandshakeFailure} it does not answer this handshake
 */
export async function checkAnswer(
  { response }: Answer,
  handshake: ClientHandshake,
): Promise<Agreement> {
  try {
    return await checkResponse(response, handshake);
  } catch (error) {
    if (!(error instanceof UpgradeError)) throw error;
    const { kind, message: detail } = error;
    const { status, headers } = response;
    throw new HandshakeFailure({ kind, detail, status, headers });
  }
}

/** Reads heads; all of them together are bounded. */
class HeadReader {
  readonly #stream: ByteStream;
  #buffer = new Uint8Array(FIRST_READ);
  #start = 0;
  #length = 0;
  #head = "";

  constructor(stream: ByteStream) {
    this.#stream = stream;
  }

  /** The text of the last head. */
  get head(): string {
    return this.#head;
  }

  /** The bytes after the last head, in the buffer that they were read into. */
  get rest(): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(this.#start, this.#length);
  }

  async read(): Promise<ResponseHead> {
    let from = this.#start;
    for (;;) {
      const end = endOfHead(this.#buffer, from, this.#length);
      this.#checkStart();
      if (end >= 0) {
        const text = headText(this.#buffer.subarray(this.#start, end));
        this.#start = end;
        this.#head = text;
        return parse(text);
      }
      // The end may lie across two reads.
      from = Math.max(this.#start, this.#length - 3);
      await this.#fill();
    }
  }

  async #fill(): Promise<void> {
    if (this.#length === this.#buffer.length) {
      if (this.#length >= MAX_HEAD) {
        throw new HandshakeFailure({
          kind: "head-too-long",
          detail: `more than ${MAX_HEAD} bytes`,
        });
      }
      const grown = new Uint8Array(2 * this.#length);
      grown.set(this.#buffer);
      this.#buffer = grown;
    }
    const count = await this.#stream.read(this.#buffer.subarray(this.#length));
    if (count !== null) {
      this.#length += count;
      return;
    }
    throw new HandshakeFailure({
      kind: "hung-up",
      detail: this.#length === this.#start
        ? "the server closed the connection without an answer"
        : "the server closed the connection within its answer",
    });
  }

  /** Refuses another protocol at its first byte, not when it falls silent. */
  #checkStart(): void {
    const end = Math.min(this.#length, this.#start + 5);
    const start = headText(this.#buffer.subarray(this.#start, end));
    if ("HTTP/".startsWith(start)) return;
    const text = headText(this.#buffer.subarray(this.#start, this.#length));
    const [line = ""] = text.slice(0, SHOWN).split(/[\r\n]/, 1);
    // It is shown to people: control characters could change a terminal.
    throw notHttp(`it begins with "${line.replace(/[^\x20-\x7e]/g, "?")}"`);
  }
}

function parse(text: string): ResponseHead {
  try {
    return parseResponseHead(text);
  } catch (error) {
    if (!(error instanceof HeadError)) throw error;
    throw notHttp(error.message);
  }
}

function notHttp(detail: string): HandshakeFailure {
  return new HandshakeFailure({ kind: "not-http", detail });
}

/** The start of the body, as text. It waits no longer than the server sends. */
async function readBody(
  stream: ByteStream,
  { headers }: ResponseHead,
  rest: Uint8Array<ArrayBuffer>,
): Promise<string> {
  const length = Number(headers.get("content-length") ?? Infinity);
  const isChunked = /\bchunked\b/i.test(headers.get("transfer-encoding") ?? "");
  const buffer = new Uint8Array(MAX_BODY);
  const wanted = Math.min(
    MAX_BODY,
    isChunked || !(length >= 0) ? MAX_BODY : length,
  );
  let have = Math.min(rest.length, wanted);
  buffer.set(rest.subarray(0, have));
  const timeout = Promise.withResolvers<null>();
  const timer = setTimeout(timeout.resolve, BODY_TIMEOUT, null);
  try {
    while (have < wanted && !(isChunked && isLastChunk(buffer, have))) {
      const read = stream.read(buffer.subarray(have, wanted));
      // The read ends when the stream is closed, soon after this.
      read.catch(() => {});
      const count = await Promise.race([read, timeout.promise]);
      if (count === null) break;
      have += count;
    }
  } catch {
    // The part that has arrived is enough.
  } finally {
    clearTimeout(timer);
  }
  const bytes = buffer.subarray(0, have);
  return new TextDecoder().decode(isChunked ? joinChunks(bytes) : bytes);
}

function isLastChunk(buffer: Uint8Array<ArrayBuffer>, length: number): boolean {
  return headText(buffer.subarray(Math.max(0, length - 5), length)) ===
    "0\r\n\r\n";
}

/** RFC 9112, section 7.1, as far as it has arrived. */
function joinChunks(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(bytes.length);
  let length = 0;
  for (let at = 0; at < bytes.length;) {
    const lineEnd = bytes.indexOf(10, at);
    if (lineEnd < 0) break;
    const size = parseInt(headText(bytes.subarray(at, lineEnd)), 16);
    if (!(size > 0)) break;
    const chunk = bytes.subarray(lineEnd + 1, lineEnd + 1 + size);
    joined.set(chunk, length);
    length += chunk.length;
    at = lineEnd + 1 + size + 2;
  }
  return joined.subarray(0, length);
}
