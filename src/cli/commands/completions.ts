/**
 * `ws-stream completions bash|zsh|fish`.
 *
 * @module
 */

import { COMMANDS, type Invocation } from "../commands.ts";
import type { ExitStatus } from "../exit_status.ts";
import { completionScript, SHELLS } from "../completions.ts";
import { UsageError } from "../args/values.ts";
import { blockingSink } from "../output/output.ts";

/** Does it. */
export function run({ operands }: Invocation): Promise<ExitStatus> {
  const shell = SHELLS.find((name) => name === operands[0]);
  if (shell === undefined || operands.length > 1) {
    throw new UsageError(`completions takes one of ${SHELLS.join(", ")}`);
  }
  const summaries = new Map(
    COMMANDS.map(({ name, summary }) => [name, summary]),
  );
  const script = completionScript(shell, summaries);
  blockingSink(Deno.stdout).write(new TextEncoder().encode(script));
  return Promise.resolve(0);
}
