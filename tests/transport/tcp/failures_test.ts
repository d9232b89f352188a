import { assertEquals } from "@std/assert";
import { failureOf, type Step } from "../../../src/transport/tcp/failures.ts";
import {
  HandshakeFailure,
  type HandshakeFailureKind,
} from "../../../src/transport/transport.ts";

/** Errors as Deno 2.6 and 2.9 throw them. */
const CASES: readonly (readonly [Step, unknown, HandshakeFailureKind])[] = [
  [
    "connect",
    new Error("failed to lookup address information: Name not known"),
    "dns",
  ],
  [
    "connect",
    new Error("invalid host 'a..b': empty label found in FQDN"),
    "dns",
  ],
  [
    "connect",
    new Deno.errors.ConnectionRefused("Connection refused (os error 111)"),
    "unreachable",
  ],
  ["connect", new Error("No route to host (os error 113)"), "unreachable"],
  ["connect", new Deno.errors.TimedOut("timed out"), "unreachable"],
  ["connect", new Deno.errors.NotCapable("Requires net access"), "permission"],
  [
    "tls",
    new Deno.errors.InvalidData(
      "invalid peer certificate: certificate not valid yet: verification " +
        "time 1 (UNIX), but certificate is not valid before 2",
    ),
    "certificate-not-yet-valid",
  ],
  [
    "tls",
    new Deno.errors.InvalidData("invalid peer certificate: NotValidYet"),
    "certificate-not-yet-valid",
  ],
  [
    "tls",
    new Deno.errors.InvalidData("invalid peer certificate: UnknownIssuer"),
    "certificate",
  ],
  [
    "tls",
    new Deno.errors.InvalidData(
      "received corrupt message of type InvalidContentType",
    ),
    "not-tls",
  ],
  [
    "tls",
    new Deno.errors.InvalidData(
      "received fatal alert: NoApplicationProtocol",
    ),
    "no-http1",
  ],
  [
    "tls",
    new Deno.errors.InvalidData("received fatal alert: InternalError"),
    "tls-server",
  ],
  [
    "http",
    new Deno.errors.InvalidData("received fatal alert: CertificateRequired"),
    "client-certificate",
  ],
  [
    "tls",
    new Deno.errors.InvalidData("received fatal alert: UnknownCA"),
    "client-certificate",
  ],
  [
    "tls",
    new Deno.errors.InvalidData("received fatal alert: HandshakeFailure"),
    "tls",
  ],
  ["tls", new Deno.errors.UnexpectedEof("unexpected end of file"), "hung-up"],
  ["tls", new Error("tls handshake eof"), "hung-up"],
  [
    "http",
    new Deno.errors.ConnectionReset("Connection reset by peer (os error 104)"),
    "reset",
  ],
  ["http", new Deno.errors.BrokenPipe("Broken pipe (os error 32)"), "reset"],
  ["http", new TypeError("something else"), "unknown"],
  ["http", "not an error", "unknown"],
];

Deno.test("what the runtime throws is told as a fact, with its words", () => {
  for (const [step, error, kind] of CASES) {
    const { facts } = failureOf(error, step);
    assertEquals(facts.kind, kind, String(error));
    const text = error instanceof Error ? error.message : String(error);
    assertEquals([facts.detail, facts.cause], [text, error]);
  }
});

Deno.test("the words of an error are told without the page that rustls refers to", () => {
  const text = "peer closed connection without sending TLS close_notify";
  const page =
    "https://docs.rs/rustls/latest/rustls/manual/_03_howto/index.html#unexpected-eof";
  const error = new Deno.errors.UnexpectedEof(`${text}: ${page}`);
  assertEquals(failureOf(error, "http").facts.detail, text);
});

Deno.test("a failure that is told already stays as it is", () => {
  const failure = new HandshakeFailure({ kind: "dns" });
  assertEquals(failureOf(failure, "tls"), failure);
});
