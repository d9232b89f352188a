import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  type HandshakeFacts,
  HandshakeFailure,
} from "../../../src/transport/transport.ts";
import { TcpTransport } from "../../../src/transport/tcp/tcp_transport.ts";
import {
  closeAfterRequest,
  closeAtOnce,
  garbage,
  noUpgradeHeader,
  resetAtOnce,
  respond,
  respondStatus,
  silence,
  TcpPeer,
  type TcpScript,
  upgrade,
  wrongSubprotocol,
} from "../../support/tcp_peer.ts";
import { connect, refusal } from "./connect.ts";

interface Case {
  readonly name: string;
  readonly script: TcpScript;
  readonly facts: Partial<HandshakeFacts>;
}

const CASES: readonly Case[] = [
  {
    name: "a refusal with a status, headers and a body",
    script: respond(
      "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\n" +
        "Content-Length: 9\r\n\r\nslow down and more",
    ),
    facts: {
      kind: "status",
      status: 429,
      detail: "Too Many Requests",
      body: "slow down",
    },
  },
  {
    name: "a refusal without a reason phrase",
    script: respond("HTTP/1.1 503\r\ncontent-length: 0\r\n\r\n"),
    facts: { kind: "status", status: 503, detail: undefined, body: "" },
  },
  {
    name: "a refusal whose body ends with the connection",
    script: respond("HTTP/1.0 401 Unauthorized\r\n\r\nwho are you"),
    facts: { kind: "status", status: 401, body: "who are you" },
  },
  {
    name: "a refusal in chunks",
    script: respond(
      "HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n" +
        "5\r\nnot a\r\n9;x=y\r\nllowed he\r\n2\r\nre\r\n0\r\n\r\n",
    ),
    facts: { kind: "status", status: 403, body: "not allowed here" },
  },
  {
    name: "a refusal whose body never ends",
    script: async (exchange) => {
      await exchange.readRequest();
      await exchange.write("HTTP/1.1 400 Bad\r\n\r\nsome");
      await exchange.gone();
    },
    facts: { kind: "status", status: 400, body: "some" },
  },
  {
    name: "a refusal with a huge body",
    script: async (exchange) => {
      await exchange.readRequest();
      await exchange.write("HTTP/1.1 400 Bad\r\n\r\n");
      for (let n = 0; n < 1000; n++) await exchange.write("x".repeat(10_000));
    },
    facts: { kind: "status", status: 400, body: "x".repeat(4096) },
  },
  {
    name: "a page instead of an upgrade",
    script: respondStatus(200),
    facts: { kind: "status", status: 200, body: "no" },
  },
  {
    name: "an interim response before the refusal",
    script: respond(
      "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" +
        "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno",
    ),
    facts: { kind: "status", status: 404, body: "no" },
  },
  {
    name: "a 101 without Upgrade",
    script: noUpgradeHeader,
    facts: {
      kind: "upgrade",
      status: 101,
      detail: "does not upgrade to 'websocket'",
    },
  },
  {
    name: "a 101 without Connection",
    script: upgrade({ headers: { connection: "" } }),
    facts: {
      kind: "upgrade",
      status: 101,
      detail: "lacks 'Connection: Upgrade'",
    },
  },
  {
    name: "a 101 with a wrong accept key",
    script: upgrade({ headers: { "sec-websocket-accept": "AAAA" } }),
    facts: {
      kind: "upgrade",
      status: 101,
      detail: "has a wrong Sec-WebSocket-Accept: it does not come from a " +
        "WebSocket server",
    },
  },
  {
    name: "a 101 with an extension that was not offered",
    script: upgrade({ headers: { "sec-websocket-extensions": "x-mux" } }),
    facts: {
      kind: "upgrade",
      status: 101,
      detail: "has an extension that was not offered",
    },
  },
  {
    name: "a subprotocol that was not offered",
    script: wrongSubprotocol,
    facts: { kind: "subprotocol", status: 101 },
  },
  {
    name: "bytes that are not HTTP",
    script: garbage,
    facts: { kind: "not-http" },
  },
  {
    name: "another protocol that then falls silent",
    script: async (exchange) => {
      await exchange.write("SSH-2.0-OpenSSH_9.6\r\n");
      await exchange.gone();
    },
    facts: { kind: "not-http" },
  },
  {
    name: "a head that is too long",
    script: async (exchange) => {
      await exchange.readRequest();
      await exchange.write("HTTP/1.1 101 Switching Protocols\r\n");
      for (let n = 0; n < 100; n++) {
        await exchange.write(`x-${n}: ${"x".repeat(1000)}\r\n`);
      }
      await exchange.gone();
    },
    facts: { kind: "head-too-long", detail: "more than 16384 bytes" },
  },
  {
    name: "interim responses without an end",
    script: async (exchange) => {
      await exchange.readRequest();
      for (;;) await exchange.write("HTTP/1.1 100 Continue\r\n\r\n");
    },
    facts: { kind: "head-too-long" },
  },
  {
    name: "a header field that is malformed",
    script: respond("HTTP/1.1 101 Switching Protocols\r\nno colon\r\n\r\n"),
    facts: { kind: "not-http", detail: "a header field is malformed" },
  },
  {
    name: "a server that hangs up after the request",
    script: closeAfterRequest,
    facts: {
      kind: "hung-up",
      detail: "the server closed the connection without an answer",
    },
  },
  {
    name: "a server that hangs up within its answer",
    script: respond("HTTP/1.1 101 Switching"),
    facts: {
      kind: "hung-up",
      detail: "the server closed the connection within its answer",
    },
  },
];

for (const { name, script, facts } of CASES) {
  Deno.test(`${name} is told as it is, after one request`, async () => {
    await using peer = new TcpPeer(script);
    const found = await refusal(peer.url, {}, { subprotocols: ["chat"] });
    for (const [key, value] of Object.entries(facts)) {
      assertEquals(found[key as keyof HandshakeFacts], value, key);
    }
    assertEquals(peer.connections, 1);
  });
}

Deno.test("a server that hangs up or resets at once is hung up or reset", async () => {
  for (const script of [closeAtOnce, resetAtOnce]) {
    await using peer = new TcpPeer(script);
    const { kind } = await refusal(peer.url);
    assert(kind === "hung-up" || kind === "reset", kind);
  }
});

Deno.test("the headers of a refusal are facts", async () => {
  await using peer = new TcpPeer(
    respondStatus(503, { "Retry-After": "7", "x-why": "busy" }),
  );
  const { headers } = await refusal(peer.url);
  assertEquals(headers?.get("retry-after"), "7");
  assertEquals(headers?.get("x-why"), "busy");
});

Deno.test({
  name: "a closed port is unreachable, an unknown host is dns",
  // Deno 2.6 keeps the signal of a connection that was refused.
  sanitizeResources: !Deno.version.deno.startsWith("2.6."),
  fn: findUnreachable,
});

async function findUnreachable(): Promise<void> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  assertEquals((await refusal(`ws://127.0.0.1:${port}/`)).kind, "unreachable");
  assertEquals((await refusal("ws://no-such-host.invalid/")).kind, "dns");
}

Deno.test("a 101 may say keep-alive too, in any case", async () => {
  const answers: Record<string, string>[] = [
    { connection: "keep-alive, Upgrade" },
    { connection: "UPGRADE", upgrade: "WebSocket" },
  ];
  for (const headers of answers) {
    await using peer = new TcpPeer(upgrade({ headers }));
    const socket = await connect(peer.url);
    assertEquals(socket.response?.status, 101);
    socket.terminate();
  }
});

Deno.test("the request carries what was asked for", async () => {
  await using peer = new TcpPeer(upgrade({
    headers: { "sec-websocket-protocol": "b", "x-served-by": "test" },
  }));
  const socket = await connect(`${peer.url}/feed?x=1%20y`, {}, {
    subprotocols: ["a", "b"],
    headers: new Headers({ authorization: "Bearer x" }),
  });
  assertEquals(socket.protocol, "b");
  assertEquals(socket.url, `${peer.url}/feed?x=1%20y`);
  assertEquals(socket.response?.headers.get("x-served-by"), "test");
  const [request] = peer.requests;
  assertEquals(request?.path, "/feed?x=1%20y");
  const sent = Object.fromEntries(request?.headers ?? []);
  assertEquals(sent["host"], `127.0.0.1:${peer.port}`);
  assertEquals(sent["authorization"], "Bearer x");
  assertEquals(sent["sec-websocket-protocol"], "a, b");
  assertEquals(sent["sec-websocket-extensions"], undefined);
  socket.terminate();
});

Deno.test("an IPv6 host is dialled", async () => {
  const listener = Deno.listen({ hostname: "::1", port: 0 });
  const accepting = (async () => {
    const conn = await listener.accept();
    const buffer = new Uint8Array(4096);
    const count = await conn.read(buffer) ?? 0;
    conn.close();
    return new TextDecoder().decode(buffer.subarray(0, count));
  })();
  const { port } = listener.addr;
  assertEquals((await refusal(`ws://[::1]:${port}/`)).kind, "hung-up");
  assertStringIncludes(await accepting, `Host: [::1]:${port}\r\n`);
  listener.close();
});

Deno.test("a name is dialled at all of its addresses", async () => {
  // localhost is ::1 and 127.0.0.1 on most machines; only one is served.
  await using peer = new TcpPeer(upgrade());
  const socket = await connect(`ws://localhost:${peer.port}/`);
  socket.terminate();
});

Deno.test("the signal ends a handshake at once, with its reason", async () => {
  const scripts: TcpScript[] = [
    silence,
    async (exchange) => {
      await exchange.write("HTTP/1.1 101 Switching Protocols\r\n");
      await exchange.gone();
    },
  ];
  for (const script of scripts) {
    await using peer = new TcpPeer(script);
    const stop = new AbortController();
    const reason = new Error("enough");
    const connecting = new TcpTransport().connect(
      { url: new URL(peer.url), subprotocols: [] },
      stop.signal,
    );
    const timer = setTimeout(() => stop.abort(reason), 50);
    assertEquals(await assertRejects(() => connecting), reason);
    clearTimeout(timer);
  }
});

Deno.test("an aborted signal dials nothing", async () => {
  await using peer = new TcpPeer(silence);
  const reason = new Error("no");
  const error = await assertRejects(() =>
    new TcpTransport().connect(
      { url: new URL(peer.url), subprotocols: [] },
      AbortSignal.abort(reason),
    )
  );
  assertEquals(error, reason);
  assertEquals(peer.connections, 0);
});

Deno.test({
  name: "without permission nothing is asked and the flag is named",
  permissions: { net: ["127.0.0.1:1"] },
  async fn() {
    const error = await assertRejects(
      () =>
        new TcpTransport().connect(
          { url: new URL("ws://localhost:2/"), subprotocols: [] },
          new AbortController().signal,
        ),
      HandshakeFailure,
    );
    assertEquals(error.facts.kind, "permission");
    assertEquals(error.facts.detail, "run with --allow-net=localhost:2");
  },
});
