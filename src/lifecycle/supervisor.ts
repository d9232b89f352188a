/**
 * The loop that keeps a client connected: wait, dial, pass the gate, hold,
 * judge, again.
 *
 * It is a straight line: attempts until one brings a connection, which is then
 * held until it ends, so there is never a second attempt at the same time.
 * Every attempt, wait and connection has an AbortController or a link of its
 * own, and a late event of an old one finds nobody to talk to. Only a rotation
 * holds two links, on purpose and for a moment.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { retry } from "@std/async/retry";
import { WSError } from "../errors.ts";
import { judge, reconnectRequested } from "./classify.ts";
import { Endpoints } from "./endpoint.ts";
import { Link, type LinkEnd } from "./link.ts";
import { Opener } from "./opener.ts";
import { Outage } from "./outage.ts";
import { findSuccessor } from "./rotation.ts";
import { isQuiet, type Next, Series } from "./series.ts";
import type { SupervisorParts } from "./supervisor_parts.ts";

/** The client has ended: with this error, or in order. */
interface End {
  readonly error: WSError | undefined;
}

/** Keeps one client connected. */
export class Supervisor {
  readonly #parts: SupervisorParts;
  readonly #series: Series;
  readonly #opener: Opener;
  #isStopped = false;
  /** Gives up what is tried, if anything is. */
  #trying: AbortController | undefined;
  /** Cuts the coming wait short. */
  #hurry: AbortController | undefined;
  #next: Extract<Next, { kind: "retry" }> | undefined;
  #link: Link | undefined;
  #outage: Outage | undefined;
  #wasOpen = false;
  /** When the gate passed; a rotation does not change it. */
  #openSince: number | undefined;
  #lastMessageAt: number | undefined;

  constructor(parts: SupervisorParts) {
    const { config } = parts;
    this.#parts = parts;
    const endpoints = new Endpoints(config.endpoints);
    this.#series = new Series(config, endpoints, parts.chance);
    this.#opener = new Opener(parts, endpoints);
  }

  /** The current connection, if there is one. */
  get link(): Link | undefined {
    return this.#link;
  }

  /** When the last message came, as of the last tick of a heartbeat. */
  get lastMessageAt(): number | undefined {
    return this.#link?.lastMessageAt ?? this.#lastMessageAt;
  }

  /** Runs until the client has ended. Never rejects. */
  async run(): Promise<void> {
    this.#series.begin(now());
    let end: End | undefined;
    try {
      while (end === undefined) {
        const opened = await this.#connect();
        this.#trying = undefined;
        if (opened instanceof Link) {
          const last = this.#parts.config.maxConnectionAge === 0
            ? opened
            : await this.#rotate(opened);
          end = this.#settle(last, await last.over);
        } else end = opened;
      }
    } catch (cause) {
      end = { error: this.#isStopped ? undefined : this.#parts.broken(cause) };
      this.#link?.drop();
    }
    this.#parts.log.end(Date.now());
    this.#opener.close();
    this.#parts.onEnd(end.error);
  }

  /** Ends the run; an open connection is closed in order first. */
  stop(code: number, reason: string): void {
    this.#isStopped = true;
    this.#trying?.abort();
    this.#hurry?.abort();
    this.#link?.close(code, reason, this.#parts.config.closeTimeout);
  }

  /** Drops the connection, or cuts the wait short, and dials at once. */
  reconnect(): void {
    this.#hurry?.abort();
    this.#link?.drop();
  }

  /** Ends the current connection because of an error found elsewhere. */
  fail(error: WSError): void {
    this.#link?.fail(error);
  }

  /** Tries until there is a connection. */
  #connect(): Promise<Link | End> {
    const signal = this.#tryNow();
    // The failures are counted in the series, because onDisconnect must tell
    // whether there is another attempt before retry() would know.
    return retry(() => this.#attempt(signal), {
      maxAttempts: Number.MAX_SAFE_INTEGER,
      minTimeout: 0,
      jitter: 0,
      isRetriable: (error) =>
        error instanceof WSError && error.severity === "transient",
      signal,
    });
  }

  /** What `stop()` aborts. */
  #tryNow(): AbortSignal {
    this.#trying = new AbortController();
    if (this.#isStopped) this.#trying.abort();
    return this.#trying.signal;
  }

  async #attempt(signal: AbortSignal): Promise<Link | End> {
    if (this.#next !== undefined) await this.#wait(this.#next);
    this.#parts.onState("connecting");
    this.#outage?.attempt();
    let link;
    try {
      const limit = this.#series.budgetLeft(now());
      link = await this.#opener.dial(signal, limit);
    } catch (error) {
      if (!(error instanceof WSError)) throw error;
      const judged = this.#judge(error);
      const end = this.#conclude(judged, this.#series.failed(judged, now()));
      if (end !== undefined) return end;
      // Fatal for its endpoint is not fatal for the client: others are left.
      throw judged.withSeverity("transient");
    }
    if (this.#isStopped) {
      link.drop();
      return { error: undefined };
    }
    this.#link = link;
    const gap = this.#outage?.end(Date.now());
    this.#outage = undefined;
    if (gap !== undefined) this.#parts.onOutage(gap);
    await this.#opener.pass(link, this.#wasOpen, this.#series.attempt);
    if (!link.isOver) this.#open(link);
    return link;
  }

  async #wait(next: Extract<Next, { kind: "retry" }>): Promise<void> {
    const { notifier, log } = this.#parts;
    log.retries++;
    const { attempt, delay: ms, error } = next;
    const { signal } = this.#hurry ??= new AbortController();
    notifier.retry({ attempt, delay: ms, error });
    try {
      await delay(ms, { signal });
      await this.#parts.readersCaughtUp(signal);
    } catch (error) {
      // reconnect() cut it short; anything else ends the run.
      if (this.#isStopped || !signal.aborted) throw error;
    }
    this.#hurry = undefined;
  }

  #open(link: Link): void {
    this.#wasOpen = true;
    this.#openSince = now();
    this.#parts.log.up(Date.now());
    link.carry();
    link.release();
    this.#parts.onState("open");
  }

  /** Lets one link take over from another; the one that nobody replaced. */
  async #rotate(link: Link): Promise<Link> {
    const stop = this.#tryNow();
    for (let current = link;;) {
      const successor = await findSuccessor(current, {
        config: this.#parts.config,
        chance: this.#parts.chance,
        stop,
        dial: (signal) => this.#opener.dial(signal),
        pass: (link) => this.#opener.pass(link, true, 0),
        onFailed: (error, end) => this.#rotationFailed(error, end),
      });
      if (successor === undefined) return current;
      await this.#takeOver(current, successor);
      current = successor;
    }
  }

  async #takeOver(old: Link, link: Link): Promise<void> {
    const { config, log } = this.#parts;
    this.#lastMessageAt = old.lastMessageAt ?? this.#lastMessageAt;
    this.#link = link;
    // stop() may have come since the gate passed, and closed only the old one.
    if (this.#isStopped) link.drop();
    log.rotations++;
    log.up(Date.now());
    link.release();
    // Two TCP connections keep no order between them, so the queue moves only
    // when the old one has answered, or is given up: so soon, if nobody waits.
    link.over.then(() => this.#isStopped || old.drop());
    const end = await old.close(1000, "", config.closeTimeout);
    this.#disconnected(end, undefined, true);
    link.carry();
  }

  /** Its failure is its own: the old link goes on. */
  #rotationFailed(error: WSError | undefined, end: LinkEnd | undefined): void {
    const judged = error && this.#judge(error);
    const shown = judged && isQuiet(judged) ? undefined : judged;
    if (shown !== undefined) this.#parts.notifier.error(shown);
    if (end !== undefined) this.#disconnected(end, shown, true);
  }

  /** What follows the end of a link; `undefined`: another attempt. */
  #settle(link: Link, end: LinkEnd): End | undefined {
    this.#lastMessageAt = link.lastMessageAt ?? this.#lastMessageAt;
    this.#link = undefined;
    this.#parts.log.down(Date.now());
    const openFor = this.#openSince === undefined
      ? undefined
      : now() - this.#openSince;
    this.#openSince = undefined;
    if (this.#isStopped) {
      this.#disconnected(end, undefined, false);
      return { error: undefined };
    }
    this.#series.held(openFor, now());
    const error = end.error && this.#judge(end.error);
    if (this.#wasOpen) {
      // What a gate held is lost when it fails: then the gap begins with it.
      const missed = openFor === undefined ? end.connectedFor : 0;
      const cause = error ?? reconnectRequested(link.url);
      this.#outage = new Outage(cause, Date.now() - missed);
    }
    if (error === undefined) {
      this.#parts.onState("connecting");
      this.#disconnected(end, undefined, true);
      this.#next = undefined;
      return undefined;
    }
    const next = this.#series.fell(error, openFor, now());
    return this.#conclude(error, next, end);
  }

  /** Tells what follows a failure; `undefined`: another attempt. */
  #conclude(error: WSError, next: Next, end?: LinkEnd): End | undefined {
    const { notifier } = this.#parts;
    // Renewed before the callbacks, which may hurry; after stop() no more.
    if (!this.#isStopped) this.#hurry = new AbortController();
    if (next.kind === "retry") this.#parts.onState("waiting");
    const shown = isQuiet(error) ? undefined : error;
    if (shown !== undefined) notifier.error(shown);
    const gaveUp = next.kind === "end" && next.error !== error;
    if (gaveUp && next.error !== undefined) notifier.error(next.error);
    if (end !== undefined) {
      this.#disconnected(end, shown, next.kind === "retry");
    }
    if (next.kind === "end") return { error: next.error };
    this.#next = next;
    return undefined;
  }

  #disconnected(
    end: LinkEnd,
    error: WSError | undefined,
    goesOn: boolean,
  ): void {
    this.#parts.log.disconnects++;
    const { code, reason, wasClean, connectedFor } = end;
    const willRetry = goesOn && !this.#isStopped;
    this.#parts.notifier.disconnect(
      { code, reason, wasClean, connectedFor, error, willRetry },
    );
  }

  #judge(error: WSError): WSError {
    const { config, notifier } = this.#parts;
    return judge(error, config, (thrown) => notifier.error(thrown));
  }
}

/** A clock that never jumps, in milliseconds. */
function now(): number {
  return performance.now();
}
