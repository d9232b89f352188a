/**
 * What can be wrong with a server, the exit code of each, and what to do about
 * it. Pure.
 *
 * @module
 */

import type { ExitCode } from "../exit_status.ts";
import { escapeLine } from "../format.ts";

/** The steps of a connection, in their order. */
export type StepName = "DNS" | "TCP" | "Proxy" | "TLS" | "HTTP" | "WebSocket";

/** What went wrong. */
export type ProbeFailure =
  | { readonly kind: "dns"; readonly hostname: string }
  | { readonly kind: "tcp"; readonly port: number; readonly message: string }
  | { readonly kind: "proxy-refused" }
  /** What answers does not speak the protocol of the proxy's URL. */
  | { readonly kind: "proxy-protocol" }
  | { readonly kind: "proxy-credentials" }
  | { readonly kind: "certificate"; readonly message: string }
  | { readonly kind: "client-certificate" }
  | { readonly kind: "not-tls" }
  | { readonly kind: "tls"; readonly message: string }
  /** Nothing came within the time. */
  | { readonly kind: "silence"; readonly step: StepName }
  | { readonly kind: "hang-up"; readonly step: StepName }
  | { readonly kind: "not-http"; readonly isTls: boolean }
  | {
    readonly kind: "status";
    readonly status: number;
    readonly headers: Headers;
  }
  | { readonly kind: "redirect"; readonly detail: string }
  | { readonly kind: "upgrade"; readonly detail: string }
  | { readonly kind: "subprotocol"; readonly chosen: string };

/** The exit code of a failure; the one that `connect` would end with. */
export function probeExitCode(failure: ProbeFailure): ExitCode {
  switch (failure.kind) {
    case "dns":
      return 6;
    case "tcp":
    case "proxy-refused":
    case "hang-up":
      return 7;
    case "certificate":
    case "client-certificate":
    case "not-tls":
    case "tls":
      return 8;
    case "silence":
      return 124;
    case "proxy-credentials":
    case "proxy-protocol":
    case "not-http":
    case "status":
    case "redirect":
    case "upgrade":
    case "subprotocol":
      return 3;
    default:
      return failure satisfies never;
  }
}

/** The failure that a text of the TLS library stands for. */
export function tlsFailure(message: string): ProbeFailure {
  if (/fatal alert: (\w*Certificate\w*|UnknownCA|AccessDenied)/.test(message)) {
    return { kind: "client-certificate" };
  }
  if (/peer certificate|UnknownIssuer|not valid for name/i.test(message)) {
    return { kind: "certificate", message };
  }
  if (/corrupt message|InvalidContentType|wrong version/i.test(message)) {
    return { kind: "not-tls" };
  }
  return { kind: "tls", message };
}

/** One line on what to do. */
export function adviceOn(failure: ProbeFailure): string {
  switch (failure.kind) {
    case "dns":
      return `The name ${failure.hostname} does not resolve: check its ` +
        "spelling, and whether it is known on this network.";
    case "tcp":
      return tcpAdvice(failure.message, failure.port);
    case "proxy-refused":
      return "The proxy does not connect to the server: does it allow this " +
        "host and port, does it know the host?";
    case "proxy-protocol":
      return "What answers is not a proxy of this kind: check the address and " +
        "the scheme of --proxy.";
    case "proxy-credentials":
      return "The proxy wants credentials: put a user name and a password " +
        "into the URL of --proxy.";
    case "certificate":
      return certificateAdvice(failure.message);
    case "client-certificate":
      return "The server wants a client certificate, or another one: --cert " +
        "FILE --key FILE.";
    case "not-tls":
      return "This port does not speak TLS: use ws://, or the port for wss://.";
    case "tls":
      return "TLS cannot be agreed on: is this the port for wss://?";
    case "silence":
      return silenceAdvice(failure.step);
    case "hang-up":
      return "The server hangs up before it answers: is this its WebSocket " +
        "port, does it want TLS (wss://)?";
    case "not-http":
      return failure.isTls
        ? "What answers does not speak HTTP: check the port."
        : "What answers does not speak HTTP: check the port, and try wss://.";
    case "status":
      return statusAdvice(failure.status, failure.headers);
    case "redirect":
      return `The server redirects ${failure.detail}: use the right URL, or ` +
        "ask whoever runs the server.";
    case "upgrade":
      return `The answer is not a WebSocket upgrade: the 101 ` +
        `${failure.detail}. A proxy in between may have rewritten it.`;
    case "subprotocol":
      return "The server insists on a subprotocol: --subprotocol " +
        `${escapeLine(failure.chosen)}.`;
    default:
      return failure satisfies never;
  }
}

function silenceAdvice(step: StepName): string {
  switch (step) {
    case "DNS":
      return "The name server does not answer: check the network and the VPN.";
    case "TCP":
      return "Nothing comes back at all: a firewall drops the packets, or the " +
        "host is down.";
    case "Proxy":
      return "The proxy says nothing: check its address and its scheme.";
    case "TLS":
      return "The server does not answer the TLS handshake: this port may " +
        "speak plain ws:// only.";
    case "HTTP":
    case "WebSocket":
      return "The server accepts the connection and says nothing: is this its " +
        "WebSocket port, is it overloaded, does it wait for TLS (wss://)?";
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
    return "There is no route to this host: check the network and the VPN.";
  }
  return "The TCP connection fails: check host, port and firewalls.";
}

function certificateAdvice(message: string): string {
  if (/expired/i.test(message)) {
    return "The certificate has expired: it must be renewed on the server (or " +
      "the clock of this machine is wrong).";
  }
  if (/not ?valid ?yet/i.test(message)) {
    return "The certificate is not valid yet: is the clock of this machine " +
      "right?";
  }
  if (/not ?valid ?for ?name/i.test(message)) {
    return "The certificate is for another host: use one of its names, or " +
      "--server-name NAME.";
  }
  return "No trusted authority has signed the certificate: give the right one " +
    "with --ca FILE, or skip the check with --insecure.";
}

function statusAdvice(status: number, headers: Headers): string {
  const retryAfter = headers.get("retry-after");
  if (retryAfter !== null) {
    return "The server asks to come back later (Retry-After: " +
      `${escapeLine(retryAfter)}); connect waits that long by itself.`;
  }
  if (status >= 300 && status < 400) {
    const location = headers.get("location");
    return location === null
      ? "The server redirects without saying where."
      : `The server redirects: use ${escapeLine(location)}.`;
  }
  if (status >= 500) {
    return "The server, or what is behind its proxy, fails: connect would try " +
      "again; look at the server's log.";
  }
  switch (status) {
    case 400:
      return "The server does not accept the request: does it want a " +
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
        : "This HTTP server does not upgrade here: check the path.";
  }
}
