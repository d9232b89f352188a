/**
 * The same handshake once more, through fetch(), which tells whatever the
 * server answers.
 *
 * @module
 */

import type { HandshakeRequest } from "./handshake_request.ts";

/** The HTTP answer to a handshake. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** What is wrong with a 101. */
  readonly flaw: string | undefined;
}

/** What came of asking again: an answer, or the text of a failure. */
export type Reply =
  | ({ readonly kind: "answer" } & Answer)
  | { readonly kind: "failure"; readonly text: string };

/** RFC 6455, section 1.3. */
const ACCEPT_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/**
 * Makes the handshake once more and looks at the answer. A connection that
 * comes about is dropped at once.
 * @throws the signal's reason, once it aborts
 */
export async function askAgain(
  { url, headers, subprotocols }: HandshakeRequest,
  client: Deno.HttpClient,
  signal: AbortSignal,
): Promise<Reply> {
  const key = crypto.getRandomValues(new Uint8Array(16)).toBase64();
  const request = new Headers(headers);
  request.set("connection", "Upgrade");
  request.set("upgrade", "websocket");
  request.set("sec-websocket-key", key);
  request.set("sec-websocket-version", "13");
  if (subprotocols.length > 0) {
    request.set("sec-websocket-protocol", subprotocols.join(", "));
  }
  let response;
  try {
    response = await fetch(url.href.replace(/^ws/, "http"), {
      headers: request,
      redirect: "manual",
      client,
      signal,
    });
  } catch (error) {
    signal.throwIfAborted();
    return { kind: "failure", text: fullText(error) };
  }
  await response.body?.cancel();
  const flaw = response.status === 101
    ? findFlaw(response.headers, await acceptFor(key))
    : undefined;
  const { status, headers: answered } = response;
  return { kind: "answer", status, headers: answered, flaw };
}

/** RFC 6455, section 4.1, the client's checks of the answer. */
function findFlaw(headers: Headers, accept: string): string | undefined {
  const upgrade = headers.get("upgrade")?.toLowerCase();
  if (upgrade !== "websocket") return "does not upgrade to 'websocket'";
  const connection = headers.get("connection")?.toLowerCase() ?? "";
  if (!connection.split(/\s*,\s*/).includes("upgrade")) {
    return "lacks 'Connection: Upgrade'";
  }
  return headers.get("sec-websocket-accept") === accept
    ? undefined
    : "has a wrong Sec-WebSocket-Accept: it does not come from a WebSocket server";
}

async function acceptFor(key: string): Promise<string> {
  const bytes = new TextEncoder().encode(key + ACCEPT_GUID);
  return new Uint8Array(await crypto.subtle.digest("SHA-1", bytes)).toBase64();
}

/** With its causes: in newer Denos the text that tells is in one of them. */
function fullText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined
    ? error.message
    : `${error.message}: ${fullText(error.cause)}`;
}
