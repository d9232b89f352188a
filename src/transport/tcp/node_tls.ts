/**
 * TLS by `node:tls`, over any stream.
 *
 * @module
 */

import { isIP, type Socket } from "node:net";
import {
  connect,
  type ConnectionOptions,
  rootCertificates,
  TLSSocket,
} from "node:tls";
import { HandshakeFailure } from "../transport.ts";
import { type ByteStream, NEEDS_NODE_SOCKET } from "./byte_stream.ts";
import { NodeStream, StreamDuplex } from "./node_stream.ts";
import type { TlsSettings } from "./tls.ts";

/** The client answers a server that hangs up behind its close frame. */
const HALF_OPEN = { allowHalfOpen: true };

/**
 * Begins TLS.
 * @throws {HandshakeFailure} `options`
 */
export function connectOver(
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

/** Deno 2.9 shows them only with `--allow-sys`, and would ask for it. */
function usualAuthorities(): readonly string[] {
  const { state } = Deno.permissions.querySync({ name: "sys" });
  return state === "granted" ? rootCertificates : [];
}
