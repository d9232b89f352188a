/**
 * `ws-stream ping URL`: the time to the answer of a message, again and again.
 *
 * @module
 */

import { clientNeeds, handshakeConfig, textOf } from "../args/client_config.ts";
import { ClientRun } from "../run/client_run.ts";
import type { Invocation } from "../commands.ts";
import type { ExitStatus } from "../exit_status.ts";
import { printSummary } from "../run/summary.ts";
import { onlyUrl } from "../args/values.ts";
import type { Flags } from "../args/flags.ts";
import { connectSteps } from "../run/connect_steps.ts";
import { sentences } from "../run/connection_events.ts";
import { stderrNotices } from "../notices.ts";
import { blockingSink, Output } from "../output/output.ts";
import { requirePermissions } from "../permissions.ts";
import { pingReport } from "../ping/report.ts";
import { Pinger } from "../ping/pinger.ts";
import { showDuration } from "../format.ts";
import { RoundTrips } from "../ping/round_trips.ts";

/** Does it. */
export async function run(
  { flags, operands }: Invocation,
): Promise<ExitStatus> {
  const url = onlyUrl("ping", operands);
  requirePermissions(clientNeeds(flags, [url]));
  const output = new Output(
    blockingSink(Deno.stdout),
    "\n",
    () => clientRun.end({ kind: "done" }),
  );
  const notices = stderrNotices(flags);
  const trips = new RoundTrips(flags.wait);
  const { hostname } = new URL(url);
  const pinger = new Pinger({
    ...pingsOf(flags),
    trips,
    now: () => performance.now(),
    onAnswer: ({ seq, time }) =>
      output.text(
        `answer from ${hostname}: seq=${seq} time=${showDuration(time)}`,
      ),
    onLost: (seq) =>
      output.text(`no answer to seq=${seq} within ${showDuration(flags.wait)}`),
  });
  const clientRun: ClientRun = new ClientRun({
    // Whoever measures a link wants to know of its end.
    config: { ...handshakeConfig(flags, [url]), reconnect: false },
    events: sentences(notices),
    greet: connectSteps(flags),
    deliver: (data) => pinger.onMessage(data),
    timeout: flags.timeout,
    begin: async (run) => {
      // What fails here ends the run, and is told at its end.
      await run.opened.catch(() => {});
      await pinger.run(run);
    },
  });
  const result = await clientRun.run();
  if (trips.sent > 0) {
    pingReport(trips, url).forEach((line) => output.text(line));
  }
  output.flush();
  printSummary(result, notices);
  const allLost = trips.sent > 0 && trips.times.length === 0;
  return result.status === 0 && allLost ? 1 : result.status;
}

function pingsOf(flags: Flags) {
  const { message, pong, interval, count = Infinity } = flags;
  return {
    message: message === undefined ? undefined : textOf("--message", message),
    pong,
    interval,
    count,
  };
}
