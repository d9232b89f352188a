/**
 * A scripted peer on bare TCP or TLS, for everything a real server would not
 * do: refuse a handshake in strange ways, break off, keep silent, send garbage.
 *
 * @module
 */

import { GrowingBytes } from "../../src/protocol/growing_bytes.ts";
import { acceptKey } from "../../src/protocol/handshake.ts";
import {
  endOfHead,
  HeadError,
  headText,
  MAX_HEAD,
  parseRequestHead,
} from "../../src/protocol/http_head.ts";
import { closeQuietly, linger, writeAll } from "../../src/server/listener.ts";

type Connection = Deno.TcpConn | Deno.TlsConn;

/** What a script may do with its connection. */
export interface TcpExchange {
  readonly conn: Connection;
  /** Counts from 0, in order of acceptance. */
  readonly index: number;
  /** Reads the request's head and records it; `undefined` after a hang-up. */
  readRequest(): Promise<RecordedRequest | undefined>;
  /** Writes text (as UTF-8) or bytes. */
  write(data: string | Uint8Array): Promise<void>;
  /** Resolves when the client has hung up, or the peer is closed. */
  gone(): Promise<void>;
}

/** A request that came in. */
export interface RecordedRequest {
  /** As it came, without the empty line. */
  readonly head: string;
  readonly path: string;
  readonly headers: Headers;
}

/** What to do with one connection; it is closed (FIN) when the script ends. */
export type TcpScript = (exchange: TcpExchange) => void | Promise<void>;

/** Where and how a `TcpPeer` listens. */
export interface TcpPeerOptions {
  /** PEM texts; without them: plain TCP. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** With `tls`: what is offered by ALPN, such as `["h2", "http/1.1"]`. */
  readonly alpn?: readonly string[];
}

/** A listening peer that runs a script for each connection. */
export class TcpPeer implements AsyncDisposable {
  readonly port: number;
  /** `ws://127.0.0.1:PORT`, or `wss`. */
  readonly url: string;
  /** The requests that scripts have read. */
  readonly requests: RecordedRequest[] = [];
  readonly #listener: Deno.Listener<Connection, Deno.NetAddr>;
  readonly #open = new Map<Connection, Promise<void>>();
  readonly #accepting: Promise<void>;
  readonly #failures: unknown[] = [];
  #ending: Promise<void> | undefined;
  #connections = 0;

  /**
   * With several scripts the first connection gets the first one, and so on;
   * the last one serves all that follow.
   */
  constructor(
    scripts: TcpScript | readonly [TcpScript, ...TcpScript[]],
    { tls, alpn }: TcpPeerOptions = {},
  ) {
    const all = typeof scripts === "function" ? [scripts] : scripts;
    this.#listener = tls === undefined
      ? Deno.listen({ hostname: "127.0.0.1", port: 0 })
      : Deno.listenTls({
        hostname: "127.0.0.1",
        port: 0,
        ...tls,
        alpnProtocols: alpn === undefined ? undefined : [...alpn],
      });
    this.port = this.#listener.addr.port;
    this.url = `${tls === undefined ? "ws" : "wss"}://127.0.0.1:${this.port}`;
    this.#accepting = this.#acceptAll(all);
  }

  /** How many connections were accepted so far. */
  get connections(): number {
    return this.#connections;
  }

  /** Ends everything; throws what a script threw, such as a failed assertion. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  async #end(): Promise<void> {
    this.#listener.close();
    await this.#accepting;
    const running = [...this.#open.values()];
    for (const conn of this.#open.keys()) closeQuietly(conn);
    await Promise.all(running);
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  async #acceptAll(scripts: readonly TcpScript[]): Promise<void> {
    for await (const conn of this.#listener) {
      const index = this.#connections++;
      const script = scripts[Math.min(index, scripts.length - 1)];
      if (script === undefined) throw new Error("there is no script");
      const done = this.#play(script, conn, index);
      this.#open.set(conn, done);
      done.then(() => this.#open.delete(conn));
    }
  }

  async #play(script: TcpScript, conn: Connection, index: number) {
    try {
      // Otherwise a second small write waits for the client's delayed ACK.
      if ("setNoDelay" in conn) conn.setNoDelay(true);
      await script(exchangeOn(conn, index, this.requests));
    } catch (error) {
      // The client's hang-up, or ours, is no failure of the script; nor is
      // another protocol: the runtime tries HTTP/2 when a handshake failed.
      if (!isHangUp(error) && !(error instanceof HeadError)) {
        this.#failures.push(error);
      }
    }
    closeQuietly(conn);
  }
}

/** Free functions, so that a script may take them apart. */
function exchangeOn(
  conn: Connection,
  index: number,
  requests: RecordedRequest[],
): TcpExchange {
  return {
    conn,
    index,
    async readRequest() {
      const text = await readHead(conn);
      if (text === undefined) return undefined;
      const { target, headers } = parseRequestHead(text);
      const request = { head: text.trimEnd(), path: target, headers };
      requests.push(request);
      return request;
    },
    write(data) {
      const bytes = typeof data === "string"
        ? new TextEncoder().encode(data)
        : data;
      return writeAll(conn, bytes);
    },
    async gone() {
      const rest = new Uint8Array(4096);
      while (await conn.read(rest) !== null);
    },
  };
}

/** The head of a request; `undefined` after a hang-up. */
async function readHead(conn: Connection): Promise<string | undefined> {
  const gathered = new GrowingBytes();
  const chunk = new Uint8Array(4096);
  for (;;) {
    const count = await conn.read(chunk);
    if (count === null) return undefined;
    gathered.append(chunk.subarray(0, count));
    const bytes = gathered.view();
    const end = endOfHead(bytes, 0, bytes.length);
    if (end >= 0) return headText(bytes.subarray(0, end));
    if (bytes.length > MAX_HEAD) throw new HeadError("the head has no end");
  }
}

function isHangUp(error: unknown): boolean {
  return error instanceof Deno.errors.BadResource ||
    error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.ConnectionAborted ||
    error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.Interrupted ||
    error instanceof Deno.errors.InvalidData || // TLS alerts
    error instanceof Deno.errors.UnexpectedEof;
}

/**
 * Reads the request, answers with this, and hangs up.
 *
 * @example
 * ```ts
 * import { respond, TcpPeer } from "./tcp_peer.ts";
 *
 * await using peer = new TcpPeer(
 *   respond("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n"),
 * );
 * ```
 */
export function respond(response: string | Uint8Array): TcpScript {
  return async (exchange) => {
    if (await exchange.readRequest() === undefined) return;
    await exchange.write(response);
    await linger(exchange.conn);
  };
}

/** An answer with this status, these headers and a body of two bytes. */
export function respondStatus(
  status: number,
  headers: Record<string, string> = {},
): TcpScript {
  const lines = Object.entries({ "content-length": "2", ...headers })
    .map(([name, value]) => `${name}: ${value}\r\n`);
  return respond(`HTTP/1.1 ${status} Test\r\n${lines.join("")}\r\nno`);
}

/** Takes the connection, reads what comes, and never says a word. */
export const silence: TcpScript = (exchange) => exchange.gone();

/** Hangs up without reading anything. */
export const closeAtOnce: TcpScript = () => {};

/** Reads the request and hangs up. */
export const closeAfterRequest: TcpScript = async (exchange) => {
  await exchange.readRequest();
};

/** Hangs up with input unread, which sends a reset after the FIN. */
export const resetAtOnce: TcpScript = async ({ conn }) => {
  await conn.read(new Uint8Array(1));
};

/** Answers with bytes that are not HTTP. */
export const garbage: TcpScript = respond(
  Uint8Array.from({ length: 64 }, (_, index) => 0x80 | index * 7),
);

/** What an upgrade may be like. */
export interface Upgrade {
  /** Replaces or, when empty, leaves out headers of the sound answer. */
  readonly headers?: Record<string, string>;
  /** Runs on the open connection. @default waits until the client is gone */
  readonly then?: TcpScript;
}

/**
 * Answers with 101, sound unless told otherwise, and goes on with `then`.
 *
 * @example A 101 that does not say Upgrade; bad frames after a good one
 * ```ts
 * import { upgrade } from "./tcp_peer.ts";
 *
 * const noUpgrade = upgrade({ headers: { upgrade: "" } });
 * const badOpcode = upgrade({ then: sendBytes(0x83, 0) });
 * ```
 */
export function upgrade(
  { headers = {}, then = silence }: Upgrade = {},
): TcpScript {
  return async (exchange) => {
    const request = await exchange.readRequest();
    if (request === undefined) return;
    const key = request.headers.get("sec-websocket-key") ?? "";
    const fields = Object.entries({
      upgrade: "websocket",
      connection: "Upgrade",
      "sec-websocket-accept": await acceptKey(key),
      ...headers,
    });
    const lines = fields.filter(([, value]) => value !== "")
      .map(([name, value]) => `${name}: ${value}\r\n`);
    await exchange.write(
      `HTTP/1.1 101 Switching Protocols\r\n${lines.join("")}\r\n`,
    );
    await then(exchange);
  };
}

/** Writes these bytes, then waits until the client is gone. */
export function sendBytes(...bytes: number[]): TcpScript {
  return async (exchange) => {
    await exchange.write(Uint8Array.from(bytes));
    await exchange.gone();
  };
}

/**
 * After the open: a close frame with this body. Hangs up after the client's
 * close frame, as servers do.
 */
export function closeWith(...body: number[]): TcpScript {
  return upgrade({
    then: async (exchange) => {
      await exchange.write(Uint8Array.of(0x88, body.length, ...body));
      await exchange.conn.read(new Uint8Array(4096));
    },
  });
}

/** After the open: a text frame whose payload is not UTF-8. */
export const badUtf8: TcpScript = upgrade({ then: sendBytes(0x81, 1, 0xff) });

/** After the open: a frame with a reserved opcode. */
export const badOpcode: TcpScript = upgrade({ then: sendBytes(0x83, 0) });

/** After the open: a frame with a reserved bit set. */
export const badReservedBit: TcpScript = upgrade({ then: sendBytes(0xc1, 0) });

/** After the open: a fragmented control frame. */
export const badFragmentedPing: TcpScript = upgrade({ then: sendBytes(9, 0) });

/** 101 with a subprotocol that nobody offered. */
export const wrongSubprotocol: TcpScript = upgrade({
  headers: { "sec-websocket-protocol": "never-offered" },
});

/** 101 without `Upgrade`. */
export const noUpgradeHeader: TcpScript = upgrade({ headers: { upgrade: "" } });
