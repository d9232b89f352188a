import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  adviceOn,
  probeExitCode,
  type ProbeFailure,
  tlsFailure,
} from "../../../src/cli/probe/advice.ts";

const status = (code: number, headers: HeadersInit = {}): ProbeFailure => ({
  kind: "status",
  status: code,
  headers: new Headers(headers),
});

const certificate = (message: string): ProbeFailure => ({
  kind: "certificate",
  message,
});

/** What the runtime says, in its own words. */
const CASES: readonly (readonly [ProbeFailure, number, RegExp])[] = [
  [{ kind: "dns", hostname: "nope" }, 6, /name nope does not resolve/],
  [{ kind: "tcp", port: 9, message: "Connection refused" }, 7, /port 9/],
  [{ kind: "tcp", port: 9, message: "host unreachable" }, 7, /no route/],
  [{ kind: "tcp", port: 9, message: "what?" }, 7, /firewalls/],
  [{ kind: "proxy-refused" }, 7, /does not connect/],
  [{ kind: "proxy-protocol" }, 3, /scheme of --proxy/],
  [{ kind: "proxy-credentials" }, 3, /URL of --proxy/],
  [certificate("invalid peer certificate: UnknownIssuer"), 8, /--ca FILE/],
  [certificate("invalid peer certificate: certificate expired"), 8, /renewed/],
  [certificate("certificate not valid yet"), 8, /clock/],
  [certificate('not valid for name "localhost"'), 8, /--server-name/],
  [{ kind: "client-certificate" }, 8, /--cert FILE/],
  [{ kind: "not-tls" }, 8, /use ws:/],
  [{ kind: "tls", message: "HandshakeFailure" }, 8, /agreed on/],
  [{ kind: "silence", step: "Proxy" }, 124, /proxy/],
  [{ kind: "silence", step: "DNS" }, 124, /name server/],
  [{ kind: "silence", step: "TCP" }, 124, /firewall/],
  [{ kind: "silence", step: "TLS" }, 124, /plain ws:/],
  [{ kind: "silence", step: "HTTP" }, 124, /says nothing/],
  [{ kind: "hang-up", step: "HTTP" }, 7, /hangs up/],
  [{ kind: "not-http", isTls: false }, 3, /wss:/],
  [{ kind: "not-http", isTls: true }, 3, /check the port/],
  [status(200), 3, /does not upgrade/],
  [status(301, { location: "wss://b\x9b/" }), 3, /use wss:\/\/b\\x9b\//],
  [{ kind: "redirect", detail: "in a loop" }, 3, /redirects in a loop/],
  [status(302), 3, /without saying where/],
  [status(400), 3, /subprotocol/],
  [status(401), 3, /--bearer-file/],
  [status(403), 3, /--bearer-file/],
  [status(404), 3, /path/],
  [status(407), 3, /proxy/i],
  [status(418), 3, /refuses/],
  [status(426), 3, /version/],
  [status(429), 3, /Too many/],
  [status(429, { "retry-after": "7" }), 3, /Retry-After: 7/],
  [status(500), 3, /log/],
  [status(503, { "retry-after": "7" }), 3, /Retry-After: 7/],
  [{ kind: "upgrade", detail: "lacks x" }, 3, /the 101 lacks x/],
  [{ kind: "subprotocol", chosen: "v2" }, 3, /--subprotocol v2/],
];

Deno.test("each failure has its exit code and one line of advice", () => {
  for (const [failure, code, pattern] of CASES) {
    const advice = adviceOn(failure);
    assertMatch(advice, pattern);
    assert(/^[^\n]+[.?]$/.test(advice), advice);
    assertEquals(probeExitCode(failure), code, advice);
  }
});

Deno.test("what the TLS library says is one of four things", () => {
  const cases = {
    "invalid peer certificate: UnknownIssuer": "certificate",
    'invalid peer certificate: certificate not valid for name "h"':
      "certificate",
    "received fatal alert: CertificateRequired": "client-certificate",
    "received fatal alert: UnknownCA": "client-certificate",
    "received corrupt message of type InvalidContentType": "not-tls",
    "received fatal alert: HandshakeFailure": "tls",
  };
  for (const [text, kind] of Object.entries(cases)) {
    assertEquals(tlsFailure(text).kind, kind, text);
  }
});
