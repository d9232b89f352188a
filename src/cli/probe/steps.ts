/**
 * Connects as the tcp transport does, and reports each step.
 *
 * @module
 */

import { abortable } from "@std/async/abortable";
import { isIP } from "node:net";
import { encodeCloseBody, encodeFrame } from "../../protocol/encoder.ts";
import { Opcode } from "../../protocol/frames.ts";
import {
  parseResponseHead,
  type ResponseHead,
} from "../../protocol/http_head.ts";
import { Redirects } from "../../reconnect/redirect.ts";
import { type ByteStream, writeAll } from "../../transport/tcp/byte_stream.ts";
import {
  type DialOptions,
  dialTcp,
  endOf,
  openTunnel,
  secure,
  StreamHolder,
} from "../../transport/tcp/dial.ts";
import { requirePermission } from "../../transport/permission.ts";
import { failureOf } from "../../transport/tcp/failures.ts";
import {
  askForUpgrade,
  checkAnswer,
  handshakeOf,
} from "../../transport/tcp/upgrade.ts";
import {
  type HandshakeFacts,
  HandshakeFailure,
  type HandshakeRequest,
} from "../../transport/transport.ts";
import { inFlags } from "../args/in_flags.ts";
import { escapeLine } from "../format.ts";
import {
  redactHeader,
  redactSubprotocol,
  redactSubprotocols,
  showHeader,
} from "../secrets.ts";
import { certificateLines, lookAtCertificate } from "./certificate.ts";

/** The steps of a connection, in their order. */
export type StepName = "DNS" | "TCP" | "Proxy" | "TLS" | "HTTP" | "WebSocket";

/** The findings of a step. */
interface Findings {
  /** Lines for people. */
  readonly details: readonly string[];
  /** The same for programs. */
  readonly facts: Readonly<Record<string, unknown>>;
}

/** A step that was made. */
export interface Step extends Findings {
  readonly name: StepName;
  readonly url: URL;
  readonly ok: boolean;
  /** The result in a word: `ok`, `401`, `failed`, `silence`. */
  readonly result: string;
  /** How long it took, in milliseconds. */
  readonly time: number;
}

/** How to probe. */
export interface ProbeOptions extends DialOptions {
  /** The limit of all steps together, in milliseconds. */
  readonly timeout: number;
  readonly followRedirects: number;
  /** Called as each step ends. */
  readonly onStep: (step: Step) => void;
}

/** A probe that failed. */
export interface ProbeFailure {
  /** The step that failed. */
  readonly step: StepName;
  readonly url: URL;
  /** As the tcp transport reports them. */
  readonly facts: HandshakeFacts;
}

/** Makes the steps until one fails; undefined if none did. */
export async function probe(
  first: HandshakeRequest,
  options: ProbeOptions,
): Promise<ProbeFailure | undefined> {
  const signal = AbortSignal.timeout(options.timeout);
  const redirects = new Redirects(options.followRedirects);
  let request = first;
  for (;;) {
    const failure = await probeOnce(request, options, signal);
    if (failure === undefined || options.followRedirects === 0) return failure;
    try {
      const next = redirects.follow(request, failure.facts);
      if (next === undefined) return failure;
      request = next;
    } catch (error) {
      if (!(error instanceof HandshakeFailure)) throw error;
      return { ...failure, facts: error.facts };
    }
  }
}

async function probeOnce(
  request: HandshakeRequest,
  options: ProbeOptions,
  signal: AbortSignal,
): Promise<ProbeFailure | undefined> {
  const holder = new StreamHolder();
  const onAbort = () => holder.close();
  signal.addEventListener("abort", onAbort);
  const prober = new Prober(request, options, holder, signal);
  try {
    await prober.run();
    return undefined;
  } catch (error) {
    if (!(error instanceof HandshakeFailure)) throw error;
    return { step: prober.step, url: request.url, facts: error.facts };
  } finally {
    signal.removeEventListener("abort", onAbort);
    holder.close();
  }
}

const NOTHING: Findings = { details: [], facts: {} };

/** How a step is reported besides its name, time and result. */
interface Reporting<T> {
  /** @default `"ok"` */
  readonly result?: string;
  readonly ok?: (value: T) => Findings;
  readonly failed?: (failure: HandshakeFacts) => Findings;
  /** Added to either report, after the step has been timed. */
  readonly also?: () => Promise<Findings>;
}

class Prober {
  readonly #request: HandshakeRequest;
  readonly #options: ProbeOptions;
  readonly #holder: StreamHolder;
  readonly #signal: AbortSignal;
  #step: StepName = "DNS";

  constructor(
    request: HandshakeRequest,
    options: ProbeOptions,
    holder: StreamHolder,
    signal: AbortSignal,
  ) {
    this.#request = request;
    this.#options = options;
    this.#holder = holder;
    this.#signal = signal;
  }

  /** The last step that was begun. */
  get step(): StepName {
    return this.#step;
  }

  /** @throws {HandshakeFailure} the last step failed */
  async run(): Promise<void> {
    const { url } = this.#request;
    const { proxy, tls } = this.#options;
    const target = endOf(url);
    const first = proxy === undefined ? target : endOf(proxy);
    if (isIP(first.hostname) === 0) await this.#lookUp(first.hostname);
    const conn = await this.#make(
      "TCP",
      () => dialTcp(url, this.#options, this.#holder, this.#signal),
      {
        ok: ({ remoteAddr: { hostname, port } }) => ({
          details: [`${hostname} port ${port}`],
          facts: { address: hostname, port },
        }),
      },
    );
    let stream: ByteStream = conn;
    if (proxy !== undefined) {
      const { hostname, port } = target;
      stream = await this.#make(
        "Proxy",
        () => openTunnel(conn, { proxy, target, tls }, this.#holder),
        {
          ok: () => ({
            details: [`tunnel to ${hostname} port ${port}`],
            facts: {},
          }),
        },
      );
    }
    if (url.protocol === "wss:") {
      const below = stream;
      stream = await this.#make(
        "TLS",
        () => secure(below, target, tls, this.#holder),
        { also: () => this.#certificate() },
      );
    }
    await this.#upgrade(stream);
  }

  async #lookUp(hostname: string): Promise<void> {
    const { proxy } = this.#options;
    const { lookup } = await import("node:dns/promises");
    await this.#make("DNS", async () => {
      // A redirect may lead to a host that is not allowed.
      requirePermission({ name: "net", host: hostname });
      try {
        return await abortable(lookup(hostname, { all: true }), this.#signal);
      } catch (error) {
        const { facts } = failureOf(error, "connect");
        const kind = proxy === undefined ? "dns" : "proxy-unreachable";
        throw new HandshakeFailure({ ...facts, kind });
      }
    }, {
      ok: (found) => {
        const addresses = found.map(({ address }) => address);
        return { details: [addresses.join(", ")], facts: { addresses } };
      },
    });
  }

  async #certificate(): Promise<Findings> {
    const { url } = this.#request;
    const certificate = await lookAtCertificate(
      url,
      this.#options,
      this.#signal,
    );
    const details = certificate === undefined
      ? []
      : certificateLines(certificate, Date.now());
    return { details, facts: { certificate } };
  }

  async #upgrade(stream: ByteStream): Promise<void> {
    const handshake = handshakeOf(this.#request);
    const answer = await this.#make(
      "HTTP",
      () => askForUpgrade(stream, handshake),
      {
        result: "101",
        ok: ({ head }) => headFindings(parseResponseHead(head)),
        failed: refusalFindings,
      },
    );
    await this.#make("WebSocket", () => checkAnswer(answer, handshake), {
      ok: ({ subprotocol }) => ({
        details: this.#subprotocolLines(subprotocol),
        facts: { subprotocol: redactSubprotocol(subprotocol) },
      }),
    });
    // A server would report a connection that just breaks.
    const body = encodeCloseBody(1000);
    const frame = encodeFrame("client", Opcode.close, body);
    await writeAll(stream, frame).catch(() => {});
  }

  #subprotocolLines(subprotocol: string): string[] {
    if (subprotocol !== "") {
      return [`subprotocol ${escapeLine(redactSubprotocol(subprotocol))}`];
    }
    const offered = redactSubprotocols(this.#request.subprotocols);
    // RFC 6455 allows it; browsers and some libraries fail here.
    return offered.length > 0
      ? [`no subprotocol: the server speaks none of ${offered.join(", ")}`]
      : [];
  }

  /**
   * Makes a step and reports it.
   * @throws {HandshakeFailure} it failed
   */
  async #make<T>(
    name: StepName,
    make: () => Promise<T>,
    { result = "ok", ok, failed, also }: Reporting<T>,
  ): Promise<T> {
    this.#step = name;
    const since = performance.now();
    const report = async (ok: boolean, result: string, findings: Findings) => {
      const time = performance.now() - since;
      const more = await also?.() ?? NOTHING;
      this.#options.onStep({
        name,
        url: this.#request.url,
        ok,
        result,
        time,
        details: [...findings.details, ...more.details],
        facts: { ...findings.facts, ...more.facts },
      });
    };
    try {
      const value = await make();
      this.#signal.throwIfAborted();
      await report(true, result, ok?.(value) ?? NOTHING);
      return value;
    } catch (error) {
      if (this.#signal.aborted) {
        await report(false, "silence", NOTHING);
        throw new HandshakeFailure({ kind: "timeout", cause: error });
      }
      const failure = failureOf(error, "http");
      const { facts } = failure;
      const status = facts.kind === "status" ? String(facts.status) : "failed";
      const findings = failed?.(facts) ?? failureFindings(facts);
      await report(false, status, findings);
      throw failure;
    }
  }
}

function failureFindings({ detail }: HandshakeFacts): Findings {
  if (detail === undefined) return NOTHING;
  const message = escapeLine(inFlags(detail));
  return { details: [message], facts: { message } };
}

function headFindings({ status, statusText, headers }: ResponseHead): Findings {
  return {
    details: [
      `${status} ${escapeLine(statusText)}`.trim(),
      ...[...headers].map(([name, value]) => showHeader(name, value)),
    ],
    facts: {
      status,
      headers: Object.fromEntries(
        [...headers].map(([name, value]) => [name, redactHeader(name, value)]),
      ),
    },
  };
}

function refusalFindings(failure: HandshakeFacts): Findings {
  const { status, headers, body = "", detail = "" } = failure;
  if (status === undefined || headers === undefined) {
    return failureFindings(failure);
  }
  const { details, facts } = headFindings({
    status,
    statusText: detail,
    headers,
  });
  return {
    details: [...details, ...bodyLines(body)],
    facts: { ...facts, body },
  };
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
