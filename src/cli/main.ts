/**
 * From the command line to the exit code. Loads only the code that a command
 * line needs: `--version` and `-h` start as fast as an empty program.
 *
 * @module
 */

import config from "../../deno.json" with { type: "json" };
import type { CommandName } from "./args/flag.ts";
import type { Invocation } from "./args/flags.ts";
import type { Request } from "./args/parse.ts";
import type { ExitStatus } from "./exit_status.ts";
import {
  blockingSink,
  endStderr,
  isStderrStalled,
  printToStdout,
} from "./stdio.ts";

/**
 * How long the last words may wait for the reader of stderr, in milliseconds: on
 * a busy machine even a reader that has not stalled is late.
 */
const LAST_WORDS = 1_000;

/** The same after a signal or a timeout, which must act within 100 ms. */
const URGENT_WORDS = 100;

/** The same if the reader has stalled. */
const STALLED_WORDS = 20;

/** Runs the program; does not return. */
export async function main(argv: readonly string[]): Promise<void> {
  const status = await run(argv);
  const isUrgent = typeof status === "string" || status === 124;
  const urgentLimit = isStderrStalled() ? STALLED_WORDS : URGENT_WORDS;
  await endStderr(isUrgent ? urgentLimit : LAST_WORDS);
  // A pending read of stdin cannot be aborted, and would keep the program alive.
  if (typeof status === "number") Deno.exit(status);
  const { exitBySignal } = await import("./exit_status.ts");
  exitBySignal(status);
}

async function run(argv: readonly string[]): Promise<ExitStatus> {
  try {
    return await runCommand(argv);
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return 0;
    const code = error instanceof Error ? KNOWN_ERRORS[error.name] : undefined;
    if (error instanceof Error && code !== undefined) {
      complain(`ws-stream: ${error.message}`);
      return code;
    }
    complain(`ws-stream: internal error: ${Deno.inspect(error)}`);
    return 1;
  }
}

/** Nothing runs any more that a stalled reader of stderr could hold up. */
function complain(line: string): void {
  try {
    blockingSink(Deno.stderr).write(new TextEncoder().encode(`${line}\n`));
  } catch {
    // There is no other place to report it.
  }
}

/** Errors that say everything in their message. Known by name: not loaded. */
const KNOWN_ERRORS: Readonly<Record<string, 1 | 2>> = {
  UsageError: 2,
  InputFormatError: 2,
  MissingPermissionError: 2,
  OutputError: 1,
};

/**
 * Runs the command of the command line.
 * @throws {UsageError} before anything was started
 * @throws {MissingPermissionError} before anything was started
 */
export async function runCommand(argv: readonly string[]): Promise<ExitStatus> {
  const request = plainRequest(argv) ??
    (await import("./args/parse.ts")).parseCommandLine(argv);
  switch (request.kind) {
    case "version":
      printToStdout(`ws-stream ${config.version}\n`);
      return 0;
    case "help": {
      const { helpText } = await import("./help.ts");
      printToStdout(helpText(request.command, request.full));
      return 0;
    }
    case "run":
      return await (await loadCommand(request.command)).run(request);
    default:
      return request satisfies never;
  }
}

/** The code of a command. */
export interface CommandModule {
  /**
   * Runs it.
   * @throws {UsageError} before anything was started
   * @throws {MissingPermissionError} before anything was started
   */
  readonly run: (invocation: Invocation) => Promise<ExitStatus>;
}

/** Loads the code of a command: a pipe does not wait for a server's code. */
export function loadCommand(name: CommandName): Promise<CommandModule> {
  switch (name) {
    case "connect":
      return import("./connect/connect.ts");
    case "serve":
      return import("./serve/serve.ts");
    case "demo":
      return import("./demo/demo.ts");
    case "ping":
      return import("./ping/ping.ts");
    case "probe":
      return import("./probe/probe.ts");
    case "record":
      return import("./replay/record.ts");
    case "replay":
      return import("./replay/replay.ts");
    case "completions":
      return import("./completions.ts");
    default:
      return name satisfies never;
  }
}

/** A request that needs no table of flags. */
function plainRequest(argv: readonly string[]): Request | undefined {
  const [word, ...more] = argv;
  if (more.length > 0) return undefined;
  switch (word) {
    case "-V":
    case "--version":
    case "version":
      return { kind: "version" };
    case "-h":
      return { kind: "help", command: undefined, full: false };
    case "--help":
    case "help":
      return { kind: "help", command: undefined, full: true };
    default:
      return undefined;
  }
}
