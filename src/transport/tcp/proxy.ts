/**
 * Tunnels through a proxy: HTTP CONNECT (RFC 9110, section 9.3.6) and SOCKS5
 * (RFC 1928, RFC 1929).
 *
 * @module
 */

import {
  encodeHead,
  endOfHead,
  HeadError,
  headText,
  MAX_HEAD,
  parseResponseHead,
  type ResponseHead,
} from "../../protocol/http_head.ts";
import { basicAuthorization, type Credentials } from "../handshake_request.ts";
import { HandshakeFailure, type HandshakeFailureKind } from "../transport.ts";
import { type ByteStream, readFull, writeAll } from "./byte_stream.ts";

/** Where a tunnel leads. */
export interface TunnelTarget {
  /** A name, an IPv4 address or an IPv6 address without brackets. */
  readonly hostname: string;
  readonly port: number;
}

const encoder = new TextEncoder();

function failure(
  kind: HandshakeFailureKind,
  detail: string,
  facts: { readonly status?: number; readonly headers?: Headers } = {},
): HandshakeFailure {
  return new HandshakeFailure({ kind, detail, ...facts });
}

/** @throws {HandshakeFailure} the proxy did not open the tunnel */
export async function tunnelByConnect(
  stream: ByteStream,
  { hostname, port }: TunnelTarget,
  credentials: Credentials | undefined,
): Promise<void> {
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  const authority = `${host}:${port}`;
  const fields: [string, string][] = [["Host", authority]];
  if (credentials !== undefined) {
    fields.push(["Proxy-Authorization", basicAuthorization(credentials)]);
  }
  await writeAll(stream, encodeHead(`CONNECT ${authority} HTTP/1.1`, fields));
  const { status, statusText, headers } = await readConnectHead(stream);
  if (status >= 200 && status < 300) return;
  const detail = `the proxy answered ${status} ${statusText}`.trim();
  // tinyproxy answers wrong credentials with 401.
  if (status === 407 || status === 401) {
    throw failure("proxy-credentials", detail, { status, headers });
  }
  throw failure("proxy-refused", detail);
}

/** Reads no further than the head: what follows is the server's. */
async function readConnectHead(stream: ByteStream): Promise<ResponseHead> {
  const buffer = new Uint8Array(MAX_HEAD);
  let length = 0;
  for (;;) {
    if (length === buffer.length) {
      throw failure("proxy-protocol", "the head of the answer is too long");
    }
    const count = await stream.read(buffer.subarray(length, length + 1024));
    if (count === null) {
      throw failure("proxy-refused", "the proxy closed the connection");
    }
    const end = endOfHead(buffer, Math.max(0, length - 3), length + count);
    length += count;
    const start = headText(buffer.subarray(0, Math.min(length, 5)));
    if (!"HTTP/".startsWith(start)) {
      throw failure("proxy-protocol", "the proxy does not speak HTTP");
    }
    if (end < 0) continue;
    try {
      const head = parseResponseHead(headText(buffer.subarray(0, end)));
      // The server cannot have spoken yet: the client speaks first.
      if (end < length && head.status < 300) {
        throw failure("proxy-protocol", "bytes follow the proxy's answer");
      }
      return head;
    } catch (error) {
      if (!(error instanceof HeadError)) throw error;
      throw failure("proxy-protocol", error.message);
    }
  }
}

const SOCKS = 5;
const NO_AUTHENTICATION = 0;
const USERNAME_PASSWORD = 2;

/** RFC 1928, section 6. */
const REPLIES: readonly string[] = [
  "succeeded",
  "general failure",
  "not allowed by ruleset",
  "network unreachable",
  "host unreachable",
  "connection refused",
  "TTL expired",
  "command not supported",
  "address type not supported",
];

/**
 * Names are resolved by the proxy.
 * @throws {HandshakeFailure} the proxy did not open the tunnel
 */
export async function tunnelBySocks(
  stream: ByteStream,
  target: TunnelTarget,
  credentials: Credentials | undefined,
): Promise<void> {
  const methods = credentials === undefined
    ? [NO_AUTHENTICATION]
    : [NO_AUTHENTICATION, USERNAME_PASSWORD];
  await writeAll(stream, Uint8Array.of(SOCKS, methods.length, ...methods));
  const [version, method] = await readReply(stream, 2);
  if (version !== SOCKS) {
    throw failure("proxy-protocol", "the proxy does not speak SOCKS5");
  }
  if (method === USERNAME_PASSWORD && credentials !== undefined) {
    await authenticate(stream, credentials);
  } else if (method !== NO_AUTHENTICATION) {
    throw failure(
      "proxy-credentials",
      credentials === undefined
        ? "the proxy wants a user name and a password"
        : "the proxy accepts no user name and password",
    );
  }
  const { port } = target;
  await writeAll(
    stream,
    Uint8Array.of(SOCKS, 1, 0, ...socksAddress(target), port >>> 8, port),
  );
  const [answered, reply, , type] = await readReply(stream, 4);
  if (answered !== SOCKS) {
    throw failure("proxy-protocol", "the proxy does not speak SOCKS5");
  }
  if (reply !== 0) {
    const name = REPLIES[reply ?? 1] ?? `reply ${reply}`;
    throw failure("proxy-refused", `the proxy answered: ${name}`);
  }
  const bound = type === 1
    ? 4
    : type === 4
    ? 16
    : type === 3
    ? (await readReply(stream, 1))[0] ?? 0
    : undefined;
  if (bound === undefined) {
    throw failure("proxy-protocol", "the proxy's answer is malformed");
  }
  await readReply(stream, bound + 2);
}

/** RFC 1929. */
async function authenticate(
  stream: ByteStream,
  { username, password }: Credentials,
): Promise<void> {
  const [name, secret] = [encoder.encode(username), encoder.encode(password)];
  if (name.length > 255 || secret.length > 255) {
    throw failure(
      "options",
      "SOCKS5 takes at most 255 bytes of user name and of password",
    );
  }
  await writeAll(
    stream,
    Uint8Array.of(1, name.length, ...name, secret.length, ...secret),
  );
  const [, status] = await readReply(stream, 2);
  if (status !== 0) {
    throw failure(
      "proxy-credentials",
      "the proxy refused user name or password",
    );
  }
}

async function readReply(
  stream: ByteStream,
  length: number,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  if (await readFull(stream, bytes)) return bytes;
  throw failure("proxy-refused", "the proxy closed the connection");
}

/** Address type and address (RFC 1928, section 5). */
function socksAddress({ hostname }: TunnelTarget): number[] {
  if (hostname.includes(":")) return [4, ...ipv6Bytes(hostname)];
  const parts = hostname.split(".");
  // The URL parser writes every IPv4 address in this form.
  if (parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part))) {
    return [1, ...parts.map(Number)];
  }
  const name = encoder.encode(hostname);
  if (name.length > 255) {
    throw failure("options", "SOCKS5 takes host names of at most 255 bytes");
  }
  return [3, name.length, ...name];
}

/** An address as the URL parser writes it: hexadecimal groups, one "::". */
function ipv6Bytes(address: string): number[] {
  const [head = "", tail] = address.split("::");
  const groups = (text: string) =>
    text === "" ? [] : text.split(":").map((group) => parseInt(group, 16));
  const [front, back] = [groups(head), groups(tail ?? "")];
  const zeros = new Array<number>(8 - front.length - back.length).fill(0);
  return [...front, ...zeros, ...back]
    .flatMap((group) => [group >>> 8, group & 0xff]);
}
