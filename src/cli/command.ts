/**
 * What a command is.
 *
 * @module
 */

import type { EndSignal, ExitCode } from "./exit_code.ts";
import type { CommandName } from "./flags/flag.ts";
import type { Flags } from "./flags/table.ts";

/** How a command ended: a code, or the signal to die of. */
export type Ending = ExitCode | EndSignal;

/** What a command is called with. */
export interface Invocation {
  readonly flags: Flags;
  /** The words that are no flags. */
  readonly operands: readonly string[];
}

/** One command of the program. */
export interface Command {
  readonly name: CommandName;
  /** What follows the program's name. */
  readonly usage: string;
  /** One line. */
  readonly summary: string;
  /** Command lines with what they do. */
  readonly examples: readonly (readonly [line: string, does: string])[];
  /** Loads its code. */
  readonly load: () => Promise<CommandModule>;
}

/** The code of a command. */
export interface CommandModule {
  /**
   * Does it.
   * @throws {UsageError} before anything was started
   * @throws {MissingPermissionError} before anything was started
   */
  readonly run: (invocation: Invocation) => Promise<Ending>;
}
