import {
  assertEquals,
  assertMatch,
  assertNotStrictEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { once } from "node:events";
import { createServer } from "node:tls";
import { Transport } from "../../src/lifecycle/transport.ts";
import { attemptTo, failureOf } from "../support/attempts.ts";
import { certificates } from "../support/certificates.ts";
import { Ear } from "../support/ear.ts";
import {
  respond,
  TcpPeer,
  type TcpScript,
  upgrade,
} from "../support/tcp_peer.ts";

const { ca, good, client } = await certificates();

/** Connects on to the port, and copies both ways until one side ends. */
async function forward(conn: Deno.Conn, port: number): Promise<void> {
  using target = await Deno.connect({ hostname: "127.0.0.1", port });
  await Promise.race([
    copy(conn, target),
    copy(target, conn),
  ]);
}

async function copy(from: Deno.Conn, to: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(16_384);
  for (;;) {
    const length = await from.read(buffer).catch(() => null);
    if (length === null) return;
    let sent = 0;
    while (sent < length) sent += await to.write(buffer.subarray(sent, length));
  }
}

/** An HTTP proxy that opens a tunnel to the port, whatever it is asked for. */
function httpProxy(port: number): TcpScript {
  return async (exchange) => {
    await exchange.readRequest();
    await exchange.write("HTTP/1.1 200 Connection Established\r\n\r\n");
    await forward(exchange.conn, port);
  };
}

/** What a SOCKS5 client said: RFC 1928 and 1929. */
interface SocksLog {
  credentials?: string;
  target?: string;
}

/** A SOCKS5 proxy that wants a password and connects to the port. */
function socksProxy(port: number, log: SocksLog): TcpScript {
  return async ({ conn }) => {
    const text = new TextDecoder();
    const buffer = new Uint8Array(512);
    async function hear(): Promise<Uint8Array> {
      return buffer.slice(0, await conn.read(buffer) ?? 0);
    }
    await hear();
    await conn.write(Uint8Array.of(5, 2));
    const auth = await hear();
    const end = 2 + (auth[1] ?? 0);
    log.credentials = `${text.decode(auth.slice(2, end))}:${
      text.decode(auth.slice(end + 1))
    }`;
    await conn.write(Uint8Array.of(1, 0));
    const asked = await hear();
    log.target = text.decode(asked.slice(5, -2));
    await conn.write(Uint8Array.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0));
    await forward(conn, port);
  };
}

Deno.test("ws:// without settings uses the runtime's own client", () => {
  const transport = new Transport();
  assertEquals(transport.forSocket(new URL("ws://h/")), undefined);
  transport.close();
});

/** The client that a newcomer gets. */
function sharedNow(): Deno.HttpClient {
  const transport = new Transport();
  const client = transport.forRequest();
  transport.close();
  return client;
}

Deno.test("wss:// without settings shares one client, closed by the last of its users", () => {
  const url = new URL("wss://h/");
  const [first, second] = [new Transport(), new Transport()];
  const shared = first.forSocket(url);
  assertStrictEquals(second.forSocket(url), shared);
  assertStrictEquals(first.forRequest(), shared);
  first.close();
  assertStrictEquals(sharedNow(), shared);
  second.close();
  assertNotStrictEquals(sharedNow(), shared);
  // The sanitizers see to it that none is left open.
});

Deno.test("closing twice gives the shared client back once", () => {
  const [first, second] = [new Transport(), new Transport()];
  const shared = first.forRequest();
  second.forRequest();
  first.close();
  first.close();
  assertStrictEquals(sharedNow(), shared);
  second.close();
});

Deno.test("who has the same certificates and proxy shares a client, for ws:// too", () => {
  const proxy = new URL("socks5://user:pass@h:1080");
  const settings = [
    {},
    { tls: { caCerts: [ca] } },
    { tls: { caCerts: [ca, ca] } },
    { tls: { caCerts: [ca], ...client } },
    { proxy },
    { proxy: new URL("socks5://other:pass@h:1080") },
    { tls: { caCerts: [ca] }, proxy },
  ];
  const [first, second] = [0, 1].map(() =>
    settings.map((options) => new Transport({ ...options }))
  );
  const url = new URL("ws://h/");
  const clients = first?.map((transport) => transport.forRequest()) ?? [];
  assertEquals(new Set(clients).size, settings.length);
  for (const [index, transport] of (second ?? []).entries()) {
    assertStrictEquals(transport.forRequest(), clients[index]);
    if (index > 0) assertStrictEquals(transport.forSocket(url), clients[index]);
  }
  for (const transport of [...first ?? [], ...second ?? []]) transport.close();
  // The sanitizers see to it that none is left open.
});

Deno.test("what cannot be used is shared by nobody", () => {
  for (let i = 0; i < 2; i++) {
    const transport = new Transport({ tls: { cert: "x", key: "y" } });
    assertThrows(() => transport.forRequest());
    transport.close();
  }
});

Deno.test("the program's client is used for all, and stays open", async () => {
  await using peer = new TcpPeer(upgrade(), { tls: good });
  using httpClient = Deno.createHttpClient({ caCerts: [ca] });
  for (let i = 0; i < 2; i++) {
    const socket = await attemptTo(peer.url, { httpClient });
    socket.abandon();
  }
});

Deno.test("a closed transport opens nothing any more", () => {
  const transport = new Transport();
  transport.close();
  assertThrows(
    () => transport.forSocket(new URL("wss://h/")),
    Error,
    "the transport is closed",
  );
});

Deno.test("an open socket outlives the transport it was opened with", async () => {
  await using peer = new TcpPeer(
    upgrade({
      then: async (exchange) => {
        await exchange.conn.read(new Uint8Array(64));
        await exchange.write(Uint8Array.of(0x81, 1, 0x21));
        await exchange.gone();
      },
    }),
    { tls: good },
  );
  // attemptTo() closes the transport.
  const socket = await attemptTo(peer.url, { tls: { caCerts: ca } });
  const heard = Promise.withResolvers<unknown>();
  new Ear(socket, heard.resolve);
  socket.send("?");
  assertEquals(await heard.promise, "!");
  socket.abandon();
});

Deno.test("wss:// goes through an HTTP proxy, with its user name and password", async () => {
  await using peer = new TcpPeer(upgrade(), { tls: good });
  await using proxy = new TcpPeer(httpProxy(peer.port));
  const socket = await attemptTo(`wss://localhost:${peer.port}/feed`, {
    tls: { caCerts: ca },
    proxy: new URL(`http://j%C3%B6rg:a%3Ab@127.0.0.1:${proxy.port}`),
  });
  assertMatch(proxy.requests[0]?.head ?? "", /^CONNECT localhost:\d+ /);
  assertEquals(
    proxy.requests[0]?.headers.get("proxy-authorization"),
    `Basic ${btoa("j\xc3\xb6rg:a:b")}`,
  );
  assertEquals(peer.requests[0]?.path, "/feed");
  socket.abandon();
});

Deno.test("ws:// and wss:// go through a SOCKS5 proxy, and it resolves the name", async () => {
  for (const tls of [undefined, good]) {
    await using peer = new TcpPeer(upgrade(), { tls });
    const log: SocksLog = {};
    await using proxy = new TcpPeer(socksProxy(peer.port, log));
    const scheme = tls === undefined ? "ws" : "wss";
    const socket = await attemptTo(`${scheme}://localhost:${peer.port}`, {
      tls: { caCerts: ca },
      proxy: new URL(`socks5://user:pass%20word@127.0.0.1:${proxy.port}`),
    });
    assertEquals(log, { credentials: "user:pass word", target: "localhost" });
    socket.abandon();
  }
});

const REFUSALS: readonly (readonly [string, "ws" | "wss", string, RegExp])[] = [
  ["407 Auth", "wss", "HTTP_STATUS, fatal, 407", /user name and a password/],
  ["407 Auth", "ws", "HTTP_STATUS, fatal, 407", /user name and a password/],
  ["403 No", "wss", "CONNECT, transient, undefined", /proxy did not connect/],
  ["502 Bad", "wss", "CONNECT, transient, undefined", /proxy did not connect/],
  ["403 No", "ws", "HTTP_STATUS, fatal, 403", /use wss:.*socks5/],
  ["502 Bad", "ws", "HTTP_STATUS, transient, 502", /use wss:.*socks5/],
];

for (const [answer, scheme, expected, says] of REFUSALS) {
  Deno.test(`an HTTP proxy that answers ${answer} to ${scheme}:// is ${expected}`, async () => {
    await using proxy = new TcpPeer(
      respond(`HTTP/1.1 ${answer}\r\ncontent-length: 0\r\n\r\n`),
    );
    const error = await failureOf(`${scheme}://target.invalid/feed`, {
      proxy: new URL(`http://127.0.0.1:${proxy.port}`),
    });
    const { code, severity, status } = error;
    assertEquals(`${code}, ${severity}, ${status}`, expected);
    assertMatch(error.message, says);
  });
}

const SOCKS_REFUSALS: readonly (readonly [string, number[], string, RegExp])[] =
  [
    [
      "wants a password",
      [5, 255],
      "CONNECT, fatal",
      /another user name and password/,
    ],
    ["speaks HTTP", [72, 84, 84, 80], "HANDSHAKE, fatal", /SOCKS5/],
  ];

for (const [name, bytes, expected, says] of SOCKS_REFUSALS) {
  Deno.test(`a SOCKS5 proxy that ${name} is ${expected}`, async () => {
    await using proxy = new TcpPeer(async (exchange) => {
      await exchange.conn.read(new Uint8Array(64));
      await exchange.write(Uint8Array.from(bytes));
      await exchange.gone();
    });
    for (const scheme of ["ws", "wss"]) {
      const error = await failureOf(`${scheme}://target.invalid/`, {
        proxy: new URL(`socks5://127.0.0.1:${proxy.port}`),
      });
      assertEquals(`${error.code}, ${error.severity}`, expected);
      assertMatch(error.message, says);
    }
  });
}

Deno.test("a proxy that is not there is CONNECT, transient", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  for (const kind of ["http", "socks5"]) {
    for (const scheme of ["ws", "wss"]) {
      const error = await failureOf(`${scheme}://target.invalid/`, {
        proxy: new URL(`${kind}://127.0.0.1:${port}`),
      });
      assertEquals([error.code, error.severity], ["CONNECT", "transient"]);
      assertMatch(error.message, /cannot be reached/);
    }
  }
});

Deno.test("an https:// proxy is talked to over TLS", async () => {
  await using peer = new TcpPeer(upgrade(), { tls: good });
  await using proxy = new TcpPeer(httpProxy(peer.port), { tls: good });
  const socket = await attemptTo(`wss://localhost:${peer.port}/feed`, {
    tls: { caCerts: ca },
    proxy: new URL(`https://127.0.0.1:${proxy.port}`),
  });
  assertEquals(peer.requests[0]?.path, "/feed");
  socket.abandon();
});

const asksForNone = Deno.version.deno.startsWith("2.6.");
if (asksForNone) {
  console.log("skipped: a server of Deno 2.6 asks for no client certificate");
}

Deno.test({
  name: "the client certificate is shown to who asks; without it: TLS, fatal",
  ignore: asksForNone,
  fn: testClientCertificate,
});

async function testClientCertificate() {
  const names: unknown[] = [];
  const asking = { ...good, ca, requestCert: true, rejectUnauthorized: true };
  const server = createServer(asking, (socket) => {
    names.push(socket.getPeerCertificate().subject.CN);
    socket.once("data", () => {
      socket.end("HTTP/1.1 404 Test\r\ncontent-length: 0\r\n\r\n");
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  const url = `wss://127.0.0.1:${port}/`;
  const known = await failureOf(url, { tls: { caCerts: ca, ...client } });
  assertEquals([known.code, known.status], ["HTTP_STATUS", 404]);
  assertEquals(names, ["test client", "test client"]);
  const stranger = await failureOf(url, { tls: { caCerts: ca } });
  assertEquals([stranger.code, stranger.severity], ["TLS", "fatal"]);
  assertMatch(stranger.message, /wants another client certificate/);
  server.close();
  await once(server, "close");
}
