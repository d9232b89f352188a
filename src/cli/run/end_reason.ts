/**
 * The ways in which a run ends, and the exit code of each.
 *
 * @module
 */

import type { WSError } from "../../../mod.ts";
import { type EndSignal, exitCodeOf, type ExitStatus } from "../exit_status.ts";

/** What to say to the server, if not 1000 and nothing. */
export interface CloseWords {
  readonly code: number;
  readonly reason: string;
}

/** Why a run ended. */
export type EndReason =
  /** The client ended by itself. */
  | { readonly kind: "ended"; readonly error: WSError | undefined }
  /** What was asked for is done, or nobody reads any more. */
  | { readonly kind: "done"; readonly close?: CloseWords }
  /** `--timeout`. */
  | { readonly kind: "timeout" }
  /** `--fail-on-gap`. */
  | { readonly kind: "gap" }
  | { readonly kind: "signal"; readonly signal: EndSignal }
  /** Input or output failed. */
  | { readonly kind: "failed"; readonly error: Error; readonly code: 1 | 2 };

/**
 * How the program ends.
 *
 * @param lost whether `--fail-on-gap` was given and something may be missing
 */
export function exitStatusOf(reason: EndReason, lost: boolean): ExitStatus {
  switch (reason.kind) {
    case "ended": {
      const code = reason.error === undefined ? 0 : exitCodeOf(reason.error);
      return code === 0 && lost ? 9 : code;
    }
    case "done":
      return lost ? 9 : 0;
    case "gap":
      return 9;
    case "timeout":
      return 124;
    case "signal":
      return reason.signal;
    case "failed":
      return reason.code;
    default:
      return reason satisfies never;
  }
}

/** How long the queue may be drained at the end, in milliseconds. */
export function drainOf(reason: EndReason, isOpen: boolean): number {
  switch (reason.kind) {
    case "ended":
    case "timeout":
    case "gap":
    case "failed":
      return 0;
    case "done":
      return isOpen ? 3_000 : 0;
    case "signal":
      // Whoever pressed Ctrl-C waits for no reconnect.
      return isOpen ? 500 : 0;
    default:
      return reason satisfies never;
  }
}
