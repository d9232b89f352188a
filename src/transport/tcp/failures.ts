/**
 * Reads the facts in the runtime's exceptions for a connection that was not
 * opened.
 *
 * @module
 */

import {
  HandshakeFailure,
  type HandshakeFailureKind,
  withoutReference,
} from "../transport.ts";

/** What was being done when it failed. */
export type Step = "connect" | "tls" | "http";

/**
 * The texts of rustls, which `Deno.startTls` and `node:tls` both pass on. The
 * first that matches counts.
 */
const TLS_TEXTS: readonly (readonly [RegExp, HandshakeFailureKind])[] = [
  [
    /not valid yet|NotValidYet|CERT_NOT_YET_VALID/i,
    "certificate-not-yet-valid",
  ],
  [/invalid peer certificate|certificate (?:has expired|is)/, "certificate"],
  [/received corrupt message|wrong version number/, "not-tls"],
  [/NoApplicationProtocol/, "no-http1"],
  [/alert: InternalError/, "tls-server"],
  [
    /alert: (?:\w*Certificate\w*|UnknownCA|AccessDenied)/,
    "client-certificate",
  ],
  [/received fatal alert|peer is incompatible|peer misbehaved/, "tls"],
];

/** The facts of an exception. */
export function failureOf(error: unknown, step: Step): HandshakeFailure {
  if (error instanceof HandshakeFailure) return error;
  const text = error instanceof Error ? error.message : String(error);
  // Exceptions of Deno and of Node name the error of the system here.
  const code = error instanceof Error && "code" in error ? error.code : "";
  const kind = kindOf(error, `${code} ${text}`, step);
  return new HandshakeFailure({ kind, detail: detailOf(error), cause: error });
}

/** What an exception says. */
export function detailOf(error: unknown): string {
  return withoutReference(
    error instanceof Error ? error.message : String(error),
  );
}

function kindOf(
  error: unknown,
  text: string,
  step: Step,
): HandshakeFailureKind {
  if (error instanceof Deno.errors.NotCapable) return "permission";
  if (/failed to lookup address|invalid host|ENOTFOUND|EAI_/.test(text)) {
    return "dns";
  }
  const found = TLS_TEXTS.find(([pattern]) => pattern.test(text));
  if (found !== undefined) return found[1];
  if (
    error instanceof Deno.errors.UnexpectedEof ||
    /handshake eof|end of file|close_notify|disconnected before/.test(text)
  ) return "hung-up";
  if (/ECONNRESET|EPIPE|reset by peer|Broken pipe/i.test(text)) return "reset";
  switch (step) {
    case "connect":
      return "unreachable";
    case "tls":
      return /CERT|SELF_SIGNED|UNABLE_TO/.test(text) ? "certificate" : "tls";
    case "http":
      return "unknown";
    default:
      return step satisfies never;
  }
}
