/**
 * What the runtime's text for a failed handshake says. Text is all it tells.
 *
 * The texts were gathered from Deno 2.6.10 and 2.9.6 (the table in
 * `tests/lifecycle/failure_text_test.ts`). One that is not known counts as a
 * transient `CONNECT`: a client that tries again in vain is better than one that
 * gives up for want of a word.
 *
 * @module
 */

import type { Severity, WSErrorCode } from "../errors.ts";

/** What a text says. */
export interface Finding {
  readonly code: WSErrorCode;
  readonly severity: Severity;
  /** In plain words. */
  readonly says: string;
  /** The HTTP status, if it is one. */
  readonly status?: number;
  /**
   * Whether it is the cause even on `wss://`, where the runtime tells only the
   * error of its second try, over HTTP/2.
   */
  readonly plain?: boolean;
  /** Whether the text is one of the table. */
  readonly known: boolean;
}

/** The first that matches counts. */
const TEXTS: readonly (readonly [RegExp, Omit<Finding, "known">])[] = [
  [/Requires net access/, {
    code: "PERMISSION",
    severity: "fatal",
    says: "Deno does not allow it; see --allow-net and --deny-net",
    plain: true,
  }],
  [/Bad resource ID/, {
    code: "CONNECT",
    severity: "fatal",
    says: "the 'httpClient' is closed",
    plain: true,
  }],
  [/dns error|failed to lookup address/, {
    code: "DNS",
    severity: "transient",
    says: "the host name does not resolve",
    plain: true,
  }],
  [/invalid peer certificate/, {
    code: "TLS",
    severity: "fatal",
    says: "the server's certificate is not accepted; " +
      "for a certificate authority of your own see 'tls.caCerts'",
    plain: true,
  }],
  [/tcp connect error|Connection refused/, {
    code: "CONNECT",
    severity: "transient",
    says: "nobody listens there, or the host cannot be reached",
    plain: true,
  }],
  [/proxy authentication required/, {
    code: "HTTP_STATUS",
    severity: "fatal",
    says: "the proxy wants a user name and a password in its URL",
    status: 407,
  }],
  [/Password auth failure|No acceptable auth methods/, {
    code: "CONNECT",
    severity: "fatal",
    says: "the proxy wants another user name and password in its URL",
  }],
  [/Invalid response version/, {
    code: "HANDSHAKE",
    severity: "fatal",
    says: "the proxy does not speak SOCKS5",
  }],
  [/Proxy server unreachable/, {
    code: "CONNECT",
    severity: "transient",
    says: "the proxy cannot be reached",
  }],
  [/tunnel|SOCKS|not allowed by ruleset|(?:Network|Host) unreachable/, {
    code: "CONNECT",
    severity: "transient",
    says: "the proxy did not connect to the server",
  }],
  [/received corrupt message/, {
    code: "TLS",
    severity: "fatal",
    says: "the server does not speak TLS on this port: " +
      "use ws://, or the port for wss://",
  }],
  [/received fatal alert: NoApplicationProtocol/, {
    code: "HANDSHAKE",
    severity: "fatal",
    says: "the server has no HTTP/1.1, which the handshake needs",
  }],
  [/received fatal alert: InternalError/, {
    code: "CONNECT",
    severity: "transient",
    says: "the server failed during the TLS handshake",
  }],
  [/received fatal alert: (?:\w*Certificate\w*|UnknownCA|AccessDenied)/, {
    code: "TLS",
    severity: "fatal",
    says: "the server wants another client certificate; see 'tls.cert'",
  }],
  [/received fatal alert|peer is incompatible|peer misbehaved/, {
    code: "TLS",
    severity: "fatal",
    says: "client and server could not agree on TLS",
  }],
  [/Invalid (?:upgrade|connection) header/, {
    code: "HANDSHAKE",
    severity: "fatal",
    says: "the server's 101 lacks the headers of an upgrade",
    status: 101,
  }],
  [/invalid .*parsed|message head is too large/, {
    code: "HANDSHAKE",
    severity: "fatal",
    says: "what answered is not HTTP; a TLS port wants wss://",
  }],
  [/closed before message completed|handshake eof|close_notify|end of file/, {
    code: "CONNECT",
    severity: "transient",
    says: "the server hung up before it answered",
  }],
  [/reset by peer|connection error$|os error/, {
    code: "CONNECT",
    severity: "transient",
    says: "the connection broke before the server answered",
  }],
  [/Requests to port \d+ are blocked/, {
    code: "CONNECT",
    severity: "transient",
    says: "Deno hides why, and its fetch() may not ask at this port",
  }],
];

const UNKNOWN: Finding = {
  known: false,
  code: "CONNECT",
  severity: "transient",
  says: "the handshake failed",
};

/** What the text says; a status without its severity, which the headers tell. */
export function readFailure(text: string): Finding {
  const status = /Invalid status code:? (\d+)/.exec(text)?.[1];
  if (status !== undefined) {
    return {
      known: true,
      code: "HTTP_STATUS",
      severity: "transient",
      says: `the server answered ${status}`,
      status: Number(status),
    };
  }
  const found = TEXTS.find(([pattern]) => pattern.test(text));
  return found === undefined ? UNKNOWN : { known: true, ...found[1] };
}

/** The part of the text that tells something, without the URL: it has secrets. */
export function gist(text: string): string {
  return text
    .replace(/^(?:\w*Error: )?failed to connect to WebSocket: /, "")
    .replace(/^[Ff]etch failed: /, "")
    .replace(/^.*client error \(\w+\): /s, "")
    .replace(/\b(?:https?|wss?):\/\/\S+/g, "<url>");
}
