/**
 * The opening handshake of RFC 6455, section 4.2, from the server's side.
 *
 * @module
 */

import { GrowingBytes } from "./growing_bytes.ts";

/** A request head longer than this is refused with 431, bytes. */
export const MAX_HEAD = 16 * 1024;

/** What the client asked for. */
export interface HandshakeRequest {
  readonly method: string;
  /** The request target: path and query, as sent. */
  readonly path: string;
  readonly headers: Headers;
  /** What the client offered, in its order. */
  readonly subprotocols: readonly string[];
  readonly remote: Deno.NetAddr;
}

/** An HTTP answer instead of an open connection. */
export interface Refusal {
  readonly status: number;
  readonly headers?: HeadersInit;
  readonly body?: string;
}

/** The handshake is not to be had: what to answer. */
export class HandshakeError extends Error {
  override readonly name = "HandshakeError";
  readonly refusal: Refusal;

  constructor(status: number, message: string, headers?: HeadersInit) {
    super(message);
    this.refusal = { status, headers, body: message + "\n" };
  }
}

/** A request head, and what came after it in the same read. */
export interface Head {
  /** Without the empty line that ends it. */
  readonly text: string;
  readonly rest: Uint8Array<ArrayBuffer>;
}

/**
 * Reads up to the empty line. It does not bound the time: closing the
 * connection ends it.
 *
 * @returns `undefined` when the client hung up first.
 * @throws {HandshakeError} 431, when no end is in sight after `MAX_HEAD` bytes.
 */
export async function readHead(
  source: { read(into: Uint8Array): Promise<number | null> },
): Promise<Head | undefined> {
  const gathered = new GrowingBytes();
  const chunk = new Uint8Array(4096);
  while (gathered.length <= MAX_HEAD) {
    const count = await source.read(chunk);
    if (count === null) return undefined;
    // The end may lie across two reads: look three bytes back.
    const from = Math.max(0, gathered.length - 3);
    gathered.append(chunk.subarray(0, count));
    const bytes = gathered.view();
    const end = endOfHead(bytes, from);
    if (end > MAX_HEAD) break;
    if (end >= 0) {
      return {
        text: fromLatin1(bytes.subarray(0, end)),
        rest: bytes.slice(end + 4),
      };
    }
  }
  throw new HandshakeError(431, `the head has more than ${MAX_HEAD} bytes`);
}

function endOfHead(bytes: Uint8Array, from: number): number {
  for (let at = from; at + 3 < bytes.length; at++) {
    if (
      bytes[at] === 13 && bytes[at + 1] === 10 &&
      bytes[at + 2] === 13 && bytes[at + 3] === 10
    ) return at;
  }
  return -1;
}

/** Headers are bytes; ISO 8859-1 keeps each of them as one character. */
function fromLatin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/**
 * Reads a request head as far as HTTP goes; whether it asks for a WebSocket is
 * `checkUpgrade`'s to say.
 *
 * @throws {HandshakeError} 400, when it is not HTTP/1.1.
 */
export function parseHead(
  text: string,
  remote: Deno.NetAddr,
): HandshakeRequest {
  const [line = "", ...fields] = text.split("\r\n");
  const [, method, path] = /^([A-Z]+) (\S+) HTTP\/1\.1$/.exec(line) ?? [];
  if (method === undefined || path === undefined) {
    throw new HandshakeError(400, "not an HTTP/1.1 request");
  }
  const headers = new Headers();
  for (const field of fields) {
    const colon = field.indexOf(":");
    try {
      headers.append(
        field.slice(0, Math.max(0, colon)),
        field.slice(colon + 1),
      );
    } catch (cause) {
      if (!(cause instanceof TypeError)) throw cause;
      throw new HandshakeError(400, "a header field is malformed");
    }
  }
  return {
    method,
    path,
    headers,
    subprotocols: tokens(headers, "sec-websocket-protocol"),
    remote,
  };
}

/**
 * Checks what RFC 6455, 4.2.1 asks of the request.
 *
 * @throws {HandshakeError} what to answer when it is not such a request.
 */
export function checkUpgrade(request: HandshakeRequest): void {
  const { method, headers } = request;
  const lower = (name: string) =>
    tokens(headers, name).map((token) => token.toLowerCase());
  if (!lower("upgrade").includes("websocket")) {
    throw new HandshakeError(426, "this is a WebSocket server", {
      upgrade: "websocket",
      connection: "Upgrade",
    });
  }
  if (method !== "GET") {
    throw new HandshakeError(405, "the method must be GET", { allow: "GET" });
  }
  if (!lower("connection").includes("upgrade")) {
    throw new HandshakeError(400, "Connection does not say Upgrade");
  }
  if (!headers.has("host")) throw new HandshakeError(400, "Host is missing");
  if (headers.get("sec-websocket-version") !== "13") {
    // 4.2.2: "an appropriate HTTP error code (such as 426 Upgrade Required)
    // and a |Sec-WebSocket-Version| header field indicating the version(s)".
    throw new HandshakeError(426, "the version must be 13", {
      "sec-websocket-version": "13",
    });
  }
  // "a base64-encoded value that, when decoded, is 16 bytes in length"
  const key = headers.get("sec-websocket-key") ?? "";
  if (!/^[A-Za-z0-9+/]{22}==$/.test(key)) {
    throw new HandshakeError(
      400,
      "Sec-WebSocket-Key is not 16 bytes in base64",
    );
  }
}

function tokens(headers: Headers, name: string): string[] {
  return (headers.get(name) ?? "").split(",")
    .map((token) => token.trim()).filter((token) => token !== "");
}

/** The first of the server's subprotocols that the client offered. */
export function chooseSubprotocol(
  offered: readonly string[],
  supported: readonly string[] = [],
): string | undefined {
  return supported.find((name) => offered.includes(name));
}

/**
 * `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key` (4.2.2, step 5.4).
 *
 * @example
 * ```ts
 * import { acceptKey } from "./handshake.ts";
 *
 * await acceptKey("dGhlIHNhbXBsZSBub25jZQ=="); // s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
 * ```
 */
export async function acceptKey(key: string): Promise<string> {
  const bytes = new TextEncoder().encode(
    key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
  );
  const digest = await crypto.subtle.digest("SHA-1", bytes);
  return btoa(String.fromCharCode(...new Uint8Array(digest)));
}

/** The answer that opens the connection. */
export async function encodeAcceptance(
  request: HandshakeRequest,
  subprotocol: string | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  const key = request.headers.get("sec-websocket-key") ?? "";
  const lines = [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Accept: ${await acceptKey(key)}`,
  ];
  if (subprotocol !== undefined) {
    lines.push(`Sec-WebSocket-Protocol: ${subprotocol}`);
  }
  return new TextEncoder().encode(lines.join("\r\n") + "\r\n\r\n");
}

/** The answer that says no; the connection ends with it. */
export function encodeRefusal(refusal: Refusal): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const body = encoder.encode(refusal.body ?? "");
  const headers = new Headers(refusal.headers);
  headers.set("content-length", String(body.length));
  if (!headers.has("connection")) headers.set("connection", "close");
  if (!headers.has("content-type") && body.length > 0) {
    headers.set("content-type", "text/plain; charset=utf-8");
  }
  const lines = [`HTTP/1.1 ${refusal.status} ${reasonPhrase(refusal.status)}`];
  for (const [name, value] of headers) lines.push(`${name}: ${value}`);
  const head = encoder.encode(lines.join("\r\n") + "\r\n\r\n");
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  return bytes;
}

/** For the reader of a trace; clients go by the number. */
function reasonPhrase(status: number): string {
  return REASONS.get(status) ?? "Refused";
}

const REASONS = new Map([
  [301, "Moved Permanently"],
  [302, "Found"],
  [303, "See Other"],
  [307, "Temporary Redirect"],
  [308, "Permanent Redirect"],
  [400, "Bad Request"],
  [401, "Unauthorized"],
  [403, "Forbidden"],
  [404, "Not Found"],
  [405, "Method Not Allowed"],
  [426, "Upgrade Required"],
  [429, "Too Many Requests"],
  [431, "Request Header Fields Too Large"],
  [500, "Internal Server Error"],
  [502, "Bad Gateway"],
  [503, "Service Unavailable"],
  [504, "Gateway Timeout"],
]);
