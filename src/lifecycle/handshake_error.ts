/**
 * Why a handshake failed, as a {@linkcode WSError}: its code, and whether trying
 * again makes sense. Pure.
 *
 * @module
 */

import { type Severity, WSError } from "../errors.ts";
import type { Answer } from "./ask_again.ts";
import { gist, readFailure } from "./failure_text.ts";
import { parseRetryAfter } from "./retry_after.ts";

/** What an error of the handshake tells besides what happened. */
export interface Circumstances {
  /** The URL that was dialled. */
  readonly url: URL;
  /** The original exception. */
  readonly cause: unknown;
  /** The proxy of the configuration, if any. */
  readonly proxy?: URL;
}

/** The error for a handshake that failed with this text of the runtime. */
export function failureError(
  text: string,
  { url, cause, proxy }: Circumstances,
  advice = "",
): WSError {
  const { code, severity, says, status } = readFailure(text);
  const via = proxyAdvice(url, proxy);
  return new WSError(`No connection: ${says} (${gist(text)})${via}${advice}`, {
    code,
    severity,
    status,
    url,
    cause,
  });
}

/** The error for the HTTP answer to a handshake, redirects aside. */
export function answerError(
  answer: Answer,
  { url, cause, proxy }: Circumstances,
  now: number,
): WSError {
  const { status, headers, flaw } = answer;
  if (status === 101) return upgradeError(flaw, { url, cause });
  const retryAfter = parseRetryAfter(headers.get("retry-after"), now);
  const facts = { status, headers, retryAfter, url, cause };
  const via = proxyAdvice(url, proxy);
  if (status < 400 || status > 599) {
    return new WSError(
      `No connection: this is no WebSocket endpoint, it answered ${status} ` +
        `instead of 101 or an error${via}`,
      { code: "HANDSHAKE", severity: "fatal", ...facts },
    );
  }
  const advice = STATUS_ADVICE.get(status) ?? "";
  return new WSError(
    `No connection: the server answered ${status}${advice}${via}`,
    {
      code: "HTTP_STATUS",
      severity: statusSeverity(status, retryAfter),
      ...facts,
    },
  );
}

/**
 * The error for an HTTP status of which only the number is known: whoever said
 * it did not say it again when asked for the headers.
 */
export function bareStatusError(
  status: number,
  circumstances: Circumstances,
): WSError {
  const { url, cause } = circumstances;
  if (status >= 300 && status < 400) {
    return new WSError(
      `No connection: the server answered ${status}, and where it redirects ` +
        `to could not be learned`,
      { code: "CONNECT", severity: "transient", status, url, cause },
    );
  }
  const answer = { status, headers: new Headers(), flaw: undefined };
  const error = answerError(answer, circumstances, 0);
  // Whether these come with a Retry-After is what could not be learned.
  return LATER.has(status) ? error.withSeverity("transient") : error;
}

/** The error for a handshake that went through when the last one was asked. */
export function notAskedError(
  status: number | undefined,
  circumstances: Circumstances,
): WSError {
  if (status !== undefined) {
    // Another of the servers behind this URL says something else.
    return bareStatusError(status, circumstances).withSeverity("transient");
  }
  const { url, cause } = circumstances;
  return new WSError(
    "No connection: the handshake failed once more; it was not made again to " +
      "find out why, as that went through the last time",
    { code: "CONNECT", severity: "transient", url, cause },
  );
}

/** Statuses that say by themselves: not now. */
const LATER = new Set([408, 425, 429]);

const STATUS_ADVICE: ReadonlyMap<number, string> = new Map([
  [400, ", it does not like the request"],
  [401, ", it wants other credentials"],
  [403, ", it does not allow this client in"],
  [404, ", there is nothing at this path"],
  [407, ", the proxy wants a user name and a password in its URL"],
  [426, ", it wants another version of the protocol"],
  [429, ", there were too many requests"],
]);

/**
 * A 4xx is about this client and will be the same next time, unless the server
 * asks to come back; a 5xx is about the server.
 */
function statusSeverity(
  status: number,
  retryAfter: number | undefined,
): Severity {
  return status < 500 && retryAfter === undefined ? "fatal" : "transient";
}

/** What answers `101` now did not in the attempt itself, or is not sound. */
function upgradeError(
  flaw: string | undefined,
  { url, cause }: Circumstances,
): WSError {
  const facts = { url, cause };
  if (flaw !== undefined) {
    return new WSError(`No connection: the server's 101 ${flaw}`, {
      code: "HANDSHAKE",
      severity: "fatal",
      status: 101,
      ...facts,
    });
  }
  return new WSError(
    "No connection: the handshake failed, but went through when it was made " +
      "again to find out why",
    { code: "CONNECT", severity: "transient", ...facts },
  );
}

function proxyAdvice(url: URL, proxy: URL | undefined): string {
  if (url.protocol !== "ws:" || !proxy?.protocol.startsWith("http")) return "";
  return "; Deno asks an HTTP proxy for ws:// as if it were a page, which many " +
    "proxies refuse: use wss://, or a socks5:// proxy";
}
