/**
 * What a server's certificate says.
 *
 * @module
 */

import type { TLSSocket } from "node:tls";
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

/** The certificate that the other side has shown; undefined if it has none. */
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
