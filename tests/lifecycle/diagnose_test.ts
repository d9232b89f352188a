import {
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertNotMatch,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { HandshakeFailure } from "../../src/connection/socket.ts";
import { WSError } from "../../src/errors.ts";
import { Diagnosis } from "../../src/lifecycle/diagnose.ts";
import type { Redirect } from "../../src/lifecycle/redirect.ts";
import {
  Transport,
  type TransportOptions,
} from "../../src/lifecycle/transport.ts";
import { failureOf } from "../support/attempts.ts";
import { certificates } from "../support/certificates.ts";
import {
  closeAfterRequest,
  respondStatus,
  TcpPeer,
  upgrade,
} from "../support/tcp_peer.ts";

const { ca, good } = await certificates();

async function diagnosed(
  text: string,
  url: string,
  options: TransportOptions = {},
): Promise<Redirect> {
  const transport = new Transport(options);
  const { signal } = new AbortController();
  const asked = {
    url: new URL(url),
    headers: new Headers(),
    subprotocols: [],
  };
  try {
    return await new Diagnosis(transport).find(
      new HandshakeFailure(text, { cause: ORIGINAL }),
      asked,
      signal,
    );
  } finally {
    transport.close();
  }
}

const ORIGINAL = new Error("what the runtime threw");

function failure(
  text: string,
  url: string,
  options?: TransportOptions,
): Promise<WSError> {
  return assertRejects(() => diagnosed(text, url, options), WSError);
}

const PLAIN_ON_WS = [
  "tcp connect error",
  "dns error",
  "invalid HTTP version parsed",
  "connection closed before message completed",
  "Invalid upgrade header",
  "connection error",
  "something new",
];

Deno.test("on ws:// only a status is asked about again", async () => {
  await using peer = new TcpPeer(respondStatus(503));
  for (const text of PLAIN_ON_WS) await failure(text, peer.url);
  assertEquals(peer.connections, 0);
  const error = await failure("Invalid status code: 401", peer.url);
  assertEquals([error.status, peer.connections], [503, 1]);
});

const PLAIN_ON_WSS = [
  "tcp connect error",
  "dns error",
  "invalid peer certificate: UnknownIssuer",
  'Requires net access to "127.0.0.1:7"',
  "BadResource: Bad resource ID",
];

const HIDDEN_ON_WSS = [
  "HTTP/2 not supported by this client",
  "Didn't receive h2 alpn, aborting connection",
  "received fatal alert: NoApplicationProtocol",
  "tls handshake eof",
  "something new",
];

Deno.test("on wss:// everything is asked about again but what is plain", async () => {
  await using peer = new TcpPeer(respondStatus(401), { tls: good });
  const tls = { caCerts: ca };
  for (const text of PLAIN_ON_WSS) {
    const { cause } = await failure(text, peer.url, { tls });
    assertStrictEquals(cause, ORIGINAL);
  }
  assertEquals(peer.connections, 0);
  for (const text of HIDDEN_ON_WSS) {
    const error = await failure(text, peer.url, { tls });
    assertEquals(error.status, 401);
    assertInstanceOf(error.cause, HandshakeFailure);
    assertMatch(error.cause.message, /only of its second try, over HTTP\/2/);
    assertStrictEquals(error.cause.cause, ORIGINAL);
  }
  assertEquals(peer.connections, HIDDEN_ON_WSS.length);
});

Deno.test("a redirect is returned with what the runtime made of it", async () => {
  await using peer = new TcpPeer(respondStatus(307, { location: "/b" }));
  const text = "Invalid status code: 307";
  const { status, headers, cause } = await diagnosed(text, peer.url);
  assertEquals([status, headers.get("location")], [307, "/b"]);
  assertStrictEquals(cause, ORIGINAL);
});

Deno.test("what went through is not asked again at once, but the time after", async () => {
  const [sound, bad] = [upgrade(), respondStatus(401)];
  await using peer = new TcpPeer([sound, bad]);
  const transport = new Transport();
  const diagnosis = new Diagnosis(transport);
  const ask = (status: number, path: string) =>
    assertRejects(
      () =>
        diagnosis.find(
          new HandshakeFailure(`Invalid status code: ${status}`),
          { url: new URL(path, peer.url), subprotocols: [] },
          new AbortController().signal,
        ),
      WSError,
    );
  const tell = ({ code, severity, status }: WSError) =>
    [peer.connections, code, severity, status].join(" ");
  assertEquals(tell(await ask(404, "/")), "1 CONNECT transient ");
  assertEquals(tell(await ask(404, "/")), "1 HTTP_STATUS transient 404");
  assertEquals(tell(await ask(404, "/")), "2 HTTP_STATUS fatal 401");
  transport.close();
});

Deno.test("what went through elsewhere says nothing of another URL", async () => {
  await using peer = new TcpPeer([upgrade(), respondStatus(401)]);
  const transport = new Transport();
  const diagnosis = new Diagnosis(transport);
  for (const path of ["/a", "/b"]) {
    await assertRejects(() =>
      diagnosis.find(
        new HandshakeFailure("Invalid status code: 404"),
        { url: new URL(path, peer.url), subprotocols: [] },
        new AbortController().signal,
      ), WSError);
  }
  assertEquals(peer.connections, 2);
  transport.close();
});

Deno.test("with an httpClient of the program's own the cause is told as well", async () => {
  await using peer = new TcpPeer(respondStatus(401), {
    tls: good,
    alpn: ["h2", "http/1.1"],
  });
  using httpClient = Deno.createHttpClient({ caCerts: [ca], http2: false });
  const error = await failureOf(peer.url, { httpClient });
  assertEquals([error.code, error.status], ["HTTP_STATUS", 401]);
});

Deno.test("an httpClient with HTTP/2 hides it from a server that offers it: CONNECT, and what to do", async () => {
  await using peer = new TcpPeer(async ({ conn }) => {
    // No HTTP/2 for who begins to speak it.
    await conn.read(new Uint8Array(4096));
    await conn.write(new Uint8Array(9));
  }, { tls: good, alpn: ["h2", "http/1.1"] });
  using httpClient = Deno.createHttpClient({ caCerts: [ca] });
  const error = await failureOf(peer.url, { httpClient });
  assertEquals([error.code, error.severity], ["CONNECT", "transient"]);
  assertMatch(error.message, /make your 'httpClient' with http2: false/);
  assertInstanceOf(error.cause, Error);
});

Deno.test("an httpClient with HTTP/2 is not blamed for what is plain", async () => {
  await using peer = new TcpPeer(respondStatus(403), { tls: good });
  using httpClient = Deno.createHttpClient({ caCerts: [ca] });
  const error = await failureOf(peer.url, { httpClient });
  assertEquals([error.code, error.status], ["HTTP_STATUS", 403]);
  assertNotMatch(error.message, /http2/);
  await using silent = new TcpPeer(closeAfterRequest, { tls: good });
  const hungUp = await failureOf(silent.url, { httpClient });
  assertMatch(hungUp.message, /hung up/);
  assertNotMatch(hungUp.message, /http2/);
});

Deno.test("the fetch() of the diagnosis leaves no secret in the error's text", async () => {
  await using peer = new TcpPeer(() => {}, { tls: good });
  const url = `${peer.url}/feed?token=hush`;
  const error = await failureOf(url, { tls: { caCerts: ca } });
  assertEquals(error.code, "CONNECT");
  assertNotMatch(Deno.inspect(error), /hush/);
});
