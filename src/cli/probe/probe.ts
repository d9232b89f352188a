/**
 * `ws-stream probe URL`: why can I not connect?
 *
 * @module
 */

import process from "node:process";
import { WebSocketStreamClient, type WSConfig } from "../../../mod.ts";
import { handshakeError } from "../../transport/classify.ts";
import { resolveRequest } from "../../transport/handshake_request.ts";
import {
  clientNeeds,
  environmentProxy,
  handshakeConfig,
  headerListOf,
  proxyOf,
} from "../args/client_config.ts";
import type { Flags, Invocation } from "../args/flags.ts";
import { withUsageErrors } from "../args/in_flags.ts";
import { onlyUrl, UsageError } from "../args/values.ts";
import type { ExitCode, ExitStatus } from "../exit_status.ts";
import {
  displayUrl,
  showDuration,
  type Style,
  styleOf,
  terminalWidth,
  toMicros,
  wantsColor,
  wrap,
} from "../format.ts";
import { stderrNotices } from "../notices.ts";
import { eventLine } from "../output/json_events.ts";
import { requirePermissions } from "../permissions.ts";
import { exitCodeOf } from "../run/end_reason.ts";
import { printToStdout } from "../stdio.ts";
import { adviceOn } from "./advice.ts";
import { probe, type ProbeFailure, type Step } from "./steps.ts";

/** Runs the command. */
export async function run(
  { flags, operands }: Invocation,
): Promise<ExitStatus> {
  const url = new URL(onlyUrl("probe", operands));
  if (url.protocol === "ws+unix:") {
    throw new UsageError("probe takes a ws:// or wss:// URL");
  }
  const proxy = proxyOf(flags);
  // A look-up of the name needs the whole host, not one port.
  const { hostname } = proxy ?? url;
  requirePermissions([
    { kind: "net", host: hostname },
    ...clientNeeds(flags, []),
  ]);
  // Deno 2.6 warns about an import of its own node:dns.
  Object.assign(process, { noDeprecation: true });
  const config: WSConfig = {
    ...handshakeConfig(flags, [url.href]),
    transport: "tcp",
  };
  // It refuses what `connect` refuses, in the same words.
  withUsageErrors(() => new WebSocketStreamClient(config));
  const request = await resolveRequest(
    {
      endpoint: url.href,
      headers: headerListOf(flags),
      subprotocols: flags.subprotocol,
      transportName: "tcp",
    },
    new AbortController().signal,
    () => {},
  );
  const timeout = Math.min(flags["connect-timeout"], flags.timeout ?? Infinity);
  const report = reportOf(
    flags,
    request.url,
    (failure) => adviceOn(failure, proxy, timeout),
  );
  const other = environmentProxy(flags, [url.href]);
  if (other !== undefined) {
    stderrNotices(flags).trouble(
      `without --transport tcp, connect goes through ${other.description}; ` +
        "probe does so only with --proxy",
    );
  }
  const start = performance.now();
  const failure = await probe(request, {
    tls: config.tls,
    proxy,
    timeout,
    followRedirects: flags["follow-redirects"],
    onStep: report.step,
  });
  const code = failure === undefined ? 0 : exitCodeOfFailure(failure);
  report.end(failure, code, performance.now() - start);
  return code;
}

/** The one that `connect` would end with. */
function exitCodeOfFailure({ facts, url }: ProbeFailure): ExitCode {
  const now = Date.now();
  return exitCodeOf(
    handshakeError(facts, { url, wasOpen: false, refusals: 0, now }),
  );
}

interface Report {
  readonly step: (step: Step) => void;
  readonly end: (
    failure: ProbeFailure | undefined,
    code: ExitCode,
    time: number,
  ) => void;
}

function reportOf(flags: Flags, url: URL, advise: Advise): Report {
  if (flags.json) return jsonReport(url, advise);
  if (flags.quiet) {
    const { fatal } = stderrNotices(flags);
    return {
      step: () => {},
      end: (failure) => failure !== undefined && fatal(advise(failure)),
    };
  }
  return textReport(
    url,
    styleOf(wantsColor(flags.color, Deno.stdout.isTerminal())),
    Math.min(terminalWidth(), 100),
    advise,
  );
}

/** Says what to do about a failure. */
type Advise = (failure: ProbeFailure) => string;

function jsonReport(first: URL, advise: Advise): Report {
  let shown = displayUrl(first.href);
  return {
    step({ name, url, ok, result, time, facts }) {
      shown = displayUrl(url.href);
      const step = name.toLowerCase();
      const event = { type: "step", step, ok, result, time: toMicros(time) };
      print(eventLine({ ...event, ...facts }, shown));
    },
    end(failure, exitCode, time) {
      const advice = failure === undefined ? undefined : advise(failure);
      const ok = failure === undefined;
      const event = {
        type: "result",
        ok,
        failure: failure?.facts.kind,
        exitCode,
        time: toMicros(time),
        advice,
      };
      print(eventLine(event, shown));
    },
  };
}

/** Where the details of a step begin. */
const COLUMN = 30;

function textReport(
  first: URL,
  style: Style,
  width: number,
  advise: Advise,
): Report {
  let current = first.href;
  print(`${style.bold(displayUrl(current))}\n`);
  return {
    step(step) {
      if (step.url.href !== current) {
        current = step.url.href;
        print(`\n${style.bold(`redirected to ${displayUrl(current)}`)}\n`);
      }
      stepLines(step, style, width).forEach(print);
    },
    end(failure, _, time) {
      const text = failure === undefined
        ? `A WebSocket opens here, in ${showDuration(time)}.`
        : advise(failure);
      const paint = failure === undefined ? style.green : style.magenta;
      print("");
      for (const line of wrap(text, Math.min(width, 80))) print(paint(line));
    },
  };
}

/** A step: its name, result and time, and beside or below it the details. */
function stepLines(step: Step, style: Style, width: number): string[] {
  const paint = step.ok ? style.green : style.red;
  const head = `  ${step.name.padEnd(10)} ${paint(step.result.padEnd(7))} ` +
    style.dim(showDuration(step.time).padStart(7));
  const isNarrow = width < 2 * COLUMN;
  const indent = " ".repeat(isNarrow ? 4 : COLUMN);
  const lines = step.details
    .flatMap((line) => fitted(line, width - indent.length))
    .map((line) => (indent + line).trimEnd());
  const [first = "", ...rest] = lines;
  return isNarrow || first === ""
    ? [head, ...lines]
    : [`${head}  ${first.trimStart()}`, ...rest];
}

/** A detail that is too long goes on below, indented. */
function fitted(line: string, width: number): string[] {
  const [, label = ""] = /^([\w-]+(?:: |  +))\S/.exec(line) ?? [];
  const indent = " ".repeat(Math.min(label.length, 9));
  const [first = "", ...rest] = wrap(
    line.slice(label.length),
    Math.max(width - label.length, 20),
  );
  return [label + first, ...rest.map((part) => indent + part)];
}

function print(line: string): void {
  printToStdout(`${line}\n`);
}
