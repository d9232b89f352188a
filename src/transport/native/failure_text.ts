/**
 * Reads the facts in the runtime's text for a failed handshake; there is
 * nothing but the text.
 *
 * The texts were gathered from Deno 2.6.10 and 2.9.6 (see the table in
 * `tests/transport/native/failure_text_test.ts`). An unknown text is a failure
 * of kind `unknown`, which is transient: a client that retries in vain is better
 * than one that gives up too early.
 *
 * @module
 */

import {
  type HandshakeFacts,
  type HandshakeFailureKind,
  withoutReference,
} from "../transport.ts";

/** The facts in a text. */
export interface ParsedFailure
  extends Pick<HandshakeFacts, "kind" | "detail" | "status" | "advice"> {
  /**
   * Whether it is the cause even on `wss://`, where the runtime reports only the
   * error of its second try, over HTTP/2.
   */
  readonly isCause: boolean;
}

/** The kinds that are the cause wherever they appear. */
const CAUSES: ReadonlySet<HandshakeFailureKind> = new Set([
  "permission",
  "http-client-closed",
  "dns",
  "certificate",
  "certificate-not-yet-valid",
  "unreachable",
]);

/** The first pattern that matches counts. */
const TEXTS: readonly (readonly [RegExp, HandshakeFailureKind])[] = [
  [/Requires net access/, "permission"],
  [/Bad resource ID/, "http-client-closed"],
  [/dns error|failed to lookup address/, "dns"],
  [
    /invalid peer certificate: .*(?:not valid yet|NotValidYet)/,
    "certificate-not-yet-valid",
  ],
  [/invalid peer certificate/, "certificate"],
  [/tcp connect error|Connection refused/, "unreachable"],
  [
    /proxy authentication required|Password auth failure|No acceptable auth methods/,
    "proxy-credentials",
  ],
  [/Invalid response version/, "proxy-protocol"],
  [/Proxy server unreachable/, "proxy-unreachable"],
  [
    /tunnel|SOCKS|not allowed by ruleset|(?:Network|Host) unreachable/,
    "proxy-refused",
  ],
  [/received corrupt message/, "not-tls"],
  [/received fatal alert: NoApplicationProtocol/, "no-http1"],
  [/received fatal alert: InternalError/, "tls-server"],
  [
    /received fatal alert: (?:\w*Certificate\w*|UnknownCA|AccessDenied)/,
    "client-certificate",
  ],
  [/received fatal alert|peer is incompatible|peer misbehaved/, "tls"],
  [/Invalid (?:upgrade|connection) header/, "upgrade"],
  [/message head is too large/, "head-too-long"],
  [/invalid .*parsed/, "not-http"],
  [
    /closed before message completed|handshake eof|close_notify|end of file/,
    "hung-up",
  ],
  [/reset by peer|connection error$|os error/, "reset"],
  [/Requests to port \d+ are blocked/, "unknown"],
];

/** Reads the runtime's text. */
export function parseFailureText(text: string): ParsedFailure {
  const status = /Invalid status code:? (\d+)/.exec(text)?.[1];
  if (status !== undefined) {
    return { kind: "status", status: Number(status), isCause: false };
  }
  const kind = TEXTS.find(([pattern]) => pattern.test(text))?.[1] ?? "unknown";
  return {
    kind,
    detail: gist(text),
    status: STATUSES.get(kind),
    advice: adviceFor(text),
    isCause: CAUSES.has(kind),
  };
}

const STATUSES: ReadonlyMap<HandshakeFailureKind, number> = new Map([
  ["proxy-credentials", 407],
  ["upgrade", 101],
]);

function adviceFor(text: string): string | undefined {
  if (/Requires net access/.test(text)) return "see --allow-net and --deny-net";
  if (/Requests to port \d+ are blocked/.test(text)) {
    return "Deno hides why, and its fetch() may not ask at this port";
  }
  return undefined;
}

/**
 * The part of the text with information, without the URL, which may have
 * secrets.
 */
export function gist(text: string): string {
  return withoutReference(text)
    .replace(/^(?:\w*Error: )?failed to connect to WebSocket: /, "")
    .replace(/^[Ff]etch failed: /, "")
    .replace(/^.*client error \(\w+\): /s, "")
    .replace(/\b(?:https?|wss?):\/\/\S+/g, "<url>");
}
