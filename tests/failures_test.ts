/**
 * What fails, and what follows: the whole table, against real sockets.
 *
 * Every answer is given over `ws://` and `wss://`: the runtime tells the two
 * very differently, and the error must be the same.
 */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
} from "@std/assert";
import { connect } from "../mod.ts";
import type { Severity, WSError, WSErrorCode } from "../src/errors.ts";
import { closeError } from "../src/transport/classify.ts";
import type { Socket } from "../src/transport/transport.ts";
import {
  type AttemptSettings,
  attemptTo as attemptThrough,
  byPath,
  failureOf as failureThrough,
} from "./support/attempts.ts";
import { certificates, type Identity } from "./support/certificates.ts";
import { Ear } from "./support/ear.ts";
import {
  badFragmentedPing,
  badOpcode,
  badReservedBit,
  badUtf8,
  closeAfterRequest,
  closeAtOnce,
  closeWith,
  garbage,
  noUpgradeHeader,
  resetAtOnce,
  respond,
  respondStatus,
  sendBytes,
  silence,
  TcpPeer,
  type TcpScript,
  upgrade,
  wrongSubprotocol,
} from "./support/tcp_peer.ts";
import { forEachTransport, type TransportCase } from "./support/transports.ts";

const { ca, good, expired, wrongHost, unknown } = await certificates();
const SCHEMES = ["ws", "wss"] as const;

function attemptTo(
  { name }: TransportCase,
  url: string,
  settings: AttemptSettings = {},
): Promise<Socket> {
  return attemptThrough(url, { through: name, ...settings });
}

function failureOf(
  { name }: TransportCase,
  url: string,
  settings: AttemptSettings = {},
): Promise<WSError> {
  return failureThrough(url, { through: name, ...settings });
}

interface Verdict {
  readonly code: WSErrorCode;
  readonly severity: Severity;
  readonly says: RegExp;
  readonly status?: number;
  readonly retryAfter?: number;
}

interface Row extends Verdict {
  readonly name: string;
  readonly script: TcpScript;
  readonly settings?: AttemptSettings;
  /** Connections of a native attempt, over `ws://` and `wss://`; on tcp one. */
  readonly connections: readonly [number, number];
}

function peerFor(scheme: "ws" | "wss", script: TcpScript): TcpPeer {
  return new TcpPeer(script, scheme === "wss" ? { tls: good } : {});
}

function assertVerdict(error: WSError, verdict: Verdict): void {
  const { code, severity, status, retryAfter } = error;
  const { says, ...expected } = verdict;
  assertEquals(
    { code, severity, status, retryAfter },
    {
      code: expected.code,
      severity: expected.severity,
      status: expected.status,
      retryAfter: expected.retryAfter,
    },
    error.message,
  );
  assertMatch(error.message, says);
}

function answers(
  status: number,
  severity: Severity,
  says: RegExp,
  headers: Record<string, string> = {},
  retryAfter?: number,
): Row {
  const shown = Object.entries(headers).map((pair) => pair.join(": "));
  return {
    name: [`an answer of ${status}`, ...shown].join(" with "),
    script: respondStatus(status, headers),
    code: "HTTP_STATUS",
    severity,
    says,
    status,
    retryAfter,
    connections: [2, 2],
  };
}

function isNoWebSocket(status: number, headers = {}): Row {
  return {
    ...answers(
      status,
      "fatal",
      new RegExp(`no WebSocket.* ${status}`),
      headers,
    ),
    code: "HANDSHAKE",
  };
}

/** As some statuses must be: without a body. */
function bodiless(row: Row, headers = ""): Row {
  const script = respond(`HTTP/1.1 ${row.status} Test\r\n${headers}\r\n`);
  return { ...row, script };
}

const LATER = /too many requests/;

const ROWS: readonly Row[] = [
  answers(400, "fatal", /answered 400/),
  answers(401, "fatal", /answered 401, it wants other credentials/),
  answers(403, "fatal", /answered 403, it does not allow/),
  answers(404, "fatal", /answered 404, there is nothing at this path/),
  answers(426, "fatal", /answered 426/),
  answers(429, "transient", LATER),
  answers(429, "transient", LATER, { "retry-after": "7" }, 7_000),
  answers(429, "transient", LATER, { "retry-after": "0" }, 0),
  answers(429, "transient", LATER, { "retry-after": "soon" }),
  answers(
    429,
    "transient",
    LATER,
    { "retry-after": "31536000" },
    31_536_000_000,
  ),
  answers(408, "transient", /answered 408/),
  answers(425, "transient", /answered 425/),
  answers(408, "transient", /answered 408/, { "retry-after": "1" }, 1_000),
  answers(401, "transient", /answered 401/, { "retry-after": "60" }, 60_000),
  answers(500, "transient", /answered 500/),
  answers(503, "transient", /answered 503/),
  answers(503, "transient", /answered 503/, { "retry-after": "120" }, 120_000),
  isNoWebSocket(200),
  bodiless(isNoWebSocket(204)),
  isNoWebSocket(301),
  isNoWebSocket(302),
  bodiless(isNoWebSocket(304), "location: /elsewhere\r\n"),
  isNoWebSocket(999),
  {
    name: "a 101 that does not upgrade",
    script: noUpgradeHeader,
    code: "HANDSHAKE",
    severity: "fatal",
    says: /server's 101/,
    status: 101,
    connections: [1, 2],
  },
  {
    name: "a 101 without Connection",
    script: upgrade({ headers: { connection: "" } }),
    code: "HANDSHAKE",
    severity: "fatal",
    says: /server's 101/,
    status: 101,
    connections: [1, 2],
  },
  {
    name: "an answer that is not HTTP",
    script: garbage,
    code: "HANDSHAKE",
    severity: "fatal",
    says: /not HTTP/,
    connections: [1, 2],
  },
  {
    name: "a head without end",
    script: respond(
      `HTTP/1.1 101 Switching Protocols\r\nX: ${"x".repeat(9e5)}`,
    ),
    code: "HANDSHAKE",
    severity: "fatal",
    says: /the headers of the answer are too long/,
    connections: [1, 2],
  },
  {
    name: "a banner of another protocol",
    script: respond("SSH-2.0-OpenSSH_9.2\r\n"),
    code: "HANDSHAKE",
    severity: "fatal",
    says: /not HTTP/,
    connections: [1, 2],
  },
  {
    name: "a subprotocol that was not offered",
    script: wrongSubprotocol,
    code: "HANDSHAKE",
    severity: "fatal",
    status: 101,
    says: /not offered \("never-offered"\)/,
    settings: { subprotocols: ["chat"] },
    connections: [1, 1],
  },
  {
    name: "a subprotocol though none was offered",
    script: wrongSubprotocol,
    code: "HANDSHAKE",
    severity: "fatal",
    status: 101,
    says: /not offered \("never-offered"\)/,
    connections: [1, 1],
  },
  {
    name: "a hang-up without an answer",
    script: closeAfterRequest,
    code: "CONNECT",
    severity: "transient",
    says: /hung up before it answered/,
    connections: [1, 2],
  },
  {
    name: "half an answer",
    script: respond("HTTP/1.1 101 Swit"),
    code: "CONNECT",
    severity: "transient",
    says: /hung up before it answered/,
    connections: [1, 2],
  },
  {
    name: "silence",
    script: silence,
    code: "TIMEOUT",
    severity: "transient",
    says: /took too long \(200 ms, while connecting\)$/,
    settings: { timeout: 200 },
    connections: [1, 1],
  },
];

for (const row of ROWS) {
  for (const [index, scheme] of SCHEMES.entries()) {
    const { code, severity } = row;
    forEachTransport(
      `${scheme}: ${row.name} is ${code}, ${severity}`,
      async (transport) => {
        await using peer = peerFor(scheme, row.script);
        const error = await failureOf(
          transport,
          `${peer.url}/feed?token=hush`,
          {
            tls: { caCerts: ca },
            ...row.settings,
          },
        );
        assertVerdict(error, row);
        assertEquals(error.url, `${peer.url}/feed?token=***`);
        const { status = 101 } = row;
        if (status !== 101) assertInstanceOf(error.headers, Headers);
        assertEquals(
          peer.connections,
          transport.name === "native" ? row.connections[index] : 1,
        );
        // What this transport reads itself, no exception says.
        if (transport.name === "tcp") return;
        const isOurs = code === "TIMEOUT" || /not offered/.test(error.message);
        assertEquals(error.exception instanceof Error, !isOurs);
      },
    );
  }
}

forEachTransport(
  "the headers of a refusal come with its error",
  async (transport) => {
    for (const scheme of SCHEMES) {
      await using peer = peerFor(
        scheme,
        respondStatus(401, {
          "www-authenticate": "Bearer",
          "x-why": "expired",
        }),
      );
      const error = await failureOf(transport, peer.url, {
        tls: { caCerts: ca },
      });
      assertEquals(error.headers?.get("www-authenticate"), "Bearer");
      assertEquals(error.headers?.get("x-why"), "expired");
    }
  },
);

forEachTransport(
  "an HTTP date in Retry-After counts from now",
  async (transport) => {
    for (const scheme of SCHEMES) {
      const date = new Date(Date.now() + 60_000).toUTCString();
      await using peer = peerFor(
        scheme,
        respondStatus(429, { "retry-after": date }),
      );
      const error = await failureOf(transport, peer.url, {
        tls: { caCerts: ca },
      });
      assertEquals(error.severity, "transient");
      const { retryAfter = 0 } = error;
      assert(retryAfter > 55_000 && retryAfter <= 60_000, String(retryAfter));
    }
  },
);

forEachTransport(
  "a port where nobody listens is CONNECT, transient",
  async (transport) => {
    const closed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = closed.addr;
    closed.close();
    for (const scheme of SCHEMES) {
      assertVerdict(
        await failureOf(transport, `${scheme}://127.0.0.1:${port}`),
        {
          code: "CONNECT",
          severity: "transient",
          says: /nobody listens there/,
        },
      );
    }
  },
);

/** Deno 2.6 leaks a handle of its own when `Deno.connect` finds no address. */
const RESOURCES_OF_DENO = {
  sanitizeResources: !Deno.version.deno.startsWith("2.6."),
};

forEachTransport(
  "a name that does not resolve is DNS, transient",
  async (transport) => {
    for (const scheme of SCHEMES) {
      assertVerdict(await failureOf(transport, `${scheme}://nowhere.invalid`), {
        code: "DNS",
        severity: "transient",
        says: /does not resolve/,
      });
    }
  },
  RESOURCES_OF_DENO,
);

const BREAKS: readonly (readonly [string, TcpScript])[] = [
  ["that is closed at once", closeAtOnce],
  ["that is reset", resetAtOnce],
];

for (const [name, script] of BREAKS) {
  forEachTransport(
    `a TCP connection ${name} is CONNECT, transient`,
    async (transport) => {
      for (const scheme of SCHEMES) {
        // Below TLS in both cases.
        await using peer = new TcpPeer(script);
        const url = `${scheme}://127.0.0.1:${peer.port}`;
        assertVerdict(await failureOf(transport, url), {
          code: "CONNECT",
          severity: "transient",
          says: /hung up|broke/,
        });
      }
    },
  );
}

const CERTIFICATES: readonly (readonly [string, Identity, RegExp])[] = [
  ["that has expired", expired, /certificate has expired \(/],
  [
    "for another host",
    wrongHost,
    /is for another name: .*'tls\.serverName' \(tcp\) \(.*not valid for name/,
  ],
  ["of an unknown authority", unknown, /UnknownIssuer/],
];

for (const [name, identity, says] of CERTIFICATES) {
  forEachTransport(`a certificate ${name} is TLS, fatal`, async (transport) => {
    await using peer = new TcpPeer(silence, { tls: identity });
    assertVerdict(
      await failureOf(transport, peer.url, { tls: { caCerts: ca } }),
      {
        code: "TLS",
        severity: "fatal",
        says,
      },
    );
    assertEquals(peer.connections, transport.name === "native" ? 2 : 1);
  });
}

forEachTransport(
  "a certificate of an authority that is not in 'tls' is TLS",
  async (transport) => {
    await using peer = new TcpPeer(silence, { tls: good });
    assertVerdict(await failureOf(transport, peer.url), {
      code: "TLS",
      severity: "fatal",
      says: /UnknownIssuer.*/,
    });
  },
);

forEachTransport(
  "wss:// to a server without TLS is TLS, fatal, and says so",
  async (transport) => {
    await using peer = new TcpPeer(async (exchange) => {
      await exchange.conn.read(new Uint8Array(4096));
      await exchange.write("HTTP/1.1 400 Bad Request\r\n\r\n");
      await exchange.gone();
    });
    assertVerdict(await failureOf(transport, peer.url.replace("ws:", "wss:")), {
      code: "TLS",
      severity: "fatal",
      says: /does not speak TLS on this port: use ws:/,
    });
  },
);

forEachTransport(
  "ws:// to a TLS port is HANDSHAKE, fatal, and names wss://",
  async (transport) => {
    await using peer = new TcpPeer(silence, { tls: good });
    assertVerdict(await failureOf(transport, peer.url.replace("wss:", "ws:")), {
      code: "HANDSHAKE",
      severity: "fatal",
      says: /not HTTP; a TLS port wants wss:/,
    });
  },
);

const ALERTS: readonly (readonly [number, Verdict])[] = [
  [40, { code: "TLS", severity: "fatal", says: /could not agree on TLS/ }],
  [42, {
    code: "TLS",
    severity: "fatal",
    says: /wants a client certificate, or another/,
  }],
  [48, {
    code: "TLS",
    severity: "fatal",
    says: /wants a client certificate, or another/,
  }],
  [70, { code: "TLS", severity: "fatal", says: /could not agree on TLS/ }],
  [80, { code: "CONNECT", severity: "transient", says: /server failed/ }],
  [116, {
    code: "TLS",
    severity: "fatal",
    says: /a client certificate, or another/,
  }],
  [120, { code: "HANDSHAKE", severity: "fatal", says: /no HTTP\/1\.1/ }],
];

for (const [alert, verdict] of ALERTS) {
  forEachTransport(
    `the TLS alert ${alert} is ${verdict.code}, ${verdict.severity}`,
    async (transport) => {
      await using peer = new TcpPeer(async (exchange) => {
        await exchange.conn.read(new Uint8Array(4096));
        await exchange.write(Uint8Array.of(21, 3, 3, 0, 2, 2, alert));
        await exchange.gone();
      });
      const error = await failureOf(transport, `wss://127.0.0.1:${peer.port}`);
      assertVerdict(error, verdict);
    },
  );
}

const TO_SERVER = { "/old": respondStatus(307, { location: "/new" }) };

forEachTransport(
  "a redirect is followed with headers and subprotocols",
  async (transport) => {
    for (const scheme of SCHEMES) {
      const chooses = upgrade({
        headers: { "sec-websocket-protocol": "chat" },
      });
      await using peer = peerFor(
        scheme,
        byPath({ ...TO_SERVER, "/new": chooses }),
      );
      const socket = await attemptTo(transport, `${peer.url}/old`, {
        tls: { caCerts: ca },
        headers: { authorization: "Bearer x", cookie: "a=b", "x-own": "1" },
        subprotocols: ["chat"],
      });
      assertEquals(socket.url, `${peer.url}/new`);
      assertEquals(socket.protocol, "chat");
      const { headers } = peer.requests.at(-1) ?? {};
      assertEquals(headers?.get("authorization"), "Bearer x");
      assertEquals(headers?.get("cookie"), "a=b");
      assertEquals(headers?.get("x-own"), "1");
      socket.terminate();
    }
  },
);

forEachTransport(
  "what is secret does not follow a redirect to another origin",
  async (transport) => {
    for (const scheme of SCHEMES) {
      await using target = peerFor(scheme, upgrade());
      await using peer = peerFor(
        scheme,
        respondStatus(302, { location: target.url.replace("ws", "http") }),
      );
      const socket = await attemptTo(transport, peer.url, {
        tls: { caCerts: ca },
        headers: { authorization: "Bearer x", cookie: "a=b", "x-own": "1" },
      });
      assertEquals(socket.url, `${target.url}/`);
      const { headers } = target.requests[0] ?? {};
      assertEquals(headers?.get("authorization"), null);
      assertEquals(headers?.get("cookie"), null);
      assertEquals(headers?.get("x-own"), "1");
      socket.terminate();
    }
  },
);

const NOWHERE: readonly (readonly [string, string, RegExp])[] = [
  ["in a loop", "/old", /redirects.*\(in a loop\)/],
  ["to another scheme", "ftp://127.0.0.1/", /"ftp:.*no WebSocket URL/],
  ["to what is no URL", "http://[", /"http:.*no WebSocket URL/],
];

for (const [name, location, says] of NOWHERE) {
  forEachTransport(
    `a redirect ${name} is REDIRECT, fatal`,
    async (transport) => {
      for (const scheme of SCHEMES) {
        await using peer = peerFor(scheme, respondStatus(301, { location }));
        assertVerdict(
          await failureOf(transport, `${peer.url}/old`, {
            tls: { caCerts: ca },
          }),
          { code: "REDIRECT", severity: "fatal", says, status: 301 },
        );
      }
    },
  );
}

forEachTransport(
  "a redirect from wss:// to ws:// is REDIRECT, fatal",
  async (transport) => {
    await using target = new TcpPeer(upgrade());
    await using peer = peerFor(
      "wss",
      respondStatus(302, { location: target.url }),
    );
    assertVerdict(
      await failureOf(transport, peer.url, { tls: { caCerts: ca } }),
      {
        code: "REDIRECT",
        severity: "fatal",
        says: /not encrypted/,
        status: 302,
      },
    );
    assertEquals(target.connections, 0);
  },
);

forEachTransport(
  "a redirect from ws:// to wss:// is followed",
  async (transport) => {
    await using target = new TcpPeer(upgrade(), { tls: good });
    await using peer = new TcpPeer(
      respondStatus(301, { location: target.url }),
    );
    const socket = await attemptTo(transport, peer.url, {
      tls: { caCerts: ca },
    });
    assertEquals(socket.url, `${target.url}/`);
    socket.terminate();
  },
);

forEachTransport(
  "one redirect more than followRedirects is REDIRECT, fatal",
  async (transport) => {
    await using peer = new TcpPeer(byPath({
      "/0": respondStatus(308, { location: "/1" }),
      "/1": respondStatus(308, { location: "/2" }),
      "/2": upgrade(),
    }));
    const followed = await attemptTo(transport, `${peer.url}/0`, {
      followRedirects: 2,
    });
    followed.terminate();
    for (const [followRedirects, path] of [[1, "/1"], [0, "/0"]] as const) {
      const error = await failureOf(transport, `${peer.url}/0`, {
        followRedirects,
      });
      assertVerdict(error, {
        code: "REDIRECT",
        severity: "fatal",
        says: /more often than 'followRedirects' allows: [01]\)/,
        status: 308,
      });
      assertEquals(error.url, peer.url + path);
    }
  },
);

forEachTransport(
  "a handshake that goes through when asked again is CONNECT, transient",
  async (transport) => {
    await using peer = new TcpPeer([closeAfterRequest, upgrade()], {
      tls: good,
    });
    assertVerdict(
      await failureOf(transport, peer.url, { tls: { caCerts: ca } }),
      {
        code: "CONNECT",
        severity: "transient",
        says: /went through when it was made again/,
      },
    );
  },
  { only: "native" },
);

for (const scheme of SCHEMES) {
  for (const status of scheme === "ws" ? [503] : [503, 404]) {
    forEachTransport(
      `${scheme}: where two servers take turns and one says ${status}, the client gets in by the other`,
      async (transport) => {
        const [bad, sound] = [respondStatus(status), upgrade()];
        const script: TcpScript = (exchange) =>
          exchange.index % 2 === 0 ? bad(exchange) : sound(exchange);
        const tls = scheme === "wss" ? good : undefined;
        await using peer = new TcpPeer(script, { tls });
        const errors: WSError[] = [];
        await using _client = await connect(peer.url, {
          transport: transport.name,
          tls: tls && { caCerts: ca },
          initialBackoff: 1,
          maxBackoff: 1,
          maxRetries: 5,
          closeTimeout: 0,
        }, { onError: (error) => void errors.push(error) });
        assertEquals(errors.map(({ severity }) => severity), [
          "transient",
          "transient",
        ]);
        // Refused, asked; refused and not asked; in.
        assertEquals(peer.connections, 4);
      },
      { only: "native" },
    );
  }
}

forEachTransport(
  "a 101 with a wrong Sec-WebSocket-Accept, when asked, is HANDSHAKE",
  async (transport) => {
    const wrong = upgrade({ headers: { "sec-websocket-accept": "bm90IGl0" } });
    await using peer = new TcpPeer([closeAfterRequest, wrong], { tls: good });
    assertVerdict(
      await failureOf(transport, peer.url, { tls: { caCerts: ca } }),
      {
        code: "HANDSHAKE",
        severity: "fatal",
        says: /wrong Sec-WebSocket-Accept/,
        status: 101,
      },
    );
  },
  { only: "native" },
);

forEachTransport(
  "a status that is not said again is still told, without headers",
  async (transport) => {
    const cases = [
      [401, "HTTP_STATUS", "fatal"],
      [429, "HTTP_STATUS", "transient"],
      [503, "HTTP_STATUS", "transient"],
      [302, "CONNECT", "transient"],
    ] as const;
    for (const [status, code, severity] of cases) {
      await using peer = new TcpPeer([
        respondStatus(status),
        closeAfterRequest,
      ]);
      const error = await failureOf(transport, peer.url);
      const says = new RegExp(`answered ${status}`);
      assertVerdict(error, { code, severity, status, says });
      assertEquals(error.headers?.has("retry-after") ?? false, false);
    }
  },
  { only: "native" },
);

forEachTransport(
  "a status is still told when there is no time left to ask again",
  async (transport) => {
    await using peer = new TcpPeer([respondStatus(503), silence]);
    const error = await failureOf(transport, peer.url, { timeout: 500 });
    assertVerdict(error, {
      code: "HTTP_STATUS",
      severity: "transient",
      status: 503,
      says: /answered 503/,
    });
  },
  { only: "native" },
);

// The runtime looks at no accept key.
forEachTransport(
  "a 101 with a wrong Sec-WebSocket-Accept is HANDSHAKE, fatal",
  async (transport) => {
    const wrong = upgrade({ headers: { "sec-websocket-accept": "bm90IGl0" } });
    await using peer = new TcpPeer(wrong);
    assertVerdict(await failureOf(transport, peer.url), {
      code: "HANDSHAKE",
      severity: "fatal",
      says: /Sec-WebSocket-Accept/,
      status: 101,
    });
  },
  { only: "tcp" },
);

forEachTransport(
  "a server that picks none of the subprotocols is accepted",
  async (transport) => {
    await using peer = new TcpPeer(upgrade());
    const socket = await attemptTo(transport, peer.url, {
      subprotocols: ["chat", "v2"],
    });
    assertEquals(socket.protocol, "");
    assertEquals(
      peer.requests[0]?.headers.get("sec-websocket-protocol"),
      "chat, v2",
    );
    socket.terminate();
  },
);

function closeFrame(code: number, reason: string): TcpScript {
  const text = new TextEncoder().encode(reason);
  return closeWith(code >> 8, code & 255, ...text);
}

const dropped = upgrade({ then: () => {} });

const ENDS: readonly (readonly [string, TcpScript, number, RegExp])[] = [
  ["a normal close", closeFrame(1000, ""), 1000, /with 1000 \(normal/],
  ["going away", closeFrame(1001, "bye"), 1001, /1001 \(going away\): "bye"/],
  ["an error's close", closeFrame(1011, ""), 1011, /1011 \(internal error\)/],
  ["a private code", closeFrame(4001, "no\n"), 4001, /with 4001: "no\\n"$/],
  ["a close without a code", closeWith(), 1005, /1005 \(no code given\)/],
  [
    "a drop",
    dropped,
    1006,
    /dropped without a close frame: (Unexpected EOF|the server hung up)$/,
  ],
];

for (const [name, script, closeCode, says] of ENDS) {
  forEachTransport(
    `${name} is CLOSED ${closeCode}, transient`,
    async (transport) => {
      for (const scheme of SCHEMES) {
        await using peer = peerFor(scheme, script);
        const socket = await attemptTo(transport, peer.url, {
          tls: { caCerts: ca },
        });
        const error = closeError(await new Ear(socket).ended, socket.url);
        assertVerdict(error, { code: "CLOSED", severity: "transient", says });
        assertEquals(error.closeCode, closeCode);
        assertEquals(error.url, `${peer.url}/`);
      }
    },
  );
}

const VIOLATIONS: readonly (readonly [string, TcpScript])[] = [
  ["text that is not UTF-8", badUtf8],
  ["an unknown opcode", badOpcode],
  ["a reserved bit", badReservedBit],
  ["a fragmented ping", badFragmentedPing],
  [
    "a frame larger than the runtime takes",
    upgrade({ then: sendBytes(0x82, 127, 0, 0, 0, 1, 0, 0, 0, 0) }),
  ],
  ["a close code that none may send", closeFrame(1005, "")],
];

for (const [name, script] of VIOLATIONS) {
  forEachTransport(`${name} is PROTOCOL, transient`, async (transport) => {
    await using peer = new TcpPeer(script);
    const socket = await attemptTo(transport, peer.url);
    const end = await new Ear(socket).ended;
    assertVerdict(closeError(end, socket.url), {
      code: "PROTOCOL",
      severity: "transient",
      says: name.includes("larger")
        ? /too large/
        : /broke the WebSocket protocol/,
    });
    assertEquals([end.code, end.wasClean], [1006, false]);
  });
}
