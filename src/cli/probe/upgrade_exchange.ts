/**
 * A WebSocket handshake by hand (RFC 6455, section 4), which shows what the
 * runtime's own keeps to itself: the status, all headers, the first bytes.
 *
 * @module
 */

/** The connection, as `Deno.Conn` is one. */
export interface Wire {
  read(buffer: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
}

/** What was answered. */
export type UpgradeAnswer =
  | {
    readonly kind: "http";
    readonly status: number;
    readonly statusText: string;
    readonly headers: Headers;
  }
  | { readonly kind: "not-http" }
  | { readonly kind: "hang-up" };

/** What to ask for. */
export interface UpgradeRequest {
  readonly url: URL;
  readonly headers: readonly (readonly [string, string])[];
  readonly subprotocols: readonly string[];
  /** 16 random bytes as base64. */
  readonly key: string;
}

const MAX_HEAD = 16 * 1024;

/** Asks, and reads the head of the answer. */
export async function exchange(
  wire: Wire,
  request: UpgradeRequest,
): Promise<UpgradeAnswer> {
  try {
    await writeAll(wire, new TextEncoder().encode(requestText(request)));
    return parseAnswer(await readHead(wire));
  } catch (error) {
    if (
      error instanceof Deno.errors.ConnectionReset ||
      error instanceof Deno.errors.BrokenPipe ||
      error instanceof Deno.errors.UnexpectedEof
    ) return { kind: "hang-up" };
    throw error;
  }
}

async function writeAll(wire: Wire, bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0;) {
    rest = rest.subarray(await wire.write(rest));
  }
}

function requestText({ url, headers, subprotocols, key }: UpgradeRequest) {
  const lines = [
    `GET ${url.pathname}${url.search} HTTP/1.1`,
    `Host: ${url.host}`,
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Key: ${key}`,
    "Sec-WebSocket-Version: 13",
    ...headers.map(([name, value]) => `${name}: ${value}`),
  ];
  if (subprotocols.length > 0) {
    lines.push(`Sec-WebSocket-Protocol: ${subprotocols.join(", ")}`);
  }
  return lines.join("\r\n") + "\r\n\r\n";
}

async function readHead(wire: Wire): Promise<string> {
  const buffer = new Uint8Array(4096);
  const latin1 = new TextDecoder("latin1");
  let head = "";
  while (!head.includes("\r\n\r\n") && head.length < MAX_HEAD) {
    const length = await wire.read(buffer);
    if (length === null) break;
    head += latin1.decode(buffer.subarray(0, length));
    if (!head.startsWith("HTTP/".slice(0, head.length))) break;
  }
  return head;
}

function parseAnswer(head: string): UpgradeAnswer {
  if (head === "") return { kind: "hang-up" };
  const [top = ""] = head.split("\r\n\r\n", 1);
  const [first = "", ...lines] = top.split("\r\n");
  const [, digits, statusText = ""] =
    /^HTTP\/1\.[01] (\d{3})(?: (.*))?$/.exec(first) ?? [];
  if (digits === undefined) return { kind: "not-http" };
  const headers = new Headers();
  for (const line of lines) {
    const [, name, value = ""] = /^([^:\s]+):\s*(.*?)\s*$/.exec(line) ?? [];
    if (name !== undefined) appendHeader(headers, name, value);
  }
  return { kind: "http", status: Number(digits), statusText, headers };
}

/** A header that is none is shown by nobody, and stops nothing. */
function appendHeader(headers: Headers, name: string, value: string): void {
  try {
    headers.append(name, value);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
}

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** What is wrong with a 101; undefined if nothing (RFC 6455, section 4.1). */
export async function upgradeFlaw(
  headers: Headers,
  key: string,
): Promise<string | undefined> {
  const has = (name: string, token: string) =>
    headers.get(name)?.toLowerCase().split(/\s*,\s*/).includes(token) === true;
  if (!has("upgrade", "websocket")) return "no Upgrade: websocket";
  if (!has("connection", "upgrade")) return "no Connection: Upgrade";
  const bytes = new TextEncoder().encode(key + GUID);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-1", bytes));
  return headers.get("sec-websocket-accept") === digest.toBase64()
    ? undefined
    : "wrong Sec-WebSocket-Accept";
}
