/**
 * Connects step by step, by hand, and reports what each step came to.
 *
 * @module
 */

import { abortable } from "@std/async/abortable";
import {
  checkResponse,
  encodeRequest,
  newKey,
  UpgradeError,
} from "../../protocol/handshake.ts";
import { escapeLine } from "../format.ts";
import { type ProbeFailure, type StepName, tlsFailure } from "./advice.ts";
import { openTunnel, ProxyError, proxyPort, type Target } from "./proxy.ts";
import {
  type Certificate,
  certificateLines,
  certificateOf,
  isAddress,
  nodeTls,
  type ProbeTls,
  type Secure,
  startTls,
} from "./tls.ts";
import {
  isHangUp,
  NoResponseError,
  readBody,
  readResponse,
  type Response,
  type Wire,
  WireDuplex,
  writeAll,
} from "./wire.ts";

/** A step that was made. */
export interface Step {
  readonly name: StepName;
  readonly url: URL;
  readonly ok: boolean;
  /** The result in a word: `ok`, `401`, `failed`, `silence`. */
  readonly result: string;
  /** How long it took, in milliseconds. */
  readonly time: number;
  /** Lines about it, for people. */
  readonly details: readonly string[];
  /** The same for programs. */
  readonly facts: Readonly<Record<string, unknown>>;
}

/** What to probe. */
export interface ProbeRequest {
  readonly url: URL;
  readonly headers: readonly (readonly [string, string])[];
  readonly subprotocols: readonly string[];
  readonly tls: ProbeTls;
  readonly proxy?: URL;
  /** The limit of all steps together, in milliseconds. */
  readonly timeout: number;
  readonly followRedirects: number;
  /** Called as each step ends. */
  readonly onStep: (step: Step) => void;
}

/** Makes the steps until one fails; undefined if none did. */
export async function probe(
  request: ProbeRequest,
): Promise<ProbeFailure | undefined> {
  const signal = AbortSignal.timeout(request.timeout);
  const seen = new Set<string>();
  let next = request;
  for (let hops = 0;; hops++) {
    seen.add(next.url.href);
    const failure = await probeUrl(next, signal);
    const location = failure?.kind === "status" &&
        REDIRECTS.has(failure.status)
      ? failure.headers.get("location")
      : null;
    if (location === null || request.followRedirects === 0) return failure;
    if (hops === request.followRedirects) {
      return { kind: "redirect", detail: `more than ${hops} times` };
    }
    const url = redirected(location, next.url);
    if (typeof url === "string") return { kind: "redirect", detail: url };
    if (seen.has(url.href)) return { kind: "redirect", detail: "in a loop" };
    const headers = url.origin === next.url.origin
      ? next.headers
      : next.headers.filter(([name]) => !SECRETS.has(name.toLowerCase()));
    next = { ...next, url, headers };
  }
}

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/** Headers that are for one origin only. */
const SECRETS = new Set(["authorization", "cookie", "proxy-authorization"]);

/** Where a redirect leads, or what is wrong with that. */
function redirected(location: string, from: URL): URL | string {
  if (!URL.canParse(location, from.href)) return "to something that is no URL";
  const url = new URL(location, from.href);
  url.protocol = url.protocol.replace(/^http/, "ws");
  url.hash = "";
  if (!/^wss?:$/.test(url.protocol)) return `to ${url.protocol}//`;
  if (from.protocol === "wss:" && url.protocol === "ws:") {
    return "from wss:// to ws://, which would be readable by anybody";
  }
  return url;
}

async function probeUrl(
  request: ProbeRequest,
  signal: AbortSignal,
): Promise<ProbeFailure | undefined> {
  const prober = new Prober(request, signal);
  try {
    await prober.run();
    return undefined;
  } catch (error) {
    if (error instanceof StepError) return error.failure;
    throw error;
  } finally {
    prober.close();
  }
}

/** Ends the probe: what is wrong is known. */
class StepError extends Error {
  readonly failure: ProbeFailure;

  constructor(failure: ProbeFailure) {
    super(failure.kind);
    this.failure = failure;
  }
}

class Prober {
  readonly #request: ProbeRequest;
  readonly #signal: AbortSignal;
  readonly #target: Target;
  /** The host to dial: the proxy, if there is one. */
  readonly #first: Target;
  readonly #isTls: boolean;
  /** Everything to be closed at the end. */
  readonly #open: { close(): void }[] = [];
  readonly #hold = (resource: { close(): void }) => {
    this.#open.unshift(resource);
  };
  #isClosed = false;
  #step: { readonly name: StepName; readonly since: number };

  constructor(request: ProbeRequest, signal: AbortSignal) {
    const { url } = request;
    this.#request = request;
    this.#signal = signal;
    this.#isTls = url.protocol === "wss:";
    this.#target = {
      hostname: url.hostname.replace(/^\[|\]$/g, ""),
      port: Number(url.port) || (this.#isTls ? 443 : 80),
    };
    const { proxy } = request;
    this.#first = proxy === undefined
      ? this.#target
      : { hostname: hostOf(proxy), port: proxyPort(proxy) };
    this.#step = { name: "DNS", since: 0 };
  }

  async run(): Promise<void> {
    const { proxy } = this.#request;
    const { hostname } = this.#first;
    if (!isAddress(hostname)) await this.#dns(hostname);
    const tcp = await this.#tcp(this.#first);
    const tunnel = proxy === undefined ? tcp : await this.#proxy(tcp, proxy);
    await this.#http(this.#isTls ? await this.#tls(tunnel) : tunnel);
  }

  close(): void {
    this.#isClosed = true;
    for (const resource of this.#open) {
      try {
        resource.close();
      } catch (error) {
        // TLS has taken the TCP connection over.
        if (!(error instanceof Deno.errors.BadResource)) throw error;
      }
    }
  }

  async #dns(hostname: string): Promise<void> {
    this.#begin("DNS");
    const { lookup } = await import("node:dns/promises");
    try {
      const found = await this.#within(lookup(hostname, { all: true }));
      const addresses = found.map(({ address }) => address);
      this.#ok([addresses.join(", ")], { addresses });
    } catch (error) {
      this.#fail(error, { kind: "dns", hostname });
    }
  }

  async #tcp(target: Target): Promise<Deno.TcpConn> {
    this.#begin("TCP");
    try {
      const conn = await this.#within(this.#dial(target));
      const { hostname, port } = conn.remoteAddr;
      this.#ok([`${hostname} port ${port}`], { address: hostname, port });
      return conn;
    } catch (error) {
      const message = messageOf(error);
      this.#fail(error, { kind: "tcp", port: target.port, message });
    }
  }

  async #dial(target: Target): Promise<Deno.TcpConn> {
    const conn = await Deno.connect(target);
    // Too late: the probe has ended.
    if (this.#isClosed) conn.close();
    this.#open.push(conn);
    return conn;
  }

  async #proxy(conn: Deno.TcpConn, proxy: URL): Promise<Wire> {
    this.#begin("Proxy");
    try {
      const wire = await this.#within(this.#tunnel(conn, proxy));
      const { hostname, port } = this.#target;
      this.#ok([`tunnel to ${hostname} port ${port}`], {});
      return wire;
    } catch (error) {
      this.#fail(error, proxyFailure(error, proxy));
    }
  }

  async #tunnel(conn: Deno.TcpConn, proxy: URL): Promise<Wire> {
    // Client certificate and server name are for the server, not for the proxy.
    const { caCerts, insecure } = this.#request.tls;
    const tls = { caCerts, insecure };
    const wire = proxy.protocol === "https:"
      ? (await this.#startTls(conn, hostOf(proxy), tls)).wire
      : conn;
    await openTunnel(wire, proxy, this.#target);
    return wire;
  }

  async #tls(below: Wire): Promise<Wire> {
    this.#begin("TLS");
    const { tls } = this.#request;
    const name = tls.serverName ?? this.#target.hostname;
    let secure: Secure | undefined;
    let failure: unknown;
    try {
      secure = await this.#within(this.#startTls(below, name, tls));
    } catch (error) {
      failure = error;
    }
    const time = performance.now() - this.#step.since;
    const certificate = await this.#certificate(secure, name);
    const details = certificate === undefined
      ? []
      : certificateLines(certificate, Date.now());
    if (secure !== undefined) {
      this.#ok(details, { certificate }, "ok", time);
      return secure.wire;
    }
    const message = messageOf(failure);
    this.#fail(
      failure,
      isHangUp(failure)
        ? { kind: "hang-up", step: "TLS" }
        : tlsFailure(message),
      { details, facts: { certificate }, time },
    );
  }

  #startTls(below: Wire, name: string, tls: ProbeTls): Promise<Secure> {
    // A proxy, or another name than was dialled, needs this very connection.
    const isDirect = this.#request.proxy === undefined &&
      name === this.#target.hostname;
    const target = isDirect ? this.#target : undefined;
    return startTls(below, name, tls, this.#hold, target);
  }

  /** The certificate, accepted or not, over a connection of its own. */
  async #certificate(
    secure: Secure | undefined,
    name: string,
  ): Promise<Certificate | undefined> {
    const shown = secure?.socket && certificateOf(secure.socket);
    if (shown !== undefined || this.#signal.aborted) return shown;
    const signal = AbortSignal.any([this.#signal, AbortSignal.timeout(3_000)]);
    try {
      const { socket } = await abortable(this.#look(name), signal);
      return socket === undefined ? undefined : certificateOf(socket);
    } catch {
      // The step itself says what is wrong.
      return undefined;
    }
  }

  async #look(name: string): Promise<Secure> {
    const { proxy } = this.#request;
    const any = { caCerts: [], insecure: true };
    if (proxy === undefined) {
      const { hostname: host, port } = this.#target;
      return await nodeTls({ host, port }, name, any, this.#hold);
    }
    const wire = await this.#tunnel(await this.#dial(this.#first), proxy);
    const below = { socket: new WireDuplex(wire) };
    return await nodeTls(below, name, any, this.#hold);
  }

  async #http(wire: Wire): Promise<void> {
    this.#begin("HTTP");
    const { url, headers, subprotocols } = this.#request;
    const handshake = {
      host: url.host,
      target: url.pathname + url.search,
      key: newKey(),
      headers: withUserInfo(headers, url),
      subprotocols,
    };
    let response: Response;
    try {
      await this.#within(writeAll(wire, encodeRequest(handshake)));
      response = await this.#within(readResponse(wire));
    } catch (error) {
      this.#fail(error, this.#noResponse(error));
    }
    const { head } = response;
    const { status, statusText } = head;
    const details = [
      `${status} ${escapeLine(statusText)}`.trim(),
      ...[...head.headers].map(([name, value]) =>
        `${name}: ${escapeLine(value)}`
      ),
    ];
    const facts = { status, headers: Object.fromEntries(head.headers) };
    if (status !== 101) {
      const body = await readBody(wire, response);
      this.#fail(String(status), { kind: "status", ...head }, {
        details: [...details, ...bodyLines(body)],
        facts: { ...facts, body },
      });
    }
    this.#ok(details, facts, "101");
    await this.#upgrade(response, handshake);
  }

  async #upgrade(
    { head }: Response,
    handshake: Parameters<typeof checkResponse>[1],
  ): Promise<void> {
    this.#begin("WebSocket");
    try {
      const { subprotocol } = await checkResponse(head, handshake);
      const offered = this.#request.subprotocols;
      const lines = subprotocol !== ""
        ? [`subprotocol ${escapeLine(subprotocol)}`]
        : offered.length > 0
        // RFC 6455 allows it; browsers and some libraries fail here.
        ? [`no subprotocol: the server speaks none of ${offered.join(", ")}`]
        : [];
      this.#ok(lines, { subprotocol });
    } catch (error) {
      if (!(error instanceof UpgradeError)) throw error;
      const chosen = head.headers.get("sec-websocket-protocol") ?? "";
      const details = error.kind === "subprotocol"
        ? [`subprotocol ${escapeLine(chosen)}, which was not offered`]
        : [`the 101 ${error.message}`];
      this.#fail(
        "failed",
        error.kind === "subprotocol"
          ? { kind: "subprotocol", chosen }
          : { kind: "upgrade", detail: error.message },
        { details },
      );
    }
  }

  #noResponse(error: unknown): ProbeFailure {
    if (error instanceof NoResponseError) {
      return error.kind === "not-http"
        ? { kind: "not-http", isTls: this.#isTls }
        : { kind: "hang-up", step: "HTTP" };
    }
    // With TLS 1.3 a server refuses our certificate after the handshake.
    const message = messageOf(error);
    return this.#isTls && /fatal alert/.test(message)
      ? tlsFailure(message)
      : { kind: "hang-up", step: "HTTP" };
  }

  #begin(name: StepName): void {
    this.#step = { name, since: performance.now() };
  }

  #ok(
    details: readonly string[],
    facts: Step["facts"],
    result = "ok",
    time = performance.now() - this.#step.since,
  ): void {
    const { name } = this.#step;
    const { url, onStep } = this.#request;
    onStep({ name, url, ok: true, result, time, details, facts });
  }

  /** Reports the failed step, and ends the probe. */
  #fail(
    error: unknown,
    failure: ProbeFailure,
    { details = [], facts = {}, time }: {
      details?: readonly string[];
      facts?: Step["facts"];
      time?: number;
    } = {},
  ): never {
    const { name, since } = this.#step;
    const isTimeout = this.#signal.aborted;
    const isWord = typeof error === "string";
    const message = isWord || isTimeout ? [] : [escapeLine(textOf(error))];
    this.#request.onStep({
      name,
      url: this.#request.url,
      ok: false,
      result: isTimeout ? "silence" : isWord ? error : "failed",
      time: time ?? performance.now() - since,
      details: [...message, ...details],
      facts: message.length > 0 ? { ...facts, message: message[0] } : facts,
    });
    throw new StepError(isTimeout ? { kind: "silence", step: name } : failure);
  }

  #within<T>(promise: Promise<T>): Promise<T> {
    return abortable(promise, this.#signal);
  }
}

function proxyFailure(error: unknown, { protocol }: URL): ProbeFailure {
  if (error instanceof ProxyError) return { kind: `proxy-${error.kind}` };
  return protocol === "https:" && !isHangUp(error)
    ? tlsFailure(messageOf(error))
    : { kind: "proxy-refused" };
}

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, "");
}

/** User info of a URL goes as Basic credentials, unless a header says more. */
function withUserInfo(
  headers: ProbeRequest["headers"],
  { username, password }: URL,
): ProbeRequest["headers"] {
  const isGiven = headers.some(([name]) =>
    name.toLowerCase() === "authorization"
  );
  if (username === "" && password === "" || isGiven) return headers;
  const pair = `${decodeURIComponent(username)}:${
    decodeURIComponent(password)
  }`;
  const encoded = new TextEncoder().encode(pair).toBase64();
  return [...headers, ["Authorization", `Basic ${encoded}`]];
}

/** How many lines of a refusal's body people are shown. */
const BODY_LINES = 12;

function bodyLines(body: string): string[] {
  const lines = body.trimEnd().split(/\r?\n/).map((line) =>
    escapeLine(line.trimEnd())
  );
  if (body.trim() === "") return [];
  const more = lines.length > BODY_LINES ? ["..."] : [];
  return ["", ...lines.slice(0, BODY_LINES), ...more];
}

function textOf(error: unknown): string {
  if (!(error instanceof NoResponseError)) return messageOf(error);
  return error.kind === "hang-up"
    ? "the connection was closed without an answer"
    : `received ${JSON.stringify(error.received)}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
