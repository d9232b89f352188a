/**
 * `ws-stream probe URL`: why can I not connect?
 *
 * @module
 */

import process from "node:process";
import { clientNeeds, headerListOf, tlsOf } from "../args/client_config.ts";
import type { Invocation } from "../commands.ts";
import type { ExitStatus } from "../exit_status.ts";
import { displayUrl, showDuration, wrap } from "../format.ts";
import { onlyUrl } from "../args/values.ts";
import { blockingSink } from "../output/output.ts";
import { requirePermissions } from "../permissions.ts";
import { adviceOn, probeExitCode, type Step } from "./advice.ts";
import { probe as probeUrl } from "./steps.ts";
import { type Style, styleOf, terminalWidth, wantsColor } from "../style.ts";

/** Runs the command. */
export async function run(
  { flags, operands }: Invocation,
): Promise<ExitStatus> {
  const url = onlyUrl("probe", operands);
  const { hostname } = new URL(url);
  // Looking up a name is no matter of a port: the whole host must be allowed.
  requirePermissions([
    { kind: "net", host: hostname },
    ...clientNeeds(flags, []),
  ]);
  // Deno 2.6 warns of what its own node:dns imports; nobody here can help it.
  Object.assign(process, { noDeprecation: true });
  const style = styleOf(wantsColor(flags.color, Deno.stdout.isTerminal()));
  const { caCerts = [], cert, key } = tlsOf(flags) ?? {};
  print(`${style.bold(displayUrl(url))}\n`);
  const trouble = await probeUrl({
    url: new URL(url),
    headers: headerListOf(flags),
    subprotocols: flags.subprotocol,
    caCerts: [caCerts].flat(),
    identity: cert === undefined || key === undefined
      ? undefined
      : { cert, key },
    timeout: flags["connect-timeout"],
    onStep: (step) => stepLines(step, style).forEach(print),
  });
  const verdict = trouble === undefined
    ? "A WebSocket opens here."
    : adviceOn(trouble);
  const paint = trouble === undefined ? style.green : style.yellow;
  print("");
  for (const line of wrap(verdict, Math.min(terminalWidth(), 80))) {
    print(paint(line));
  }
  return trouble === undefined ? 0 : probeExitCode(trouble);
}

/** A step: its name, result and time, and below what is known of it. */
function stepLines(step: Step, style: Style): string[] {
  const paint = step.ok ? style.green : style.red;
  const head = `  ${step.name.padEnd(10)} ${paint(step.result.padEnd(8))} ` +
    style.dim(showDuration(step.time).padStart(9));
  const [first, ...rest] = step.details;
  const indent = " ".repeat(33);
  return [
    first === undefined ? head : `${head}  ${first}`,
    ...rest.map((line) => indent + line),
  ];
}

function print(line: string): void {
  blockingSink(Deno.stdout).write(new TextEncoder().encode(`${line}\n`));
}
