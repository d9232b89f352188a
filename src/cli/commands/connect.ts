/**
 * `ws-stream [connect] URL...`: stdin's lines become messages, messages become
 * lines; on a terminal, a conversation.
 *
 * @module
 */

import { clientConfig, clientNeeds } from "../args/client_config.ts";
import type { Flags } from "../args/flags.ts";
import { UsageError, webSocketUrl } from "../args/values.ts";
import type { Invocation } from "../commands.ts";
import type { ExitStatus } from "../exit_status.ts";
import { stderrNotices } from "../notices.ts";
import type { DisplayOptions } from "../output/display.ts";
import { decoderOf } from "../output/message_codec.ts";
import { openOutput, outputNeeds } from "../output/open_output.ts";
import {
  inputDelimiter,
  outputDelimiter,
  printerOf,
} from "../output/printer.ts";
import { requirePermissions } from "../permissions.ts";
import { ClientRun, limitsOf } from "../run/client_run.ts";
import { connectSteps } from "../run/connect_steps.ts";
import { both, jsonLines, sentences } from "../run/connection_events.ts";
import { sendInput } from "../run/input.ts";
import { printSummary, statsLine } from "../run/summary.ts";
import { styleOf, terminalWidth, wantsColor } from "../style.ts";

/** Runs the command. */
export async function run(
  { flags, operands }: Invocation,
): Promise<ExitStatus> {
  const urls = operands.map(webSocketUrl);
  const [first] = urls;
  if (first === undefined) throw new UsageError("which URL? -h says more");
  if (flags.null && flags.delimiter !== undefined) {
    throw new UsageError("--null and --delimiter exclude one another");
  }
  requirePermissions([...clientNeeds(flags, urls), ...outputNeeds(flags)]);
  const toPerson = !flags.json && flags.output === undefined &&
    Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
  if (!toPerson) return await pipe(flags, urls, new URL(first).hostname);
  const { runInteractive } = await import("../terminal/interactive.ts");
  return await runInteractive(flags, urls);
}

/** The longest message that stdin may hold: what the client's queue takes. */
const MAX_INPUT = 16 * 1024 * 1024;

/** Runs until something ends it. */
export async function pipe(
  flags: Flags,
  urls: readonly string[],
  host: string,
): Promise<ExitStatus> {
  // With --json the events are on stdout already.
  const quiet = flags.quiet || flags.json && !flags.verbose;
  const notices = stderrNotices({ ...flags, quiet });
  using opened = openOutput(flags, {
    delimiter: outputDelimiter(flags),
    host,
    onBrokenPipe: () => run.end({ kind: "done" }),
    onError: (error) => run.outputFailed(error),
    onFile: (path) => notices.detail(`complete: ${path}`),
  });
  const { output } = opened;
  const tell = sentences(notices);
  const run: ClientRun = new ClientRun({
    config: clientConfig(flags, urls),
    events: flags.json
      ? both(jsonLines((line) => output.text(line)), tell)
      : tell,
    deliver: printerOf(flags, output, displayOf(flags)),
    greet: connectSteps(flags),
    finish: () => opened[Symbol.dispose](),
    ...limitsOf(flags),
    onStats: (stats, state) => notices.line(statsLine(stats, state)),
    begin: (run) =>
      sendInput(run, {
        source: Deno.stdin,
        delimiter: new TextEncoder().encode(inputDelimiter(flags)),
        maxBytes: MAX_INPUT,
        decode: decoderOf(flags.binary),
        linger: flags.linger ?? 1_000,
      }),
  });
  const result = await run.run();
  printSummary(result, notices);
  return result.status;
}

/** How to show messages, if stdout is a terminal. */
function displayOf(flags: Flags): DisplayOptions | undefined {
  if (flags.output !== undefined || !Deno.stdout.isTerminal()) return undefined;
  return {
    style: styleOf(wantsColor(flags.color, true)),
    width: terminalWidth(),
    binary: flags.binary,
  };
}
