import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  adviceOn,
  probeExitCode,
  type ProbeFailure,
} from "../../../src/cli/probe/advice.ts";

const status = (code: number, headers: HeadersInit = {}): ProbeFailure => ({
  kind: "status",
  status: code,
  headers: new Headers(headers),
});

const tls = (message: string): ProbeFailure => ({ kind: "tls", message });

/** What the runtime says, in its own words. */
const CASES: readonly (readonly [ProbeFailure, number, RegExp])[] = [
  [{ kind: "dns", hostname: "nope" }, 6, /name nope does not resolve/],
  [{ kind: "tcp", port: 9, message: "Connection refused" }, 7, /port 9/],
  [{ kind: "tcp", port: 9, message: "No route: unreachable" }, 7, /no way/],
  [{ kind: "tcp", port: 9, message: "what?" }, 7, /firewalls/],
  [tls("invalid peer certificate: UnknownIssuer"), 8, /--ca FILE/],
  [tls("invalid peer certificate: certificate expired: ..."), 8, /renewed/],
  [tls('certificate not valid for name "localhost"'), 8, /another host/],
  [tls("received corrupt message of type InvalidContentType"), 8, /use ws:/],
  [tls("received fatal alert: CertificateRequired"), 8, /--cert FILE/],
  [tls("received fatal alert: HandshakeFailure"), 8, /agreed on/],
  [{ kind: "silence", step: "DNS" }, 124, /name server/],
  [{ kind: "silence", step: "TCP" }, 124, /firewall/],
  [{ kind: "silence", step: "TLS" }, 124, /plain ws:/],
  [{ kind: "silence", step: "HTTP" }, 124, /says nothing/],
  [{ kind: "hang-up", step: "HTTP" }, 7, /hangs up/],
  [{ kind: "not-http", isTls: false }, 3, /wss:/],
  [{ kind: "not-http", isTls: true }, 3, /check the port/],
  [status(200), 3, /does not upgrade/],
  [status(301, { location: "wss://b\x9b/" }), 3, /use wss:\/\/b\\x9b\//],
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
  [{ kind: "upgrade", flaw: "no Upgrade" }, 3, /\(no Upgrade\)/],
  [{ kind: "subprotocol", chosen: "v2" }, 3, /--subprotocol v2/],
];

Deno.test("each trouble has its exit code and one line of advice", () => {
  for (const [trouble, code, pattern] of CASES) {
    const advice = adviceOn(trouble);
    assertMatch(advice, pattern);
    assert(/^[^\n]+[.?]$/.test(advice), advice);
    assertEquals(probeExitCode(trouble), code, advice);
  }
});
