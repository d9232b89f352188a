/**
 * Connections of the tcp transport for tests, and frames of a scripted server.
 *
 * @module
 */

import { assertInstanceOf, assertRejects } from "@std/assert";
import type { Message } from "../../../src/message.ts";
import {
  type HandshakeFacts,
  HandshakeFailure,
  type HandshakeRequest,
  type Socket,
  type SocketEnd,
} from "../../../src/transport/transport.ts";
import {
  type TcpOptions,
  TcpTransport,
} from "../../../src/transport/tcp/tcp_transport.ts";
import { Feed, frame, type Seen } from "../../protocol/frames.ts";
import { Recorder, within } from "../../support/events.ts";
import {
  type TcpExchange,
  type TcpScript,
  upgrade,
} from "../../support/tcp_peer.ts";

/** What a socket reports. */
export interface SocketEvents {
  message: Message;
  end: SocketEnd;
  pong: number;
  progress: number;
}

/** An open socket and what it reported. It is terminated when disposed of. */
export interface Opened extends Disposable {
  readonly socket: Socket;
  readonly events: Recorder<SocketEvents>;
}

/** How long a connection may take, ms: far more than it needs. */
const TIMEOUT = 20_000;

/** Connects. */
export async function connect(
  url: string | URL,
  options: TcpOptions = {},
  request: Partial<HandshakeRequest> = {},
): Promise<Socket> {
  const transport = new TcpTransport(options);
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(new Error("too slow")), TIMEOUT);
  try {
    return await transport.connect(
      { url: new URL(url), subprotocols: [], ...request },
      stop.signal,
    );
  } finally {
    clearTimeout(timer);
    transport.close();
  }
}

/** Connects and listens. */
export async function open(
  url: string | URL,
  options: TcpOptions = {},
  request: Partial<HandshakeRequest> = {},
): Promise<Opened> {
  const socket = await connect(url, options, request);
  const events = new Recorder<SocketEvents>(TIMEOUT);
  socket.listen({
    onMessage: events.on("message"),
    onEnd: events.on("end"),
    onPong: events.on("pong"),
    onProgress: () => events.add("progress", socket.bufferedAmount ?? -1),
  });
  return { socket, events, [Symbol.dispose]: () => socket.terminate() };
}

/** The facts of a connection that must not open. */
export async function refusal(
  url: string | URL,
  options: TcpOptions = {},
  request: Partial<HandshakeRequest> = {},
): Promise<HandshakeFacts> {
  const error = await assertRejects(() => connect(url, options, request));
  assertInstanceOf(error, HandshakeFailure, String(error));
  return error.facts;
}

/** A server's end of an open connection: reads what the client sends. */
export class Peer {
  readonly conn: Deno.Conn;
  readonly #write: TcpExchange["write"];
  readonly #feed = new Feed("server", { compression: true });
  readonly #buffer = new Uint8Array(64 * 1024);
  #next = 0;

  constructor(
    { conn, write }: { conn: Deno.Conn; write: TcpExchange["write"] },
  ) {
    this.conn = conn;
    this.#write = write;
  }

  /** Writes a frame. */
  send(
    opcode: number,
    payload: string | Uint8Array = "",
    shape: Parameters<typeof frame>[3] = {},
  ): Promise<void> {
    return this.write(frame("server", opcode, payload, shape));
  }

  write(bytes: Uint8Array | string): Promise<void> {
    return this.#write(bytes);
  }

  /** What the client sent next; `undefined` after the end. */
  async next(): Promise<Seen | undefined> {
    while (this.#feed.seen.length <= this.#next) {
      const count = await within(
        this.conn.read(this.#buffer),
        "a frame",
        20_000,
      );
      if (count === null) return undefined;
      this.#feed.push(this.#buffer.subarray(0, count));
    }
    return this.#feed.seen[this.#next++];
  }

  /** Reads until the client closes or hangs up; what it sent on the way. */
  async rest(): Promise<Seen[]> {
    const seen: Seen[] = [];
    for (;;) {
      const next = await this.next();
      if (next === undefined) return seen;
      seen.push(next);
      if ("close" in next) return seen;
    }
  }
}

/** A script that accepts the handshake and goes on with `talk`. */
export function accepting(
  talk: (peer: Peer) => Promise<void>,
  headers: Record<string, string> = {},
): TcpScript {
  return upgrade({ headers, then: (exchange) => talk(new Peer(exchange)) });
}
