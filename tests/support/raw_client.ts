/**
 * A WebSocket client on bare TCP, for what the runtime's client never does:
 * torn frames, broken frames, silence.
 *
 * @module
 */

import { closeQuietly, writeAll } from "../../src/server/listener.ts";
import { within } from "./events.ts";

/** What a client's frame may be like; sound unless told otherwise. */
export interface FrameShape {
  readonly fin?: boolean;
  /** The three reserved bits, 0 to 7. @default 0 */
  readonly reserved?: number;
  /** The masking key; `undefined` for an unmasked frame. @default 1 2 3 4 */
  readonly mask?: readonly number[] | undefined;
  /** How the length is written. @default the shortest form */
  readonly lengthBytes?: 1 | 2 | 8;
  /** What the header says. @default the true length */
  readonly length?: number;
}

/** A client's frame. */
export function clientFrame(
  opcode: number,
  payload: string | Uint8Array = "",
  shape: FrameShape = {},
): Uint8Array<ArrayBuffer> {
  const { fin = true, reserved = 0 } = shape;
  const mask = "mask" in shape ? shape.mask : [1, 2, 3, 4];
  const body = typeof payload === "string"
    ? new TextEncoder().encode(payload)
    : payload;
  const length = shape.length ?? body.length;
  const lengthBytes = shape.lengthBytes ??
    (length < 126 ? 1 : length < 65536 ? 2 : 8);
  const masked = mask === undefined ? 0 : 0x80;
  const header = [(fin ? 0x80 : 0) | reserved << 4 | opcode];
  if (lengthBytes === 1) header.push(masked | length);
  else header.push(masked | (lengthBytes === 2 ? 126 : 127));
  const long = lengthBytes === 1 ? 0 : lengthBytes;
  for (let byte = long - 1; byte >= 0; byte--) {
    header.push(Math.floor(length / 256 ** byte) % 256);
  }
  header.push(...mask ?? []);
  const frame = new Uint8Array(header.length + body.length);
  frame.set(header);
  for (const [index, byte] of body.entries()) {
    frame[header.length + index] = byte ^ (mask?.[index % 4] ?? 0);
  }
  return frame;
}

/** The sound request of a client. */
export function requestHead(
  path = "/",
  headers: Record<string, string | undefined> = {},
): string {
  const fields = Object.entries({
    host: "127.0.0.1",
    upgrade: "websocket",
    connection: "Upgrade",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    ...headers,
  });
  const lines = fields.filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET ${path} HTTP/1.1\r\n${lines.join("")}\r\n`;
}

/** A server's frame. */
export interface ServerFrame {
  readonly opcode: number;
  readonly payload: Uint8Array;
}

/** Writes bytes, reads frames; every read has a deadline. */
export class RawClient implements Disposable {
  readonly conn: Deno.TcpConn;
  #bytes: Uint8Array = new Uint8Array(0);

  constructor(conn: Deno.TcpConn) {
    this.conn = conn;
  }

  /** Connects, and shakes hands unless `head` is empty. */
  static async connect(
    port: number,
    head: string = requestHead(),
  ): Promise<RawClient> {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    const client = new RawClient(conn);
    if (head !== "") {
      await client.write(new TextEncoder().encode(head));
      await client.readHead();
    }
    return client;
  }

  write(bytes: Uint8Array): Promise<void> {
    return writeAll(this.conn, bytes);
  }

  /** An answer's head, without the empty line. */
  async readHead(): Promise<string> {
    for (;;) {
      const text = new TextDecoder().decode(this.#bytes);
      const end = text.indexOf("\r\n\r\n");
      if (end >= 0) {
        this.#bytes = this.#bytes.slice(end + 4);
        return text.slice(0, end);
      }
      if (!await this.#more()) return text;
    }
  }

  /** The next frame; `undefined` at the end. */
  async readFrame(): Promise<ServerFrame | undefined> {
    for (;;) {
      const frame = this.#takeFrame();
      if (frame !== undefined) return frame;
      if (!await this.#more()) return undefined;
    }
  }

  /** The next frame's payload as text. */
  async readText(): Promise<string | undefined> {
    const frame = await this.readFrame();
    return frame && new TextDecoder().decode(frame.payload);
  }

  /** All that comes until the end. */
  async readToEnd(): Promise<Uint8Array> {
    while (await this.#more());
    return this.#bytes;
  }

  [Symbol.dispose](): void {
    closeQuietly(this.conn);
  }

  #takeFrame(): ServerFrame | undefined {
    const [first = 0, second = 0] = this.#bytes;
    const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset);
    const header = second < 126 ? 2 : second === 126 ? 4 : 10;
    if (this.#bytes.length < header) return undefined;
    const length = header === 2
      ? second
      : header === 4
      ? view.getUint16(2)
      : Number(view.getBigUint64(2));
    if (this.#bytes.length < header + length) return undefined;
    const payload = this.#bytes.slice(header, header + length);
    this.#bytes = this.#bytes.slice(header + length);
    return { opcode: first & 0x0f, payload };
  }

  async #more(): Promise<boolean> {
    const chunk = new Uint8Array(64 * 1024);
    const count = await within(this.conn.read(chunk), "bytes of the server");
    if (count === null) return false;
    const bytes = new Uint8Array(this.#bytes.length + count);
    bytes.set(this.#bytes);
    bytes.set(chunk.subarray(0, count), this.#bytes.length);
    this.#bytes = bytes;
    return true;
  }
}
