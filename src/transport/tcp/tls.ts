/**
 * TLS over a connection that is open already.
 *
 * `Deno.startTls` is fast, but knows no client certificate and accepts no
 * invalid server certificate, and it wants a bare TCP connection below. For
 * these cases there is `node:tls`, which works over any stream. It is loaded
 * only for them: that takes longer than a handshake.
 *
 * @module
 */

import type { ByteStream } from "./byte_stream.ts";

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
  if (caCerts.length > 0 || identity !== undefined) {
    const { checkPem } = await import("./pem.ts");
    checkPem(settings);
  }
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
  const { connectOver } = await import("./node_tls.ts");
  const stream = connectOver(below, settings);
  onReplaced(stream);
  await stream.open("secureConnect");
  return stream;
}

/** Whether `Deno.startTls` takes it: it wants a bare TCP connection. */
function isTcp(stream: ByteStream): stream is Deno.TcpConn {
  return "setNoDelay" in stream;
}
