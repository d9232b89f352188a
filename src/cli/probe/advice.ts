/**
 * One line of advice on each failure of a probe. Pure.
 *
 * @module
 */

import { endOf } from "../../transport/tcp/dial.ts";
import { inFlags } from "../args/in_flags.ts";
import { escapeLine, showDuration } from "../format.ts";
import { redactHeader } from "../secrets.ts";
import type { ProbeFailure, StepName } from "./steps.ts";

/**
 * The advice on a failure.
 * @param proxy the proxy, if there was one
 * @param timeout how long the probe might take, in milliseconds
 */
export function adviceOn(
  { facts, step, url }: ProbeFailure,
  proxy?: URL,
  timeout: number = Infinity,
): string {
  const { kind, detail = "", status = 0, headers = new Headers() } = facts;
  const isTls = url.protocol === "wss:";
  // Up to the tunnel it is the proxy that is spoken with.
  const first = endOf(proxy ?? url);
  const party = step === "Proxy" ? "proxy" : "server";
  switch (kind) {
    case "permission":
      return `Deno does not allow it: ${detail}.`;
    case "options":
      return `${escapeLine(inFlags(detail))}.`;
    case "dns":
      return nameAdvice(first.hostname);
    case "unreachable":
    case "proxy-unreachable":
      return step === "DNS"
        ? nameAdvice(first.hostname)
        : unreachableAdvice(detail, first.port, proxy);
    case "proxy-refused":
      return "The proxy does not connect to the server: does it allow this " +
        "host and port, and does it know the host?";
    case "proxy-protocol":
      return "No proxy of this kind answers: check the address and the " +
        "scheme of --proxy.";
    case "proxy-credentials":
      return "The proxy wants credentials, or other ones: put a user name " +
        "and a password into the URL of --proxy.";
    case "certificate":
      return certificateAdvice(detail);
    case "certificate-not-yet-valid":
      return "The certificate is not valid yet: is the clock of this machine " +
        "right?";
    case "client-certificate":
      return `The ${party} wants a client certificate, or another one: ` +
        "--cert FILE --key FILE.";
    case "not-tls":
      return party === "proxy"
        ? "This port does not speak TLS: use http:// for the proxy."
        : "This port does not speak TLS: use ws://, or the port for wss://.";
    case "tls":
      return tlsAdvice(detail, party);
    case "tls-server":
      return `The ${party} fails during the TLS handshake: look at its log.`;
    case "no-http1":
      return "The server has no HTTP/1.1 here, which a WebSocket needs: check " +
        "the port.";
    case "timeout":
      if (timeout < SHORT) {
        return `The time ran out after ${showDuration(timeout)}, during ` +
          `${IN_PROGRESS[step]}: allow more than --timeout and ` +
          "--connect-timeout do.";
      }
      return silenceAdvice(step, isTls, proxy);
    case "reset":
    case "hung-up":
      return "The server closes the connection before it answers: is this " +
        "its WebSocket port, and does it want " +
        `${isTls ? CLIENT_CERT : WSS}?`;
    case "not-http":
      return "The server does not speak HTTP here: check the port" +
        `${isTls ? "" : ", and try wss://"}.`;
    case "head-too-long":
      return "The headers of the answer are too long: which program sets them?";
    case "status":
      return statusAdvice(status, headers, isTls);
    case "redirect":
      return `The server redirects ${escapeLine(inFlags(detail))}: use the ` +
        "right URL, or ask the people who run the server.";
    case "upgrade":
      return `The answer is not a WebSocket upgrade: the 101 ` +
        `${escapeLine(detail)}. A proxy on the way may have rewritten it.`;
    case "subprotocol":
      return "The server insists on a subprotocol: --subprotocol " +
        `${escapeLine(headers.get("sec-websocket-protocol") ?? "")}.`;
    case "unknown":
    case "http-client-closed":
    case "provider-threw":
    case "provider-value":
      return `The handshake fails: ${escapeLine(detail)}.`;
    default:
      return kind satisfies never;
  }
}

const WSS = "TLS (wss://)";

/**
 * Within less time silence says nothing, in milliseconds: an answer from the
 * other side of the earth takes as long.
 */
const SHORT = 250;

const IN_PROGRESS: Readonly<Record<StepName, string>> = {
  DNS: "the look-up of the name",
  TCP: "the TCP connect",
  Proxy: "the handshake with the proxy",
  TLS: "the TLS handshake",
  HTTP: "the wait for the answer to the handshake request",
  WebSocket: "the check of the answer",
};

function silenceAdvice(
  step: StepName,
  isTls: boolean,
  proxy: URL | undefined,
): string {
  switch (step) {
    case "DNS":
      return "The name server does not answer: check the network and the VPN.";
    case "TCP":
      if (proxy !== undefined) {
        return `Nothing comes back at all from ${proxy.hostname}: check the ` +
          "address of --proxy, and firewalls.";
      }
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
        `WebSocket port${isTls ? "" : ", does it wait for TLS (wss://)"}` +
        ", or is it overloaded?";
    default:
      return step satisfies never;
  }
}

function nameAdvice(hostname: string): string {
  return `The name ${hostname} does not resolve: check its spelling, and ` +
    "whether it is known on this network.";
}

function unreachableAdvice(
  message: string,
  port: number,
  proxy: URL | undefined,
): string {
  if (/refused/i.test(message) && proxy !== undefined) {
    return `Nobody listens on port ${port} of ${proxy.hostname}: is the proxy ` +
      "running, and is its port right?";
  }
  if (/refused/i.test(message)) {
    return `Nobody listens on port ${port}: is the server running, and is ` +
      "the port right?";
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
  if (/not ?valid ?for ?name/i.test(message)) {
    return "The certificate is for another host: use one of its names, or " +
      "--server-name NAME.";
  }
  // `openssl req -x509` makes such a one by default.
  if (/CaUsedAsEndEntity/.test(message)) {
    return "The certificate is that of an authority (CA:TRUE), which no server " +
      "may use: make it with -addext basicConstraints=critical,CA:FALSE, or " +
      "skip the check with --insecure.";
  }
  return "No trusted authority has signed the certificate: give the right one " +
    "with --ca FILE, or skip the check with --insecure.";
}

function tlsAdvice(message: string, party: string): string {
  if (/ProtocolVersion/.test(message)) {
    return `The ${party} has no TLS 1.2 or newer: its software is too old.`;
  }
  // OpenSSL, with TLS 1.2, says no more where it misses a client certificate.
  return `The ${party} does not agree on TLS: does it want ${CLIENT_CERT}, and ` +
    "is this its port for wss://?";
}

const CLIENT_CERT = "a client certificate (--cert FILE --key FILE)";

function statusAdvice(
  status: number,
  headers: Headers,
  isTls: boolean,
): string {
  const retryAfter = headers.get("retry-after");
  if (retryAfter !== null) {
    return "The server asks to come back later (Retry-After: " +
      `${escapeLine(retryAfter)}); connect waits that long by itself.`;
  }
  if (status >= 300 && status < 400) {
    const location = headers.get("location");
    return location === null
      ? "The server redirects without saying where."
      : `The server redirects: use ${
        escapeLine(redactHeader("location", location))
      }.`;
  }
  if (status >= 500 && status < 600) {
    return "The server fails, or a server behind it: connect would try again; " +
      "look at the log.";
  }
  switch (status) {
    case 400:
      return "The server does not accept the request: does it want a " +
        `subprotocol, an Origin header, or ${isTls ? CLIENT_CERT : WSS}?`;
    case 401:
    case 403:
      return "The server wants (other) credentials: --bearer-file FILE, " +
        "--basic-auth-file FILE or -H.";
    case 404:
      return "There is nothing at this path: check the path of the URL.";
    case 407:
      return "A proxy on the way wants credentials.";
    case 408:
    case 425:
      return "The server asks to come back later: connect would try again.";
    case 426:
      return "The server wants another protocol version than WebSocket 13.";
    case 429:
      return "Too many requests: wait before the next one.";
    default:
      return status >= 400 && status < 500
        ? "The server refuses the request: check path, headers and credentials."
        : "This HTTP server does not upgrade here: check the path.";
  }
}
