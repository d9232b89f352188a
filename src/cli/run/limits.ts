/**
 * What ends a run by itself, and how often it tells how it goes: the same flags
 * for each command that follows a feed.
 *
 * @module
 */

import type { Flags } from "../flags/table.ts";
import type { RunParts } from "./client_run.ts";

/** The flags' part of a run. */
export type Limits = Pick<
  RunParts,
  "count" | "timeout" | "failOnGap" | "statsEvery"
>;

/** As the flags say. */
export function limitsOf(
  flags: Pick<Flags, "count" | "timeout" | "fail-on-gap" | "stats">,
): Limits {
  return {
    count: flags.count,
    timeout: flags.timeout,
    failOnGap: flags["fail-on-gap"],
    statsEvery: flags.stats,
  };
}
