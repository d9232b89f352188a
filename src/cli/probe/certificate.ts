/**
 * What a server's certificate says, accepted or not.
 *
 * @module
 */

import { showMany } from "../format.ts";

/** A certificate's facts. */
export interface Certificate {
  readonly subject: string;
  /** The names and addresses it is for. */
  readonly names: string;
  readonly issuer: string;
  readonly from: Date;
  readonly to: Date;
  /** `TLSv1.3` or the like. */
  readonly protocol: string;
}

/**
 * Looks at the certificate over a connection of its own; undefined if the
 * server shows none. Nothing is sent over it.
 */
export async function fetchCertificate(
  hostname: string,
  port: number,
  signal: AbortSignal,
): Promise<Certificate | undefined> {
  if (signal.aborted) return undefined;
  const { connect } = await import("node:tls");
  const { promise, resolve } = Promise.withResolvers<Certificate | undefined>();
  const socket = connect({
    host: hostname,
    port,
    servername: isAddress(hostname) ? "" : hostname,
    // Only looked at: whether it is accepted was decided by Deno before.
    rejectUnauthorized: false,
  });
  const end = () => resolve(undefined);
  socket.once("error", end);
  signal.addEventListener("abort", end, { once: true });
  socket.once("secureConnect", () => {
    const certificate = socket.getPeerCertificate();
    resolve(
      certificate?.valid_to === undefined ? undefined : {
        subject: nameOf(certificate.subject),
        names: (certificate.subjectaltname ?? "")
          .replaceAll(/(DNS|IP Address):/g, ""),
        issuer: nameOf(certificate.issuer),
        from: new Date(certificate.valid_from),
        to: new Date(certificate.valid_to),
        protocol: protocolOf(socket),
      },
    );
  });
  const certificate = await promise;
  signal.removeEventListener("abort", end);
  socket.destroy();
  return certificate;
}

/** Deno 2.6 cannot tell. */
function protocolOf(socket: { getProtocol?: () => string | null }): string {
  return socket.getProtocol?.() ?? "";
}

function isAddress(hostname: string): boolean {
  return hostname.includes(":") || /^[\d.]+$/.test(hostname);
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
    ? `ended ${showMany(days, "day")} ago`
    : `${showMany(days, "day")} left`;
  const day = (date: Date) => date.toISOString().slice(0, 10);
  return [
    ...(protocol === "" ? [] : [`protocol  ${protocol}`]),
    `subject   ${subject}`,
    `names     ${names}`,
    `issuer    ${issuer}`,
    `valid     ${day(from)} to ${day(to)} (${left})`,
  ];
}
