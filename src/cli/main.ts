/**
 * From the command line to the exit code.
 *
 * @module
 */

import config from "../../deno.json" with { type: "json" };
import { parseCommandLine } from "./args/parse.ts";
import { type Command, COMMANDS } from "./commands.ts";
import type { ExitStatus } from "./exit_status.ts";
import { exitBySignal } from "./run/signals.ts";
import { UsageError } from "./args/values.ts";
import { briefHelp, fullHelp } from "./help.ts";
import { InputFormatError } from "./output/message_codec.ts";
import { printToStderr } from "./notices.ts";
import { blockingSink } from "./output/output.ts";
import { MissingPermissionError } from "./permissions.ts";
import { terminalWidth } from "./style.ts";

/** Runs the program; does not return. */
export async function main(argv: readonly string[]): Promise<void> {
  const status = await run(argv);
  // A read of stdin cannot be taken back, and would keep the program alive.
  if (typeof status === "number") Deno.exit(status);
  exitBySignal(status);
}

async function run(argv: readonly string[]): Promise<ExitStatus> {
  try {
    return await runCommand(argv);
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return 0;
    if (isUsersMistake(error)) {
      printToStderr(`ws-stream: ${error.message}`);
      return 2;
    }
    printToStderr(`ws-stream: internal error: ${Deno.inspect(error)}`);
    return 1;
  }
}

function isUsersMistake(error: unknown): error is Error {
  return error instanceof UsageError || error instanceof InputFormatError ||
    error instanceof MissingPermissionError;
}

/**
 * Does what the command line says.
 * @throws {UsageError} before anything was started
 * @throws {MissingPermissionError} before anything was started
 */
export async function runCommand(argv: readonly string[]): Promise<ExitStatus> {
  const request = parseCommandLine(argv);
  switch (request.kind) {
    case "version":
      print(`ws-stream ${config.version}\n`);
      return 0;
    case "help":
      print(helpOf(request.command, request.full));
      return 0;
    case "run":
      return await (await commandOf(request.command).load()).run(request);
    default:
      return request satisfies never;
  }
}

function helpOf(name: string | undefined, full: boolean): string {
  const options = {
    version: config.version,
    commands: COMMANDS,
    width: Math.min(terminalWidth(), 100),
  };
  const command = name === undefined ? undefined : commandOf(name);
  return full ? fullHelp(options, command) : briefHelp(options, command);
}

function commandOf(name: string): Command {
  const command = COMMANDS.find((command) => command.name === name);
  if (command === undefined) throw new UsageError(`no command ${name}`);
  return command;
}

function print(text: string): void {
  blockingSink(Deno.stdout).write(new TextEncoder().encode(text));
}
