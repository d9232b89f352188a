/**
 * The server of the benchmarks: it writes frames made beforehand, counts bytes
 * without looking at them, or echoes frames of a known length. So it costs as
 * little as a server can, and every client meets the same one.
 *
 * @module
 */

import { encodeAcceptance } from "../src/protocol/handshake.ts";

type Connection = Deno.TcpConn | Deno.TlsConn;

/** A load: so many messages of one size. */
export interface Load {
  readonly name: string;
  /** Bytes of each message. */
  readonly size: number;
  /** The messages of a burst. */
  readonly count: number;
  /** Binary messages; texts without it. */
  readonly binary?: boolean;
}

/** What the server does once a connection is open. */
export type Task =
  /** Whatever comes in asks for a burst. */
  | "burst"
  /** Answers `ok` whenever a burst has arrived. */
  | "count"
  /** Sends back a frame for each that comes in. */
  | "echo"
  /** Sends one burst and closes with 1000. */
  | "feed"
  /** Reads nothing. */
  | "stall";

/** A running server. */
export interface Feeder extends AsyncDisposable {
  readonly url: string;
}

/** Starts a server for one load. */
export function startFeeder(
  task: Task,
  load: Load,
  tls?: { readonly cert: string; readonly key: string },
): Feeder {
  const address = { hostname: "127.0.0.1", port: 0 };
  const listener = tls === undefined
    ? Deno.listen(address)
    : Deno.listenTls({ ...address, ...tls, alpnProtocols: ["http/1.1"] });
  const open = new Set<Connection>();
  const accepting = (async () => {
    for await (const conn of listener) {
      open.add(conn);
      attend(conn, task, load)
        .catch(() => {}) // a client that hangs up ends its connection
        .finally(() => {
          if (open.delete(conn)) conn.close();
        });
    }
  })();
  return {
    url: `${
      tls === undefined ? "ws" : "wss"
    }://127.0.0.1:${listener.addr.port}/`,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      for (const conn of open) conn.close();
      open.clear();
    },
  };
}

async function attend(conn: Connection, task: Task, load: Load): Promise<void> {
  if ("setNoDelay" in conn) conn.setNoDelay(true);
  await accept(conn);
  switch (task) {
    case "burst": {
      const burst = new Burst(load);
      const request = new Uint8Array(64);
      while (await conn.read(request) !== null) await burst.write(conn);
      return;
    }
    case "count":
      for (;;) {
        await readExactly(conn, load.count * maskedFrame(load.size));
        await writeAll(conn, new Uint8Array([0x81, 2, 0x6f, 0x6b]));
      }
    case "echo": {
      const reply = frame(load);
      for (;;) {
        await readExactly(conn, maskedFrame(load.size));
        await writeAll(conn, reply);
      }
    }
    case "feed":
      await new Burst(load).write(conn);
      await writeAll(conn, new Uint8Array([0x88, 2, 0x03, 0xe8]));
      // The server closes the connection once the client has answered (RFC
      // 6455, section 7.1.1); earlier it would reset it, unread bytes and all.
      await conn.read(new Uint8Array(1024));
      return;
    case "stall":
      return await new Promise(() => {});
    default:
      task satisfies never;
  }
}

async function accept(conn: Connection): Promise<void> {
  const buffer = new Uint8Array(16 * 1024);
  let length = 0;
  let text = "";
  while (!text.endsWith("\r\n\r\n")) {
    const read = await conn.read(buffer.subarray(length));
    if (read === null) throw new Error("The client hung up");
    length += read;
    text = new TextDecoder().decode(buffer.subarray(0, length));
  }
  const [, key = ""] = /^sec-websocket-key: *(\S+)/im.exec(text) ?? [];
  await writeAll(conn, await encodeAcceptance({ key }));
}

/** Writes larger than this get no faster. */
const WRITE_BYTES = 64 * 1024;

/** The frames of a burst, written many at a time. */
class Burst {
  readonly #batch: Uint8Array;
  readonly #rest: Uint8Array;
  readonly #batches: number;

  constructor(load: Load) {
    const one = frame(load);
    const perBatch = Math.max(1, Math.floor(WRITE_BYTES / one.length));
    this.#batches = Math.floor(load.count / perBatch);
    this.#batch = repeat(one, perBatch);
    this.#rest = repeat(one, load.count % perBatch);
  }

  async write(conn: Connection): Promise<void> {
    for (let i = 0; i < this.#batches; i++) await writeAll(conn, this.#batch);
    await writeAll(conn, this.#rest);
  }
}

/** A frame as a server sends it (RFC 6455, section 5.2). */
function frame({ size, binary = false }: Load): Uint8Array {
  const length = size < 126 ? [size] : [126, size >> 8, size & 0xff];
  if (size > 0xffff) throw new RangeError("Frames of more than 64 KiB - 1");
  const bytes = new Uint8Array(1 + length.length + size).fill(0x61);
  bytes.set([binary ? 0x82 : 0x81, ...length]);
  return bytes;
}

/** The length of a client's frame. */
function maskedFrame(size: number): number {
  return size + (size < 126 ? 6 : size <= 0xffff ? 8 : 14);
}

function repeat(bytes: Uint8Array, count: number): Uint8Array {
  const all = new Uint8Array(bytes.length * count);
  for (let i = 0; i < count; i++) all.set(bytes, i * bytes.length);
  return all;
}

const scratch = new Uint8Array(256 * 1024);

async function readExactly(conn: Connection, count: number): Promise<void> {
  for (let missing = count; missing > 0;) {
    const buffer = scratch.subarray(0, Math.min(scratch.length, missing));
    const read = await conn.read(buffer);
    if (read === null) throw new Error("The client hung up");
    missing -= read;
  }
}

async function writeAll(conn: Connection, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += await conn.write(bytes.subarray(written));
  }
}
