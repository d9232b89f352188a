/**
 * Connects step by step, by hand, and tells what each step came to.
 *
 * @module
 */

import { abortable } from "@std/async/abortable";
import { certificateLines, fetchCertificate } from "./certificate.ts";
import { escapeLine } from "../format.ts";
import type { ProbeFailure, Step, StepName } from "./advice.ts";
import { exchange, upgradeFlaw } from "./upgrade_exchange.ts";

/** What to probe. */
export interface ProbeRequest {
  readonly url: URL;
  readonly headers: readonly (readonly [string, string])[];
  readonly subprotocols: readonly string[];
  readonly caCerts: readonly string[];
  /** The client certificate. */
  readonly identity?: { readonly cert: string; readonly key: string };
  /** The limit of all steps together, in milliseconds. */
  readonly timeout: number;
  /** Told of each step as it ends. */
  readonly onStep: (step: Step) => void;
}

/** Ends the probe: what is wrong is known. */
class Found extends Error {
  readonly trouble: ProbeFailure;

  constructor(trouble: ProbeFailure) {
    super(trouble.kind);
    this.trouble = trouble;
  }
}

/** Makes the steps until one fails; undefined if none did. */
export async function probe(
  request: ProbeRequest,
): Promise<ProbeFailure | undefined> {
  const prober = new Prober(request);
  try {
    await prober.run();
    return undefined;
  } catch (error) {
    if (error instanceof Found) return error.trouble;
    throw error;
  } finally {
    prober.close();
  }
}

class Prober {
  readonly #request: ProbeRequest;
  readonly #hostname: string;
  readonly #port: number;
  readonly #isTls: boolean;
  readonly #signal: AbortSignal;
  #tcpConn: Deno.TcpConn | undefined;
  #tlsConn: Deno.TlsConn | undefined;
  #step: { name: StepName; since: number } = { name: "DNS", since: 0 };

  constructor(request: ProbeRequest) {
    const { url, timeout } = request;
    this.#request = request;
    this.#isTls = url.protocol === "wss:";
    this.#hostname = url.hostname.replace(/^\[|\]$/g, "");
    this.#port = Number(url.port) || (this.#isTls ? 443 : 80);
    this.#signal = AbortSignal.timeout(timeout);
  }

  async run(): Promise<void> {
    if (!/^[\d.]+$|:/.test(this.#hostname)) await this.#dns();
    await this.#tcp();
    if (this.#isTls) await this.#tls();
    await this.#http();
  }

  close(): void {
    for (const conn of [this.#tlsConn, this.#tcpConn]) {
      try {
        conn?.close();
      } catch (error) {
        // TLS has taken the TCP connection over.
        if (!(error instanceof Deno.errors.BadResource)) throw error;
      }
    }
  }

  async #dns(): Promise<void> {
    this.#begin("DNS");
    const { lookup } = await import("node:dns/promises");
    try {
      const found = await this.#within(lookup(this.#hostname, { all: true }));
      this.#ok(found.map(({ address }) => address));
    } catch (error) {
      this.#fail(error, { kind: "dns", hostname: this.#hostname });
    }
  }

  async #tcp(): Promise<void> {
    this.#begin("TCP");
    const target = { hostname: this.#hostname, port: this.#port };
    try {
      this.#tcpConn = await this.#within(Deno.connect(target));
      const { hostname, port } = this.#tcpConn.remoteAddr;
      this.#ok([`${hostname} port ${port}`]);
    } catch (error) {
      const message = messageOf(error);
      this.#fail(error, { kind: "tcp", port: this.#port, message });
    }
  }

  async #tls(): Promise<void> {
    this.#begin("TLS");
    let failure: unknown;
    try {
      await this.#within(this.#handshake());
    } catch (error) {
      failure = error;
    }
    const time = performance.now() - this.#step.since;
    const details = await this.#certificate();
    if (failure === undefined) return this.#ok(details, time);
    const message = messageOf(failure);
    this.#fail(failure, { kind: "tls", message }, details, time);
  }

  async #handshake(): Promise<void> {
    const { identity, caCerts } = this.#request;
    const hostname = this.#hostname;
    const options = {
      hostname,
      caCerts: [...caCerts],
      alpnProtocols: ["http/1.1"],
    };
    const conn = identity === undefined && this.#tcpConn !== undefined
      // The handshake alone is measured: TCP was a step of its own.
      ? await Deno.startTls(this.#tcpConn, options)
      : await Deno.connectTls({ ...options, ...identity, port: this.#port });
    this.#tlsConn = conn;
    await conn.handshake();
  }

  async #certificate(): Promise<string[]> {
    const signal = AbortSignal.any([this.#signal, AbortSignal.timeout(3_000)]);
    const found = await fetchCertificate(this.#hostname, this.#port, signal);
    return found === undefined ? [] : certificateLines(found, Date.now());
  }

  async #http(): Promise<void> {
    this.#begin("HTTP");
    const { url, headers, subprotocols } = this.#request;
    const key = crypto.getRandomValues(new Uint8Array(16)).toBase64();
    const conn = this.#tlsConn ?? this.#tcpConn;
    if (conn === undefined) throw new Error("HTTP comes after TCP");
    const asked = { url, headers, subprotocols, key };
    const answer = await this.#within(exchange(conn, asked)).catch((error) =>
      this.#fail(error, { kind: "hang-up", step: "HTTP" })
    );
    switch (answer.kind) {
      case "hang-up":
        return this.#fail("hang-up", { kind: "hang-up", step: "HTTP" });
      case "not-http":
        return this.#fail("failed", {
          kind: "not-http",
          isTls: this.#isTls,
        });
      case "http":
        return await this.#judge(answer, key);
      default:
        return answer satisfies never;
    }
  }

  async #judge(
    answer: { status: number; statusText: string; headers: Headers },
    key: string,
  ): Promise<void> {
    const { status, statusText, headers } = answer;
    const lines = [
      `${status} ${escapeLine(statusText)}`.trim(),
      ...[...headers].map(([name, value]) => `${name}: ${escapeLine(value)}`),
    ];
    if (status !== 101) {
      this.#fail(String(status), { kind: "status", status, headers }, lines);
    }
    this.#ok(lines, undefined, "101");
    this.#begin("WebSocket");
    const flaw = await upgradeFlaw(headers, key);
    if (flaw !== undefined) {
      this.#fail("failed", { kind: "upgrade", flaw }, [flaw]);
    }
    const chosen = headers.get("sec-websocket-protocol") ?? "";
    const { subprotocols: offered } = this.#request;
    if (chosen !== "" && !offered.includes(chosen)) {
      this.#fail("failed", { kind: "subprotocol", chosen }, [
        `subprotocol ${escapeLine(chosen)}, which was not offered`,
      ]);
    }
    if (chosen !== "") return this.#ok([`subprotocol ${escapeLine(chosen)}`]);
    this.#ok(
      offered.length === 0
        ? []
        // RFC 6455 allows it; browsers and some libraries fail here.
        : [`no subprotocol: the server speaks none of ${offered.join(", ")}`],
    );
  }

  #begin(name: StepName): void {
    this.#step = { name, since: performance.now() };
  }

  #ok(
    details: readonly string[],
    time = performance.now() - this.#step.since,
    result = "ok",
  ): void {
    const { name } = this.#step;
    this.#request.onStep({ name, result, ok: true, time, details });
  }

  /** Tells of the failed step, and ends the probe. */
  #fail(
    error: unknown,
    trouble: ProbeFailure,
    details: readonly string[] = [],
    time = performance.now() - this.#step.since,
  ): never {
    const { name } = this.#step;
    const timedOut = this.#signal.aborted;
    this.#request.onStep({
      name,
      result: timedOut
        ? "silence"
        : typeof error === "string"
        ? error
        : "failed",
      ok: false,
      time,
      details: [
        ...(error instanceof Error && !timedOut
          ? [escapeLine(messageOf(error))]
          : []),
        ...details,
      ],
    });
    throw new Found(timedOut ? { kind: "silence", step: name } : trouble);
  }

  #within<T>(promise: Promise<T>): Promise<T> {
    return abortable(promise, this.#signal);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
