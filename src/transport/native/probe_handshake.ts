/**
 * The same handshake once more, through `fetch()`, which shows whatever the
 * server answers.
 *
 * @module
 */

import {
  checkResponse,
  newKey,
  UpgradeError,
} from "../../protocol/handshake.ts";
import type { HandshakeRequest } from "../transport.ts";

/** The answer to the handshake, or the text of a failure. */
export type ProbeResult =
  | {
    readonly kind: "answer";
    readonly status: number;
    readonly headers: Headers;
    /** The start of the body. */
    readonly body: string;
    /** What is wrong with a 101. */
    readonly invalidUpgrade?: UpgradeError;
  }
  | { readonly kind: "failure"; readonly text: string };

/** How much of a body is read, in bytes. */
const BODY_BYTES = 2048;
/** How long a body is read, in milliseconds. */
const BODY_TIMEOUT = 500;

/**
 * Makes the handshake once more and checks the answer. If that opens a
 * connection, it is closed at once.
 * @throws the signal's reason, once it aborts
 */
export async function probeHandshake(
  { url, headers, subprotocols }: HandshakeRequest,
  client: Deno.HttpClient,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const key = newKey();
  const request = new Headers(headers);
  request.set("connection", "Upgrade");
  request.set("upgrade", "websocket");
  request.set("sec-websocket-key", key);
  request.set("sec-websocket-version", "13");
  if (subprotocols.length > 0) {
    request.set("sec-websocket-protocol", subprotocols.join(", "));
  }
  try {
    const response = await fetch(url.href.replace(/^ws/, "http"), {
      headers: request,
      redirect: "manual",
      client,
      signal,
    });
    const { status, headers: answered } = response;
    const answer = { kind: "answer", status, headers: answered } as const;
    if (status !== 101) {
      return { ...answer, body: await readStart(response.body) };
    }
    await response.body?.cancel();
    const { host, pathname: target } = url;
    const handshake = { host, target, key, subprotocols };
    const invalidUpgrade = await findInvalidUpgrade(response, handshake);
    return { ...answer, body: "", invalidUpgrade };
  } catch (error) {
    signal.throwIfAborted();
    return { kind: "failure", text: fullText(error) };
  }
}

async function findInvalidUpgrade(
  ...exchange: Parameters<typeof checkResponse>
): Promise<UpgradeError | undefined> {
  try {
    await checkResponse(...exchange);
    return undefined;
  } catch (error) {
    if (error instanceof UpgradeError) return error;
    throw error;
  }
}

/**
 * The start of a body, as far as it comes soon. The status is known already, so
 * a body that stalls or breaks off changes nothing.
 */
async function readStart(
  body: ReadableStream<Uint8Array> | null,
): Promise<string> {
  if (body === null) return "";
  const reader = body.getReader();
  // Ends a pending read, too.
  const cancel = () => void reader.cancel().catch(() => {});
  const limit = setTimeout(cancel, BODY_TIMEOUT);
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  try {
    while (bytes < BODY_BYTES) {
      const { value, done } = await reader.read();
      if (done) break;
      text += decoder.decode(value.subarray(0, BODY_BYTES - bytes), {
        stream: true,
      });
      bytes += value.length;
    }
  } catch {
    // The part that has arrived is enough.
  } finally {
    clearTimeout(limit);
    cancel();
  }
  return text;
}

/** With its causes: in newer Denos the informative text is in one of them. */
function fullText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined
    ? error.message
    : `${error.message}: ${fullText(error.cause)}`;
}
