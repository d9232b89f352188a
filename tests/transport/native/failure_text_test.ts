/** The runtime's texts, as Deno 2.6.10 and 2.9.6 gave them over real sockets. */

import { assertEquals } from "@std/assert";
import {
  gist,
  parseFailureText,
} from "../../../src/transport/native/failure_text.ts";
import type { HandshakeFailureKind } from "../../../src/transport/transport.ts";

const WS = "NetworkError: failed to connect to WebSocket: ";
/** The page that rustls refers to. */
const RUSTLS =
  "https://docs.rs/rustls/latest/rustls/manual/_03_howto/index.html#unexpected-eof";
const FETCH = "error sending request for url (https://127.0.0.1:1/?token=x): " +
  "client error (Connect): ";
/** Deno 2.6. */
const SENT_26 = "error sending request from 127.0.0.1:1 for " +
  "https://127.0.0.1:2/?token=x (127.0.0.1:2): client error (SendRequest): ";
/** Deno 2.9 puts it in the cause. */
const SENT_29 = `fetch failed: ${SENT_26}`;

/** `true`: the text tells the cause on `wss://` too. */
type Row = readonly [
  text: string,
  kind: HandshakeFailureKind,
  isCause: boolean,
  status?: number,
];

const TEXTS: readonly Row[] = [
  [`${WS}tcp connect error`, "unreachable", true],
  [
    `${FETCH}tcp connect error: Connection refused (os error 111)`,
    "unreachable",
    true,
  ],
  [`${WS}Connection refused`, "unreachable", true],
  [`${WS}dns error`, "dns", true],
  [
    `${FETCH}dns error: failed to lookup address information: ` +
    "Name or service not known",
    "dns",
    true,
  ],
  [
    `${FETCH}invalid peer certificate: certificate expired: verification ` +
    "time 1795449214 (UNIX), but certificate is not valid after 1795362814",
    "certificate",
    true,
  ],
  [
    `${FETCH}invalid peer certificate: certificate not valid yet: verification ` +
    "time 1795449214 (UNIX), but certificate is not valid before 1795549214",
    "certificate-not-yet-valid",
    true,
  ],
  [
    `${WS}invalid peer certificate: NotValidYet`,
    "certificate-not-yet-valid",
    true,
  ],
  [
    `${WS}invalid peer certificate: certificate not valid for name ` +
    '"localhost"; certificate is only valid for DnsName("example.org")',
    "certificate",
    true,
  ],
  [`${FETCH}invalid peer certificate: UnknownIssuer`, "certificate", true],
  [`${FETCH}invalid peer certificate: BadSignature`, "certificate", true],
  [
    `${FETCH}Requires net access to "127.0.0.1:7", run again with the ` +
    "--allow-net flag",
    "permission",
    true,
  ],
  ["BadResource: Bad resource ID", "http-client-closed", true],
  [`${WS}Invalid status code: 401`, "status", false, 401],
  [`${WS}Invalid status code: 302`, "status", false, 302],
  [`${FETCH}proxy authentication required`, "proxy-credentials", false, 407],
  [`${FETCH}No acceptable auth methods`, "proxy-credentials", false, 407],
  [`${WS}Password auth failure, code: 1`, "proxy-credentials", false, 407],
  [`${FETCH}unsuccessful tunnel`, "proxy-refused", false],
  [`${FETCH}unexpected eof while tunneling`, "proxy-refused", false],
  [`${FETCH}proxy headers too long for tunnel`, "proxy-refused", false],
  [`${WS}General SOCKS server failure`, "proxy-refused", false],
  [`${WS}Connection not allowed by ruleset`, "proxy-refused", false],
  [`${WS}Network unreachable`, "proxy-refused", false],
  [`${WS}Host unreachable`, "proxy-refused", false],
  [`${FETCH}Proxy server unreachable`, "proxy-unreachable", false],
  [`${WS}Invalid response version`, "proxy-protocol", false],
  [
    `${FETCH}received corrupt message of type InvalidContentType`,
    "not-tls",
    false,
  ],
  [`${FETCH}received fatal alert: HandshakeFailure`, "tls", false],
  [`${FETCH}received fatal alert: ProtocolVersion`, "tls", false],
  [`${FETCH}received fatal alert: UnrecognisedName`, "tls", false],
  [`${FETCH}received fatal alert: DecryptError`, "tls", false],
  [
    `${FETCH}received fatal alert: BadCertificate`,
    "client-certificate",
    false,
  ],
  [
    `${FETCH}received fatal alert: CertificateRequired`,
    "client-certificate",
    false,
  ],
  [`${FETCH}received fatal alert: UnknownCA`, "client-certificate", false],
  [`${FETCH}received fatal alert: AccessDenied`, "client-certificate", false],
  [`${FETCH}received fatal alert: InternalError`, "tls-server", false],
  [`${FETCH}received fatal alert: NoApplicationProtocol`, "no-http1", false],
  [`${WS}Invalid upgrade header`, "upgrade", false, 101],
  [`${WS}Invalid connection header`, "upgrade", false, 101],
  [`${WS}invalid HTTP version parsed`, "not-http", false],
  [`${SENT_26}invalid HTTP version parsed`, "not-http", false],
  [`${SENT_29}invalid HTTP header parsed`, "not-http", false],
  [`${WS}invalid HTTP status-code parsed`, "not-http", false],
  [`${SENT_29}invalid content-length parsed`, "not-http", false],
  [`${WS}message head is too large`, "head-too-long", false],
  [`${SENT_29}connection closed before message completed`, "hung-up", false],
  [`${FETCH}tls handshake eof`, "hung-up", false],
  [`${WS}unexpected end of file`, "hung-up", false],
  [
    `fetch failed: peer closed connection without sending TLS close_notify: ${RUSTLS}`,
    "hung-up",
    false,
  ],
  [`${WS}connection error`, "reset", false],
  ["fetch failed: Connection reset by peer (os error 104)", "reset", false],
  ["Fetch failed: Requests to port 6667 are blocked", "unknown", false],
  // What hides the cause on wss://, and what nobody has seen yet.
  [`${WS}HTTP/2 not supported by this client`, "unknown", false],
  [`${WS}Didn't receive h2 alpn, aborting connection`, "unknown", false],
  [`${WS}stream closed because of a broken pipe`, "unknown", false],
  [
    `${WS}connection error detected: frame with invalid size`,
    "unknown",
    false,
  ],
  [
    `${WS}stream error received: unspecific protocol error detected`,
    "unknown",
    false,
  ],
  ["something new", "unknown", false],
  ["", "unknown", false],
];

for (const [text, kind, isCause, status] of TEXTS) {
  Deno.test(`"${gist(text)}" is of kind ${kind}`, () => {
    const parsed = parseFailureText(text);
    assertEquals(
      [parsed.kind, parsed.isCause, parsed.status],
      [kind, isCause, status],
    );
  });
}

Deno.test("the gist is what tells something, without the URL", () => {
  const texts = [
    [`${WS}dns error`, "dns error"],
    [`${FETCH}tls handshake eof`, "tls handshake eof"],
    [`${SENT_29}invalid HTTP header parsed`, "invalid HTTP header parsed"],
    ["BadResource: Bad resource ID", "BadResource: Bad resource ID"],
    ["no wss://h/?token=x here", "no <url> here"],
    ["fetch failed: tls handshake eof", "tls handshake eof"],
    ["Unexpected EOF", "Unexpected EOF"],
    [`closed without close_notify: ${RUSTLS}`, "closed without close_notify"],
  ] as const;
  for (const [text, expected] of texts) assertEquals(gist(text), expected);
});

Deno.test("a text that needs a setting of Deno says which", () => {
  const advice = (text: string) => parseFailureText(text).advice;
  assertEquals(
    advice(`${FETCH}Requires net access to "127.0.0.1:7"`),
    "see --allow-net and --deny-net",
  );
  assertEquals(
    advice("Fetch failed: Requests to port 6667 are blocked"),
    "Deno hides why, and its fetch() may not ask at this port",
  );
  assertEquals(advice(`${WS}dns error`), undefined);
});
