import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { askAgain, type Reply } from "../../src/lifecycle/ask_again.ts";
import type { HandshakeRequest } from "../../src/lifecycle/handshake_request.ts";
import { certificates } from "../support/certificates.ts";
import { within } from "../support/events.ts";
import {
  closeAfterRequest,
  respondStatus,
  silence,
  TcpPeer,
  upgrade,
} from "../support/tcp_peer.ts";

const { ca, good } = await certificates();

function request(
  url: string,
  headers: HeadersInit = {},
  subprotocols: readonly string[] = [],
): HandshakeRequest {
  return { url: new URL(url), headers: new Headers(headers), subprotocols };
}

async function ask(
  asked: HandshakeRequest,
  signal = new AbortController().signal,
): Promise<Reply> {
  using client = Deno.createHttpClient({
    caCerts: [ca],
    http2: false,
    poolMaxIdlePerHost: 0,
  });
  return await askAgain(asked, client, signal);
}

/** What the answer's headers make of a 101. */
async function flawOf(headers: Record<string, string>) {
  await using peer = new TcpPeer(upgrade({ headers }));
  const reply = await ask(request(peer.url));
  assert(reply.kind === "answer");
  assertEquals(reply.status, 101);
  return reply.flaw;
}

Deno.test("the request is a handshake with the attempt's own headers", async () => {
  await using peer = new TcpPeer(respondStatus(401));
  const own = { authorization: "Bearer x", cookie: "a=b", "x-own": "1" };
  await ask(request(`${peer.url}/feed?a=b`, own, ["v1", "v2"]));
  const [asked] = peer.requests;
  assert(asked !== undefined);
  assertMatch(asked.head, /^GET \/feed\?a=b HTTP\/1\.1\r\n/);
  const { headers } = asked;
  assertEquals(headers.get("upgrade"), "websocket");
  assertEquals(headers.get("connection")?.toLowerCase(), "upgrade");
  assertEquals(headers.get("sec-websocket-version"), "13");
  assertEquals(headers.get("sec-websocket-protocol"), "v1, v2");
  assertEquals(atob(headers.get("sec-websocket-key") ?? "").length, 16);
  for (const [name, value] of Object.entries(own)) {
    assertEquals(headers.get(name), value);
  }
});

Deno.test("each request has a key of its own, and none offers a subprotocol by itself", async () => {
  await using peer = new TcpPeer(respondStatus(401));
  await ask(request(peer.url));
  await ask(request(peer.url));
  const [first, second] = peer.requests.map(({ headers }) => headers);
  const key = "sec-websocket-key";
  assert(first?.get(key) !== second?.get(key));
  assertEquals(first?.has("sec-websocket-protocol"), false);
});

Deno.test("an answer comes with status and headers, over TLS too", async () => {
  for (const tls of [undefined, good]) {
    await using peer = new TcpPeer(
      respondStatus(503, { "retry-after": "7" }),
      { tls },
    );
    const reply = await ask(request(peer.url));
    assert(reply.kind === "answer");
    assertEquals([reply.status, reply.flaw], [503, undefined]);
    assertEquals(reply.headers.get("retry-after"), "7");
  }
});

Deno.test("a redirect is told, not followed", async () => {
  await using peer = new TcpPeer(respondStatus(302, { location: "/b" }));
  const reply = await ask(request(peer.url));
  assert(reply.kind === "answer");
  assertEquals([reply.status, peer.requests.length], [302, 1]);
});

Deno.test("a sound 101 has no flaw, and its connection is dropped at once", async () => {
  const gone = Promise.withResolvers<void>();
  await using peer = new TcpPeer(upgrade({
    headers: { upgrade: "WebSocket", connection: "keep-alive, Upgrade" },
    then: async (exchange) => {
      await exchange.gone();
      gone.resolve();
    },
  }));
  const reply = await ask(request(peer.url));
  assert(reply.kind === "answer");
  assertEquals(reply.flaw, undefined);
  await within(gone.promise, "the end of the connection");
});

Deno.test("a bad 101 has a flaw", async () => {
  const lacksUpgrade = /does not upgrade to 'websocket'/;
  assertMatch(await flawOf({ upgrade: "" }) ?? "", lacksUpgrade);
  assertMatch(await flawOf({ upgrade: "h2c" }) ?? "", lacksUpgrade);
  const lacksConnection = /lacks 'Connection: Upgrade'/;
  assertMatch(await flawOf({ connection: "" }) ?? "", lacksConnection);
  assertMatch(await flawOf({ connection: "close" }) ?? "", lacksConnection);
  const wrongAccept = /wrong Sec-WebSocket-Accept/;
  const accept = "sec-websocket-accept";
  assertMatch(await flawOf({ [accept]: "" }) ?? "", wrongAccept);
  assertMatch(await flawOf({ [accept]: "bm90IGl0" }) ?? "", wrongAccept);
});

Deno.test("a long body is not waited for", async () => {
  await using peer = new TcpPeer(async (exchange) => {
    await exchange.readRequest();
    await exchange.write("HTTP/1.1 500 Test\r\ncontent-length: 9999\r\n\r\nno");
    await exchange.gone();
  });
  const reply = await ask(request(peer.url));
  assertEquals(reply.kind === "answer" && reply.status, 500);
});

Deno.test("no answer is a failure with the runtime's text, causes included", async () => {
  await using peer = new TcpPeer(closeAfterRequest);
  const reply = await ask(request(peer.url));
  assert(reply.kind === "failure");
  assertMatch(reply.text, /connection closed before message completed/);
});

Deno.test("an abort rejects with the signal's reason", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  await using peer = new TcpPeer(async (exchange) => {
    await exchange.readRequest();
    controller.abort(reason);
    await silence(exchange);
  });
  const thrown = await assertRejects(() =>
    ask(request(peer.url), controller.signal)
  );
  assertEquals(thrown, reason);
});
