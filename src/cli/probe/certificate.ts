/**
 * The certificate of a server, accepted or not.
 *
 * @module
 */

import { abortable } from "@std/async/abortable";
import { isIP } from "node:net";
import { connect, TLSSocket } from "node:tls";
import type { TlsConfig } from "../../../mod.ts";
import {
  type DialOptions,
  dialTcp,
  endOf,
  openTunnel,
  secure,
  StreamHolder,
} from "../../transport/tcp/dial.ts";
import type { TunnelTarget } from "../../transport/tcp/proxy.ts";
import { NodeStream } from "../../transport/tcp/node_stream.ts";
import { showMany } from "../format.ts";

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

/** How long to wait for a certificate, in milliseconds. */
const LIMIT = 3_000;

/**
 * Looks at the certificate over a connection of its own, whose TLS accepts
 * everything: Deno's own TLS shows no certificate. Undefined if it is unknown.
 */
export async function lookAtCertificate(
  url: URL,
  { proxy, tls = {} }: DialOptions,
  outer: AbortSignal,
): Promise<Certificate | undefined> {
  const signal = AbortSignal.any([outer, AbortSignal.timeout(LIMIT)]);
  using open = new DisposableStack();
  try {
    signal.throwIfAborted();
    const looked = proxy === undefined
      ? lookDirectly(endOf(url), tls, open)
      : lookThrough(url, proxy, tls, open, signal);
    return await abortable(looked, signal);
  } catch {
    // The step itself reports the failure.
    return undefined;
  }
}

/** On Deno 2.6 only a socket that has dialled itself knows the certificate. */
async function lookDirectly(
  { hostname, port }: TunnelTarget,
  { cert, key, serverName = hostname }: TlsConfig,
  open: DisposableStack,
): Promise<Certificate | undefined> {
  const socket = connect({
    host: hostname,
    port,
    // RFC 6066, section 3: an address is no server name.
    ...isIP(serverName) === 0 && { servername: serverName },
    cert,
    key,
    ALPNProtocols: ["http/1.1"],
    rejectUnauthorized: false,
  });
  open.defer(() => void socket.destroy());
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once("secureConnect", resolve).once("close", reject);
  socket.on("error", reject);
  await promise;
  return certificateOf(socket);
}

async function lookThrough(
  url: URL,
  proxy: URL,
  tls: TlsConfig,
  open: DisposableStack,
  signal: AbortSignal,
): Promise<Certificate | undefined> {
  const holder = new StreamHolder();
  open.defer(() => holder.close());
  const lax = { ...tls, insecure: true };
  const conn = await dialTcp(url, { proxy, tls: lax }, holder, signal);
  const target = endOf(url);
  const stream = await secure(
    await openTunnel(conn, { proxy, target, tls }, holder),
    target,
    lax,
    holder,
  );
  return stream instanceof NodeStream && stream.socket instanceof TLSSocket
    ? certificateOf(stream.socket)
    : undefined;
}

function certificateOf(socket: TLSSocket): Certificate | undefined {
  const { subject, subjectaltname = "", issuer, valid_from, valid_to } = socket
    .getPeerCertificate();
  if (valid_to === undefined) return undefined;
  return {
    subject: nameOf(subject),
    names: subjectaltname.replaceAll(/(DNS|IP Address):/g, ""),
    issuer: nameOf(issuer),
    from: new Date(valid_from),
    to: new Date(valid_to),
    protocol: protocolOf(socket),
  };
}

/** Deno 2.6 does not know the protocol: then it is empty. */
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
