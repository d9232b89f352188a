/**
 * The bytes of a connection, and the HTTP/1.1 that `probe` reads from them: the
 * head of a response, and the start of a refusal's body.
 *
 * @module
 */

import { Duplex } from "node:stream";
import {
  endOfHead,
  HeadError,
  headText,
  MAX_HEAD,
  parseResponseHead,
  type ResponseHead,
} from "../../protocol/http_head.ts";

/** A connection, as `Deno.Conn` is one. */
export interface Wire {
  read(buffer: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
}

/** Writes all the bytes. */
export async function writeAll(wire: Wire, bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0;) {
    rest = rest.subarray(await wire.write(rest));
  }
}

/** A wire as a stream of Node's, to speak TLS over it. */
export class WireDuplex extends Duplex {
  readonly #wire: Wire;

  constructor(wire: Wire) {
    super();
    this.#wire = wire;
  }

  override _read(): void {
    const buffer = new Uint8Array(16 * 1024);
    this.#wire.read(buffer).then(
      (length) => this.push(length === null ? null : buffer.slice(0, length)),
      // TLS that ends without its closing alert is an error anyway.
      () => this.push(null),
    );
  }

  override _write(
    chunk: Uint8Array,
    _encoding: string,
    callback: (error?: Error | null) => void,
  ): void {
    // A failed write is seen by the read that follows; on Deno 2.6 an error of
    // this stream would end the program.
    writeAll(this.#wire, chunk).catch(() => {}).then(() => callback());
  }
}

/** A stream of Node's as a wire. */
export class NodeWire implements Wire {
  readonly #stream: Duplex;
  #error: Error | undefined;
  #ended = false;
  #wake = () => {};

  constructor(stream: Duplex) {
    this.#stream = stream;
    const end = () => {
      this.#ended = true;
      this.#wake();
    };
    stream.on("readable", () => this.#wake()).on("end", end).on("close", end);
    stream.on("error", (error) => {
      this.#error ??= error;
      this.#wake();
    });
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    for (;;) {
      const length = Math.min(this.#stream.readableLength, buffer.length);
      const chunk: Uint8Array | null = length > 0
        ? this.#stream.read(length)
        : null;
      if (chunk !== null) {
        buffer.set(chunk);
        return chunk.length;
      }
      if (this.#error !== undefined) throw this.#error;
      if (this.#ended) return null;
      this.#stream.read(0);
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  write(bytes: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#stream.write(bytes.slice(), (error) => {
        if (error) reject(error);
        else resolve(bytes.length);
      });
    });
  }
}

/** Something else than the head of a response arrived. */
export class NoResponseError extends Error {
  override readonly name = "NoResponseError";
  readonly kind: "hang-up" | "not-http";
  /** The first line of it. */
  readonly received: string;

  constructor(kind: "hang-up" | "not-http", received = "") {
    super(kind);
    this.kind = kind;
    this.received = received;
  }
}

/** A response's head and the bytes behind it. */
export interface Response {
  readonly head: ResponseHead;
  readonly rest: Uint8Array<ArrayBuffer>;
}

/**
 * Reads the head of a response.
 *
 * @param atMost bytes of a read; with 1 nothing behind the head is taken
 * @throws {NoResponseError} the connection ended, or it is not HTTP/1.x
 */
export async function readResponse(
  wire: Wire,
  atMost: number = MAX_HEAD,
): Promise<Response> {
  const buffer = new Uint8Array(MAX_HEAD);
  for (let used = 0;;) {
    const room = buffer.subarray(used, used + atMost);
    const length = await readSome(wire, room);
    if (length === null && used === 0) throw new NoResponseError("hang-up");
    used += length ?? 0;
    const end = endOfHead(buffer, 0, used);
    const text = headText(buffer.slice(0, end < 0 ? used : end));
    const isHttp = "HTTP/".startsWith(text.slice(0, "HTTP/".length));
    const isCut = length === null || used === buffer.length;
    if (!isHttp || end < 0 && isCut) throw notHttp(text);
    if (end >= 0) return { head: parse(text), rest: buffer.slice(end, used) };
  }
}

function parse(text: string): ResponseHead {
  try {
    return parseResponseHead(text);
  } catch (error) {
    throw error instanceof HeadError ? notHttp(text) : error;
  }
}

function notHttp(text: string): NoResponseError {
  const [line = ""] = text.split(/[\r\n]/, 1);
  return new NoResponseError("not-http", line.slice(0, 200));
}

/** As `wire.read`; a connection that breaks has ended. */
async function readSome(
  wire: Wire,
  buffer: Uint8Array,
): Promise<number | null> {
  try {
    return await wire.read(buffer);
  } catch (error) {
    if (isHangUp(error)) return null;
    throw error;
  }
}

/** Whether the peer broke the connection off. */
export function isHangUp(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.ConnectionAborted ||
    error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.UnexpectedEof ||
    error instanceof Error && "code" in error &&
      (error.code === "ECONNRESET" || error.code === "EPIPE");
}

/** How much of a body is read, bytes, and for how long, ms. */
const MAX_BODY = 4096;
const BODY_TIME = 1_000;

/** The start of a body, as text; waits for it no longer than {@linkcode BODY_TIME}. */
export async function readBody(
  wire: Wire,
  { head: { headers }, rest }: Response,
): Promise<string> {
  const isChunked = /chunked/i.test(headers.get("transfer-encoding") ?? "");
  const announced = headers.get("content-length");
  const length = announced === null ? Infinity : Number(announced);
  const wanted = Math.min(isChunked ? MAX_BODY * 2 : length, MAX_BODY);
  const bytes = new Uint8Array(Math.max(wanted || 0, rest.length));
  bytes.set(rest);
  let used = rest.length;
  const { promise: timeout, resolve } = Promise.withResolvers<null>();
  const timer = setTimeout(() => resolve(null), BODY_TIME);
  try {
    while (used < wanted) {
      const read = readSome(wire, bytes.subarray(used)).catch(() => null);
      const length = await Promise.race([read, timeout]);
      if (length === null) break;
      used += length;
      if (isChunked && endsChunks(bytes.subarray(0, used))) break;
    }
  } finally {
    clearTimeout(timer);
  }
  const body = bytes.subarray(0, Math.min(used, wanted));
  return new TextDecoder().decode(isChunked ? dechunked(body) : body);
}

function endsChunks(bytes: Uint8Array): boolean {
  return /\r\n0\r\n\r\n$/.test(new TextDecoder("latin1").decode(bytes));
}

/** The data of a chunked body (RFC 9112, section 7.1), perhaps cut. */
function dechunked(bytes: Uint8Array): Uint8Array {
  const latin1 = new TextDecoder("latin1").decode(bytes);
  let data = "";
  for (let at = 0;;) {
    const [line, size] = /^([0-9a-f]+)[^\r\n]*\r\n/i.exec(latin1.slice(at)) ??
      [];
    if (line === undefined || size === undefined) break;
    const length = parseInt(size, 16);
    if (length === 0) break;
    data += latin1.substr(at + line.length, length);
    at += line.length + length + 2;
  }
  return Uint8Array.from(data, (character) => character.charCodeAt(0));
}
