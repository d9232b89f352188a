/**
 * Reports the events of the connections of a run, in sentences for people and as
 * `--json` lines.
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
  WSErrorCode,
} from "../../../mod.ts";
import { inFlags } from "../args/in_flags.ts";
import {
  displayUrl,
  escapeLine,
  showClose,
  showDuration,
  showMany,
} from "../format.ts";
import type { Notices } from "../notices.ts";
import { redactSubprotocol } from "../secrets.ts";
import {
  closeEvent,
  dropEvent,
  errorEvent,
  eventLine,
  gapEvent,
  type JsonEvent,
  openEvent,
  retryEvent,
} from "../output/json_events.ts";
import { traceProtocol, traceResponse } from "./trace.ts";

/** The client that a message or an event comes from. */
export interface Source {
  /** The URL of the connection, or of the last one, as it may be shown. */
  readonly url: string;
}

/** Gets the events of the connections of a run. */
export interface ConnectionEvents {
  readonly open: (session: Session, source: Source) => void;
  readonly close: (info: DisconnectInfo, source: Source) => void;
  readonly retry: (info: RetryInfo, source: Source) => void;
  /** `back`: there is a connection again; if not, the run ended without. */
  readonly gap: (gap: Gap, back: boolean, source: Source) => void;
  readonly error: (error: WSError, source: Source) => void;
  /** A message to send was dropped. */
  readonly drop: (reason: DropReason, source: Source) => void;
  /**
   * The run is over because of this error, if there is one. Returns whether it
   * has been printed on stderr.
   */
  readonly end: (error: Error | undefined) => boolean;
}

/**
 * Reports to people, one calm line for each event.
 *
 * @param hint what to add to the first failure to connect
 */
export function sentences(notices: Notices, hint?: string): ConnectionEvents {
  let isHinted = hint === undefined;
  /** Of each client: where it was connected last. */
  const last = new Map<Source, string>();
  /** Names the connection, if there are several. */
  const at = (source: Source) =>
    last.size > 1 ? `${last.get(source) ?? source.url}: ` : "";
  const back = new Set<Source>();
  const dropped = new Map<Source, DropReason>();
  const unreported = new UnreportedErrors((error) =>
    notices.trouble(errorText(error))
  );
  return {
    open({ url, protocol, reconnected, response }, source) {
      unreported.report(source);
      if (response !== undefined) traceResponse(response, notices);
      else traceProtocol(protocol, notices);
      const shown = escapeLine(redactSubprotocol(protocol));
      const as = protocol === "" ? "" : ` (${shown})`;
      const here = `${displayUrl(url)}${as}`;
      // After an outage the gap has reported it, unless the URL is another one.
      if (!back.has(source) || here !== last.get(source)) {
        const verb = reconnected ? "on a new connection" : "connected";
        notices.detail(`${verb} to ${here}`);
      }
      last.set(source, here);
      back.delete(source);
      dropped.delete(source);
    },
    close({ code, reason, error, connectedFor }, source) {
      // The retry or the end that follows reports the error.
      if (error !== undefined) return;
      notices.detail(`${at(source)}${showClose(code, reason, connectedFor)}`);
    },
    retry({ attempt, delay, error }, source) {
      unreported.forget(source);
      notices.trouble(
        `${errorText(error)}; retry ${attempt} follows ` +
          (delay === 0 ? "at once" : `in ${showDuration(delay)}`),
      );
    },
    gap({ from, to, attempts, count }, isBack, source) {
      const time = showDuration(to - from);
      const missed = count === undefined
        ? "messages of that time may be missing"
        : `missed ${showMany(count, "message")}`;
      if (attempts === 0 && count !== undefined) {
        // No connection was lost: --decompress failed for these.
        unreported.report(source);
        notices.trouble(missed);
      } else if (isBack) {
        back.add(source);
        notices.good(`${at(source)}connected again after ${time}: ${missed}`);
      } else if (attempts > 0) {
        // Not without a retry: then the end itself says what happened.
        notices.trouble(
          `${at(source)}no connection for the last ${time}: ${missed}`,
        );
      }
    },
    error(error, source) {
      if (!isHinted && HINTED.includes(error.code)) {
        isHinted = true;
        notices.trouble(hint ?? "");
      }
      const { status, headers, body = "" } = error;
      if (status !== undefined && headers !== undefined) {
        traceResponse({ status, headers }, notices);
      }
      const says = escapeLine(body.trim().slice(0, BODY));
      if (says !== "") notices.detail(`the server says: ${says}`);
      unreported.set(error, source);
    },
    drop(reason, source) {
      // One line for many: the summary has the number.
      if (reason === dropped.get(source)) return;
      dropped.set(source, reason);
      notices.trouble(
        `messages to ${source.url} are being dropped (${reason})`,
      );
    },
    end: (error) => unreported.end(error) && !notices.isQuiet,
  };
}

/** Errors that a proxy in the way may cause. */
const HINTED: readonly WSErrorCode[] = [
  "CONNECT",
  "DNS",
  "HANDSHAKE",
  "HTTP_STATUS",
  "TIMEOUT",
  "TLS",
];

/** How much of the body of a refusal is shown. */
const BODY = 500;

/** How long an error waits for the retry or the end that reports it, in ms. */
const LONGEST_WAIT = 200;

/** An error that is not reported yet. */
interface UnreportedError {
  readonly error: WSError;
  readonly timer: ReturnType<typeof setTimeout>;
}

/**
 * The last error of each client, which waits for the retry or the end that
 * follows and reports it. If neither follows, as when the next URL is tried at
 * once, it is reported alone.
 */
class UnreportedErrors {
  readonly #report: (error: WSError) => void;
  readonly #waiting = new Map<Source, UnreportedError>();
  readonly #reported = new WeakSet<Error>();

  constructor(report: (error: WSError) => void) {
    this.#report = report;
  }

  set(error: WSError, source: Source): void {
    const earlier = this.#waiting.get(source)?.error;
    if (earlier !== undefined && error.cause === earlier) this.forget(source);
    this.report(source);
    const timer = setTimeout(() => this.report(source), LONGEST_WAIT);
    Deno.unrefTimer(timer);
    this.#waiting.set(source, { error, timer });
  }

  report(source: Source): void {
    const { error } = this.#waiting.get(source) ?? {};
    this.forget(source);
    if (error === undefined) return;
    this.#reported.add(error);
    this.#report(error);
  }

  /**
   * Reports all but this one, and its cause. Returns whether this one has been
   * reported.
   */
  end(last: Error | undefined): boolean {
    for (const [source, { error }] of this.#waiting) {
      if (error === last || error === last?.cause) this.forget(source);
      else this.report(source);
    }
    return last !== undefined && this.#reported.has(last);
  }

  forget(source: Source): void {
    clearTimeout(this.#waiting.get(source)?.timer);
    this.#waiting.delete(source);
  }
}

/** An error's message, in flags and safe for a terminal. */
export function errorText(error: Error): string {
  return escapeLine(inFlags(error.message));
}

/** Prints one JSON object for each event. */
export function jsonLines(print: (line: string) => void): ConnectionEvents {
  const emit = (event: JsonEvent, { url }: Source) =>
    print(eventLine(event, url));
  const drops = new DropCounts(emit);
  return {
    open: (session, source) => emit(openEvent(session), source),
    close: (info, source) => emit(closeEvent(info), source),
    retry: (info, source) => emit(retryEvent(info), source),
    gap: (gap, _back, source) => emit(gapEvent(gap), source),
    error: (error, source) => emit(errorEvent(error), source),
    drop: (reason, source) => drops.add(reason, source),
    end: () => {
      drops.report();
      return false;
    },
  };
}

/** From one `drop` event to the next, in milliseconds. */
const DROPS_EVERY = 1_000;

/**
 * Counts dropped messages, of which there may be many in a second, and reports
 * their number at most once a second.
 */
class DropCounts {
  readonly #report: (event: JsonEvent, source: Source) => void;
  readonly #counts = new Map<Source, Map<DropReason, number>>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(report: (event: JsonEvent, source: Source) => void) {
    this.#report = report;
  }

  add(reason: DropReason, source: Source): void {
    const counts = this.#counts.get(source) ?? new Map<DropReason, number>();
    counts.set(reason, (counts.get(reason) ?? 0) + 1);
    this.#counts.set(source, counts);
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.report(), DROPS_EVERY);
    Deno.unrefTimer(this.#timer);
  }

  report(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const [source, counts] of this.#counts) {
      for (const [reason, count] of counts) {
        this.#report(dropEvent(reason, count), source);
      }
    }
    this.#counts.clear();
  }
}

/** One after the other. */
export function both(
  first: ConnectionEvents,
  second: ConnectionEvents,
): ConnectionEvents {
  return {
    open: (...args) => (first.open(...args), second.open(...args)),
    close: (...args) => (first.close(...args), second.close(...args)),
    retry: (...args) => (first.retry(...args), second.retry(...args)),
    gap: (...args) => (first.gap(...args), second.gap(...args)),
    error: (...args) => (first.error(...args), second.error(...args)),
    drop: (...args) => (first.drop(...args), second.drop(...args)),
    end: (error) => [first.end(error), second.end(error)].includes(true),
  };
}
