/**
 * A tunnel to the server through a proxy: CONNECT (RFC 9110, section 9.3.6), or
 * SOCKS5 (RFC 1928 and 1929).
 *
 * @module
 */

import { encodeHead } from "../../protocol/http_head.ts";
import { NoResponseError, readResponse, type Wire, writeAll } from "./wire.ts";

/** Where a tunnel ends. */
export interface Target {
  readonly hostname: string;
  readonly port: number;
}

/** The proxy did not make the tunnel. */
export class ProxyError extends Error {
  override readonly name = "ProxyError";
  readonly kind: "credentials" | "protocol" | "refused";

  constructor(kind: ProxyError["kind"], message: string) {
    super(message);
    this.kind = kind;
  }
}

/** The port of a proxy's URL. */
export function proxyPort({ port, protocol }: URL): number {
  const defaults: Readonly<Record<string, number>> = {
    "http:": 80,
    "https:": 443,
  };
  return port === "" ? defaults[protocol] ?? 1080 : Number(port);
}

/**
 * Opens the tunnel; afterwards the wire leads to the target.
 * @throws {ProxyError} the proxy does not make it
 */
export function openTunnel(
  wire: Wire,
  proxy: URL,
  target: Target,
): Promise<void> {
  return proxy.protocol.startsWith("socks")
    ? socks5(wire, proxy, target)
    : httpConnect(wire, proxy, target);
}

async function httpConnect(
  wire: Wire,
  proxy: URL,
  { hostname, port }: Target,
): Promise<void> {
  const host = `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
  const fields: [string, string][] = [["Host", host]];
  const credentials = credentialsOf(proxy);
  if (credentials !== undefined) {
    const pair = new TextEncoder().encode(credentials.join(":"));
    fields.push(["Proxy-Authorization", `Basic ${pair.toBase64()}`]);
  }
  await writeAll(wire, encodeHead(`CONNECT ${host} HTTP/1.1`, fields));
  const { status, statusText } = await connectResponse(wire);
  if (status >= 200 && status < 300) return;
  throw new ProxyError(
    status === 407 ? "credentials" : "refused",
    `${status} ${statusText}`.trim(),
  );
}

async function connectResponse(wire: Wire) {
  try {
    // What follows belongs to the server.
    return (await readResponse(wire, 1)).head;
  } catch (error) {
    if (!(error instanceof NoResponseError)) throw error;
    throw error.kind === "hang-up"
      ? new ProxyError("refused", "the proxy hangs up")
      : new ProxyError("protocol", "the proxy does not speak HTTP");
  }
}

/** User name and password of a URL, as they are typed. */
function credentialsOf({ username, password }: URL) {
  if (username === "" && password === "") return undefined;
  return [decodeURIComponent(username), decodeURIComponent(password)] as const;
}

const SOCKS_REPLIES: ReadonlyMap<number, string> = new Map([
  [1, "general failure"],
  [2, "not allowed by its rules"],
  [3, "network unreachable"],
  [4, "host unreachable"],
  [5, "connection refused"],
  [6, "TTL expired"],
  [7, "command not supported"],
  [8, "address type not supported"],
]);

const NO_CREDENTIALS = 0;
const USER_AND_PASSWORD = 2;

async function socks5(
  wire: Wire,
  proxy: URL,
  { hostname, port }: Target,
): Promise<void> {
  const credentials = credentialsOf(proxy);
  const methods = credentials === undefined
    ? [NO_CREDENTIALS]
    : [NO_CREDENTIALS, USER_AND_PASSWORD];
  await writeAll(wire, Uint8Array.of(5, methods.length, ...methods));
  const [version, method = -1] = await readExactly(wire, 2);
  if (version !== 5) {
    throw new ProxyError("protocol", "the proxy does not speak SOCKS5");
  }
  if (!methods.includes(method)) {
    throw new ProxyError("credentials", "the proxy wants credentials");
  }
  if (method === USER_AND_PASSWORD && credentials !== undefined) {
    const fields = credentials.map((text) => new TextEncoder().encode(text));
    const message = fields.flatMap((field) => [field.length, ...field]);
    await writeAll(wire, Uint8Array.of(1, ...message));
    const [, status] = await readExactly(wire, 2);
    if (status !== 0) {
      throw new ProxyError("credentials", "the proxy wants other credentials");
    }
  }
  // The proxy resolves the name: this machine may not know it.
  const name = new TextEncoder().encode(hostname);
  await writeAll(
    wire,
    Uint8Array.of(5, 1, 0, 3, name.length, ...name, port >> 8, port & 0xff),
  );
  const [, reply = 1, , type] = await readExactly(wire, 4);
  if (reply !== 0) {
    const why = SOCKS_REPLIES.get(reply) ?? `SOCKS error ${reply}`;
    throw new ProxyError("refused", why);
  }
  const addressLength = type === 1 ? 4 : type === 4 ? 16 : undefined;
  const [length = 0] = addressLength === undefined
    ? await readExactly(wire, 1)
    : [addressLength];
  await readExactly(wire, length + 2);
}

async function readExactly(wire: Wire, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let used = 0; used < length;) {
    const some = await wire.read(bytes.subarray(used));
    if (some === null) throw new ProxyError("refused", "the proxy hangs up");
    used += some;
  }
  return bytes;
}
