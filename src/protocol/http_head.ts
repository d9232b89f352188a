/**
 * The heads of HTTP/1.1 messages (RFC 9112), as far as the opening handshake of
 * a WebSocket needs them.
 *
 * @module
 */

/** Longer heads are refused, bytes. */
export const MAX_HEAD = 16 * 1024;

/** The head of a request. */
export interface RequestHead {
  readonly method: string;
  /** The request target: path and query, as sent. */
  readonly target: string;
  readonly headers: Headers;
}

/** The head of a response. */
export interface ResponseHead {
  readonly status: number;
  /** The reason phrase; often empty. */
  readonly statusText: string;
  readonly headers: Headers;
}

/** What arrived is not the head of an HTTP/1.1 message. */
export class HeadError extends Error {
  override readonly name = "HeadError";
}

const LF = 10;
const CR = 13;

/**
 * Finds the empty line that ends a head. A bare LF ends a line too (RFC 9112,
 * section 2.2).
 * @returns the offset behind it; -1 if it has not arrived
 */
export function endOfHead(bytes: Uint8Array, from: number, to: number): number {
  for (let at = bytes.indexOf(LF, from); at >= 0 && at + 1 < to;) {
    if (bytes[at + 1] === LF) return at + 2;
    if (bytes[at + 1] === CR && at + 2 < to && bytes[at + 2] === LF) {
      return at + 3;
    }
    at = bytes.indexOf(LF, at + 1);
  }
  return -1;
}

/** Headers are bytes: ISO 8859-1 keeps each of them as one character. */
const latin1 = new TextDecoder("latin1");

/** The text of a head. */
export function headText(bytes: Uint8Array<ArrayBuffer>): string {
  return latin1.decode(bytes);
}

/** @throws {HeadError} it is not the head of an HTTP/1.1 request */
export function parseRequestHead(text: string): RequestHead {
  const [line, fields] = splitHead(text);
  const [, method, target] = /^([A-Z]+) (\S+) HTTP\/1\.1$/.exec(line) ?? [];
  if (method === undefined || target === undefined) {
    throw new HeadError("not an HTTP/1.1 request");
  }
  return { method, target, headers: parseFields(fields) };
}

/** @throws {HeadError} it is not the head of an HTTP/1.x response */
export function parseResponseHead(text: string): ResponseHead {
  const [line, fields] = splitHead(text);
  const [, status, statusText = ""] =
    /^HTTP\/1\.[01] ([1-9]\d\d)(?: (.*))?$/.exec(line) ?? [];
  if (status === undefined) throw new HeadError("not an HTTP/1.1 response");
  return {
    status: Number(status),
    // It is shown to people: control characters could change a terminal.
    statusText: statusText.replace(/[^\x20-\x7e\xa0-\xff]/g, "?"),
    headers: parseFields(fields),
  };
}

function splitHead(text: string): readonly [string, readonly string[]] {
  const [line = "", ...fields] = text.replace(/(?:\r?\n)+$/, "").split(/\r?\n/);
  return [line, fields];
}

function parseFields(lines: readonly string[]): Headers {
  const headers = new Headers();
  for (const line of lines) {
    const colon = line.indexOf(":");
    try {
      headers.append(line.slice(0, Math.max(0, colon)), line.slice(colon + 1));
    } catch (cause) {
      if (!(cause instanceof TypeError)) throw cause;
      throw new HeadError("a header field is malformed");
    }
  }
  return headers;
}

/** The head with this first line, ready to be sent. */
export function encodeHead(
  line: string,
  fields: Iterable<readonly [string, string]>,
): Uint8Array<ArrayBuffer> {
  let text = `${line}\r\n`;
  for (const [name, value] of fields) text += `${name}: ${value}\r\n`;
  text += "\r\n";
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** The entries of a header that is a list (RFC 9110, section 5.6.1). */
export function listEntries(headers: Headers, name: string): string[] {
  return (headers.get(name) ?? "").split(",")
    .map((entry) => entry.trim()).filter((entry) => entry !== "");
}

/** Whether a header that is a list has this entry, whatever its case. */
export function hasEntry(
  headers: Headers,
  name: string,
  entry: string,
): boolean {
  return listEntries(headers, name)
    .some((found) => found.toLowerCase() === entry);
}
