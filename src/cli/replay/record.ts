/**
 * `ws-stream record URL -o FILE`: messages, and when each arrived.
 *
 * @module
 */

import { clientConfig, clientNeeds } from "../args/client_config.ts";
import { ClientRun, limitsOf } from "../run/client_run.ts";
import type { Invocation } from "../args/flags.ts";
import type { ExitStatus } from "../exit_status.ts";
import { printSummary, statsLine } from "../run/end_reason.ts";
import { onlyUrl } from "../args/values.ts";
import { connectSteps } from "../run/input.ts";
import { both, jsonLines, sentences } from "../run/connection_events.ts";
import { stderrNotices } from "../notices.ts";
import { openOutput, outputNeeds } from "../output/output.ts";
import { requirePermissions } from "../permissions.ts";
import { recordLine } from "./recording.ts";

/** Runs the command. */
export async function run(
  { flags, operands }: Invocation,
): Promise<ExitStatus> {
  const url = onlyUrl("record", operands);
  requirePermissions([...clientNeeds(flags, [url]), ...outputNeeds(flags)]);
  const notices = stderrNotices(flags);
  const opened = openOutput(flags, {
    delimiter: "\n",
    host: new URL(url).hostname,
    owner: () => run,
    onFile: (path) => notices.good(`recorded ${path}`),
  });
  const { output } = opened;
  const start = performance.now();
  const run: ClientRun = new ClientRun({
    config: clientConfig(flags, [url]),
    events: both(jsonLines((line) => output.text(line)), sentences(notices)),
    deliver: (data, source) => {
      const t = performance.now() - start;
      output.text(recordLine(data, source.url, Date.now(), t));
    },
    steps: connectSteps(flags),
    output: opened,
    ...limitsOf(flags),
    onStats: (stats, state) => notices.line(statsLine(stats, state)),
  });
  const result = await run.run();
  printSummary(result, notices);
  return result.status;
}
