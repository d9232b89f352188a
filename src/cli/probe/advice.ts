/**
 * What `probe` finds, step by step, and the advice that follows. Pure.
 *
 * @module
 */

import { escapeLine } from "../format.ts";
import type { ExitCode } from "../exit_status.ts";

/** The steps, in their order. */
export type StepName = "DNS" | "TCP" | "TLS" | "HTTP" | "WebSocket";

/** A step that was made. */
export interface Step {
  readonly name: StepName;
  /** What it came to, in a word: `ok`, `401`, `failed`. */
  readonly result: string;
  readonly ok: boolean;
  /** How long it took, in milliseconds. */
  readonly time: number;
  /** Lines about it. */
  readonly details: readonly string[];
}

/** What went wrong. */
export type ProbeFailure =
  | { readonly kind: "dns"; readonly hostname: string }
  | { readonly kind: "tcp"; readonly port: number; readonly message: string }
  | { readonly kind: "tls"; readonly message: string }
  | { readonly kind: "silence"; readonly step: StepName }
  | { readonly kind: "hang-up"; readonly step: StepName }
  | { readonly kind: "not-http"; readonly isTls: boolean }
  | {
    readonly kind: "status";
    readonly status: number;
    readonly headers: Headers;
  }
  | { readonly kind: "upgrade"; readonly flaw: string }
  | { readonly kind: "subprotocol"; readonly chosen: string };

/** The exit code of a trouble; the same that `connect` would end with. */
export function probeExitCode(trouble: ProbeFailure): ExitCode {
  switch (trouble.kind) {
    case "dns":
      return 6;
    case "tcp":
      return 7;
    case "tls":
      return 8;
    case "silence":
      return 124;
    case "hang-up":
      return 7;
    case "not-http":
    case "status":
    case "upgrade":
    case "subprotocol":
      return 3;
    default:
      return trouble satisfies never;
  }
}

/** One line on what to do. */
export function adviceOn(trouble: ProbeFailure): string {
  switch (trouble.kind) {
    case "dns":
      return `The name ${trouble.hostname} does not resolve: check its ` +
        "spelling, and whether it is known on this network only.";
    case "tcp":
      return tcpAdvice(trouble.message, trouble.port);
    case "tls":
      return tlsAdvice(trouble.message);
    case "silence":
      return silenceAdvice(trouble.step);
    case "hang-up":
      return "The server hangs up before it answers: is this its WebSocket " +
        "port, does it want TLS (wss://) or a client certificate?";
    case "not-http":
      return trouble.isTls
        ? "What answers does not speak HTTP: check the port."
        : "What answers does not speak HTTP: check the port, and try wss://.";
    case "status":
      return statusAdvice(trouble.status, trouble.headers);
    case "upgrade":
      return `The answer is no sound WebSocket upgrade (${trouble.flaw}): a ` +
        "proxy or another server in between may have rewritten it.";
    case "subprotocol":
      return `The server insists on a subprotocol: --subprotocol ` +
        `${escapeLine(trouble.chosen)}.`;
    default:
      return trouble satisfies never;
  }
}

function silenceAdvice(step: StepName): string {
  switch (step) {
    case "DNS":
      return "The name server does not answer: check the network and the VPN.";
    case "TCP":
      return "Nothing comes back at all: a firewall drops the packets, or the " +
        "host is down.";
    case "TLS":
      return "The server says nothing to a TLS greeting: this port may speak " +
        "plain ws:// only.";
    case "HTTP":
    case "WebSocket":
      return "The server accepts and then says nothing: is this its WebSocket " +
        "port, is it overloaded, does it wait for TLS (wss://)?";
    default:
      return step satisfies never;
  }
}

function tcpAdvice(message: string, port: number): string {
  if (/refused/i.test(message)) {
    return `Nobody listens on port ${port}: is the server running, is the ` +
      "port right?";
  }
  if (/unreachable/i.test(message)) {
    return "There is no way to this host: check the network and the VPN.";
  }
  return "The TCP connection fails: check host, port and firewalls.";
}

function tlsAdvice(message: string): string {
  if (/UnknownIssuer|CaUsedAsEndEntity/.test(message)) {
    return "Nobody we trust has signed the certificate: give its authority " +
      "with --ca FILE.";
  }
  if (/expired|not ?valid ?yet/i.test(message)) {
    return "The certificate is out of its time: it must be renewed on the " +
      "server (or this clock is wrong).";
  }
  if (/not ?valid ?for ?name/i.test(message)) {
    return "The certificate is for another host: use one of the names it has.";
  }
  if (/corrupt message|InvalidContentType|wrong version/i.test(message)) {
    return "This port does not speak TLS: use ws://, or the port for wss://.";
  }
  if (/Certificate|UnknownCA|AccessDenied/.test(message)) {
    return "The server wants a client certificate: --cert FILE --key FILE.";
  }
  return "TLS cannot be agreed on: is this the port for wss://?";
}

function statusAdvice(status: number, headers: Headers): string {
  const location = headers.get("location");
  const retryAfter = headers.get("retry-after");
  if (retryAfter !== null) {
    return `The server asks to come back later (Retry-After: ${
      escapeLine(retryAfter)
    }); ` +
      "connect waits that long by itself.";
  }
  if (status >= 300 && status < 400) {
    return location === null
      ? "The server redirects without saying where."
      : `The server redirects: use ${
        escapeLine(location)
      } (connect follows it).`;
  }
  if (status >= 500) {
    return "The server, or what is behind its proxy, fails: connect would try " +
      "again; look at the server's log.";
  }
  switch (status) {
    case 400:
      return "The server does not like the request: does it want a " +
        "subprotocol, an Origin header, or TLS (wss://)?";
    case 401:
    case 403:
      return "The server wants (other) credentials: --bearer-file FILE, " +
        "--basic-auth-file FILE or -H.";
    case 404:
      return "There is nothing at this path: check the path of the URL.";
    case 407:
      return "A proxy in between wants credentials.";
    case 426:
      return "The server wants another protocol version than WebSocket 13.";
    case 429:
      return "Too many requests: wait before the next one.";
    default:
      return status >= 400
        ? "The server refuses the request: check path, headers and credentials."
        : "This is an HTTP server that does not upgrade here: check the path.";
  }
}
