/**
 * Deno's `WebSocket` as a {@linkcode Transport}.
 *
 * The runtime hides why a handshake failed: on `wss://` altogether, on `ws://`
 * it gives an HTTP status without the headers. Then the same request is made
 * once more through `fetch()`, within the attempt's deadline. The first answer
 * holds: the second one adds headers if its status is the same, and otherwise
 * changes nothing.
 *
 * @module
 */

import { portOf, requireNetPermission } from "../permission.ts";
import {
  type HandshakeFacts,
  HandshakeFailure,
  type HandshakeRequest,
  type Socket,
  type Transport,
} from "../transport.ts";
import { gist, parseFailureText } from "./failure_text.ts";
import { HttpClientPool, type NativeOptions } from "./http_client_pool.ts";
import type { ProbeResult } from "./probe_handshake.ts";
import { NativeSocket } from "./socket.ts";

/** Opens native sockets with one configuration. */
export class NativeTransport implements Transport {
  readonly #options: NativeOptions;
  readonly #clients: HttpClientPool;
  /** The URL whose last probe was answered with a good 101. */
  #probedOpen: string | undefined;

  constructor(options: NativeOptions) {
    this.#options = options;
    this.#clients = new HttpClientPool(options);
  }

  async connect(
    request: HandshakeRequest,
    signal: AbortSignal,
  ): Promise<Socket> {
    const { url } = request;
    const { proxy } = this.#options;
    requireNetPermission(url);
    if (proxy !== undefined) requireNetPermission(proxy);
    const opened = await dial(request, this.#clients.forSocket(url), signal);
    if (opened instanceof NativeSocket) {
      requireOfferedSubprotocol(opened, request);
      return opened;
    }
    const facts = await this.#diagnose(opened, request, signal);
    throw new HandshakeFailure(this.#throughProxy(facts, url));
  }

  close(): void {
    this.#clients.close();
  }

  async #diagnose(
    { text, cause }: FailedDial,
    request: HandshakeRequest,
    signal: AbortSignal,
  ): Promise<HandshakeFacts> {
    const { isCause, ...parsed } = parseFailureText(text);
    const { url } = request;
    if (url.protocol === "wss:" && !isCause) {
      return this.#fromProbe(await this.#probe(request, signal));
    }
    const facts = { ...parsed, cause: cause ?? new Error(text) };
    if (CANCELED.test(text)) {
      return { ...facts, kind: await this.#canceledKind(url, signal) };
    }
    if (facts.kind !== "status") return facts;
    // Without time for a probe a known status is still worth reporting.
    const result = await this.#probe(request, signal).catch(() => undefined);
    return withHeadersOf(facts, result);
  }

  /**
   * Makes the handshake once more; `undefined` if that would mislead. Where two
   * servers take turns and one of them refuses, a probe always takes the turn of
   * the good one, and the client never gets in. So there is no probe right after
   * one that was answered with a good 101.
   */
  async #probe(
    request: HandshakeRequest,
    signal: AbortSignal,
  ): Promise<ProbeResult | undefined> {
    const { href } = request.url;
    const wasOpen = this.#probedOpen === href;
    this.#probedOpen = undefined;
    if (wasOpen) return undefined;
    const client = this.#clients.forRequest();
    // Most programs never need it.
    const { probeHandshake } = await import("./probe_handshake.ts");
    const result = await probeHandshake(request, client, signal);
    const isOpen = result.kind === "answer" && result.status === 101 &&
      result.invalidUpgrade === undefined;
    if (isOpen) this.#probedOpen = href;
    return result;
  }

  /**
   * The runtime gives the same text for a server that sends first, such as an
   * SSH server, and for one that hangs up at once. Only the bytes show which it
   * is.
   */
  async #canceledKind(
    url: URL,
    signal: AbortSignal,
  ): Promise<"not-http" | "hung-up"> {
    const { proxy, httpClient } = this.#options;
    if (proxy !== undefined || httpClient !== undefined) return "hung-up";
    return await speaksFirst(url, signal) ? "not-http" : "hung-up";
  }

  /** What only the probe has seen. */
  #fromProbe(result: ProbeResult | undefined): HandshakeFacts {
    if (result === undefined) {
      return hiddenFacts(
        "it was not probed, as the last probe was answered with 101",
      );
    }
    if (result.kind === "failure") {
      const { isCause: _, ...parsed } = parseFailureText(result.text);
      const mayBeHttp2 = this.#options.httpClient !== undefined &&
        parsed.kind === "unknown";
      return {
        ...parsed,
        // Without the URL, which may hold secrets.
        cause: new Error(gist(result.text)),
        ...(mayBeHttp2 && {
          advice: "make your 'httpClient' with http2: false to see why",
        }),
      };
    }
    const { status, headers, body, invalidUpgrade } = result;
    const cause = hiddenCause();
    if (status !== 101) {
      return { kind: "status", status, headers, body, cause };
    }
    if (invalidUpgrade !== undefined) {
      const { kind, message: detail } = invalidUpgrade;
      return { kind, detail, status, headers, cause };
    }
    return hiddenFacts("it went through when it was made again to see why");
  }

  /** What a proxy changes about the facts. */
  #throughProxy(facts: HandshakeFacts, url: URL): HandshakeFacts {
    const { proxy } = this.#options;
    if (proxy === undefined) return facts;
    const isHttp = proxy.protocol.startsWith("http");
    // Deno itself connects to the proxy alone. Of the server, a SOCKS proxy
    // reports in the same words that it refuses the connection.
    if (facts.kind === "dns" || isHttp && facts.kind === "unreachable") {
      const detail = `${proxy.host}: ${facts.detail}`;
      return { ...facts, kind: "proxy-unreachable", detail };
    }
    if (!isHttp || url.protocol !== "ws:") return facts;
    // It forwards `ws://` as if it were a page.
    return {
      ...facts,
      advice: "Deno asks an HTTP proxy for ws:// as if it were a page, which " +
        'many proxies refuse: use wss://, a socks5:// proxy, or transport "tcp"',
    };
  }
}

/** The runtime's report of a handshake that failed. */
interface FailedDial {
  readonly text: string;
  readonly cause: unknown;
}

/** The runtime's text for a server that sends first or hangs up at once. */
const CANCELED = /operation was canceled/;
/** How long a server may take to speak first, in milliseconds. */
const GREETING_WAIT = 1_000;

/** Whether the server sends something before it gets a request. */
async function speaksFirst(url: URL, signal: AbortSignal): Promise<boolean> {
  try {
    using conn = await Deno.connect({
      hostname: url.hostname.replace(/^\[|\]$/g, ""),
      port: portOf(url),
    });
    const close = () => conn.close();
    const timer = setTimeout(close, GREETING_WAIT);
    signal.addEventListener("abort", close);
    try {
      return (await conn.read(new Uint8Array(1)) ?? 0) > 0;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", close);
    }
  } catch {
    return false; // it hung up, or is gone by now
  }
}

/** How a handshake ends. */
const OUTCOMES = ["open", "close"] as const;

function dial(
  { url, headers, subprotocols }: HandshakeRequest,
  client: Deno.HttpClient | undefined,
  signal: AbortSignal,
): Promise<NativeSocket | FailedDial> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const native = new WebSocket(url, {
      headers,
      protocols: [...subprotocols],
      client,
    });
    const socket = new NativeSocket(native);

    function abort(): void {
      stopListening();
      // Cancels the attempt; the runtime closes a socket that opens meanwhile.
      socket.terminate();
      reject(signal.reason);
    }
    function finish(event: Event): void {
      stopListening();
      if (event.type === "open") resolve(socket);
      else resolve({ text: socket.failureText, cause: socket.failureCause });
    }
    function stopListening(): void {
      signal.removeEventListener("abort", abort);
      for (const type of OUTCOMES) native.removeEventListener(type, finish);
    }
    signal.addEventListener("abort", abort, { once: true });
    for (const type of OUTCOMES) native.addEventListener(type, finish);
  });
}

/**
 * RFC 6455, section 4.1: a subprotocol that was not offered fails the
 * connection; the runtime lets it pass. None at all is the server's right.
 */
function requireOfferedSubprotocol(
  socket: Socket,
  { subprotocols }: HandshakeRequest,
): void {
  const { protocol } = socket;
  if (protocol === "" || subprotocols.includes(protocol)) return;
  socket.terminate();
  throw new HandshakeFailure({
    kind: "subprotocol",
    status: 101,
    detail: JSON.stringify(protocol),
  });
}

function hiddenFacts(detail: string): HandshakeFacts {
  return { kind: "unknown", detail, cause: hiddenCause() };
}

/** The runtime's text is about HTTP/2, and would mislead the reader. */
function hiddenCause(): Error {
  return new Error("the runtime tells only of its second try, over HTTP/2");
}

/** The known facts; a probe with the same status adds headers and body. */
function withHeadersOf(
  known: HandshakeFacts,
  result: ProbeResult | undefined,
): HandshakeFacts {
  if (result?.kind === "answer" && result.status === known.status) {
    return { ...known, headers: result.headers, body: result.body };
  }
  return withoutHeaders(known);
}

/** A redirect whose target is unknown is not the end of this URL. */
function withoutHeaders(known: HandshakeFacts): HandshakeFacts {
  const { status = 0, cause } = known;
  if (status < 300 || status >= 400) return known;
  return {
    kind: "unknown",
    status,
    detail: `the server answered ${status}, and its Location is unknown`,
    cause,
  };
}
