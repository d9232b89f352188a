/**
 * TLS with a server, accepted or not, and what its certificate says.
 *
 * @module
 */

import type { TLSSocket } from "node:tls";
import { showMany } from "../format.ts";
import type { Target } from "./proxy.ts";
import { NodeWire, type Wire, WireDuplex } from "./wire.ts";

/** Whom to trust, and who we are. */
export interface ProbeTls {
  readonly caCerts: readonly string[];
  readonly cert?: string;
  readonly key?: string;
  /** The name that the certificate must have. @default the host of the URL */
  readonly serverName?: string;
  /** Accepts any certificate. */
  readonly insecure?: boolean;
}

/** A connection with TLS, and its socket if it is one of Node's. */
export interface Secure {
  readonly wire: Wire;
  readonly socket?: TLSSocket;
}

/** Keeps a resource to be closed at the end. */
export type Hold = (resource: { close(): void }) => void;

/**
 * Speaks TLS over a connection.
 *
 * @param dialled the server, if it may as well be dialled once more
 */
export async function startTls(
  below: Wire,
  name: string,
  tls: ProbeTls,
  hold: Hold,
  dialled?: Target,
): Promise<Secure> {
  const { caCerts, cert, key, insecure = false } = tls;
  const options = {
    hostname: name,
    caCerts: [...caCerts],
    alpnProtocols: ["http/1.1"],
  };
  const isIdentified = cert !== undefined && key !== undefined;
  let conn: Deno.TlsConn;
  if (isIdentified && dialled !== undefined && !insecure) {
    // Deno takes a client certificate only where it dials itself, and
    // `node:tls` on Deno 2.6 sends none over another stream.
    const { port } = dialled;
    conn = await Deno.connectTls({ ...options, cert, key, port });
  } else if (!isIdentified && !insecure && isTcp(below)) {
    conn = await Deno.startTls(below, options);
  } else {
    const socket = new WireDuplex(below);
    return await nodeTls({ socket }, name, tls, hold);
  }
  hold(conn);
  await conn.handshake();
  return { wire: conn };
}

/** Whether Deno can speak TLS over it. */
function isTcp(wire: Wire): wire is Deno.TcpConn {
  return "setNoDelay" in wire;
}

/** TLS by `node:tls`, which can also skip the check of the certificate. */
export async function nodeTls(
  below: { socket: WireDuplex } | { host: string; port: number },
  name: string,
  { caCerts, cert, key, insecure }: ProbeTls,
  hold: Hold,
): Promise<Secure> {
  const { connect } = await import("node:tls");
  const socket = connect({
    // RFC 6066, section 3: an address is no server name.
    ...isAddress(name) ? { host: name } : { servername: name },
    ...below,
    ...caCerts.length > 0 ? { ca: [...caCerts] } : {},
    cert,
    key,
    ALPNProtocols: ["http/1.1"],
    rejectUnauthorized: insecure !== true,
  });
  hold({ close: () => socket.destroy() });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onClose = () => reject(new Deno.errors.ConnectionReset("hang-up"));
  socket.once("secureConnect", resolve).once("close", onClose);
  // Stays for later errors, which the next read reports.
  socket.on("error", reject);
  await promise;
  socket.off("close", onClose);
  return { wire: new NodeWire(socket), socket };
}

/** Whether it is an IP address, and not a name. */
export function isAddress(hostname: string): boolean {
  return /^[\d.]+$|:/.test(hostname);
}

/** A certificate's facts. */
export interface Certificate {
  readonly subject: string;
  /** The names and addresses it is for. */
  readonly names: string;
  readonly issuer: string;
  readonly from: Date;
  readonly to: Date;
  /** `TLSv1.3` or the like; empty if unknown. */
  readonly protocol: string;
}

/** The certificate of the server; undefined if it is unknown. */
export function certificateOf(socket: TLSSocket): Certificate | undefined {
  const certificate = peerCertificate(socket);
  if (certificate?.valid_to === undefined) return undefined;
  return {
    subject: nameOf(certificate.subject),
    names: (certificate.subjectaltname ?? "")
      .replaceAll(/(DNS|IP Address):/g, ""),
    issuer: nameOf(certificate.issuer),
    from: new Date(certificate.valid_from),
    to: new Date(certificate.valid_to),
    protocol: protocolOf(socket),
  };
}

function peerCertificate(socket: TLSSocket) {
  try {
    return socket.getPeerCertificate();
  } catch {
    // Deno 2.6 knows it only for sockets that it has dialled itself.
    return undefined;
  }
}

/** Deno 2.6 cannot tell. */
function protocolOf(socket: { getProtocol?: () => string | null }): string {
  return socket.getProtocol?.() ?? "";
}

function nameOf(name: object | undefined): string {
  return Object.entries(name ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .join(", ");
}

const DAY = 86_400_000;

/** The lines that `probe` shows. */
export function certificateLines(
  { subject, names, issuer, from, to, protocol }: Certificate,
  now: number,
): string[] {
  const days = Math.floor(Math.abs(to.getTime() - now) / DAY);
  const left = to.getTime() < now
    ? `expired ${showMany(days, "day")} ago`
    : `${showMany(days, "day")} left`;
  const day = (date: Date) => date.toISOString().slice(0, 10);
  return [
    ...(protocol === "" ? [] : [protocol]),
    `subject  ${subject}`,
    `names    ${names}`,
    `issuer   ${issuer}`,
    `valid    ${day(from)} to ${day(to)} (${left})`,
  ];
}
