/**
 * How a connection ended, as a {@linkcode WSError}, and the program's own verdict
 * on any error. Pure. What goes wrong before is in `handshake_error.ts`.
 *
 * @module
 */

import type { WSConfig } from "../config.ts";
import type { SocketEnd } from "../connection/socket.ts";
import { type Severity, WSError } from "../errors.ts";
import { callbackError } from "../notifier.ts";
import { wrongKind } from "../rules.ts";
import { gist } from "./failure_text.ts";

/** The error for the end of a connection. */
export function closeError(end: SocketEnd, url: string | URL): WSError {
  const { code, reason, message } = end;
  const cause = message === undefined ? undefined : new Error(message);
  const facts = { closeCode: code, reason, url, cause };
  if (message !== undefined && isProtocolViolation(message)) {
    return new WSError(
      `The connection was dropped as what came in breaks the protocol: ` +
        gist(message),
      { code: "PROTOCOL", severity: "transient", ...facts },
    );
  }
  return new WSError(describeClose(end), {
    code: "CLOSED",
    severity: "transient",
    ...facts,
  });
}

/** The cause of the gap when the program drops a connection itself. */
export function reconnectRequested(url: string): WSError {
  return new WSError("The program asked for a new connection", {
    code: "CLOSED",
    severity: "transient",
    closeCode: 1006,
    url,
  });
}

/** What who sends or receives in a gate is told when we ended the link. */
export function connectionGone(url: string): WSError {
  return new WSError("The connection is closed", {
    code: "CLOSED",
    severity: "transient",
    closeCode: 1006,
    url,
  });
}

/** The gate took too long for what came in. */
export function gateOverrun(count: number, url: string): WSError {
  return new WSError(
    `${count} messages came in before onConnect took them or settled: ` +
      "more than receiveBufferMaxSize or receiveBufferMaxBytes",
    { code: "SLOW_CONSUMER", severity: "transient", url },
  );
}

/**
 * The verdict of the program on top of ours: `fatalCloseCodes`, then
 * `classify`. What one of them throws is reported, and our verdict stays.
 */
export function judge(
  error: WSError,
  { fatalCloseCodes, classify }: Pick<WSConfig, "fatalCloseCodes" | "classify">,
  report: (error: WSError) => void,
): WSError {
  function ask<T>(name: string, question: () => T): T | undefined {
    try {
      return question();
    } catch (cause) {
      report(callbackError(name, cause));
      return undefined;
    }
  }
  const isFatal = ask(
    "fatalCloseCodes",
    () => isFatalClose(error, fatalCloseCodes),
  );
  const judged = isFatal ? error.withSeverity("fatal") : error;
  const verdict = ask(
    "classify",
    () => check(classify?.(judged, { wasOpen: false, attempt: 0 })),
  );
  return verdict === undefined ? judged : judged.withSeverity(verdict);
}

function check(verdict: unknown): Severity | undefined {
  if (verdict === undefined) return undefined;
  if (verdict === "transient" || verdict === "fatal") return verdict;
  // An async function is no use here, and must not end the program either.
  if (verdict instanceof Promise) verdict.catch(() => {});
  throw wrongKind("classify()", '"transient", "fatal" or undefined', verdict);
}

function isFatalClose(
  { code, closeCode }: WSError,
  fatal: WSConfig["fatalCloseCodes"],
): boolean {
  if (code !== "CLOSED" || closeCode === undefined) return false;
  if (typeof fatal === "function") return fatal(closeCode) === true;
  return fatal?.includes(closeCode) ?? false;
}

/** The runtime's words for frames that break RFC 6455, or its own limits. */
const PROTOCOL_VIOLATION =
  /Invalid (?:UTF-8|fragment|continuation frame|close frame|close code|value)|Reserved bits are not zero|[Ff]rame too large|Control frame must not be fragmented/;

function isProtocolViolation(message: string): boolean {
  return PROTOCOL_VIOLATION.test(message);
}

/** RFC 6455, section 7.4.1, and IANA's registry. */
const CLOSE_CODES: ReadonlyMap<number, string> = new Map([
  [1000, "normal closure"],
  [1001, "going away"],
  [1002, "protocol error"],
  [1003, "unsupported data"],
  [1005, "no code given"],
  [1007, "invalid data"],
  [1008, "policy violation"],
  [1009, "message too big"],
  [1010, "extension missing"],
  [1011, "internal error"],
  [1012, "service restart"],
  [1013, "try again later"],
  [1014, "bad gateway"],
]);

function describeClose({ code, reason, message }: SocketEnd): string {
  if (code === 1006) {
    const how = message === undefined ? "" : `: ${gist(message)}`;
    return `The connection dropped without a close frame${how}`;
  }
  const name = CLOSE_CODES.get(code);
  const meaning = name === undefined ? "" : ` (${name})`;
  // The reason comes from the network: quoted, so that it stays on its line.
  const why = reason === "" ? "" : `: ${JSON.stringify(reason)}`;
  return `The server closed the connection with ${code}${meaning}${why}`;
}
