/**
 * Against `npm:ws`, the server most Node.js programs are made with. It runs in
 * this process, so that a test can tell it what to do.
 */

import {
  assertEquals,
  assertGreaterOrEqual,
  assertInstanceOf,
  assertMatch,
  assertRejects,
} from "@std/assert";
import { createServer, type IncomingMessage, type Server } from "node:http";
// @ts-types="@types/ws"
import { type ServerOptions, type WebSocket, WebSocketServer } from "ws";
import { type Message, WSError } from "../../mod.ts";
import { Guest } from "../support/client_world.ts";
import { Recorder, within } from "../support/events.ts";
import { type Program, testWithEach } from "../support/foreign_server.ts";
import { requestHead } from "../support/raw_client.ts";
import { forEachTransport } from "../support/transports.ts";

/** What the server's end of a connection saw. */
interface Seen {
  open: WebSocket;
  message: Message;
  pong: string;
  close: { code: number; reason: string };
}

/** A server, and all that it saw. */
class WsServer implements AsyncDisposable {
  readonly seen = new Recorder<Seen>();
  readonly port: number;
  readonly url: string;
  readonly #http: Server;
  readonly #sockets: WebSocketServer;

  private constructor(http: Server, sockets: WebSocketServer) {
    this.#http = http;
    this.#sockets = sockets;
    const address = http.address();
    if (address === null || typeof address === "string") {
      throw new Error("the server has no port");
    }
    this.port = address.port;
    this.url = `ws://127.0.0.1:${this.port}/`;
    sockets.on("connection", (socket) => this.#attend(socket));
  }

  /** Starts it; without a port, on a free one. */
  static async start(options: ServerOptions = {}): Promise<WsServer> {
    const { port = 0, ...rest } = options;
    const http = createServer();
    const sockets = new WebSocketServer({ ...rest, server: http });
    const listening = new Promise((resolve) => http.once("listening", resolve));
    http.listen(port, "127.0.0.1");
    await within(listening, "the start of the server");
    return new WsServer(http, sockets);
  }

  /** The server's end of the next connection. */
  next(): Promise<WebSocket> {
    return this.seen.next("open");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#sockets.close();
    await within(
      new Promise((resolve) => this.#http.close(resolve)),
      "the end of the server",
    );
  }

  #attend(socket: WebSocket): void {
    const { seen } = this;
    // What a client breaks is routine, and closes the connection.
    socket.on("error", () => {});
    socket.on("message", (data, isBinary) => {
      if (!(data instanceof Uint8Array)) throw new TypeError("in parts");
      seen.add("message", isBinary ? new Uint8Array(data) : String(data));
    });
    socket.on("pong", (data) => seen.add("pong", String(data)));
    socket.on("close", (code, reason) => {
      seen.add("close", { code, reason: String(reason) });
    });
    seen.add("open", socket);
  }
}

function echo(socket: WebSocket): void {
  socket.on("message", (data, binary) => socket.send(data, { binary }));
}

function patterned(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => index % 251);
}

const MIB = 1024 * 1024;

const MESSAGES: readonly (readonly [string, Message])[] = [
  ["a text", "hello"],
  ["a text beyond the basic plane", "grüße 🚀\u0000\uffff"],
  ["an empty text", ""],
  ["bytes", patterned(300)],
  ["no bytes", new Uint8Array(0)],
  ["a text of 1 MiB", "x".repeat(MIB - 2) + "ü"],
  ["1 MiB of bytes", patterned(MIB)],
];

forEachTransport(
  "ws: what is sent comes back the same",
  async (transport, t) => {
    await using server = await WsServer.start();
    await using guest = await transport.guest({ url: server.url });
    echo(await server.next());
    for (const [name, message] of MESSAGES) {
      await t.step(name, async () => {
        await guest.client.send(message);
        assertEquals(await guest.calls.next("message"), message);
      });
    }
  },
);

forEachTransport(
  "ws: many small messages come in order, both ways",
  async (transport) => {
    const count = 20_000;
    await using server = await WsServer.start();
    await using guest = await transport.guest({ url: server.url });
    const socket = await server.next();
    for (let i = 0; i < count; i++) socket.send(String(i));
    for (let i = 0; i < count; i++) await guest.client.sendText(String(i));
    const { calls } = guest;
    const { seen } = server;
    await calls.until(() => calls.all("message").length === count);
    await seen.until(() => seen.all("message").length === count);
    const expected = Array.from({ length: count }, (_, i) => String(i));
    assertEquals(guest.calls.all("message"), expected);
    assertEquals(server.seen.all("message"), expected);
  },
);

forEachTransport(
  "ws: fragments of a message are one message",
  async (transport) => {
    await using server = await WsServer.start();
    await using guest = await transport.guest({ url: server.url });
    const socket = await server.next();
    socket.send("one ", { fin: false });
    socket.ping("in between");
    socket.send("message ü", { fin: true });
    assertEquals(await guest.calls.next("message"), "one message ü");
    assertEquals(await server.seen.next("pong"), "in between");
  },
);

forEachTransport(
  "ws: a server that compresses what it can gets along with us",
  async (transport) => {
    await using server = await WsServer.start({
      perMessageDeflate: { threshold: 0 },
    });
    await using guest = await transport.guest({ url: server.url });
    const socket = await server.next();
    assertEquals(socket.extensions, "");
    echo(socket);
    await guest.client.sendText("a".repeat(1000));
    assertEquals(await guest.calls.next("message"), "a".repeat(1000));
  },
);

forEachTransport(
  "ws: the server chooses one of our subprotocols",
  async (transport) => {
    await using server = await WsServer.start({
      handleProtocols: (offered) => offered.has("v1") ? "v1" : false,
    });
    await using guest = await transport.guest({
      url: server.url,
      subprotocols: ["v2", "v1"],
    });
    assertEquals(guest.client.protocol, "v1");
    assertEquals((await server.next()).protocol, "v1");
  },
);

forEachTransport(
  "ws: a server that chooses none of our subprotocols may do so",
  async (transport) => {
    await using server = await WsServer.start({ handleProtocols: () => false });
    await using guest = await transport.guest({
      url: server.url,
      subprotocols: ["v2", "v1"],
    });
    assertEquals(guest.client.protocol, "");
  },
);

forEachTransport(
  "ws: a subprotocol that was not offered is a failed handshake",
  async (transport) => {
    await using server = await WsServer.start({ handleProtocols: () => "v3" });
    const error = await assertRejects(
      () => transport.guest({ url: server.url, subprotocols: ["v1"] }),
      WSError,
      'not offered ("v3")',
    );
    assertEquals([error.code, error.severity], ["HANDSHAKE", "fatal"]);
    // The runtime's socket outlives the attempt until the server has answered.
    await server.seen.next("close");
  },
);

forEachTransport(
  "ws: the server's pings are answered with what they carry",
  async (transport) => {
    await using server = await WsServer.start();
    await using guest = await transport.guest({ url: server.url });
    const socket = await server.next();
    for (const payload of ["", "1", "x".repeat(125)]) {
      socket.ping(payload);
      assertEquals(await server.seen.next("pong"), payload);
    }
    assertEquals(guest.calls.all("message"), []);
  },
);

const CLOSES: readonly {
  readonly name: string;
  readonly end: (socket: WebSocket) => void;
  readonly code: number;
  readonly reason?: string;
  readonly wasClean?: boolean;
  readonly isError?: boolean;
}[] = [
  {
    name: "a normal close",
    end: (socket) => socket.close(1000, "done"),
    code: 1000,
    reason: "done",
    isError: false,
  },
  {
    name: "going away",
    end: (socket) => socket.close(1001),
    code: 1001,
    isError: false,
  },
  {
    name: "a close without a code",
    end: (socket) => socket.close(),
    code: 1005,
  },
  {
    name: "a policy violation",
    end: (socket) => socket.close(1008, "grüße"),
    code: 1008,
    reason: "grüße",
  },
  {
    name: "an internal error",
    end: (socket) => socket.close(1011),
    code: 1011,
  },
  { name: "a restart", end: (socket) => socket.close(1012), code: 1012 },
  {
    name: "a code of the application's",
    end: (socket) => socket.close(4321, "r".repeat(123)),
    code: 4321,
    reason: "r".repeat(123),
  },
  {
    name: "terminate()",
    end: (socket) => socket.terminate(),
    code: 1006,
    wasClean: false,
  },
];

forEachTransport(
  "ws: however the server ends a connection, the next one follows",
  async (transport, t) => {
    await using server = await WsServer.start();
    await using guest = await transport.guest({ url: server.url });
    for (const row of CLOSES) {
      const { name, end, code } = row;
      const { reason = "", wasClean = true, isError = true } = row;
      await t.step(name, async () => {
        end(await server.next());
        const info = await guest.calls.next("disconnect");
        assertEquals(
          [info.code, info.reason, info.wasClean, info.willRetry],
          [code, reason, wasClean, true],
        );
        assertEquals(info.error?.closeCode, isError ? code : undefined);
        const retry = await guest.calls.next("retry");
        assertEquals([retry.error.code, retry.error.closeCode], [
          "CLOSED",
          code,
        ]);
        await guest.calls.next("connect");
      });
    }
  },
);

forEachTransport(
  "ws: a close code that is said to be fatal ends the client",
  async (transport) => {
    await using server = await WsServer.start();
    await using guest = await transport.guest({
      url: server.url,
      fatalCloseCodes: [4001],
    });
    (await server.next()).close(4001, "go away");
    const error = await within(guest.client.closed, "the end of the client");
    assertInstanceOf(error, WSError);
    assertEquals(
      [error.severity, error.closeCode, error.reason],
      ["fatal", 4001, "go away"],
    );
  },
);

forEachTransport(
  "ws: a message that is too large for the server ends the connection with 1009",
  async (transport) => {
    await using server = await WsServer.start({ maxPayload: 1000 });
    await using guest = await transport.guest({
      url: server.url,
      redeliver: "none",
    });
    await guest.client.send("x".repeat(1001));
    const { code, wasClean } = await guest.calls.next("disconnect");
    assertEquals([code, wasClean], [1009, true]);
  },
);

forEachTransport(
  "ws: the server learns code and reason of our stop",
  async (transport) => {
    await using server = await WsServer.start();
    await using guest = await transport.guest({ url: server.url });
    await guest.client.sendText("the last word");
    const result = await guest.client.stop({ code: 4000, reason: "enough" });
    assertEquals(result, { unsent: 0, unsentBytes: 0 });
    assertEquals(await server.seen.next("message"), "the last word");
    assertEquals(await server.seen.next("close"), {
      code: 4000,
      reason: "enough",
    });
  },
);

forEachTransport(
  "ws: what is queued while the server restarts arrives in order",
  async (transport) => {
    const first = await WsServer.start();
    // Meanwhile another process may be given its port.
    let { url } = first;
    await using guest = await transport.guest({ url: () => url });
    await first[Symbol.asyncDispose]();
    await guest.calls.next("disconnect");
    for (const text of ["1", "2", "3"]) await guest.client.sendText(text);
    await using second = await WsServer.start();
    url = second.url;
    for (const text of ["1", "2", "3"]) {
      assertEquals(await second.seen.next("message"), text);
    }
  },
);

forEachTransport(
  "ws: headers come through, credentials of the URL as Authorization",
  async (transport) => {
    const requests: IncomingMessage[] = [];
    await using server = await WsServer.start({
      verifyClient: ({ req }: { req: IncomingMessage }) =>
        requests.push(req) > 0,
    });
    const url = new URL(server.url);
    url.username = "jo";
    url.password = "a:b";
    await using _guest = await transport.guest({
      url,
      headers: { "x-key": "1" },
    });
    const { headers } = requests[0] ?? {};
    assertEquals(
      [headers?.["x-key"], headers?.authorization],
      ["1", `Basic ${btoa("jo:a:b")}`],
    );
  },
);

/** Refuses with `verifyClient`, as many times as there are answers. */
function refusing(
  ...answers: readonly (readonly [number, Record<string, string>?])[]
): ServerOptions {
  const left = [...answers];
  return {
    verifyClient: (
      _info: unknown,
      answer: (
        ok: boolean,
        code?: number,
        text?: string,
        headers?: Record<string, string>,
      ) => void,
    ) => {
      const [code, headers] = left.shift() ?? [];
      answer(code === undefined, code, "Refused", headers);
    },
  };
}

/** In Deno 2.6 what `node:http` writes to refuse an upgrade never leaves. */
async function findRefusals(): Promise<Program<typeof refusing>> {
  await using server = await WsServer.start(refusing([418]));
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  await conn.write(new TextEncoder().encode(requestHead()));
  const timer = setTimeout(() => conn.close(), 1_000);
  try {
    await conn.read(new Uint8Array(1));
    return { start: refusing };
  } catch {
    return { missing: "npm:ws cannot refuse a handshake in this Deno" };
  } finally {
    clearTimeout(timer);
  }
}

const refusals = await findRefusals();

testWithEach(
  refusals,
  "ws: 401 from verifyClient ends the client, and says so",
  async (refusing, transport) => {
    // Twice: the runtime keeps the headers to itself, so they are asked for.
    await using server = await WsServer.start(
      refusing([401, { "www-authenticate": "Bearer" }], [401, {
        "www-authenticate": "Bearer",
      }]),
    );
    const error = await assertRejects(
      () => transport.guest({ url: server.url }),
      WSError,
      "answered 401",
    );
    assertEquals(
      [error.code, error.severity, error.status],
      ["HTTP_STATUS", "fatal", 401],
    );
    assertEquals(error.headers?.get("www-authenticate"), "Bearer");
  },
);

testWithEach(
  refusals,
  "ws: 503 with Retry-After is obeyed",
  async (refusing, transport) => {
    const busy = Array.from(
      { length: transport.requestsPerRefusal },
      () => [503, { "retry-after": "1" }] as const,
    );
    await using server = await WsServer.start(refusing(...busy));
    await using guest = new Guest({
      transport: transport.name,
      url: server.url,
    });
    const opened = guest.client.start();
    const { delay, error } = await guest.calls.next("retry");
    assertEquals([error.status, error.retryAfter], [503, 1000]);
    assertGreaterOrEqual(delay, 1000);
    guest.client.reconnect();
    await within(opened, "the open");
  },
);

testWithEach(
  refusals,
  "ws: a redirect to the server is followed",
  async (refusing, transport) => {
    await using server = await WsServer.start();
    await using moved = await WsServer.start(
      refusing([302, { location: `${server.url}new?a=1` }], [302, {
        location: `${server.url}new?a=1`,
      }]),
    );
    await using guest = await transport.guest({ url: moved.url });
    assertMatch(guest.client.url ?? "", /\/new\?a=1$/);
  },
);
