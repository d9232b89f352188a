/**
 * `ws-stream [connect] URL...`: lines of stdin become messages, messages become
 * lines; on a terminal, an interactive session.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import type { WSConfig } from "../../../mod.ts";
import { clientNeeds, proxyHint } from "../args/client_config.ts";
import type { FlagName, Flags, Invocation } from "../args/flags.ts";
import { UsageError, webSocketUrl } from "../args/values.ts";
import type { ExitStatus } from "../exit_status.ts";
import { styleOf, terminalWidth, wantsColor } from "../format.ts";
import { stderrNotices } from "../notices.ts";
import type { DisplayOptions } from "../output/display.ts";
import {
  inputDelimiter,
  outputDelimiter,
  printerOf,
} from "../output/printer.ts";
import { connectSteps, decoderOf, sendInput } from "../run/input.ts";
import type { Reader } from "../run/read_messages.ts";
import { openOutput, outputNeeds } from "../output/output.ts";
import { requirePermissions } from "../permissions.ts";
import { ClientRun, limitsOf } from "../run/client_run.ts";
import { both, jsonLines, sentences } from "../run/connection_events.ts";
import { traceMessage, traceRequest } from "../run/trace.ts";
import { printSummary, statsLine } from "../run/run_result.ts";
import { connectConfig, filtered } from "./messages.ts";

/** The longest message that stdin may hold: the client's queue takes no more. */
const MAX_INPUT = 16 * 1024 * 1024;

/** How long to wait for answers, in milliseconds. */
const LINGER = 1_000;

/** The same for the answer to `--once`. */
const LINGER_ONCE = 10_000;

/** Runs the command. */
export async function run(
  { flags, operands }: Invocation,
): Promise<ExitStatus> {
  const urls = operands.map(webSocketUrl);
  const [first] = urls;
  if (first === undefined) {
    throw new UsageError("no URL given; ws-stream -h shows the usage");
  }
  checkTogether(flags);
  requirePermissions([...clientNeeds(flags, urls), ...outputNeeds(flags)]);
  if (!isInteractive(flags)) {
    return await pipe(flags, urls, new URL(first).hostname);
  }
  const { runInteractive } = await import("../terminal/interactive.ts");
  return await runInteractive(flags, urls);
}

/** Flags that cannot be used together. */
const EXCLUSIVE: readonly (readonly [FlagName, FlagName])[] = [
  ["null", "delimiter"],
  ["json", "format"],
  ["json", "timestamps"],
  ["format", "timestamps"],
  ["once", "count"],
  ["once", "until"],
  ["merge", "spool"],
  ["one-message", "null"],
  ["one-message", "delimiter"],
];

/** @throws {UsageError} flags that cannot be used together */
function checkTogether(flags: Flags): void {
  const isGiven = (name: FlagName) =>
    flags[name] !== undefined && flags[name] !== false;
  for (const [one, other] of EXCLUSIVE) {
    if (!isGiven(one) || !isGiven(other)) continue;
    throw new UsageError(`--${one} and --${other} cannot be used together`);
  }
}

/** Whether a person types and reads, and wants nothing that is for programs. */
function isInteractive(flags: Flags): boolean {
  const isForPrograms = flags.json || flags.output !== undefined ||
    flags.format !== undefined || flags.once || flags.merge ||
    flags["one-message"];
  return !isForPrograms && Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
}

/** Runs until something ends it. */
async function pipe(
  flags: Flags,
  urls: readonly string[],
  host: string,
): Promise<ExitStatus> {
  // With --json the events are on stdout already.
  const quiet = flags.quiet || flags.json && flags.verbose === 0;
  const notices = stderrNotices({ ...flags, quiet });
  const display = displayOf(flags);
  const config = await configsOf(flags, urls);
  const opened = openOutput(flags, {
    delimiter: outputDelimiter(flags, display !== undefined),
    host,
    owner: () => run,
    onFile: (path) => notices.detail(`complete: ${path}`),
  });
  const { output } = opened;
  const tell = sentences(notices, proxyHint(flags, urls));
  const print = printerOf(flags, output, display);
  const run: ClientRun = new ClientRun({
    config,
    events: flags.json
      ? both(jsonLines((line) => output.text(line)), tell)
      : tell,
    deliver: filtered(flags, print, notices),
    steps: connectSteps(flags),
    output: opened,
    ...limitsOf(flags),
    onStats: (stats, state) => notices.report(statsLine(stats, state)),
    begin: (run) =>
      sendInput(run, {
        source: inputOf(flags),
        delimiter: new TextEncoder().encode(inputDelimiter(flags)),
        maxBytes: MAX_INPUT,
        isWhole: flags["one-message"],
        isText: flags.binary !== "raw",
        isLines: !flags.null && flags.delimiter === undefined &&
          flags.binary !== "raw" && !flags["one-message"],
        decode: decoderOf(flags.binary),
        linger: flags.linger ?? (flags.once ? LINGER_ONCE : LINGER),
        once: flags.once,
        onSend: flags.verbose > 1
          ? (data) => traceMessage(">", data, notices)
          : undefined,
      }),
  });
  traceRequest(flags, urls, notices);
  const result = await run.run();
  // No event has the messages that were not sent, or the output not written.
  printSummary(result, stderrNotices(flags), flags.spool);
  return result.status;
}

/** How long to wait when a pipe that does not block is empty, in milliseconds. */
const EMPTY_PIPE_WAIT = 10;

/** Stdin; empty if it is a terminal and `--once` has its request in a step. */
function inputOf({ once, steps }: Flags): Reader {
  if (!Deno.stdin.isTerminal()) return { read: readStdin };
  if (once && steps.length > 0) return { read: () => Promise.resolve(null) };
  // Reading fails once the terminal is closed, a little before SIGHUP.
  return { read: (buffer) => Deno.stdin.read(buffer).catch(() => null) };
}

/** @throws {UsageError} it is a folder, for example */
async function readStdin(buffer: Uint8Array): Promise<number | null> {
  for (;;) {
    try {
      return await Deno.stdin.read(buffer);
    } catch (error) {
      // Deno 2.6, if a parent has given us a pipe with O_NONBLOCK set.
      if (error instanceof Deno.errors.WouldBlock) {
        await delay(EMPTY_PIPE_WAIT);
        continue;
      }
      const why = error instanceof Error ? error.message : String(error);
      throw new UsageError(`stdin cannot be read: ${why}`);
    }
  }
}

/** The configuration of the client; of one for each URL with `--merge`. */
function configsOf(
  flags: Flags,
  urls: readonly string[],
): Promise<WSConfig | WSConfig[]> {
  return flags.merge
    ? Promise.all(urls.map((url) => connectConfig(flags, [url])))
    : connectConfig(flags, urls);
}

/** How to show messages, if stdout is a terminal. */
function displayOf(flags: Flags): DisplayOptions | undefined {
  if (flags.output !== undefined || !Deno.stdout.isTerminal()) return undefined;
  return {
    style: styleOf(wantsColor(flags.color, true)),
    width: terminalWidth(),
    binary: flags.binary,
    raw: flags.raw,
  };
}
