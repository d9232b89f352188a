import { assertEquals } from "@std/assert";
import type { Severity, WSErrorCode } from "../../src/errors.ts";
import { gist, readFailure } from "../../src/lifecycle/failure_text.ts";

const WS = "NetworkError: failed to connect to WebSocket: ";
const FETCH = "error sending request for url (https://127.0.0.1:1/?token=x): " +
  "client error (Connect): ";
/** Deno 2.6. */
const SENT_26 = "error sending request from 127.0.0.1:1 for " +
  "https://127.0.0.1:2/?token=x (127.0.0.1:2): client error (SendRequest): ";
/** Deno 2.9 puts it in the cause. */
const SENT_29 = `fetch failed: ${SENT_26}`;

type Row = readonly [
  text: string,
  code: WSErrorCode,
  severity: Severity,
  more?: { readonly status?: number; readonly plain?: true },
];

const PLAIN = { plain: true } as const;

/** Gathered from Deno 2.6.10 and 2.9.6, over real sockets. */
const TEXTS: readonly Row[] = [
  [`${WS}tcp connect error`, "CONNECT", "transient", PLAIN],
  [
    `${FETCH}tcp connect error: Connection refused (os error 111)`,
    "CONNECT",
    "transient",
    PLAIN,
  ],
  [`${WS}dns error`, "DNS", "transient", PLAIN],
  [
    `${FETCH}dns error: failed to lookup address information: ` +
    "Name or service not known",
    "DNS",
    "transient",
    PLAIN,
  ],
  [
    `${FETCH}invalid peer certificate: certificate expired: verification ` +
    "time 1795449214 (UNIX), but certificate is not valid after 1795362814",
    "TLS",
    "fatal",
    PLAIN,
  ],
  [
    `${WS}invalid peer certificate: certificate not valid for name ` +
    '"localhost"; certificate is only valid for DnsName("example.org")',
    "TLS",
    "fatal",
    PLAIN,
  ],
  [`${FETCH}invalid peer certificate: UnknownIssuer`, "TLS", "fatal", PLAIN],
  [`${FETCH}invalid peer certificate: BadSignature`, "TLS", "fatal", PLAIN],
  [
    `${FETCH}Requires net access to "127.0.0.1:7", run again with the ` +
    "--allow-net flag",
    "PERMISSION",
    "fatal",
    PLAIN,
  ],
  ["BadResource: Bad resource ID", "CONNECT", "fatal", PLAIN],
  [
    `${WS}Invalid status code: 401`,
    "HTTP_STATUS",
    "transient",
    { status: 401 },
  ],
  [
    `${WS}Invalid status code: 302`,
    "HTTP_STATUS",
    "transient",
    { status: 302 },
  ],
  [
    `${FETCH}proxy authentication required`,
    "HTTP_STATUS",
    "fatal",
    { status: 407 },
  ],
  [`${FETCH}unsuccessful tunnel`, "CONNECT", "transient"],
  [`${FETCH}unexpected eof while tunneling`, "CONNECT", "transient"],
  [`${FETCH}proxy headers too long for tunnel`, "CONNECT", "transient"],
  [`${FETCH}Proxy server unreachable`, "CONNECT", "transient"],
  [`${FETCH}No acceptable auth methods`, "CONNECT", "fatal"],
  [`${WS}Password auth failure, code: 1`, "CONNECT", "fatal"],
  [`${WS}General SOCKS server failure`, "CONNECT", "transient"],
  [`${WS}Connection not allowed by ruleset`, "CONNECT", "transient"],
  [`${WS}Network unreachable`, "CONNECT", "transient"],
  [`${WS}Host unreachable`, "CONNECT", "transient"],
  [`${WS}Connection refused`, "CONNECT", "transient", PLAIN],
  [`${WS}unexpected end of file`, "CONNECT", "transient"],
  [`${WS}Invalid response version`, "HANDSHAKE", "fatal"],
  [
    `${FETCH}received corrupt message of type InvalidContentType`,
    "TLS",
    "fatal",
  ],
  [`${FETCH}received fatal alert: HandshakeFailure`, "TLS", "fatal"],
  [`${FETCH}received fatal alert: ProtocolVersion`, "TLS", "fatal"],
  [`${FETCH}received fatal alert: UnrecognisedName`, "TLS", "fatal"],
  [`${FETCH}received fatal alert: DecryptError`, "TLS", "fatal"],
  [`${FETCH}received fatal alert: BadCertificate`, "TLS", "fatal"],
  [`${FETCH}received fatal alert: CertificateRequired`, "TLS", "fatal"],
  [`${FETCH}received fatal alert: UnknownCA`, "TLS", "fatal"],
  [`${FETCH}received fatal alert: AccessDenied`, "TLS", "fatal"],
  [`${FETCH}received fatal alert: InternalError`, "CONNECT", "transient"],
  [`${FETCH}received fatal alert: NoApplicationProtocol`, "HANDSHAKE", "fatal"],
  [`${WS}Invalid upgrade header`, "HANDSHAKE", "fatal", { status: 101 }],
  [`${WS}Invalid connection header`, "HANDSHAKE", "fatal", { status: 101 }],
  [`${WS}invalid HTTP version parsed`, "HANDSHAKE", "fatal"],
  [`${SENT_26}invalid HTTP version parsed`, "HANDSHAKE", "fatal"],
  [`${SENT_29}invalid HTTP header parsed`, "HANDSHAKE", "fatal"],
  [`${WS}invalid HTTP status-code parsed`, "HANDSHAKE", "fatal"],
  [`${SENT_29}invalid content-length parsed`, "HANDSHAKE", "fatal"],
  [`${WS}message head is too large`, "HANDSHAKE", "fatal"],
  [
    `${SENT_29}connection closed before message completed`,
    "CONNECT",
    "transient",
  ],
  [`${FETCH}tls handshake eof`, "CONNECT", "transient"],
  [
    "fetch failed: peer closed connection without sending TLS close_notify: " +
    "https://docs.rs/rustls/latest/rustls/manual/_03_howto/index.html",
    "CONNECT",
    "transient",
  ],
  [`${WS}connection error`, "CONNECT", "transient"],
  [
    "fetch failed: Connection reset by peer (os error 104)",
    "CONNECT",
    "transient",
  ],
  ["Fetch failed: Requests to port 6667 are blocked", "CONNECT", "transient"],
];

for (const [text, code, severity, { status, plain } = {}] of TEXTS) {
  Deno.test(`"${gist(text)}" is ${code}, ${severity}`, () => {
    const found = readFailure(text);
    assertEquals(
      {
        code: found.code,
        severity: found.severity,
        status: found.status,
        plain: found.plain,
        known: found.known,
      },
      { code, severity, status, plain, known: true },
    );
  });
}

/** What hides the cause, and what nobody has seen yet. */
const UNKNOWN = [
  `${WS}HTTP/2 not supported by this client`,
  `${WS}Didn't receive h2 alpn, aborting connection`,
  `${WS}stream closed because of a broken pipe`,
  `${WS}connection error detected: frame with invalid size`,
  `${WS}stream error received: unspecific protocol error detected`,
  "something new",
  "",
];

for (const text of UNKNOWN) {
  Deno.test(`"${gist(text)}" tells nothing: CONNECT, transient`, () => {
    const { code, severity, known, plain } = readFailure(text);
    assertEquals(
      { code, severity, known, plain },
      {
        code: "CONNECT",
        severity: "transient",
        known: false,
        plain: undefined,
      },
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
  ] as const;
  for (const [text, expected] of texts) assertEquals(gist(text), expected);
});
