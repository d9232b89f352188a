/**
 * `ws-stream completions bash|zsh|fish`.
 *
 * @module
 */

import type { Command, Ending, Invocation } from "../command.ts";
import { completionScript, SHELLS, type Summaries } from "../completions.ts";
import { UsageError } from "../flags/values.ts";
import { blockingSink } from "../output/output.ts";

/** The command, which needs to know all of them. */
export function completionsOf(summaries: () => Summaries): Command {
  return {
    name: "completions",
    usage: "completions SHELL",
    summary: "A completion script: bash, zsh or fish",
    examples: [
      ["source <(ws-stream completions bash)", "For this shell."],
    ],
    run: (invocation) => run(invocation, summaries()),
  };
}

function run({ operands }: Invocation, summaries: Summaries): Promise<Ending> {
  const shell = SHELLS.find((name) => name === operands[0]);
  if (shell === undefined || operands.length > 1) {
    throw new UsageError(`completions takes one of ${SHELLS.join(", ")}`);
  }
  const script = completionScript(shell, summaries);
  blockingSink(Deno.stdout).write(new TextEncoder().encode(script));
  return Promise.resolve(0);
}
