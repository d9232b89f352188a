import { assert, assertEquals, assertMatch } from "@std/assert";
import { adviceOn } from "../../../src/cli/probe/advice.ts";
import type { StepName } from "../../../src/cli/probe/steps.ts";
import type { HandshakeFacts } from "../../../src/transport/transport.ts";

const status = (code: number, headers: HeadersInit = {}): HandshakeFacts => ({
  kind: "status",
  status: code,
  headers: new Headers(headers),
});

const certificate = (detail: string): HandshakeFacts => ({
  kind: "certificate",
  detail,
});

const tcp = (detail: string): HandshakeFacts => ({
  kind: "unreachable",
  detail,
});

/** What the transport reports, in the words of the runtime. */
const CASES: readonly (readonly [
  facts: HandshakeFacts,
  advice: RegExp,
  step?: StepName,
])[] = [
  [{ kind: "permission", detail: "run with --allow-net=h" }, /--allow-net=h/],
  [{ kind: "options", detail: "'tls.ca' is bad" }, /is bad/],
  [{ kind: "dns" }, /name nope does not resolve/, "DNS"],
  [tcp("Connection refused"), /port 9/, "TCP"],
  [tcp("host unreachable"), /no route/, "TCP"],
  [tcp("what?"), /firewalls/, "TCP"],
  [{ kind: "proxy-refused" }, /does not connect/, "Proxy"],
  [{ kind: "proxy-protocol" }, /scheme of --proxy/, "Proxy"],
  [{ kind: "proxy-credentials" }, /URL of --proxy/, "Proxy"],
  [certificate("invalid peer certificate: UnknownIssuer"), /--ca FILE/],
  [certificate("invalid peer certificate: certificate expired"), /renewed/],
  [
    certificate(
      "invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))",
    ),
    /CA:TRUE.*-addext basicConstraints=critical,CA:FALSE/,
  ],
  [certificate('not valid for name "localhost"'), /--server-name/],
  [{ kind: "certificate-not-yet-valid" }, /clock/],
  [{ kind: "client-certificate" }, /server wants .*--cert FILE/],
  [{ kind: "client-certificate" }, /proxy wants .*--cert FILE/, "Proxy"],
  [{ kind: "not-tls" }, /use ws:/],
  [{ kind: "not-tls" }, /use http:/, "Proxy"],
  [{ kind: "tls", detail: "HandshakeFailure" }, /agree on TLS.*--cert FILE/],
  [{ kind: "tls", detail: "ProtocolVersion" }, /no TLS 1\.2/],
  [{ kind: "tls-server" }, /log/],
  [{ kind: "no-http1" }, /port/],
  [{ kind: "timeout" }, /proxy/, "Proxy"],
  [{ kind: "timeout" }, /name server/, "DNS"],
  [{ kind: "timeout" }, /firewall/, "TCP"],
  [{ kind: "timeout" }, /plain ws:/, "TLS"],
  [{ kind: "timeout" }, /says nothing.*wss:/],
  [{ kind: "hung-up" }, /closes the connection.*wss:/],
  [{ kind: "reset" }, /closes the connection/],
  [{ kind: "not-http" }, /check the port, and try wss:/],
  [status(200), /does not upgrade/],
  [status(301, { location: "wss://b\x9b/" }), /use wss:\/\/b\\x9b\//],
  [{ kind: "redirect", detail: "in a loop" }, /redirects in a loop/],
  [
    { kind: "redirect", detail: "more often than 'followRedirects' allows: 3" },
    /more often than --follow-redirects allows: 3/,
  ],
  [status(302), /without saying where/],
  [status(400), /subprotocol/],
  [status(401), /--bearer-file/],
  [status(403), /--bearer-file/],
  [status(404), /path/],
  [status(407), /proxy/i],
  [status(408), /connect would try again/],
  [status(418), /refuses/],
  [status(600), /does not upgrade/],
  [status(426), /version/],
  [status(429), /Too many/],
  [status(429, { "retry-after": "7" }), /Retry-After: 7/],
  [status(500), /log/],
  [status(503, { "retry-after": "7" }), /Retry-After: 7/],
  [{ kind: "upgrade", detail: "lacks x" }, /the 101 lacks x/, "WebSocket"],
  [
    {
      kind: "subprotocol",
      headers: new Headers({ "sec-websocket-protocol": "v2" }),
    },
    /--subprotocol v2/,
    "WebSocket",
  ],
  [{ kind: "unknown", detail: "boom" }, /boom/],
];

Deno.test("each failure has one line of advice", () => {
  const url = new URL("ws://nope:9/");
  for (const [facts, pattern, step = "HTTP"] of CASES) {
    const advice = adviceOn({ facts, step, url });
    assertMatch(advice, pattern);
    assert(/^[^\n]+[.?]$/.test(advice), advice);
  }
});

Deno.test("nobody who speaks TLS is told to try it", () => {
  const url = new URL("wss://nope/");
  const facts: HandshakeFacts[] = [
    ...["not-http", "hung-up", "timeout"] as const,
  ].map((kind) => ({ kind }));
  for (const given of [...facts, status(400)]) {
    const advice = adviceOn({ facts: given, step: "HTTP", url });
    assertEquals(advice.includes("wss://"), false, advice);
  }
});

Deno.test("a proxy that cannot be reached is looked for at its own port", () => {
  const url = new URL("wss://nope/");
  const proxy = new URL("http://proxy:3128");
  const facts = tcp("Connection refused");
  assertMatch(
    adviceOn({ facts, step: "TCP", url }, proxy),
    /port 3128 of proxy: is the proxy running/,
  );
  const timeout = { kind: "timeout" } as const;
  assertMatch(
    adviceOn({ facts: timeout, step: "TCP", url }, proxy),
    /from proxy.*--proxy/,
  );
  const dns = { kind: "proxy-unreachable" } as const;
  assertMatch(adviceOn({ facts: dns, step: "DNS", url }, proxy), /name proxy/);
});

Deno.test("a server that hangs up after TLS may want a client certificate", () => {
  const url = new URL("wss://nope/");
  for (const step of ["TLS", "HTTP"] as const) {
    const advice = adviceOn({ facts: { kind: "hung-up" }, step, url });
    assertMatch(advice, /client certificate \(--cert FILE --key FILE\)\?$/);
  }
});

Deno.test("when the time was short, silence is not the server's fault", () => {
  const timeout: HandshakeFacts = { kind: "timeout" };
  const url = new URL("wss://host");
  const during = (step: StepName) =>
    adviceOn({ facts: timeout, step, url }, undefined, 1);
  assertMatch(during("DNS"), /ran out after 1.0 ms, during the look-up/);
  assertMatch(during("TCP"), /ran out after 1.0 ms, during the TCP connect/);
  assertMatch(during("TLS"), /during the TLS handshake/);
  assertMatch(during("HTTP"), /wait for the answer/);
});
