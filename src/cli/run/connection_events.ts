/**
 * What a run tells about its link, and two of those who listen: sentences for
 * people, and `--json`.
 *
 * @module
 */

import type {
  DisconnectInfo,
  DropReason,
  Gap,
  RetryInfo,
  Session,
  WSError,
} from "../../../mod.ts";
import { displayUrl, escapeLine, showDuration } from "../format.ts";
import {
  closeEvent,
  errorEvent,
  eventLine,
  gapEvent,
  type JsonEvent,
  openEvent,
  retryEvent,
} from "../output/json_events.ts";

/** Listens to the link of a run. */
export interface ConnectionEvents {
  readonly open: (session: Session) => void;
  readonly close: (info: DisconnectInfo) => void;
  readonly retry: (info: RetryInfo) => void;
  /** `back`: the link is there again; if not, the run has ended without it. */
  readonly gap: (gap: Gap, back: boolean) => void;
  readonly error: (error: WSError) => void;
  readonly drop: (reason: DropReason) => void;
}

/** Where the sentences go: good news, trouble, or what only `-v` wants. */
export interface Notices {
  readonly good: (text: string) => void;
  readonly trouble: (text: string) => void;
  readonly detail: (text: string) => void;
}

/** Tells people, in one calm line for each thing that happens. */
export function sentences(notices: Notices): ConnectionEvents {
  let dropped: DropReason | undefined;
  let last: string | undefined;
  let isBack = false;
  return {
    open({ url, protocol, reconnected }) {
      const as = protocol === "" ? "" : ` (${escapeLine(protocol)})`;
      const here = `${displayUrl(url)}${as}`;
      // After an outage the gap has told it, unless it is somewhere else.
      if (!isBack || here !== last) {
        const verb = reconnected ? "on a new connection" : "connected";
        notices.detail(`${verb} to ${here}`);
      }
      last = here;
      isBack = false;
    },
    close({ code, reason, error, connectedFor }) {
      // An error is told by the retry or by the end that follows.
      if (error !== undefined) return;
      const time = showDuration(connectedFor);
      notices.detail(`closed: ${closeText(code, reason)}, after ${time}`);
    },
    retry({ attempt, delay, error }) {
      notices.trouble(
        `${escapeLine(error.message)}; attempt ${attempt} in ` +
          showDuration(delay),
      );
    },
    gap({ from, to, attempts, count }, back) {
      const time = showDuration(to - from);
      const missed = count === undefined
        ? "messages of that time may be missing"
        : `${count} messages are missing`;
      isBack = back;
      if (back) notices.good(`connected again after ${time}: ${missed}`);
      // Without a retry the end itself says what happened.
      else if (attempts > 0) {
        notices.trouble(`no connection for the last ${time}: ${missed}`);
      }
    },
    error(error) {
      // The others are told by the retry or by the end that follows.
      const alone = error.code === "CALLBACK" || error.code === "SPOOL";
      if (!alone || error.severity === "fatal") return;
      notices.trouble(escapeLine(error.message));
    },
    drop(reason) {
      // One line for many: the summary has the number.
      if (reason === dropped) return;
      dropped = reason;
      notices.trouble(`messages to send are being dropped (${reason})`);
    },
  };
}

function closeText(code: number, reason: string): string {
  return reason === "" ? String(code) : `${code} "${escapeLine(reason)}"`;
}

/** Prints one JSON object for each event. */
export function jsonLines(print: (line: string) => void): ConnectionEvents {
  const emit = (event: JsonEvent) => print(eventLine(event, Date.now()));
  return {
    open: (session) => emit(openEvent(session)),
    close: (info) => emit(closeEvent(info)),
    retry: (info) => emit(retryEvent(info)),
    gap: (gap) => emit(gapEvent(gap)),
    error: (error) => emit(errorEvent(error)),
    drop: () => {},
  };
}

/** One after the other. */
export function both(
  first: ConnectionEvents,
  second: ConnectionEvents,
): ConnectionEvents {
  return {
    open: (session) => (first.open(session), second.open(session)),
    close: (info) => (first.close(info), second.close(info)),
    retry: (info) => (first.retry(info), second.retry(info)),
    gap: (gap, back) => (first.gap(gap, back), second.gap(gap, back)),
    error: (error) => (first.error(error), second.error(error)),
    drop: (reason) => (first.drop(reason), second.drop(reason)),
  };
}
