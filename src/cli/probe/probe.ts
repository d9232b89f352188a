/**
 * `ws-stream probe URL`: why can I not connect?
 *
 * @module
 */

import process from "node:process";
import {
  clientNeeds,
  handshakeConfig,
  headerListOf,
  tlsOf,
} from "../args/client_config.ts";
import type { Flags, Invocation } from "../args/flags.ts";
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
import { safeJson } from "../output/json_events.ts";
import { printToStdout } from "../stdio.ts";
import { requirePermissions } from "../permissions.ts";
import { adviceOn, probeExitCode, type ProbeFailure } from "./advice.ts";
import { probe, type ProbeRequest, type Step } from "./steps.ts";

/** Runs the command. */
export async function run(
  { flags, operands }: Invocation,
): Promise<ExitStatus> {
  const url = new URL(onlyUrl("probe", operands));
  if (url.protocol === "ws+unix:") {
    throw new UsageError("probe takes a ws:// or wss:// URL");
  }
  const { proxy } = handshakeConfig(flags, [url.href]);
  requirePermissions([
    // A look-up of the name needs the whole host, not one port.
    ...(proxy === undefined ? [{ kind: "net", host: url.hostname } as const] : [
      { kind: "net", host: new URL(proxy).hostname } as const,
    ]),
    ...clientNeeds(flags, []),
  ]);
  // Deno 2.6 warns about an import of its own node:dns.
  Object.assign(process, { noDeprecation: true });
  const report = reportOf(flags, url);
  const start = performance.now();
  const failure = await probe({
    url,
    headers: headerListOf(flags),
    subprotocols: flags.subprotocol,
    tls: probeTls(flags),
    proxy: proxy === undefined ? undefined : new URL(proxy),
    timeout: Math.min(flags["connect-timeout"], flags.timeout ?? Infinity),
    followRedirects: flags["follow-redirects"],
    onStep: report.step,
  });
  const code = failure === undefined ? 0 : probeExitCode(failure);
  report.end(failure, code, performance.now() - start);
  return code;
}

function probeTls(flags: Flags): ProbeRequest["tls"] {
  const { caCerts = [], ...tls } = tlsOf(flags) ?? {};
  return { caCerts: [caCerts].flat(), ...tls };
}

interface Report {
  readonly step: (step: Step) => void;
  readonly end: (
    failure: ProbeFailure | undefined,
    code: ExitCode,
    time: number,
  ) => void;
}

function reportOf(flags: Flags, url: URL): Report {
  if (flags.json) return jsonReport();
  if (flags.quiet) {
    const { fatal } = stderrNotices(flags);
    return {
      step: () => {},
      end: (failure) => failure !== undefined && fatal(adviceOn(failure)),
    };
  }
  return textReport(
    url,
    styleOf(wantsColor(flags.color, Deno.stdout.isTerminal())),
    Math.min(terminalWidth(), 100),
  );
}

function jsonReport(): Report {
  const event = (type: string, facts: object) =>
    print(safeJson({ v: 1, type, ts: Date.now(), ...facts }));
  let shown = "";
  return {
    step({ name, url, ok, result, time, facts }) {
      shown = displayUrl(url.href);
      const step = name.toLowerCase();
      event("step", {
        url: shown,
        step,
        ok,
        result,
        time: toMicros(time),
        ...facts,
      });
    },
    end(failure, exitCode, time) {
      const advice = failure === undefined ? undefined : adviceOn(failure);
      const ok = failure === undefined;
      event("result", {
        url: shown,
        ok,
        failure: failure?.kind,
        exitCode,
        time: toMicros(time),
        advice,
      });
    },
  };
}

/** Where the details of a step begin. */
const COLUMN = 30;

function textReport(first: URL, style: Style, width: number): Report {
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
        : adviceOn(failure);
      const paint = failure === undefined ? style.green : style.yellow;
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
