/**
 * `ws-stream ping URL`: the time of a ping and its answer, again and again.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import type { Message, Session, WSConfig } from "../../../mod.ts";
import {
  clientNeeds,
  handshakeConfig,
  proxyHint,
} from "../args/client_config.ts";
import { textOf } from "../args/flag_files.ts";
import type { Flags, Invocation } from "../args/flags.ts";
import { matches, onlyUrl } from "../args/values.ts";
import type { ExitStatus } from "../exit_status.ts";
import { displayUrl, showDuration, toMicros } from "../format.ts";
import { stderrNotices } from "../notices.ts";
import { eventLine, type JsonEvent } from "../output/json_events.ts";
import { openStream } from "../output/output.ts";
import { requirePermissions } from "../permissions.ts";
import { ClientRun } from "../run/client_run.ts";
import { connectSteps } from "../run/input.ts";
import {
  type ConnectionEvents,
  jsonLines,
  sentences,
} from "../run/connection_events.ts";
import { traceRequest } from "../run/trace.ts";
import {
  CHECK_EVERY,
  hasProtocolPings,
  pingSoon,
  watchPongs,
} from "../run/protocol_ping.ts";
import { CLOSED_EARLY, printSummary } from "../run/run_result.ts";
import {
  type Answer,
  pingReport,
  pingSummary,
  RoundTrips,
} from "./round_trips.ts";

/** Runs the command. */
export async function run(
  { flags, operands }: Invocation,
): Promise<ExitStatus> {
  const url = onlyUrl("ping", operands);
  requirePermissions(clientNeeds(flags, [url]));
  const opened = openStream(
    { kind: "stdout" },
    { delimiter: "\n", owner: () => clientRun },
  );
  const { output } = opened;
  const report = reportTo(flags, url, (line) => output.text(line));
  const notices = stderrNotices(flags);
  const trips = new RoundTrips(flags.wait);
  const { message, pong, interval, count = Infinity } = flags;
  const config = pingConfig(flags, url);
  const usesFrames = !usesMessages(flags) && hasProtocolPings(config);
  const hint = config.transport === "tcp" ? undefined : proxyHint(flags, [url]);
  let session: Session | undefined;
  const soon = Math.min(Math.max(2, Math.ceil(interval / 2)), 20);
  const pinger = new Pinger({
    message: message === undefined ? undefined : textOf("--message", message),
    pong,
    interval,
    count,
    trips,
    now: () => performance.now(),
    onAnswer: report.answer,
    onLost: report.lost,
    frames: usesFrames
      ? { soon, send: async () => session && await pingSoon(session, 0, soon) }
      : undefined,
  });
  const steps = connectSteps(flags);
  const clientRun: ClientRun = new ClientRun({
    config,
    events: report.events(sentences(notices, hint)),
    steps: async (opened, deliver) => {
      session = opened;
      await steps?.(opened, deliver);
    },
    deliver: (data) => usesFrames || pinger.onMessage(data),
    timeout: flags.timeout,
    duration: flags.for,
    output: opened,
    finish: () => {
      if (trips.sent > 0) report.end(trips);
    },
    begin: async (run) => {
      // A failure ends the run, which reports it.
      await run.opened.catch(() => {});
      await pinger.run(run);
    },
  });
  traceRequest(flags, [url], notices);
  const result = await clientRun.run();
  // After a signal the report is the summary.
  printSummary(result, { ...notices, good: () => {} });
  if (result.status !== 0) return result.status;
  // The client ends by itself only with its connection.
  if (result.reason.kind === "ended") {
    notices.fatal(CLOSED_EARLY);
    return 4;
  }
  const allLost = trips.sent > 0 && trips.times.length === 0;
  return allLost ? 1 : 0;
}

/** Protocol pings, which every server answers, unless messages are asked for. */
function pingConfig(flags: Flags, url: string): WSConfig {
  const config: WSConfig = {
    ...handshakeConfig(flags, [url]),
    // The end of the connection ends the measurement.
    reconnect: false,
    // Each ping is asked for, so that there are as many as samples.
    pingInterval: 0,
  };
  if (usesMessages(flags) || flags.transport === "native") return config;
  return {
    ...config,
    transport: "tcp",
    // A lost ping is reported, and does not end the connection.
    pingTimeout: Math.max(LONG, 10 * flags.wait),
  };
}

/** Whether messages are sent even where protocol pings could be. */
function usesMessages({ message, pong }: Flags): boolean {
  return message !== undefined || pong !== undefined;
}

/** A server that reads nothing for this long has failed, in milliseconds. */
const LONG = 60_000;

/** How answers are printed: for people, with `-q` only at the end, as JSON. */
function reportTo(
  flags: Flags,
  url: string,
  print: (line: string) => void,
) {
  if (flags.json) {
    const shown = displayUrl(url);
    const emit = <T extends JsonEvent>(event: T) =>
      print(eventLine(event, shown));
    const { error } = jsonLines(print);
    return {
      events: (told: ConnectionEvents): ConnectionEvents => ({
        ...told,
        error: (...args) => (error(...args), told.error(...args)),
      }),
      answer: ({ seq, time }: Answer) =>
        emit({ type: "pong", seq, rtt: toMicros(time) }),
      lost: (seq: number) => emit({ type: "lost", seq }),
      end: (trips: RoundTrips) =>
        emit({ type: "summary", ...pingSummary(trips) }),
    };
  }
  // The URL of a Unix socket has no host.
  const from = new URL(url).hostname || displayUrl(url);
  const each = flags.quiet ? () => {} : print;
  return {
    events: (told: ConnectionEvents) => told,
    answer: ({ seq, time }: Answer) =>
      each(`answer from ${from}: seq=${seq} time=${showDuration(time)}`),
    lost: (seq: number) =>
      each(`no answer to seq=${seq} within ${showDuration(flags.wait)}`),
    end: (trips: RoundTrips) => {
      if (!flags.quiet) print("");
      pingReport(trips, url).forEach(print);
    },
  };
}

/** The parts of a {@linkcode Pinger}. */
export interface PingerParts {
  readonly trips: RoundTrips;
  /** The message to send; without it a number that an echo server returns. */
  readonly message?: Message;
  /** Matches the answers; without it, and with a message, any message is one. */
  readonly pong?: RegExp;
  /** From one ping to the next, in milliseconds. */
  readonly interval: number;
  readonly count: number;
  readonly onAnswer: (answer: Answer) => void;
  readonly onLost: (seq: number) => void;
  /** The clock, in milliseconds. */
  readonly now: () => number;
  /** Sends protocol pings instead of messages. */
  readonly frames?: {
    /** After how long one goes out, in milliseconds. */
    readonly soon: number;
    readonly send: () => Promise<void>;
  };
}

/** Sends pings at a steady pace until the last is answered or lost. */
export class Pinger {
  readonly #parts: PingerParts;
  #run: ClientRun | undefined;

  constructor(parts: PingerParts) {
    this.#parts = parts;
  }

  /** An inbound message: perhaps an answer. */
  onMessage(data: Message): void {
    const now = this.#parts.now();
    const { trips, message, pong, onAnswer } = this.#parts;
    if (pong !== undefined && !matches(pong, data)) return;
    const isNumber = message === undefined && pong === undefined;
    const seq = isNumber ? numberOf(data) : undefined;
    if (isNumber && seq === undefined) return;
    const answer = trips.answer(seq, now);
    if (answer !== undefined) onAnswer(answer);
    this.#endIfDone();
  }

  /** Runs until the last ping is answered or lost, or the run is over. */
  async run(run: ClientRun): Promise<void> {
    const { trips, interval, frames, onAnswer, onLost } = this.#parts;
    this.#run = run;
    const newPong = watchPongs(run.client);
    const start = this.#parts.now();
    while (!run.isOver) {
      const now = this.#parts.now();
      if (this.#hasMore && now >= start + trips.sent * interval) {
        await this.#send(run, now);
      }
      const time = frames === undefined ? undefined : newPong();
      if (time !== undefined) {
        trips.answerAfter(time, this.#parts.now()).forEach(onAnswer);
      }
      trips.expire(now).forEach(onLost);
      this.#endIfDone();
      const next = Math.min(
        this.#hasMore ? start + trips.sent * interval : Infinity,
        trips.nextExpiry ?? Infinity,
        frames === undefined ? Infinity : now + CHECK_EVERY,
      );
      await sleep(next - now, run.over);
    }
  }

  get #hasMore(): boolean {
    return this.#parts.trips.sent < this.#parts.count;
  }

  #endIfDone(): void {
    if (this.#hasMore || this.#parts.trips.nextExpiry !== undefined) return;
    this.#run?.end({ kind: "done" });
  }

  async #send(run: ClientRun, now: number): Promise<void> {
    const { trips, message, frames } = this.#parts;
    const seq = trips.send(now + (frames?.soon ?? 0));
    // One after the other, also when they are late.
    if (frames !== undefined) return await frames.send();
    // Without a connection it would measure the wait for one: it is lost.
    if (run.client.state === "open") run.client.trySend(message ?? String(seq));
  }
}

async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(Math.max(0, ms), { signal });
  } catch {
    // The run is over, which ends the loop.
  }
}

function numberOf(data: Message): number | undefined {
  return typeof data === "string" && /^\d+$/.test(data)
    ? Number(data)
    : undefined;
}
