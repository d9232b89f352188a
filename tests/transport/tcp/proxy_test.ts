import { assertEquals, assertMatch } from "@std/assert";
import type { TcpOptions } from "../../../src/transport/tcp/tcp_transport.ts";
import { NEEDS_NODE_SOCKET } from "../../../src/transport/tcp/byte_stream.ts";
import type { HandshakeFailureKind } from "../../../src/transport/transport.ts";
import { closeBody, Opcode } from "../../protocol/frames.ts";
import { certificates } from "../../support/certificates.ts";
import { within } from "../../support/events.ts";
import {
  canRun,
  type Program,
  startServerOn,
  testWith,
} from "../../support/foreign_server.ts";
import { freePort } from "../../support/free_port.ts";
import {
  closeAtOnce,
  garbage,
  resetAtOnce,
  respond,
  TcpPeer,
  type TcpScript,
} from "../../support/tcp_peer.ts";
import { TempFile } from "../../support/temp_file.ts";
import { accepting, connect, open, refusal } from "./connect.ts";

const all = await certificates();

/** Echoes one message, then closes. */
const echo = accepting(async (peer) => {
  const seen = await peer.next();
  if (seen !== undefined && "text" in seen) {
    await peer.send(Opcode.text, seen.text);
  }
  await peer.send(Opcode.close, closeBody(1000));
  await peer.rest();
});

type Kind = "http" | "https" | "socks5";

/** A proxy of ours: what it was asked for, and how it tunnels. */
function proxyServer(
  kind: Kind,
  credentials?: string,
): TcpPeer & { readonly targets: string[] } {
  const targets: string[] = [];
  const script = kind === "socks5"
    ? socksProxy(targets, credentials)
    : connectProxy(targets, credentials);
  const tls = kind === "https" ? { tls: all.good } : {};
  return Object.assign(new TcpPeer(script, tls), { targets });
}

function connectProxy(targets: string[], credentials?: string): TcpScript {
  return async ({ conn, write }) => {
    let head = "";
    while (!head.endsWith("\r\n\r\n")) {
      head += String.fromCharCode(...await readBytes(conn, 1));
    }
    const [, target = ""] = /^CONNECT (\S+) HTTP\/1\.1\r\n/.exec(head) ?? [];
    targets.push(target);
    const [, given] = /^proxy-authorization: Basic (.*)\r$/im.exec(head) ?? [];
    if (given !== (credentials && btoa(credentials))) {
      await write("HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic\r\n\r\n");
      return;
    }
    const upstream = await dial(target);
    await write("HTTP/1.1 200 Connection established\r\nvia: test\r\n\r\n");
    await tunnel(conn, upstream);
  };
}

function socksProxy(targets: string[], credentials?: string): TcpScript {
  return async ({ conn, write }) => {
    const [version, count = 0] = await readBytes(conn, 2);
    assertEquals(version, 5);
    const methods = await readBytes(conn, count);
    const wanted = credentials === undefined ? 0 : 2;
    if (!methods.includes(wanted)) return await write(Uint8Array.of(5, 0xff));
    await write(Uint8Array.of(5, wanted));
    if (credentials !== undefined) {
      const [, length = 0] = await readBytes(conn, 2);
      const name = await readBytes(conn, length);
      const [secretLength = 0] = await readBytes(conn, 1);
      const secret = await readBytes(conn, secretLength);
      const text = (bytes: Uint8Array<ArrayBuffer>) =>
        new TextDecoder().decode(bytes);
      const isRight = `${text(name)}:${text(secret)}` === credentials;
      await write(Uint8Array.of(1, isRight ? 0 : 1));
      if (!isRight) return;
    }
    const [, , , type] = await readBytes(conn, 4);
    let host: string;
    if (type === 1) host = (await readBytes(conn, 4)).join(".");
    else if (type === 4) {
      const bytes = await readBytes(conn, 16);
      host = `[${
        Array.from(
          { length: 8 },
          (_, n) =>
            ((bytes[2 * n] ?? 0) << 8 | (bytes[2 * n + 1] ?? 0)).toString(16),
        ).join(":")
      }]`;
    } else {
      const [length = 0] = await readBytes(conn, 1);
      host = String.fromCharCode(...await readBytes(conn, length));
    }
    const [high = 0, low = 0] = await readBytes(conn, 2);
    const target = `${host}:${high << 8 | low}`;
    targets.push(target);
    const upstream = await dial(target);
    // The address that it is bound to, as a name for a change.
    await write(Uint8Array.of(5, 0, 0, 3, 2, 97, 98, 1, 2));
    await tunnel(conn, upstream);
  };
}

async function readBytes(
  conn: Deno.Conn,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const count = await conn.read(bytes.subarray(at));
    if (count === null) throw new Deno.errors.UnexpectedEof();
    at += count;
  }
  return bytes;
}

function dial(target: string): Promise<Deno.TcpConn> {
  const { hostname, port } = new URL(`http://${target}`);
  return Deno.connect({ hostname, port: Number(port) });
}

async function tunnel(client: Deno.Conn, server: Deno.Conn): Promise<void> {
  const copy = async (from: Deno.Conn, to: Deno.Conn) => {
    const buffer = new Uint8Array(64 * 1024);
    try {
      for (;;) {
        const count = await from.read(buffer);
        if (count === null) break;
        for (let at = 0; at < count;) {
          at += await to.write(buffer.subarray(at, count));
        }
      }
      await to.closeWrite();
    } catch {
      // One side has broken off.
    }
  };
  const up = copy(client, server);
  await copy(server, client);
  client.close();
  await up;
  server.close();
}

async function exchange(url: string, options: TcpOptions): Promise<void> {
  using opened = await open(url, options);
  const text = "x".repeat(100_000);
  opened.socket.send(text);
  assertEquals(await opened.events.next("message"), text);
  const { code, wasClean } = await opened.events.next("end");
  assertEquals([code, wasClean], [1000, true]);
}

for (const kind of ["http", "https", "socks5"] as const) {
  for (const scheme of ["ws", "wss"] as const) {
    for (const host of ["localhost", "127.0.0.1"]) {
      Deno.test({
        name: `${scheme}://${host} through ${kind}://`,
        ignore: NEEDS_NODE_SOCKET && kind === "https" && scheme === "wss",
        async fn() {
          await using proxy = proxyServer(kind);
          const tls = scheme === "wss" ? { tls: all.good } : {};
          await using server = new TcpPeer(echo, tls);
          await exchange(`${scheme}://${host}:${server.port}/`, {
            proxy: new URL(`${kind}://127.0.0.1:${proxy.port}`),
            tls: { caCerts: all.ca },
          });
          assertEquals(proxy.targets, [`${host}:${server.port}`]);
        },
      });
    }
  }

  Deno.test(`${kind}:// with credentials, encoded in its URL`, async () => {
    await using proxy = proxyServer(kind, "us er:pa:ss");
    await using server = new TcpPeer(echo);
    const at = `@127.0.0.1:${proxy.port}`;
    const tls = { caCerts: all.ca };
    await exchange(server.url, {
      proxy: new URL(`${kind}://us%20er:pa%3Ass${at}`),
      tls,
    });
    for (const wrong of ["us%20er:no@", ""]) {
      const url = `${kind}://${wrong}127.0.0.1:${proxy.port}`;
      const facts = await refusal(server.url, { proxy: new URL(url), tls });
      assertEquals(facts.kind, "proxy-credentials");
      assertEquals(facts.status, kind === "socks5" ? undefined : 407);
    }
    assertEquals(server.connections, 1);
  });
}

Deno.test({
  name: "TLS within the TLS of a proxy is refused where the runtime hangs",
  ignore: !NEEDS_NODE_SOCKET,
  async fn() {
    await using server = new TcpPeer(closeAtOnce);
    await using proxy = proxyServer("https");
    const { kind, detail } = await refusal(`wss://localhost:${server.port}/`, {
      proxy: new URL(`https://127.0.0.1:${proxy.port}`),
      tls: { caCerts: all.ca },
    });
    assertEquals(kind, "options");
    assertEquals(
      detail,
      "wss:// through an https:// proxy needs Deno 2.8 or newer",
    );
  },
});

for (const kind of ["http", "socks5"] as const) {
  for (const tls of [{ caCerts: all.ca, ...all.client }, { insecure: true }]) {
    const what = "cert" in tls ? "a client certificate" : "insecure TLS";
    Deno.test(`${what} goes through ${kind}://`, async () => {
      await using proxy = proxyServer(kind);
      await using server = new TcpPeer(echo, { tls: all.good });
      await exchange(`wss://localhost:${server.port}/`, {
        proxy: new URL(`${kind}://127.0.0.1:${proxy.port}`),
        tls,
      });
    });
  }
}

Deno.test("an IPv6 address goes through SOCKS5 as such", async () => {
  await using proxy = proxyServer("socks5");
  const listener = Deno.listen({ hostname: "::1", port: 0 });
  const accepted = listener.accept().then((conn) => conn.close());
  const { port } = listener.addr;
  await refusal(`ws://[::1]:${port}/`, {
    proxy: new URL(`socks5://127.0.0.1:${proxy.port}`),
  });
  assertEquals(proxy.targets, [`[0:0:0:0:0:0:0:1]:${port}`]);
  await accepted;
  listener.close();
});

interface Case {
  readonly name: string;
  readonly kind: Kind;
  readonly script: TcpScript;
  readonly fact: HandshakeFailureKind;
}

const after = (...replies: (string | Uint8Array)[]): TcpScript =>
async (
  { conn, write },
) => {
  for (const reply of replies) {
    await conn.read(new Uint8Array(1024));
    await write(reply);
  }
  await conn.read(new Uint8Array(1024));
};

const CASES: readonly Case[] = [
  {
    name: "a proxy that refuses the target",
    kind: "http",
    script: respond("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"),
    fact: "proxy-refused",
  },
  {
    name: "a proxy that speaks something else",
    kind: "http",
    script: after("SSH-2.0-x\r\n"),
    fact: "proxy-protocol",
  },
  {
    name: "a proxy whose head never ends",
    kind: "http",
    script: after(`HTTP/1.1 200 OK\r\nx: ${"x".repeat(20_000)}`),
    fact: "proxy-protocol",
  },
  {
    name: "a proxy that sends bytes behind its answer",
    kind: "http",
    script: after("HTTP/1.1 200 OK\r\n\r\nearly"),
    fact: "proxy-protocol",
  },
  {
    name: "a proxy that hangs up",
    kind: "http",
    script: async ({ conn }) => void await conn.read(new Uint8Array(1024)),
    fact: "proxy-refused",
  },
  {
    name: "a SOCKS proxy that hangs up",
    kind: "socks5",
    script: closeAtOnce,
    fact: "proxy-refused",
  },
  {
    name: "a SOCKS proxy that resets",
    kind: "socks5",
    script: resetAtOnce,
    fact: "proxy-refused",
  },
  {
    name: "a SOCKS proxy that speaks HTTP",
    kind: "socks5",
    script: after("HTTP/1.1 400 Bad Request\r\n\r\n"),
    fact: "proxy-protocol",
  },
  {
    name: "a SOCKS proxy that refuses the target",
    kind: "socks5",
    script: after(
      Uint8Array.of(5, 0),
      Uint8Array.of(5, 5, 0, 1, 0, 0, 0, 0, 0, 0),
    ),
    fact: "proxy-refused",
  },
  {
    name: "a SOCKS proxy with an unknown address type",
    kind: "socks5",
    script: after(Uint8Array.of(5, 0), Uint8Array.of(5, 0, 0, 9)),
    fact: "proxy-protocol",
  },
  {
    name: "a SOCKS4 proxy",
    kind: "socks5",
    script: after(Uint8Array.of(0, 91)),
    fact: "proxy-protocol",
  },
];

for (const { name, kind, script, fact } of CASES) {
  Deno.test(`${name} is the fact "${fact}"`, async () => {
    await using proxy = new TcpPeer(script);
    const facts = await refusal("ws://127.0.0.1:1/", {
      proxy: new URL(`${kind}://127.0.0.1:${proxy.port}`),
    });
    assertEquals(facts.kind, fact, facts.detail);
  });
}

Deno.test("a proxy that is not there cannot be reached", async () => {
  const host = `127.0.0.1:${freePort()}`;
  const { kind, detail = "" } = await refusal("ws://127.0.0.1:1/", {
    proxy: new URL(`http://user:hush@${host}`),
  });
  assertEquals(kind, "proxy-unreachable");
  assertMatch(detail, new RegExp(`^${host}: .*refused`));
});

Deno.test("an https proxy's certificate is checked", async () => {
  await using proxy = new TcpPeer(garbage, { tls: all.unknown });
  const { kind, detail = "" } = await refusal("ws://127.0.0.1:1/", {
    proxy: new URL(`https://user:hush@127.0.0.1:${proxy.port}`),
    tls: { caCerts: all.ca },
  });
  assertEquals(kind, "certificate");
  assertMatch(detail, /^from the proxy 127\.0\.0\.1:\d+: invalid peer/);
});

Deno.test("the signal ends the wait for a proxy", async () => {
  for (const kind of ["http", "socks5"]) {
    await using proxy = new TcpPeer((exchange) => exchange.gone());
    const { TcpTransport } = await import(
      "../../../src/transport/tcp/tcp_transport.ts"
    );
    const stop = new AbortController();
    const connecting = new TcpTransport({
      proxy: new URL(`${kind}://127.0.0.1:${proxy.port}`),
    }).connect(
      { url: new URL("ws://127.0.0.1:1/"), subprotocols: [] },
      stop.signal,
    );
    const timer = setTimeout(() => stop.abort("enough"), 50);
    assertEquals(await connecting.catch((error) => error), "enough");
    clearTimeout(timer);
  }
});

type Start = (
  credentials: string | undefined,
  use: (port: number) => Promise<void>,
) => Promise<void>;

const tinyproxy: Program<Start> = await canRun("tinyproxy", "-v")
  ? {
    async start(credentials, use) {
      const port = freePort();
      using config = new TempFile();
      await Deno.writeTextFile(
        config.path,
        `Port ${port}\nListen 127.0.0.1\nTimeout 60\n` +
          (credentials === undefined
            ? ""
            : `BasicAuth ${credentials.replace(":", " ")}\n`),
      );
      const args = ["-d", "-c", config.path];
      await using _proxy = await startServerOn(port, "tinyproxy", args);
      await use(port);
    },
  }
  : { missing: "there is no tinyproxy here" };

const microsocks: Program<Start> = await canRun("which", "microsocks")
  ? {
    async start(credentials, use) {
      const port = freePort();
      const [user = "", password = ""] = credentials?.split(":") ?? [];
      const login = credentials === undefined
        ? []
        : ["-u", user, "-P", password];
      await using _proxy = await startServerOn(port, "microsocks", [
        "-i",
        "127.0.0.1",
        "-p",
        String(port),
        ...login,
      ]);
      await use(port);
    },
  }
  : { missing: "there is no microsocks here" };

for (const credentials of [undefined, "user:secret"]) {
  const how = credentials === undefined ? "" : " with credentials";
  for (
    const [name, program, scheme] of [
      ["tinyproxy", tinyproxy, "http"],
      ["microsocks", microsocks, "socks5"],
    ] as const
  ) {
    testWith(
      program,
      `ws and wss through ${name}${how}`,
      (start) =>
        start(credentials, async (port) => {
          const at = credentials === undefined ? "" : `${credentials}@`;
          const options = {
            proxy: new URL(`${scheme}://${at}127.0.0.1:${port}`),
            tls: { caCerts: all.ca },
          };
          await using plain = new TcpPeer(echo);
          await within(exchange(plain.url, options), "ws", 20_000);
          await using secure = new TcpPeer(echo, { tls: all.good });
          await within(exchange(secure.url, options), "wss", 20_000);
          if (credentials === undefined) return;
          const wrong = new URL(`${scheme}://user:wrong@127.0.0.1:${port}`);
          const { kind } = await refusal(plain.url, { proxy: wrong });
          assertEquals(kind, "proxy-credentials");
        }),
    );
  }
}

Deno.test("no connection is made past the proxy", async () => {
  await using proxy = proxyServer("http", "only:with");
  await using server = new TcpPeer(echo);
  await refusal(server.url, {
    proxy: new URL(`http://127.0.0.1:${proxy.port}`),
  });
  assertEquals(server.connections, 0);
  await connect(server.url).then((socket) => socket.terminate());
});
