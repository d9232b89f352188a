/**
 * TLS over a connection that is open already.
 *
 * `Deno.startTls` is fast, but knows no client certificate and accepts no
 * invalid server certificate, and it wants a bare TCP connection below. For
 * these cases there is `node:tls`, which works over any stream.
 *
 * @module
 */

import { createPublicKey, X509Certificate } from "node:crypto";
import { isIP, type Socket } from "node:net";
import {
  connect,
  type ConnectionOptions,
  rootCertificates,
  TLSSocket,
} from "node:tls";
import { HandshakeFailure } from "../transport.ts";
import type { ByteStream } from "./byte_stream.ts";
import { NEEDS_NODE_SOCKET, NodeStream, StreamDuplex } from "./node_stream.ts";

/** How to speak TLS with a host. */
export interface TlsSettings {
  /** The name that the certificate must have and that is sent (SNI). */
  readonly serverName: string;
  /** Authorities to trust besides the usual ones, PEM. */
  readonly caCerts: readonly string[];
  /** A certificate of the client and its key, PEM. */
  readonly identity?: { readonly cert: string; readonly key: string };
  /** Whether any certificate is accepted. */
  readonly insecure: boolean;
}

/** Makes the TLS handshake as a client. Closing `below` ends it. */
export async function startTls(
  below: ByteStream,
  settings: TlsSettings,
  onReplaced: (stream: ByteStream) => void,
): Promise<ByteStream> {
  const { serverName, caCerts, identity, insecure } = settings;
  checkPem(settings);
  if (identity === undefined && !insecure && isTcp(below)) {
    const conn = await Deno.startTls(below, {
      hostname: serverName,
      caCerts: [...caCerts],
      alpnProtocols: ["http/1.1"],
    });
    onReplaced(conn);
    await conn.handshake();
    return conn;
  }
  const stream = connectOver(below, settings);
  onReplaced(stream);
  await stream.open("secureConnect");
  return stream;
}

/** The client answers a server that hangs up behind its close frame. */
const HALF_OPEN = { allowHalfOpen: true };

/** Begins TLS by `node:tls`. */
function connectOver(
  below: ByteStream,
  { serverName, caCerts, identity, insecure }: TlsSettings,
): NodeStream {
  const socket = socketOver(below);
  const options: ConnectionOptions = {
    socket,
    ...HALF_OPEN,
    // An address is no server name (RFC 6066, section 3), but what the
    // certificate is checked against.
    ...(isIP(serverName) === 0
      ? { servername: serverName }
      : { host: serverName }),
    // Node trusts these instead of the usual ones, Deno besides them.
    ...(caCerts.length > 0 && { ca: [...usualAuthorities(), ...caCerts] }),
    ...identity,
    rejectUnauthorized: !insecure,
    ALPNProtocols: ["http/1.1"],
  };
  const duplex = socket instanceof StreamDuplex ? socket : undefined;
  try {
    return new NodeStream(connect(options), duplex);
  } catch (cause) {
    const detail = "the certificates in 'tls' cannot be used";
    throw new HandshakeFailure({ kind: "options", detail, cause });
  }
}

function socketOver(below: ByteStream): Socket | StreamDuplex {
  if (!NEEDS_NODE_SOCKET) return new StreamDuplex(below);
  if (below instanceof NodeStream && !(below.socket instanceof TLSSocket)) {
    return below.socket;
  }
  const detail = "wss:// through an https:// proxy needs Deno 2.8 or newer";
  throw new HandshakeFailure({ kind: "options", detail });
}

const CERTIFICATE = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/;
const ONE_CERTIFICATE = new RegExp(
  `${CERTIFICATE.source}[^-]*-----END [^-]*-----`,
  "g",
);
const KEY = /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/;

/**
 * The runtime ignores a text without a certificate, and reports one that it
 * cannot read as a fault of the server, or not at all.
 */
function checkPem({ caCerts, identity }: TlsSettings): void {
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

/** Whether `Deno.startTls` takes it: it wants a bare TCP connection. */
function isTcp(stream: ByteStream): stream is Deno.TcpConn {
  return "setNoDelay" in stream;
}

/** Deno 2.9 shows them only with `--allow-sys`, and would ask for it. */
function usualAuthorities(): readonly string[] {
  const { state } = Deno.permissions.querySync({ name: "sys" });
  return state === "granted" ? rootCertificates : [];
}
