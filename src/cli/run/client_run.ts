/**
 * A run of one client, or of several at once, from the start to the exit status:
 * what ends it, and in which order it is shut down.
 *
 * @module
 */

import {
  type DropReason,
  type Gap,
  type Message,
  WebSocketStreamClient,
  type WSCallbacks,
  type WSConfig,
  type WSError,
} from "../../../mod.ts";
import { untilNextTurn } from "../../turns.ts";
import type { Flags } from "../args/flags.ts";
import { withUsageErrors } from "../args/in_flags.ts";
import { matches, UsageError } from "../args/values.ts";
import { type EndSignal, Signals } from "../exit_status.ts";
import { displayUrl } from "../format.ts";
import type { OpenOutput } from "../output/output.ts";
import type { StreamOwner } from "../output/stream_sink.ts";
import type { ConnectSteps } from "./input.ts";
import type { ConnectionEvents, Source } from "./connection_events.ts";
import {
  closeLimitOf,
  drainOf,
  type EndReason,
  endsOutput,
  exitStatusOf,
  type Goal,
  isUrgent,
} from "./end_reason.ts";
import { FloodDetector } from "./flood.ts";
import { type RunResult, type RunStats, runStats } from "./run_result.ts";
import { aborted, after, every, Limit } from "./timers.ts";

/** The parts of a run. */
export interface RunParts extends Limits {
  /** One client, or several at once. */
  readonly config: WSConfig | readonly WSConfig[];
  readonly events: ConnectionEvents;
  /** Takes each message; false: it is not printed, and does not count. */
  readonly deliver: (data: Message, source: Source) => unknown;
  /** The first steps on each connection, before the queue may move. */
  readonly steps?: ConnectSteps;
  /** Called once the clients have been started. */
  readonly begin?: (run: ClientRun) => unknown;
  /** Finished at the end, and stopped before the program exits. */
  readonly output?: Pick<OpenOutput, "finish" | "stop" | "look">;
  /** Called once the clients have stopped, for the last words of the output. */
  readonly finish?: () => void;
  /**
   * Gives the terminal back: called once the output is written, or before a
   * second signal ends the program.
   */
  readonly restore?: () => void;
  readonly onStats?: (stats: RunStats, state: string) => void;
}

/** The limits of a run, and the interval of its reports. */
export interface Limits {
  /** End after this number of printed messages. */
  readonly count?: number;
  /** End at the first message that matches. */
  readonly until?: RegExp;
  /** End at the first message after the steps; earlier messages are dropped. */
  readonly once?: boolean;
  /** End with 124 after this time, in milliseconds. */
  readonly timeout?: number;
  /** End with 0 after this time, in milliseconds. */
  readonly duration?: number;
  readonly failOnGap?: boolean;
  /** Report the numbers at this interval, in milliseconds. */
  readonly statsEvery?: number;
}

/** The limits that the flags set. */
export function limitsOf(
  flags: Pick<
    Flags,
    "count" | "until" | "once" | "timeout" | "for" | "fail-on-gap" | "stats"
  >,
): Limits {
  return {
    count: flags.count ?? (flags.once ? 1 : undefined),
    until: flags.until,
    once: flags.once,
    timeout: flags.timeout,
    duration: flags.for,
    failOnGap: flags["fail-on-gap"],
    statsEvery: flags.stats,
  };
}

/** How long the reader of the output has at an urgent end, in milliseconds. */
const URGENT_WRITE = 45;

/** How long a second signal waits for the reader, in milliseconds. */
const LAST_WORDS = 50;

/** How many messages may come before the clock is read. */
const CLOCK_EVERY = 32;

/** Runs clients until the first reason to end. */
export class ClientRun implements StreamOwner {
  readonly #parts: RunParts;
  readonly #clients: readonly WebSocketStreamClient[];
  readonly #sources = new Map<WebSocketStreamClient, ClientSource>();
  readonly #start = performance.now();
  /** Aborts when it is decided how the run ends. */
  readonly #over = new AbortController();
  /** Aborts when the clients must close, though they may be draining. */
  readonly #urgent = new AbortController();
  /** Aborts when the clients must end, though servers may still answer. */
  readonly #terminate = new AbortController();
  /** How long the shutdown may wait for the servers, and for our reader. */
  readonly #closeLimit = new Limit();
  readonly #writeLimit = new Limit();
  #signals: Signals | undefined;
  /** Messages since the clock was read last. */
  #unclocked = 0;
  readonly #flood = new FloodDetector();
  #opened: Promise<void> = Promise.resolve();
  #decided: EndReason | undefined;
  #outputFailure: EndReason | undefined;
  #lost = false;
  #dropped = 0;
  /** How many messages each client that has stopped did not send. */
  readonly #unsent = new Map<WebSocketStreamClient, number>();
  /** Those of them that were written to a socket and did not leave it. */
  #returned = 0;
  #returnedBytes = 0;
  #unaccepted = 0;
  /** Whether a part of one more message was read from the input. */
  #hasPart = false;
  /** How many messages are still to be printed. */
  #left: number;
  #goalMet = false;
  #isWatching = false;
  #lastMessageAt = 0;

  /** @throws {UsageError} a configuration that the client does not take */
  constructor(parts: RunParts) {
    this.#parts = parts;
    this.#left = parts.count ?? Infinity;
    const configs: readonly WSConfig[] = [parts.config].flat();
    this.#clients = configs.map((config) => this.#create(config));
  }

  /** The client; the first one, if there are several. */
  get client(): WebSocketStreamClient {
    const [first] = this.#clients;
    if (first === undefined) throw new UsageError("no URL given");
    return first;
  }

  /** All clients. */
  get clients(): readonly WebSocketStreamClient[] {
    return this.#clients;
  }

  /**
   * Ends the run. The first reason counts, but for an urgent one that comes
   * during the shutdown, which ends that too.
   */
  end(reason: EndReason): void {
    if (this.#decided === undefined) {
      this.#decided = reason;
      if (endsOutput(reason)) this.#left = 0;
      this.#closeLimit.set(closeLimitOf(reason));
      if (isUrgent(reason)) this.#writeLimit.set(URGENT_WRITE);
      this.#over.abort();
    } else if (isUrgent(reason) && !isUrgent(this.#decided)) {
      this.#decided = reason;
      this.#urgent.abort();
      this.#closeLimit.set(closeLimitOf(reason));
      this.#writeLimit.set(0);
    }
  }

  /**
   * The output failed. That counts even if another reason was first: the last
   * messages are written during the shutdown, and their loss must be reported.
   */
  outputFailed(error: Error): void {
    if (error instanceof Deno.errors.BrokenPipe) {
      return this.end({ kind: "output-closed" });
    }
    this.#outputFailure ??= { kind: "failed", error, code: 1 };
    this.end(this.#outputFailure);
  }

  /** A signal came, or a deadline passed, while the thread was kept busy. */
  interrupt(signal: EndSignal | undefined): void {
    if (signal !== undefined) return this.end({ kind: "signal", signal });
    const { timeout = Infinity, duration = Infinity } = this.#parts;
    this.end({ kind: timeout <= duration ? "timeout" : "planned" });
  }

  /** Acts as if the signal came; the second one ends the program at once. */
  raise(signal: EndSignal): void {
    this.#signals?.raise(signal);
  }

  /** When the time of the run is over (`performance.now()`). */
  get deadline(): number {
    const { timeout = Infinity, duration = Infinity } = this.#parts;
    return this.#start + Math.min(timeout, duration);
  }

  /** Whether it is decided how the run ends. */
  get isOver(): boolean {
    return this.#over.signal.aborted;
  }

  /** Aborts when it is decided how the run ends. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /**
   * Resolves once every client has been open or has ended; rejects if none has
   * been open.
   */
  get opened(): Promise<void> {
    return this.#opened;
  }

  /** The error of a connection that ended after the last message was written. */
  get loss(): WSError | undefined {
    const losses = [...this.#sources.values()].map(({ loss }) => loss);
    return losses.find((loss) => loss !== undefined);
  }

  /** From now on `lastMessageAt` is kept: the clock is read for each message. */
  watchMessages(): void {
    this.#isWatching = true;
    this.#lastMessageAt = performance.now();
  }

  /** When the last message came, or the watch began (`performance.now()`). */
  get lastMessageAt(): number {
    return this.#lastMessageAt;
  }

  /** The queue of a client is full, and has refused a message of the input. */
  refused(client: WebSocketStreamClient): void {
    const source = this.#sources.get(client);
    if (source !== undefined) this.#drop("overflow", source);
  }

  /**
   * Aborts when the input is not to wait for room in the queue of a client: it
   * cannot connect, and another one is connected.
   */
  skipWait(client: WebSocketStreamClient): AbortSignal | undefined {
    return this.#sources.get(client)?.skipWait.signal;
  }

  /** Messages were read from the input, each for every client. */
  read(count: number): void {
    this.#unaccepted += count * this.#clients.length;
  }

  /** Whether a part of one more message was read. */
  readPart(hasPart: boolean): void {
    this.#hasPart = hasPart;
  }

  /** A client has accepted one of them, or has reported it as dropped. */
  accepted(client: WebSocketStreamClient): void {
    this.#unaccepted--;
    const source = this.#sources.get(client);
    if (source !== undefined) source.loss = undefined;
  }

  /** Runs until something ends it. */
  async run(): Promise<RunResult> {
    const { begin, restore, timeout, duration, statsEvery, output } =
      this.#parts;
    using signals = new Signals(
      (signal) => this.end({ kind: "signal", signal }),
      () => {
        restore?.();
        output?.stop(LAST_WORDS);
      },
    );
    this.#signals = signals;
    const ended = new AbortController();
    after(timeout, ended.signal, () => this.end({ kind: "timeout" }));
    after(duration, this.over, () => this.end({ kind: "planned" }));
    every(statsEvery, this.over, () => this.#reportStats());
    this.#endWithClients();
    this.#opened = this.#open();
    // The input awaits it, if there is any.
    this.#opened.catch(() => {});
    begin?.(this);
    try {
      await aborted(this.over);
      return await this.#shutDown(this.#decided ?? { kind: "done" });
    } finally {
      ended.abort();
    }
  }

  #create(config: WSConfig): WebSocketStreamClient {
    const url = [config.url].flat()[0];
    const source: ClientSource = {
      url: typeof url === "string" ? displayUrl(url) : "",
      isEnding: false,
      hasFailed: false,
      skipWait: new AbortController(),
    };
    const client: WebSocketStreamClient = withUsageErrors(() =>
      new WebSocketStreamClient(
        { ...config, signal: this.#terminate.signal },
        this.#callbacks(source, () => client),
      )
    );
    this.#sources.set(client, source);
    return client;
  }

  async #open(): Promise<void> {
    const results = await Promise.allSettled(
      this.#clients.map((client) => client.start()),
    );
    const failures = results.filter(({ status }) => status === "rejected");
    const [first] = failures;
    if (first?.status === "rejected" && failures.length === results.length) {
      throw first.reason;
    }
  }

  async #endWithClients(): Promise<void> {
    const errors = await Promise.all(
      this.#clients.map((client) => client.closed),
    );
    this.end({
      kind: "ended",
      error: errors.find((error) => error !== undefined),
    });
  }

  #reportStats(): void {
    this.#parts.onStats?.(this.stats, this.state);
  }

  /** The state of the client, or how many of several are open. */
  get state(): string {
    const { length } = this.#clients;
    if (length === 1) return this.client.state;
    const open = this.#clients.filter(({ state }) => state === "open");
    return `${open.length} of ${length} open`;
  }

  /** The numbers of all clients together. */
  get stats(): RunStats {
    const stats = runStats(this.#clients.map(({ stats }) => stats));
    return {
      ...stats,
      messagesSent: stats.messagesSent - this.#returned,
      bytesSent: stats.bytesSent - this.#returnedBytes,
      // With the refused ones, which no client has accepted.
      dropped: this.#dropped,
    };
  }

  async #shutDown(decided: EndReason): Promise<RunResult> {
    const { output } = this.#parts;
    this.#sources.forEach((source) => source.isEnding = true);
    this.#closeLimit.arm();
    this.#writeLimit.arm();
    const stopped = this.#stopClients(decided);
    await Promise.race([stopped, aborted(this.#closeLimit.signal)]);
    // A client that is ended before its stop() has begun does not tell later.
    const left = this.#clients.map((client) => client.stats.queued);
    this.#terminate.abort();
    // Clients that were closing end at once, and return their unsent messages.
    await Promise.race([stopped, untilNextTurn()]);
    const { error } = decided.kind === "ended" ? decided : {};
    const isReported = this.#parts.events.end(error);
    this.#parts.finish?.();
    const unwritten = await output?.finish(this.#writeLimit) ?? 0;
    this.#parts.restore?.();
    this.#closeLimit.clear();
    this.#writeLimit.clear();
    const reason = this.#outputFailure ?? this.#decided ?? decided;
    const goal = this.#goal();
    const partial = this.#hasPart ? this.#clients.length : 0;
    const unaccepted = this.#unaccepted + partial;
    const unsent = this.#clients.reduce(
      (sum, client, i) =>
        sum + Math.max(this.#unsent.get(client) ?? 0, left[i] ?? 0),
      unaccepted,
    );
    return {
      status: exitStatusOf(reason, { lost: this.#lost, goal, unsent }),
      reason,
      goal,
      stats: this.stats,
      unsent,
      unaccepted,
      isReported,
      unwritten: isUrgent(reason) && reason.kind !== "output-closed"
        ? unwritten
        : 0,
    };
  }

  async #stopClients(reason: EndReason): Promise<void> {
    const { close = {} } = reason.kind === "done" ? reason : {};
    await Promise.all(this.#clients.map(async (client) => {
      const drain = drainOf(reason, client.state === "open");
      if (drain > 0) {
        const drained = client.flush(drain).catch(() => {});
        await Promise.race([drained, aborted(this.#urgent.signal)]);
      }
      const { queued, queuedBytes } = client.stats;
      const { unsent, unsentBytes } = await client.stop({ drain: 0, ...close });
      this.#unsent.set(client, unsent);
      this.#returned += Math.max(0, unsent - queued);
      this.#returnedBytes += Math.max(0, unsentBytes - queuedBytes);
    }));
  }

  #goal(): Goal {
    const { count, until } = this.#parts;
    if (count === undefined && until === undefined) return "none";
    return this.#goalMet ? "met" : "missed";
  }

  #callbacks(
    source: ClientSource,
    client: () => WebSocketStreamClient,
  ): WSCallbacks {
    const { events, steps, once } = this.#parts;
    const deliver = this.#delivery(source);
    return {
      onMessage: deliver,
      onConnect: (session) => {
        source.url = displayUrl(session.url);
        events.open(session, source);
        return steps?.(session, once ? () => {} : deliver);
      },
      onDisconnect: (info) => {
        if (!info.willRetry) source.isEnding = true;
        // Messages that are left go to the next connection.
        if (client().stats.queued > 0) source.loss = undefined;
        else source.loss ??= info.error;
        events.close(info, source);
      },
      onRetry: (info) => events.retry(info, source),
      onError: (error) => {
        if (this.#isPastGoal && error.code === "CALLBACK") return;
        if (error.severity === "fatal") source.isEnding = true;
        events.error(error, source);
      },
      onGap: (gap) => this.#gap(gap, !source.isEnding, source),
      onDrop: (_, reason) => this.#drop(reason, source),
      onStateChange: (state, previous) => {
        if (state === "open") source.hasFailed = false;
        // An attempt has failed; a lost connection may soon be back.
        if (state === "waiting" && previous === "connecting") {
          source.hasFailed = true;
        }
        this.#updateSkipWaits();
      },
    };
  }

  #updateSkipWaits(): void {
    const isAnyOpen = this.#clients.some(({ state }) => state === "open");
    for (const source of this.#sources.values()) {
      if (isAnyOpen && source.hasFailed) source.skipWait.abort();
      else if (source.skipWait.signal.aborted) {
        source.skipWait = new AbortController();
      }
    }
  }

  #drop(reason: DropReason, source: Source): void {
    // The summary has the number of messages that were not sent.
    if (reason === "ended") return;
    this.#dropped++;
    this.#parts.events.drop(reason, source);
    this.#lose();
  }

  /** Nothing that comes now is printed. */
  get #isPastGoal(): boolean {
    return this.isOver && this.#left === 0;
  }

  #gap(gap: Gap, back: boolean, source: Source): void {
    // Messages that could not be decompressed, and would not be printed.
    if (this.#isPastGoal && gap.attempts === 0) return;
    this.#parts.events.gap(gap, back, source);
    this.#lose();
  }

  #lose(): void {
    if (!this.#parts.failOnGap) return;
    this.#lost = true;
    // Nothing after the gap is printed, so that the output has no hole.
    this.#left = 0;
    this.end({ kind: "gap" });
  }

  /**
   * A flood gives timers and signals no chance for a long time: as long as the
   * runtime has messages to hand over, the event loop does not turn.
   */
  #checkClock(): void {
    if (++this.#unclocked < CLOCK_EVERY) return;
    this.#unclocked = 0;
    const now = performance.now();
    this.#closeLimit.check(now);
    this.#writeLimit.check(now);
    if (now >= this.deadline) this.interrupt(undefined);
    if (this.#flood.isFlood(now)) this.#parts.output?.look();
  }

  /** Takes each message, by the shortest way for a feed without a goal. */
  #delivery(source: Source): (data: Message) => void {
    const { deliver, count, until } = this.#parts;
    const hasGoal = count !== undefined || until !== undefined;
    return (data) => {
      this.#checkClock();
      if (this.#left === 0) return;
      if (this.#isWatching) this.#lastMessageAt = performance.now();
      if (hasGoal) this.#deliverTowardsGoal(data, source);
      else deliver(data, source);
    };
  }

  #deliverTowardsGoal(data: Message, source: Source): void {
    const { deliver, until } = this.#parts;
    const isPrinted = deliver(data, source) !== false;
    // The output may have ended the run.
    if (this.#left === 0) return;
    if (isPrinted) this.#left--;
    if (this.#left > 0 && (until === undefined || !matches(until, data))) {
      return;
    }
    this.#left = 0;
    this.#goalMet = true;
    this.end({ kind: "done" });
  }
}

interface ClientSource extends Source {
  url: string;
  /** Whether the client will not dial again. */
  isEnding: boolean;
  /** See {@linkcode ClientRun.loss}; undefined after a normal close. */
  loss?: WSError;
  /** Whether the last attempt to connect has failed. */
  hasFailed: boolean;
  /** See {@linkcode ClientRun.skipWait}. */
  skipWait: AbortController;
}
