import { assert, assertEquals, assertLess } from "@std/assert";
import { createServer, type TLSSocket } from "node:tls";
import type { TlsConfig } from "../../../src/config.ts";
import type { HandshakeFailureKind } from "../../../src/transport/transport.ts";
import type { ByteStream } from "../../../src/transport/tcp/byte_stream.ts";
import { NEEDS_NODE_SOCKET } from "../../../src/transport/tcp/byte_stream.ts";
import { startTls } from "../../../src/transport/tcp/tls.ts";
import { closeBody, Opcode } from "../../protocol/frames.ts";
import { certificates, type Identity } from "../../support/certificates.ts";
import {
  closeAtOnce,
  silence,
  TcpPeer,
  type TcpScript,
  upgrade,
} from "../../support/tcp_peer.ts";
import { accepting, connect, open, refusal } from "./connect.ts";

const all = await certificates();

/** Without and with `node:tls`. */
const WAYS: readonly boolean[] = [false, true];

/** Echoes one text, then closes. */
const echo = accepting(async (peer) => {
  const seen = await peer.next();
  if (seen !== undefined && "text" in seen) {
    await peer.send(Opcode.text, seen.text);
  }
  await peer.send(Opcode.close, closeBody(1000));
  await peer.rest();
});

interface Accepted {
  readonly name: string;
  readonly server?: Identity;
  readonly host?: string;
  readonly tls: TlsConfig;
}

const ACCEPTED: readonly Accepted[] = [
  { name: "a certificate of our own authority", tls: { caCerts: all.ca } },
  {
    name: "one of several authorities",
    tls: { caCerts: [all.unknown.cert, all.ca] },
  },
  { name: "a name", host: "localhost", tls: { caCerts: [all.ca] } },
  {
    name: "another server name than the one dialled",
    server: all.wrongHost,
    tls: { caCerts: all.ca, serverName: "wrong.example" },
  },
  {
    name: "a client certificate",
    tls: { caCerts: all.ca, ...all.client },
  },
  {
    name: "a client certificate and another server name",
    server: all.wrongHost,
    tls: { caCerts: all.ca, ...all.client, serverName: "wrong.example" },
  },
  {
    name: "an unknown authority, if insecure",
    server: all.unknown,
    tls: { insecure: true },
  },
  {
    name: "an expired certificate, if insecure",
    server: all.expired,
    tls: { insecure: true },
  },
  {
    name: "a certificate for another host, if insecure",
    server: all.wrongHost,
    tls: { insecure: true },
  },
  {
    name: "an IPv4 address as server name, if insecure",
    host: "localhost",
    tls: { insecure: true, serverName: "127.0.0.1" },
  },
  {
    name: "an IPv6 address as server name, if insecure",
    host: "localhost",
    tls: { insecure: true, serverName: "::1" },
  },
  {
    name: "a client certificate and an address as server name",
    host: "localhost",
    tls: { caCerts: all.ca, ...all.client, serverName: "127.0.0.1" },
  },
];

for (const { name, server = all.good, host, tls } of ACCEPTED) {
  Deno.test(`TLS with ${name}`, async () => {
    await using peer = new TcpPeer(echo, { tls: server });
    const url = `wss://${host ?? "127.0.0.1"}:${peer.port}/`;
    using opened = await open(url, { tls });
    const text = "x".repeat(1_000_000);
    opened.socket.send(text);
    assertEquals(await opened.events.next("message"), text);
    const { code, wasClean } = await opened.events.next("end");
    assertEquals([code, wasClean], [1000, true]);
  });
}

interface Refused {
  readonly name: string;
  readonly server: Identity;
  readonly tls?: TlsConfig;
  readonly alpn?: readonly string[];
  readonly kind: HandshakeFailureKind;
}

const REFUSED: readonly Refused[] = [
  {
    name: "an unknown authority",
    server: all.unknown,
    tls: { caCerts: all.ca },
    kind: "certificate",
  },
  { name: "no authority of ours", server: all.good, kind: "certificate" },
  {
    name: "an expired certificate",
    server: all.expired,
    tls: { caCerts: all.ca },
    kind: "certificate",
  },
  {
    name: "a certificate for another host",
    server: all.wrongHost,
    tls: { caCerts: all.ca },
    kind: "certificate",
  },
  {
    name: "a certificate for another server name",
    server: all.good,
    tls: { caCerts: all.ca, serverName: "wrong.example" },
    kind: "certificate",
  },
  {
    name: "an unknown authority with a client certificate",
    server: all.unknown,
    tls: { caCerts: all.ca, ...all.client },
    kind: "certificate",
  },
  {
    name: "a certificate for another host with a client certificate",
    server: all.wrongHost,
    tls: { caCerts: all.ca, ...all.client },
    kind: "certificate",
  },
  {
    name: "a server that speaks HTTP/2 only",
    server: all.good,
    tls: { caCerts: all.ca },
    alpn: ["h2"],
    kind: "no-http1",
  },
  {
    name: "authorities without a certificate",
    server: all.good,
    tls: { caCerts: "not PEM" },
    kind: "options",
  },
  {
    name: "an authority that is damaged",
    server: all.good,
    tls: { caCerts: all.ca + all.ca.replace(/MI/, "XX") },
    kind: "options",
  },
  {
    name: "an authority that is damaged, with a client certificate",
    server: all.good,
    tls: { caCerts: all.ca.replace(/MI/, "XX"), ...all.client },
    kind: "options",
  },
  {
    name: "a client certificate that is none",
    server: all.good,
    tls: { caCerts: all.ca, cert: "not PEM", key: all.client.key },
    kind: "options",
  },
  {
    name: "a client's key that is none",
    server: all.good,
    tls: { caCerts: all.ca, cert: all.client.cert, key: "not PEM" },
    kind: "options",
  },
  {
    name: "a client's key that does not match its certificate",
    server: all.good,
    tls: { caCerts: all.ca, cert: all.client.cert, key: all.good.key },
    kind: "options",
  },
  {
    name: "a client's key that is damaged",
    server: all.good,
    tls: {
      caCerts: all.ca,
      cert: all.client.cert,
      key: all.client.key.replace(/MI/, "XX"),
    },
    kind: "options",
  },
];

for (const { name, server, tls, alpn, kind } of REFUSED) {
  Deno.test(`${name} is the fact "${kind}"`, async () => {
    await using peer = new TcpPeer(upgrade(), { tls: server, alpn });
    assertEquals((await refusal(peer.url, { tls })).kind, kind);
  });
}

Deno.test({
  name: "a server that wants a client certificate gets it, or says so",
  // There is no such server in `node:tls` of Deno 2.6.
  ignore: Deno.version.deno.startsWith("2.6."),
  fn: wantCertificate,
});

async function wantCertificate(): Promise<void> {
  const server = createServer({
    ...all.good,
    ca: [all.ca],
    requestCert: true,
    rejectUnauthorized: true,
  });
  const names: unknown[] = [];
  server.on("secureConnection", (socket: TLSSocket) => {
    names.push(socket.getPeerCertificate().subject?.CN);
    socket.on("error", () => {});
    socket.destroy();
  });
  server.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert(address !== null && typeof address === "object");
  const url = `wss://127.0.0.1:${address.port}/`;
  const bare = await refusal(url, { tls: { caCerts: all.ca } });
  const tls = { caCerts: all.ca, ...all.client };
  const known = await refusal(url, { tls });
  await new Promise((resolve) => server.close(resolve));
  assertEquals(bare.kind, "client-certificate");
  assertEquals(known.kind, "hung-up");
  assertEquals(names, ["test client"]);
}

Deno.test("a plain server is not TLS, a TLS server is not HTTP", async () => {
  await using plain = new TcpPeer(async (exchange) => {
    await exchange.conn.read(new Uint8Array(1024));
    await exchange.write("HTTP/1.1 400 Bad Request\r\n\r\n");
    await exchange.gone();
  });
  const url = plain.url.replace("ws:", "wss:");
  for (const insecure of WAYS) {
    assertEquals((await refusal(url, { tls: { insecure } })).kind, "not-tls");
  }
  await using secure = new TcpPeer(silence, { tls: all.good });
  const { kind } = await refusal(secure.url.replace("wss:", "ws:"));
  assertEquals(kind === "not-http" || kind === "hung-up", true, kind);
});

Deno.test("a server that hangs up within the TLS handshake has hung up", async () => {
  await using peer = new TcpPeer(closeAtOnce);
  const url = peer.url.replace("ws:", "wss:");
  const kinds = ["hung-up", "reset"];
  for (const insecure of WAYS) {
    const { kind } = await refusal(url, { tls: { insecure } });
    assertEquals(kinds.includes(kind), true, kind);
  }
});

Deno.test("the signal ends a TLS handshake", async () => {
  await using peer = new TcpPeer(silence);
  const { TcpTransport } = await import(
    "../../../src/transport/tcp/tcp_transport.ts"
  );
  for (const insecure of WAYS) {
    const stop = new AbortController();
    const connecting = new TcpTransport({ tls: { insecure } }).connect(
      { url: new URL(peer.url.replace("ws:", "wss:")), subprotocols: [] },
      stop.signal,
    );
    const timer = setTimeout(() => stop.abort("enough"), 50);
    assertEquals(await connecting.catch((error) => error), "enough");
    clearTimeout(timer);
  }
});

Deno.test("terminate ends a TLS connection whose peer does not read", async () => {
  for (const insecure of WAYS) {
    await using peer = new TcpPeer(
      upgrade({
        then: () => new Promise<void>((resolve) => setTimeout(resolve, 200)),
      }),
      { tls: all.good },
    );
    const tls = { caCerts: all.ca, insecure };
    const socket = await connect(peer.url, { tls });
    const ended = Promise.withResolvers<number>();
    socket.listen({
      onMessage: () => {},
      onEnd: ({ code }) => ended.resolve(code),
    });
    for (let n = 0; n < 100; n++) socket.send(new Uint8Array(1_000_000));
    await new Promise((resolve) => setTimeout(resolve, 20));
    socket.terminate();
    assertEquals(await ended.promise, 1006);
  }
});

/** Without `node:tls`, and with it for each reason. */
const REASONS: readonly (readonly [string, TlsConfig])[] = [
  ["with our own authority", { caCerts: all.ca }],
  ["if insecure", { insecure: true }],
  ["with a client certificate", { caCerts: all.ca, ...all.client }],
];

for (const [reason, tls] of REASONS) {
  Deno.test(`a paused TLS connection loses nothing, ${reason}`, async () => {
    const flood = accepting(async (peer) => {
      for (let n = 0; n < 32; n++) {
        await peer.send(Opcode.binary, new Uint8Array(1024 * 1024));
      }
      await peer.rest();
    });
    await using peer = new TcpPeer(flood, { tls: all.good });
    using opened = await open(peer.url, { tls });
    const { socket, events } = opened;
    for (let n = 0; n < 32; n++) {
      assertEquals((await events.next("message")).length, 1024 * 1024);
      socket.pause?.();
      await roundTrips(10);
      socket.resume?.();
    }
  });

  Deno.test(`a server that closes and hangs up is heard, ${reason}`, async () => {
    const hangUp = accepting(async (peer) => {
      await peer.send(Opcode.text, "last");
      await peer.send(Opcode.close, closeBody(4002));
    });
    await using peer = new TcpPeer(hangUp, { tls: all.good });
    for (let n = 0; n < 20; n++) {
      using opened = await open(peer.url, { tls });
      assertEquals(await opened.events.next("message"), "last");
      const { code, wasClean } = await opened.events.next("end");
      assertEquals([code, wasClean], [4002, true]);
    }
  });
}

Deno.test({
  name: "TLS over a stream of ours reads from it only when asked",
  ignore: NEEDS_NODE_SOCKET,
  async fn() {
    const flood: TcpScript = async ({ write, gone }) => {
      await write(new Uint8Array(1024 * 1024));
      await gone();
    };
    await using peer = new TcpPeer(flood, { tls: all.good });
    const { port } = peer;
    const below = new CountingStream(
      await Deno.connect({ hostname: "127.0.0.1", port }),
    );
    const stream = await startTls(
      below,
      { serverName: "127.0.0.1", caCerts: [], insecure: true },
      () => {},
    );
    let received = await stream.read(new Uint8Array(1)) ?? 0;
    await roundTrips(100);
    assertLess(below.received, 200_000);
    while (received < 1024 * 1024) {
      received += await stream.read(new Uint8Array(64 * 1024)) ?? 0;
    }
    stream.close();
  },
});

/** Counts what is read from another stream. */
class CountingStream implements ByteStream {
  readonly #stream: ByteStream;
  received = 0;

  constructor(stream: ByteStream) {
    this.#stream = stream;
  }

  async read(into: Uint8Array): Promise<number | null> {
    const count = await this.#stream.read(into);
    this.received += count ?? 0;
    return count;
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.#stream.write(bytes);
  }

  closeWrite(): Promise<void> {
    return this.#stream.closeWrite();
  }

  close(): void {
    this.#stream.close();
  }
}

/** Sends a byte there and back over a connection of its own, so many times. */
async function roundTrips(count: number): Promise<void> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepting = listener.accept();
  const { port } = listener.addr;
  using near = await Deno.connect({ hostname: "127.0.0.1", port });
  using far = await accepting;
  listener.close();
  const byte = new Uint8Array(1);
  for (let n = 0; n < count; n++) {
    await near.write(byte);
    await far.read(byte);
    await far.write(byte);
    await near.read(byte);
  }
}
