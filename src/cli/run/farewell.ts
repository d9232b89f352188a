/**
 * The last words of a run, on stderr.
 *
 * @module
 */

import type { RunResult } from "./client_run.ts";
import { escapeLine } from "../escape.ts";
import type { Stderr } from "../notices.ts";
import { showMany } from "../quantities.ts";
import { summaryLine } from "./summary.ts";

/** Says why the run ended, and what it came to. */
export function sayFarewell(
  { outcome, stats, unsent }: RunResult,
  notices: Stderr,
): void {
  const summary = summaryLine(stats, unsent.unsent);
  switch (outcome.kind) {
    case "ended":
      if (outcome.error !== undefined) {
        notices.fatal(escapeLine(outcome.error.message));
      }
      break;
    case "timeout":
      notices.trouble("the time is up (--timeout)");
      break;
    case "gap":
      notices.fatal("messages may have been missed (--fail-on-gap)");
      break;
    case "failed":
      notices.fatal(escapeLine(outcome.error.message));
      break;
    case "signal":
      notices.good(summary);
      return;
    case "done":
      break;
    default:
      outcome satisfies never;
  }
  if (unsent.unsent > 0) {
    const verb = unsent.unsent === 1 ? "was" : "were";
    notices.trouble(`${showMany(unsent.unsent, "message")} ${verb} not sent`);
  }
  notices.detail(summary);
}
