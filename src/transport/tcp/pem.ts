/**
 * Whether certificates and keys can be used.
 *
 * @module
 */

import { createPublicKey, X509Certificate } from "node:crypto";
import { HandshakeFailure } from "../transport.ts";
import type { TlsSettings } from "./tls.ts";

const CERTIFICATE = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/;
const ONE_CERTIFICATE = new RegExp(
  `${CERTIFICATE.source}[^-]*-----END [^-]*-----`,
  "g",
);
const KEY = /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/;

/**
 * Checks certificates and keys. The runtime ignores a text without a
 * certificate, and reports one that it cannot read as a fault of the server, or
 * not at all.
 * @throws {HandshakeFailure} `options`
 */
export function checkPem({ caCerts, identity }: TlsSettings): void {
  for (const pem of caCerts) {
    requirePem("caCerts", CERTIFICATE, pem);
    for (const [one] of pem.matchAll(ONE_CERTIFICATE)) {
      readPem("'tls.caCerts'", () => new X509Certificate(one));
    }
  }
  if (identity === undefined) return;
  requirePem("cert", CERTIFICATE, identity.cert);
  requirePem("key", KEY, identity.key);
  checkPair(identity.cert, identity.key);
}

/** `node:tls` reports a wrong pair as an "unsupported protocol", or hangs. */
function checkPair(cert: string, key: string): void {
  const pair = readPem(
    "'tls.cert' or 'tls.key'",
    () => [new X509Certificate(cert).publicKey, createPublicKey(key)],
  );
  const [certified, own] = pair.map((half) =>
    half.export({ type: "spki", format: "pem" })
  );
  if (certified === own) return;
  const detail = "'tls.key' does not belong to 'tls.cert'";
  throw new HandshakeFailure({ kind: "options", detail });
}

/** Says which options hold what cannot be read. */
function readPem<T>(options: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    const detail = `${options} cannot be read: ${text}`;
    throw new HandshakeFailure({ kind: "options", detail, cause });
  }
}

function requirePem(option: string, pattern: RegExp, pem: string): void {
  if (pattern.test(pem)) return;
  const what = pattern === KEY ? "private key" : "certificate";
  const detail = `'tls.${option}' holds no ${what} in PEM`;
  throw new HandshakeFailure({ kind: "options", detail });
}
