/**
 * A run of the client from its start to its exit code: what ends it, in which
 * order it is taken down, and what is said about it.
 *
 * @module
 */

import {
  type ClientState,
  type DropReason,
  type Gap,
  type Message,
  type StopResult,
  WebSocketStreamClient,
  type WSCallbacks,
  type WSConfig,
  type WSStats,
} from "../../../mod.ts";
import type { Flags } from "../args/flags.ts";
import { UsageError } from "../args/values.ts";
import type { ExitStatus } from "../exit_status.ts";
import type { ConnectSteps } from "./connect_steps.ts";
import type { ConnectionEvents } from "./connection_events.ts";
import { drainOf, type EndReason, exitStatusOf } from "./end_reason.ts";
import { Signals } from "./signals.ts";
import { after, every } from "./timers.ts";

/** What a run consists of. */
export interface RunParts {
  readonly config: WSConfig;
  readonly events: ConnectionEvents;
  /** Takes each message. */
  readonly deliver: (data: Message) => void;
  /** What each connection begins with, before the queue may move. */
  readonly greet?: ConnectSteps;
  /** Called once the client has been started. */
  readonly begin?: (run: ClientRun) => unknown;
  /** Called at the end, for what is not written yet. */
  readonly finish?: () => void;
  /** Called before a second signal ends the program. */
  readonly restore?: () => void;
  /** End after so many messages. */
  readonly count?: number;
  /** End after so many milliseconds. */
  readonly timeout?: number;
  readonly failOnGap?: boolean;
  /** Tell how it goes each so many milliseconds. */
  readonly statsEvery?: number;
  readonly onStats?: (stats: WSStats, state: ClientState) => void;
}

/** How a run went. */
export interface RunResult {
  readonly status: ExitStatus;
  readonly reason: EndReason;
  readonly stats: WSStats;
  readonly unsent: StopResult;
}

/** One client, and the question of what ends it first. */
export class ClientRun {
  readonly client: WebSocketStreamClient;
  readonly #parts: RunParts;
  readonly #reason = Promise.withResolvers<EndReason>();
  /** Whether the client has said that it will not dial again. */
  #isEnding = false;
  readonly #over = new AbortController();
  #opened: Promise<void> = Promise.resolve();
  #outputFailure: EndReason | undefined;
  #lost = false;
  /** How many messages are still to be delivered. */
  #left: number;
  #watching = false;
  #lastMessageAt = 0;

  /** @throws {UsageError} a configuration that the client does not take */
  constructor(parts: RunParts) {
    this.#parts = parts;
    this.#left = parts.count ?? Infinity;
    try {
      this.client = new WebSocketStreamClient(parts.config, this.#callbacks());
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof RangeError)) {
        throw error;
      }
      throw new UsageError(error.message);
    }
  }

  /** Ends the run; only the first reason counts. */
  end(reason: EndReason): void {
    this.#over.abort();
    this.#reason.resolve(reason);
  }

  /**
   * The output failed. That counts even if another reason was first: the last
   * messages are written when it is decided, and must not be lost unsaid.
   */
  outputFailed(error: Error): void {
    this.#outputFailure ??= { kind: "failed", error, code: 1 };
    this.end(this.#outputFailure);
  }

  /** Whether it is decided how the run ends. */
  get isOver(): boolean {
    return this.#over.signal.aborted;
  }

  /** Aborts when it is decided how the run ends. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /** Settles at the first open, as `client.start()`. */
  get opened(): Promise<void> {
    return this.#opened;
  }

  /** From now on `lastMessageAt` is kept: it costs a look at the clock each. */
  watchMessages(): void {
    this.#watching = true;
    this.#lastMessageAt = performance.now();
  }

  /** When the last message came, or the watch began (`performance.now()`). */
  get lastMessageAt(): number {
    return this.#lastMessageAt;
  }

  /** A message to send was dropped. */
  dropped(reason: DropReason): void {
    this.#parts.events.drop(reason);
    this.#lose();
  }

  /** Runs until something ends it. */
  async run(): Promise<RunResult> {
    const { begin, restore, timeout, statsEvery } = this.#parts;
    using _ = new Signals(
      (signal) => this.end({ kind: "signal", signal }),
      restore,
    );
    after(timeout, this.over, () => this.end({ kind: "timeout" }));
    every(statsEvery, this.over, () => this.#tellStats());
    this.client.closed.then((error) => this.end({ kind: "ended", error }));
    this.#opened = this.client.start();
    begin?.(this);
    return await this.#takeDown(await this.#reason.promise);
  }

  #tellStats(): void {
    this.#parts.onStats?.(this.client.stats, this.client.state);
  }

  async #takeDown(decided: EndReason): Promise<RunResult> {
    const drain = drainOf(decided, this.client.state === "open");
    const { close = {} } = decided.kind === "done" ? decided : {};
    this.#isEnding = true;
    const unsent = await this.client.stop({ drain, ...close });
    this.#parts.finish?.();
    const reason = this.#outputFailure ?? decided;
    return {
      status: exitStatusOf(reason, this.#lost),
      reason,
      stats: this.client.stats,
      unsent,
    };
  }

  #callbacks(): WSCallbacks {
    const { events, greet } = this.#parts;
    const deliver = this.#counted();
    return {
      onMessage: deliver,
      onConnect: (session) => {
        events.open(session);
        return greet?.(session, deliver);
      },
      onDisconnect: (info) => {
        if (!info.willRetry) this.#isEnding = true;
        events.close(info);
      },
      onRetry: (info) => events.retry(info),
      onError: (error) => {
        if (error.severity === "fatal") this.#isEnding = true;
        events.error(error);
      },
      onGap: (gap) => this.#gap(gap, !this.#isEnding),
      onDrop: (_, reason) => {
        // What is left at the end is part of the summary.
        if (reason !== "ended") this.dropped(reason);
      },
    };
  }

  #gap(gap: Gap, back: boolean): void {
    this.#parts.events.gap(gap, back);
    this.#lose();
  }

  #lose(): void {
    if (!this.#parts.failOnGap) return;
    this.#lost = true;
    // Nothing that comes behind the gap is delivered: the output has no hole.
    this.#left = 0;
    this.end({ kind: "gap" });
  }

  #counted(): (data: Message) => void {
    const { deliver } = this.#parts;
    return (data) => {
      if (this.#left === 0) return;
      this.#left--;
      if (this.#watching) this.#lastMessageAt = performance.now();
      deliver(data);
      if (this.#left === 0) this.end({ kind: "done" });
    };
  }
}

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
