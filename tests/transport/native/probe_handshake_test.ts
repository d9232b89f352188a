import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  probeHandshake,
  type ProbeResult,
} from "../../../src/transport/native/probe_handshake.ts";
import type { HandshakeRequest } from "../../../src/transport/transport.ts";
import { certificates } from "../../support/certificates.ts";
import { within } from "../../support/events.ts";
import {
  closeAfterRequest,
  respond,
  respondStatus,
  silence,
  TcpPeer,
  type TcpScript,
  upgrade,
} from "../../support/tcp_peer.ts";

const { ca, good } = await certificates();

function request(
  url: string,
  headers: HeadersInit = {},
  subprotocols: readonly string[] = [],
): HandshakeRequest {
  return { url: new URL(url), headers: new Headers(headers), subprotocols };
}

async function probe(
  handshake: HandshakeRequest,
  signal = new AbortController().signal,
): Promise<ProbeResult> {
  using client = Deno.createHttpClient({
    caCerts: [ca],
    http2: false,
    poolMaxIdlePerHost: 0,
  });
  return await probeHandshake(handshake, client, signal);
}

async function answerTo(
  handshake: HandshakeRequest,
): Promise<ProbeResult & { kind: "answer" }> {
  const result = await probe(handshake);
  if (result.kind === "failure") throw new Error(result.text);
  return result;
}

/** What is wrong with a 101 with these headers. */
async function invalidUpgrade(
  headers: Record<string, string>,
): Promise<string> {
  await using peer = new TcpPeer(upgrade({ headers }));
  const { status, invalidUpgrade } = await answerTo(request(peer.url));
  assertEquals(status, 101);
  return invalidUpgrade?.message ?? "nothing";
}

Deno.test("the probe is a handshake with the attempt's own headers", async () => {
  await using peer = new TcpPeer(respondStatus(401));
  const own = { authorization: "Bearer x", cookie: "a=b", "x-own": "1" };
  await probe(request(`${peer.url}/feed?a=b`, own, ["v1", "v2"]));
  const [received] = peer.requests;
  assert(received !== undefined);
  assertMatch(received.head, /^GET \/feed\?a=b HTTP\/1\.1\r\n/);
  const { headers } = received;
  assertEquals(headers.get("upgrade"), "websocket");
  assertEquals(headers.get("connection")?.toLowerCase(), "upgrade");
  assertEquals(headers.get("sec-websocket-version"), "13");
  assertEquals(headers.get("sec-websocket-protocol"), "v1, v2");
  assertEquals(atob(headers.get("sec-websocket-key") ?? "").length, 16);
  for (const [name, value] of Object.entries(own)) {
    assertEquals(headers.get(name), value);
  }
});

Deno.test("each probe has a key of its own, and none offers a subprotocol by itself", async () => {
  await using peer = new TcpPeer(respondStatus(401));
  await probe(request(peer.url));
  await probe(request(peer.url));
  const [first, second] = peer.requests.map(({ headers }) => headers);
  const key = "sec-websocket-key";
  assert(first?.get(key) !== second?.get(key));
  assertEquals(first?.has("sec-websocket-protocol"), false);
});

Deno.test("an answer comes with status, headers and body, over TLS too", async () => {
  for (const tls of [undefined, good]) {
    await using peer = new TcpPeer(
      respondStatus(503, { "retry-after": "7" }),
      { tls },
    );
    const answer = await answerTo(request(peer.url));
    assertEquals(
      [answer.status, answer.body, answer.invalidUpgrade],
      [503, "no", undefined],
    );
    assertEquals(answer.headers.get("retry-after"), "7");
  }
});

Deno.test("only the start of a large body is read", async () => {
  const body = "x".repeat(100_000);
  await using peer = new TcpPeer(
    respond(
      `HTTP/1.1 403 No\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    ),
  );
  const answer = await answerTo(request(peer.url));
  assertEquals(answer.body, body.slice(0, 2048));
});

Deno.test("a redirect is told, not followed", async () => {
  await using peer = new TcpPeer(respondStatus(302, { location: "/b" }));
  const { status } = await answerTo(request(peer.url));
  assertEquals([status, peer.requests.length], [302, 1]);
});

Deno.test("the connection of a good 101 is dropped at once", async () => {
  const gone = Promise.withResolvers<void>();
  await using peer = new TcpPeer(upgrade({
    headers: { upgrade: "WebSocket", connection: "keep-alive, Upgrade" },
    then: async (exchange) => {
      await exchange.gone();
      gone.resolve();
    },
  }));
  const { invalidUpgrade } = await answerTo(request(peer.url));
  assertEquals(invalidUpgrade, undefined);
  await within(gone.promise, "the end of the connection");
});

Deno.test("it says what is wrong with a bad 101", async () => {
  const noUpgrade = /does not upgrade to 'websocket'/;
  assertMatch(await invalidUpgrade({ upgrade: "" }), noUpgrade);
  assertMatch(await invalidUpgrade({ upgrade: "h2c" }), noUpgrade);
  const noConnection = /lacks 'Connection: Upgrade'/;
  assertMatch(await invalidUpgrade({ connection: "" }), noConnection);
  assertMatch(await invalidUpgrade({ connection: "close" }), noConnection);
  const wrongAccept = /wrong Sec-WebSocket-Accept/;
  const accept = "sec-websocket-accept";
  assertMatch(await invalidUpgrade({ [accept]: "" }), wrongAccept);
  assertMatch(await invalidUpgrade({ [accept]: "bm90IGl0" }), wrongAccept);
});

Deno.test("a hang-up is a failure with the runtime's text, causes included", async () => {
  await using peer = new TcpPeer(closeAfterRequest);
  const result = await probe(request(peer.url));
  assert(result.kind === "failure");
  assertMatch(result.text, /connection closed before message completed/);
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
    probe(request(peer.url), controller.signal)
  );
  assertEquals(thrown, reason);
});

/** A refusal whose body stalls after two bytes. */
const stalls: TcpScript = async (exchange) => {
  await exchange.readRequest();
  await exchange.write("HTTP/1.1 403 No\r\ncontent-length: 9999\r\n\r\nno");
  await exchange.gone();
};

Deno.test("a body that stalls is not waited for", async () => {
  for (const tls of [undefined, good]) {
    await using peer = new TcpPeer(stalls, { tls });
    const answer = await within(answerTo(request(peer.url)), "the answer");
    assertEquals([answer.status, answer.body], [403, "no"]);
  }
});

Deno.test("a body that breaks off is told as far as it came", async () => {
  await using peer = new TcpPeer(
    respond("HTTP/1.1 403 No\r\ncontent-length: 9999\r\n\r\nno"),
  );
  const answer = await answerTo(request(peer.url));
  assertEquals([answer.status, answer.body], [403, "no"]);
});

Deno.test("an abort while the body comes in keeps the status", async () => {
  const controller = new AbortController();
  await using peer = new TcpPeer(async (exchange) => {
    setTimeout(() => controller.abort(new Error("enough")), 100);
    await stalls(exchange);
  });
  const result = await probe(request(peer.url), controller.signal);
  assertEquals(result.kind === "answer" && result.status, 403);
});
