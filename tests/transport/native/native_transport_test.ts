/** What the native transport finds out about a failed handshake. */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertNotMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import type { NativeOptions } from "../../../src/transport/native/http_client_pool.ts";
import { NativeTransport } from "../../../src/transport/native/native_transport.ts";
import {
  type HandshakeFacts,
  HandshakeFailure,
} from "../../../src/transport/transport.ts";
import { attemptTo, failureOf } from "../../support/attempts.ts";
import { certificates } from "../../support/certificates.ts";
import { freePort } from "../../support/free_port.ts";
import {
  closeAfterRequest,
  respondStatus,
  silence,
  TcpPeer,
  type TcpScript,
  upgrade,
} from "../../support/tcp_peer.ts";

const { ca, good } = await certificates();
const tls = { caCerts: ca };

/** Dials again and again with one transport, which remembers its probes. */
async function dials(
  urls: readonly string[],
  options: NativeOptions = {},
): Promise<HandshakeFacts[]> {
  const transport = new NativeTransport(options);
  const { signal } = new AbortController();
  const all: HandshakeFacts[] = [];
  try {
    for (const url of urls) {
      const failure = await assertRejects(
        () =>
          transport.connect({ url: new URL(url), subprotocols: [] }, signal),
        HandshakeFailure,
      );
      all.push(failure.facts);
    }
  } finally {
    transport.close();
  }
  return all;
}

async function dial(
  url: string,
  options?: NativeOptions,
): Promise<HandshakeFacts> {
  for (const facts of await dials([url], options)) return facts;
  throw new Error("there was no dial");
}

/** What the first answer says on ws://, and what the probe hears. */
const SECOND_ANSWERS: readonly (readonly [number, TcpScript])[] = [
  [503, respondStatus(401, { "retry-after": "1" })],
  [401, respondStatus(503, { "retry-after": "1" })],
  [429, upgrade()],
  [404, closeAfterRequest],
  [426, respondStatus(302, { location: "/elsewhere" })],
];

for (const [status, second] of SECOND_ANSWERS) {
  Deno.test(`a first answer of ${status} stands, whatever the probe hears`, async () => {
    await using peer = new TcpPeer([respondStatus(status), second]);
    const facts = await dial(peer.url);
    assertEquals([facts.kind, facts.status], ["status", status]);
    assertEquals([facts.headers, facts.body], [undefined, undefined]);
    assertEquals(peer.connections, 2);
  });
}

Deno.test("the probe adds headers and body to the status that it hears again", async () => {
  await using peer = new TcpPeer(respondStatus(429, { "retry-after": "7" }));
  const { status, headers, body } = await dial(peer.url);
  assertEquals([status, headers?.get("retry-after"), body], [429, "7", "no"]);
});

Deno.test("on wss:// the probe is the only one to hear the answer", async () => {
  await using peer = new TcpPeer(
    respondStatus(401, { "www-authenticate": "Bearer" }),
    { tls: good },
  );
  const { kind, status, headers, body, cause } = await dial(peer.url, { tls });
  assertEquals([kind, status, body], ["status", 401, "no"]);
  assertEquals(headers?.get("www-authenticate"), "Bearer");
  assertInstanceOf(cause, Error);
  assertMatch(cause.message, /only of its second try, over HTTP\/2/);
  assertEquals(peer.connections, 2);
});

Deno.test("a redirect whose Location was not heard again is of unknown kind", async () => {
  await using peer = new TcpPeer([
    respondStatus(302, { location: "/b" }),
    closeAfterRequest,
  ]);
  const { kind, detail } = await dial(peer.url);
  assertEquals(kind, "unknown");
  assertMatch(detail ?? "", /answered 302, and its Location is unknown/);
});

Deno.test("after a probe that went through the next failure is not probed", async () => {
  const scripts: Record<string, readonly [TcpScript, ...TcpScript[]]> = {
    ws: [respondStatus(404), upgrade(), respondStatus(404), respondStatus(404)],
    wss: [closeAfterRequest, upgrade(), closeAfterRequest, respondStatus(401)],
  };
  for (const [scheme, script] of Object.entries(scripts)) {
    await using peer = new TcpPeer(
      script,
      scheme === "wss" ? { tls: good } : {},
    );
    const facts = await dials([peer.url, peer.url, peer.url], { tls });
    // Failed, probed; failed; failed, probed.
    assertEquals(peer.connections, 5);
    assertEquals(
      facts.map(({ status }) => status),
      scheme === "ws" ? [404, 404, 404] : [undefined, undefined, 401],
    );
  }
});

Deno.test("a probe that went through says nothing of another URL", async () => {
  await using peer = new TcpPeer([
    respondStatus(404),
    upgrade(),
    respondStatus(404),
  ]);
  const [, second] = await dials([`${peer.url}/a`, `${peer.url}/b`]);
  assertEquals(second?.body, "no");
  assertEquals(peer.connections, 4);
});

Deno.test("an attempt that times out while it probes still tells the status, if it is known", async () => {
  await using plain = new TcpPeer([respondStatus(401), silence]);
  const known = await failureOf(plain.url, { timeout: 500 });
  assertEquals([known.code, known.status], ["HTTP_STATUS", 401]);
  assertEquals(known.severity, "fatal");

  await using hidden = new TcpPeer([closeAfterRequest, silence], { tls: good });
  const unknown = await failureOf(hidden.url, { timeout: 500, tls });
  assertEquals([unknown.code, unknown.severity], ["TIMEOUT", "transient"]);
});

Deno.test("the probe uses the attempt's headers and calls no function again", async () => {
  await using peer = new TcpPeer(respondStatus(401));
  let calls = 0;
  await failureOf(() => peer.url, {
    headers: () => ({ authorization: `Ticket ${++calls}` }),
    subprotocols: () => [`v${calls}`],
  });
  assertEquals(calls, 1);
  assertEquals(
    peer.requests.map(({ headers }) => [
      headers.get("authorization"),
      headers.get("sec-websocket-protocol"),
    ]),
    [["Ticket 1", "v1"], ["Ticket 1", "v1"]],
  );
});

Deno.test("an error has the start of the refusal's body", async () => {
  await using peer = new TcpPeer(respondStatus(403));
  assertEquals((await failureOf(peer.url)).body, "no");
});

Deno.test("a program's httpClient serves for the probe as well", async () => {
  await using peer = new TcpPeer(respondStatus(401), {
    tls: good,
    alpn: ["h2", "http/1.1"],
  });
  using httpClient = Deno.createHttpClient({ caCerts: [ca], http2: false });
  const error = await failureOf(peer.url, { httpClient });
  assertEquals([error.code, error.status], ["HTTP_STATUS", 401]);
});

Deno.test("an httpClient with HTTP/2 hides the cause from a server that offers it, and the error says what to do", async () => {
  await using peer = new TcpPeer(async ({ conn }) => {
    // No HTTP/2 for a client that begins to speak it.
    await conn.read(new Uint8Array(4096));
    await conn.write(new Uint8Array(9));
  }, { tls: good, alpn: ["h2", "http/1.1"] });
  using httpClient = Deno.createHttpClient({ caCerts: [ca] });
  const error = await failureOf(peer.url, { httpClient });
  assertEquals([error.code, error.severity], ["CONNECT", "transient"]);
  assertMatch(error.message, /make your 'httpClient' with http2: false/);
});

Deno.test("an httpClient with HTTP/2 is not blamed for plain causes", async () => {
  using httpClient = Deno.createHttpClient({ caCerts: [ca] });
  for (const script of [respondStatus(403), closeAfterRequest]) {
    await using peer = new TcpPeer(script, { tls: good });
    assertNotMatch(
      (await failureOf(peer.url, { httpClient })).message,
      /http2/,
    );
  }
});

Deno.test("an httpClient that is closed is CONNECT, fatal", async () => {
  const httpClient = Deno.createHttpClient({ http2: false });
  httpClient.close();
  await using peer = new TcpPeer(upgrade());
  const error = await failureOf(peer.url, { httpClient });
  assertEquals([error.code, error.severity], ["CONNECT", "fatal"]);
  assertMatch(error.message, /'httpClient' is closed/);
});

Deno.test("settings that cannot be used are TLS, fatal", async () => {
  const error = await failureOf("wss://127.0.0.1:9/", {
    tls: { cert: "x", key: "y" },
  });
  assertEquals([error.code, error.severity], ["TLS", "fatal"]);
  assertMatch(error.message, /the options 'tls' or 'proxy' cannot be used/);
});

Deno.test("an HTTP proxy that is not there is to blame, not the server", async () => {
  await using peer = new TcpPeer(upgrade());
  const host = `127.0.0.1:${freePort()}`;
  for (const url of [peer.url, peer.url.replace("ws:", "wss:")]) {
    const error = await failureOf(url, {
      proxy: new URL(`http://user:hush@${host}`),
    });
    assertEquals([error.code, error.severity], ["CONNECT", "transient"]);
    assertStringIncludes(
      error.message,
      `the proxy cannot be reached (${host}: tcp connect error`,
    );
    assertNotMatch(error.message, /hush|many proxies refuse/);
  }
});

Deno.test("no error shows the secrets of the URL", async () => {
  for (const script of [closeAfterRequest, respondStatus(401)]) {
    await using peer = new TcpPeer(script, { tls: good });
    const error = await failureOf(
      peer.url.replace("//", "//user:hush@") + "/feed?token=hush",
      { tls, headers: { "x-api-key": "hush" } },
    );
    assertNotMatch(Deno.inspect(error), /hush/);
  }
});

Deno.test("an open socket outlives the transport that opened it", async () => {
  await using peer = new TcpPeer(upgrade(), { tls: good });
  const socket = await attemptTo(peer.url, { tls });
  assert(socket.bufferedAmount === 0, "open");
  socket.terminate();
});

Deno.test("an abort while dialling or probing rejects with the signal's reason", async () => {
  const reason = new Error("enough");
  const scripts: readonly (readonly [TcpScript, ...TcpScript[]])[] = [
    [silence],
    [respondStatus(503), silence],
  ];
  for (const script of scripts) {
    await using peer = new TcpPeer(script);
    const transport = new NativeTransport({});
    const controller = new AbortController();
    const connecting = transport.connect(
      { url: new URL(peer.url), subprotocols: [] },
      controller.signal,
    );
    setTimeout(() => controller.abort(reason), 150);
    if (script.length === 1) {
      assertEquals(await assertRejects(() => connecting), reason);
    } else {
      // The status is known, and worth more than the abort's reason.
      const { facts } = await assertRejects(() => connecting, HandshakeFailure);
      assertEquals(facts.status, 503);
    }
    transport.close();
  }
});

for (
  const [name, greeting, kind] of [
    ["speaks before it is asked", "SSH-2.0-OpenSSH_9.2\r\n", "not-http"],
    ["hangs up before it is asked", "", "hung-up"],
  ] as const
) {
  Deno.test(`a server that ${name} is told as such, however many dial`, async () => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const bytes = new TextEncoder().encode(greeting);
    const serving = (async () => {
      for await (const conn of listener) {
        // A client that has left by now is no matter here.
        if (bytes.length > 0) await conn.write(bytes).catch(() => {});
        conn.close();
      }
    })();
    const url = `ws://127.0.0.1:${listener.addr.port}/`;
    const kinds = await Promise.all(
      Array.from({ length: 150 }, async () => (await dial(url)).kind),
    );
    listener.close();
    await serving;
    assertEquals(new Set(kinds), new Set([kind]));
  });
}
