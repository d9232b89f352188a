/**
 * The opening handshake of RFC 6455, section 4, from both sides.
 *
 * @module
 */

import {
  acceptDeflate,
  type DeflateOffer,
  type DeflateParameters,
  offerDeflate,
} from "./deflate_parameters.ts";
import {
  encodeHead,
  hasEntry,
  listEntries,
  type RequestHead,
  type ResponseHead,
} from "./http_head.ts";

/** Section 1.3. */
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** The version of the protocol (section 4.1). */
const VERSION = "13";

/** A new `Sec-WebSocket-Key`: 16 random bytes in base64. */
export function newKey(): string {
  return toBase64(crypto.getRandomValues(new Uint8Array(16)));
}

/**
 * `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key` (section 4.2.2, step 5.4).
 *
 * @example
 * ```ts
 * import { acceptKey } from "./handshake.ts";
 *
 * await acceptKey("dGhlIHNhbXBsZSBub25jZQ=="); // s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
 * ```
 */
export async function acceptKey(key: string): Promise<string> {
  const bytes = new TextEncoder().encode(key + GUID);
  return toBase64(new Uint8Array(await crypto.subtle.digest("SHA-1", bytes)));
}

function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

// --- The client's side ---

/** The request of a client. */
export interface ClientHandshake {
  /** The value of `Host`. */
  readonly host: string;
  /** Path and query. */
  readonly target: string;
  readonly key: string;
  /** Additional headers; none that the handshake sets itself. */
  readonly headers?: Iterable<readonly [string, string]>;
  /** The subprotocols to offer, best first. */
  readonly subprotocols?: readonly string[];
  /** The compression to offer. */
  readonly deflate?: DeflateOffer;
}

/** The parameters that a server agreed to. */
export interface Agreement {
  /** The subprotocol that the server chose; empty if none. */
  readonly subprotocol: string;
  readonly deflate?: DeflateParameters;
}

/** A server's 101 breaks section 4.1. */
export class UpgradeError extends Error {
  override readonly name = "UpgradeError";
  readonly kind: "upgrade" | "subprotocol";

  constructor(kind: "upgrade" | "subprotocol", message: string) {
    super(message);
    this.kind = kind;
  }
}

/** The client's request (section 4.1). */
export function encodeRequest(
  handshake: ClientHandshake,
): Uint8Array<ArrayBuffer> {
  const { host, target, key, headers = [], subprotocols = [], deflate } =
    handshake;
  const fields: (readonly [string, string])[] = [
    ["Host", host],
    ["Upgrade", "websocket"],
    ["Connection", "Upgrade"],
    ["Sec-WebSocket-Key", key],
    ["Sec-WebSocket-Version", VERSION],
  ];
  if (subprotocols.length > 0) {
    fields.push(["Sec-WebSocket-Protocol", subprotocols.join(", ")]);
  }
  if (deflate !== undefined) {
    fields.push(["Sec-WebSocket-Extensions", offerDeflate(deflate)]);
  }
  fields.push(...headers);
  return encodeHead(`GET ${target} HTTP/1.1`, fields);
}

/**
 * Checks a 101 (section 4.1, the client's checks).
 * @throws {UpgradeError} it is not an answer to this handshake
 */
export async function checkResponse(
  { headers }: ResponseHead,
  { key, subprotocols = [], deflate }: ClientHandshake,
): Promise<Agreement> {
  if (headers.get("upgrade")?.toLowerCase() !== "websocket") {
    throw new UpgradeError("upgrade", "does not upgrade to 'websocket'");
  }
  if (!hasEntry(headers, "connection", "upgrade")) {
    throw new UpgradeError("upgrade", "lacks 'Connection: Upgrade'");
  }
  if (headers.get("sec-websocket-accept") !== await acceptKey(key)) {
    throw new UpgradeError(
      "upgrade",
      "has a wrong Sec-WebSocket-Accept: it does not come from a WebSocket server",
    );
  }
  const chosen = headers.get("sec-websocket-protocol");
  if (chosen !== null && !subprotocols.includes(chosen)) {
    throw new UpgradeError("subprotocol", JSON.stringify(chosen));
  }
  const extensions = headers.get("sec-websocket-extensions");
  const result = acceptDeflate(extensions ?? "", deflate);
  if (typeof result === "string") throw new UpgradeError("upgrade", result);
  return { subprotocol: chosen ?? "", deflate: result };
}

// --- The server's side ---

/** An HTTP answer instead of an open connection. */
export interface Refusal {
  readonly status: number;
  readonly headers?: HeadersInit;
  readonly body?: string;
}

/** A request that a server cannot accept, and the answer to it. */
export class RefusedHandshake extends Error {
  override readonly name = "RefusedHandshake";
  readonly refusal: Refusal;

  constructor(status: number, message: string, headers?: HeadersInit) {
    super(message);
    this.refusal = { status, headers, body: message + "\n" };
  }
}

/**
 * Checks what section 4.2.1 asks of a request.
 * @returns its `Sec-WebSocket-Key`
 * @throws {RefusedHandshake} it does not ask for a WebSocket
 */
export function checkRequest({ method, headers }: RequestHead): string {
  if (!hasEntry(headers, "upgrade", "websocket")) {
    throw new RefusedHandshake(426, "this is a WebSocket server", {
      upgrade: "websocket",
      connection: "Upgrade",
    });
  }
  if (method !== "GET") {
    throw new RefusedHandshake(405, "the method must be GET", { allow: "GET" });
  }
  if (!hasEntry(headers, "connection", "upgrade")) {
    throw new RefusedHandshake(400, "Connection does not say Upgrade");
  }
  if (!headers.has("host")) throw new RefusedHandshake(400, "Host is missing");
  if (headers.get("sec-websocket-version") !== VERSION) {
    // Section 4.2.2: "an appropriate HTTP error code (such as 426 Upgrade
    // Required) and a |Sec-WebSocket-Version| header field".
    throw new RefusedHandshake(426, `the version must be ${VERSION}`, {
      "sec-websocket-version": VERSION,
    });
  }
  // "a base64-encoded value that, when decoded, is 16 bytes in length"
  const key = headers.get("sec-websocket-key") ?? "";
  if (!/^[A-Za-z0-9+/]{22}==$/.test(key)) {
    throw new RefusedHandshake(
      400,
      "Sec-WebSocket-Key is not 16 bytes in base64",
    );
  }
  return key;
}

/** The subprotocols that a client offers, in its order. */
export function offeredSubprotocols(headers: Headers): string[] {
  return listEntries(headers, "sec-websocket-protocol");
}

/** The first of the server's subprotocols that the client offered. */
export function chooseSubprotocol(
  offered: readonly string[],
  supported: readonly string[] = [],
): string | undefined {
  return supported.find((name) => offered.includes(name));
}

/** The parameters that a server agrees to. */
export interface Acceptance {
  readonly key: string;
  readonly subprotocol?: string;
  /** The value of `Sec-WebSocket-Extensions`. */
  readonly extensions?: string;
  readonly headers?: Iterable<readonly [string, string]>;
}

/** The 101 that opens the connection (section 4.2.2). */
export async function encodeAcceptance(
  { key, subprotocol, extensions, headers = [] }: Acceptance,
): Promise<Uint8Array<ArrayBuffer>> {
  const fields: (readonly [string, string])[] = [
    ["Upgrade", "websocket"],
    ["Connection", "Upgrade"],
    ["Sec-WebSocket-Accept", await acceptKey(key)],
  ];
  if (subprotocol !== undefined) {
    fields.push(["Sec-WebSocket-Protocol", subprotocol]);
  }
  if (extensions !== undefined) {
    fields.push(["Sec-WebSocket-Extensions", extensions]);
  }
  fields.push(...headers);
  return encodeHead("HTTP/1.1 101 Switching Protocols", fields);
}

/** The answer that refuses; the connection ends with it. */
export function encodeRefusal(refusal: Refusal): Uint8Array<ArrayBuffer> {
  const body = new TextEncoder().encode(refusal.body ?? "");
  const headers = new Headers(refusal.headers);
  headers.set("content-length", String(body.length));
  if (!headers.has("connection")) headers.set("connection", "close");
  if (!headers.has("content-type") && body.length > 0) {
    headers.set("content-type", "text/plain; charset=utf-8");
  }
  const phrase = PHRASES.get(refusal.status) ?? "Refused";
  const head = encodeHead(`HTTP/1.1 ${refusal.status} ${phrase}`, headers);
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  return bytes;
}

/** For the reader of a trace; clients go by the number. */
const PHRASES: ReadonlyMap<number, string> = new Map([
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
