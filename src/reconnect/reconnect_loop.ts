/**
 * The loop that keeps a client connected.
 *
 * ```text
 *        +--> wait -> dial -> connect hook --+--> open --> the connection ends
 *        |              failure |            |                     |
 *        +----------------------+            +-- rotation ---------+
 * ```
 *
 * It is a straight line: a series of attempts, driven by `retry`, until one
 * brings a connection, which is then kept until it ends. Every wait, attempt and
 * connection has its own AbortController or object, so that a late event of an
 * old one changes nothing.
 *
 * A rotation is a series like any other, made while the old connection lives. Its
 * failures are reported and change nothing else. If the old connection ends
 * first, the attempt in progress simply becomes the reconnect.
 *
 * @module
 */

import { retry } from "@std/async/retry";
import type { Gap } from "../callbacks.ts";
import {
  Connection,
  type ConnectionEnd,
  type ConnectionHost,
} from "../connection/connection.ts";
import { WSError } from "../errors.ts";
import { handled } from "../handled.ts";
import type { Notifier } from "../notifier.ts";
import type { ResolvedConfig } from "../resolve_config.ts";
import type { ConnectionLog } from "../stats.ts";
import {
  applyOverrides,
  closeError,
  handshakeError,
  isNormalClose,
  reconnectRequested,
} from "../transport/classify.ts";
import {
  DROPPED,
  type HandshakeFacts,
  type Transport,
} from "../transport/transport.ts";
import { attempt } from "./attempt.ts";
import { type HookResult, runConnectHook } from "./connect_hook.ts";
import { GapTracker } from "./gap_tracker.ts";
import { type Next, RetryPolicy } from "./retry_policy.ts";
import { RetryWaits } from "./retry_waits.ts";
import { closeAnswerLimit, ROTATION_HOLD, rotationAge } from "./rotation.ts";
import { sleepUntilClosed, withEither } from "./waiting.ts";

/** What the loop works with, and what it tells. */
export interface LoopHost extends ConnectionHost {
  readonly config: ResolvedConfig;
  readonly notifier: Notifier;
  readonly log: ConnectionLog;
  readonly owner: object;
  /** Makes the transport; called at the first attempt. */
  makeTransport(): Promise<Transport>;
  /** Resolves when no reader is too far behind any more. */
  readersDrained(signal: AbortSignal): Promise<void>;
  /** A time without a connection is over. */
  onOutageEnd(gap: Gap): void;
  /** Whether messages in the socket of the connection may be unsent. */
  readonly hasUnflushed: boolean;
  onState(state: "connecting" | "open" | "waiting"): void;
  /** The loop itself failed: reports it and gives the error to end with. */
  onBug(cause: unknown): WSError;
  /** Last and once: with the error that ended the client, if one did. */
  onEnd(error: WSError | undefined): void;
}

/** How a connection is closed. */
export interface CloseWith {
  readonly code: number;
  readonly reason: string;
}

const NORMAL: CloseWith = Object.freeze({ code: 1000, reason: "" });
/** How long a server may take to close a connection whose hook has failed. */
const CLOSE_CODE_WAIT = 250;
/** Keeps one client connected. */
export class ReconnectLoop {
  readonly #host: LoopHost;
  readonly #policy: RetryPolicy;
  #isStopped = false;
  #stopWith = NORMAL;
  #end: { readonly error: WSError | undefined } | undefined;
  #lastError: WSError | undefined;
  #transport: Transport | undefined;

  // The attempt in progress
  /** Aborted by `stop()`; only while attempts are made. */
  #attempts: AbortController | undefined;
  #activity: "none" | "waiting" | "dialling" = "none";
  readonly #waits: RetryWaits;
  /** Ends the wait or the dial in progress. */
  #skip: AbortController | undefined;
  #pendingHooks = 0;
  /** How long the last set-up took, hook included, in milliseconds. */
  #setupTime = 0;
  /** Not in use yet: in its connect hook, or held before it replaces `#current`. */
  #successor: Connection | undefined;

  // The connection in use
  #current: Connection | undefined;
  #wasOpen = false;
  /** When the client became open; a rotation does not change it. */
  #openSince = 0;
  #lastMessageAt: number | undefined;
  readonly #gaps = new GapTracker();
  #rotateWith = NORMAL;
  /** The end of all old connections that are being closed after rotations. */
  #retiring: Promise<void> | undefined;
  /** The attempts that are to replace the connection in use. */
  #rotation: Promise<Connection> | undefined;

  constructor(host: LoopHost) {
    this.#host = host;
    this.#policy = new RetryPolicy(host.config, Math.random);
    this.#waits = new RetryWaits(host, this.#policy);
  }

  /** The connection in use, if there is one. */
  get connection(): Connection | undefined {
    return this.#current;
  }

  /** Why the last attempt failed, or the last connection ended. */
  get lastError(): WSError | undefined {
    return this.#lastError;
  }

  /** Whether a connect hook runs. */
  get isInHook(): boolean {
    return this.#pendingHooks > 0;
  }

  /** The wall clock's time of the last message, as of the last heartbeat look. */
  get lastMessageAt(): number | undefined {
    return this.#current?.lastMessageAt ?? this.#lastMessageAt;
  }

  /** Runs until the client has ended. Never rejects. */
  async run(): Promise<void> {
    this.#policy.start(now());
    try {
      for (let connection = await this.#open();;) {
        if (this.#current !== connection) this.#enter(connection);
        const { maxConnectionAge, reconnect } = this.#host.config;
        const end = maxConnectionAge > 0 && reconnect
          ? await this.#useUntilTooOld(connection)
          : await connection.use();
        if (end === "replace") connection = await this.#rotate(connection);
        else {
          this.#ended(connection, end);
          connection = await this.#open();
        }
      }
    } catch (cause) {
      if (this.#end === undefined && !this.#isStopped) {
        this.#end = { error: this.#host.onBug(cause) };
      }
    }
    this.#isStopped = true;
    this.#attempts?.abort();
    this.#current?.terminate();
    this.#successor?.terminate();
    await this.#rotation?.catch(() => {});
    await this.#retiring;
    // A normal close without reconnect is no outage.
    const isNormalEnd = this.#end !== undefined &&
      this.#end.error === undefined;
    if (!isNormalEnd) this.#endOutage();
    this.#host.log.end(now());
    this.#transport?.close();
    this.#host.onEnd(this.#end?.error);
  }

  /** Ends the run; open connections are closed in order first. */
  stop(code: number, reason: string): void {
    if (this.#isStopped) return;
    this.#stopWith = { code, reason };
    this.#isStopped = true;
    this.#attempts?.abort();
    this.#closeInOrder(this.#current);
    this.#closeInOrder(this.#successor);
  }

  /** Ends the run with an error. */
  fail(error: WSError): void {
    if (this.#isStopped || this.#end !== undefined) return;
    this.#end = { error };
    this.#host.notifier.error(error);
    this.stop(NORMAL.code, NORMAL.reason);
  }

  /**
   * Drops the connection, or the dial in progress, and dials now; ends a wait.
   * Graceful: replaces the open connection.
   */
  reconnect(graceful: boolean, closeWith: CloseWith | undefined): void {
    if (this.#isStopped) return;
    if (graceful && this.#current?.isOpen) {
      this.#rotateWith = closeWith ?? NORMAL;
      this.#current.requestReplacement();
      return;
    }
    // A new connection that was to replace the old one goes on.
    if (this.#current === undefined || this.#successor === undefined) {
      this.#waits.requestSkip();
      this.#skip?.abort();
    }
    const dropped = this.#current ?? this.#successor;
    if (closeWith === undefined) dropped?.terminate();
    else {
      const { closeTimeout } = this.#host.config;
      dropped?.abandon(closeWith.code, closeWith.reason, closeTimeout);
    }
  }

  /** Ends the connection because a reader is too slow for it. */
  dropFor(error: WSError): void {
    this.#current?.fail(error);
  }

  /** Stops or starts reading from all connections. */
  setReadingPaused(isPaused: boolean): void {
    for (const connection of [this.#current, this.#successor]) {
      if (isPaused) connection?.pauseForReaders();
      else connection?.resumeForReaders();
    }
  }

  get #isRotating(): boolean {
    return this.#current !== undefined;
  }

  // A series of attempts ---------------------------------------------------------

  /**
   * Attempts until there is a connection that may be used.
   * @throws the error of the last attempt, or the stop signal's reason
   */
  async #open(): Promise<Connection> {
    const { signal } = this.#attempts = new AbortController();
    if (this.#isStopped) this.#attempts.abort();
    try {
      // The policy counts the failures, because onDisconnect must tell whether
      // there is another attempt before retry() would know.
      return await retry(() => this.#attempt(signal), {
        maxAttempts: Number.MAX_SAFE_INTEGER,
        minTimeout: 0,
        jitter: 0,
        // Anything but a WSError is a bug, or a transport that did not load: it
        // would fail again at once, and for ever.
        isRetriable: (error) =>
          error instanceof WSError && this.#policy.allowsRetry &&
          this.#end === undefined,
        signal,
      });
    } finally {
      this.#attempts = undefined;
    }
  }

  /** @param stop aborts when the client stops; so below */
  async #attempt(stop: AbortSignal): Promise<Connection> {
    for (;;) {
      await this.#wait(stop);
      this.#activity = "dialling";
      if (!this.#isRotating) {
        this.#host.onState("connecting");
        this.#gaps.attempt();
      }
      const skip = this.#skip = new AbortController();
      const startedAt = now();
      try {
        const connection = await this.#dial(skip.signal, stop);
        await this.#setUp(connection, [skip.signal, stop]);
        this.#setupTime = now() - startedAt;
        return connection;
      } catch (error) {
        stop.throwIfAborted();
        // reconnect() ended the attempt: it is no failure, and dials again.
        if (error !== skip.signal.reason) throw error;
      } finally {
        this.#activity = "none";
        this.#skip = undefined;
      }
    }
  }

  /** Waits as the last failure asked for, unless `reconnect()` ends the wait. */
  async #wait(stop: AbortSignal): Promise<void> {
    this.#activity = "waiting";
    await this.#waits.pass(stop, (skip) => this.#skip = skip);
  }

  /**
   * Opens a connection.
   * @throws {WSError} it was not opened; the failure is reported
   */
  async #dial(skip: AbortSignal, stop: AbortSignal): Promise<Connection> {
    const { config, log } = this.#host;
    const transport = this.#transport ??= await this.#host.makeTransport();
    const budget = this.#isRotating ? Infinity : this.#policy.budgetLeft(now());
    try {
      const socket = await withEither(
        [skip, stop],
        (signal) =>
          attempt({
            endpoint: this.#policy.endpoint,
            headers: config.headers,
            subprotocols: config.subprotocols,
            transportName: config.transport,
            followRedirects: config.followRedirects,
            transport,
            timeout: Math.min(config.connectTimeout, budget),
            signal,
            classify: (facts, url) => this.#classify(facts, url),
          }),
      );
      log.connects++;
      this.#policy.opened();
      return new Connection(socket, this.#host);
    } catch (error) {
      if (!(error instanceof WSError)) throw error;
      const overridden = this.#override(error);
      this.#attemptFailed(overridden);
      throw overridden;
    }
  }

  /**
   * Runs the connect hook. When it resolves the connection may be used.
   * @throws {WSError} the set-up failed; the failure is reported
   */
  async #setUp(
    connection: Connection,
    signals: readonly [skip: AbortSignal, stop: AbortSignal],
  ): Promise<void> {
    this.#successor = connection;
    // stop() and reconnect() may have come while the dial was completed, or come
    // in onGap.
    const isAborted = () => signals.some(({ aborted }) => aborted);
    if (!isAborted() && !this.#isRotating) this.#endOutage();
    if (isAborted()) return await this.#discard(connection, signals[0]);
    const result = await this.#runHook(connection, signals);
    switch (result.kind) {
      case "passed":
        if (this.#current !== undefined) {
          connection.release();
          await sleepUntilClosed(
            ROTATION_HOLD,
            connection,
            this.#current,
          );
          if (connection.isOpen) return;
        } else if (!connection.isClosed && !this.#isStopped) return;
        return this.#setUpFailed(connection, undefined);
      case "rejected":
        // In order and not at once, so that the server's own close code is still
        // seen: servers answer our close frame with our code.
        if (result.error.severity === "transient") {
          await sleepUntilClosed(CLOSE_CODE_WAIT, connection);
        }
        connection.close(
          NORMAL.code,
          NORMAL.reason,
          this.#host.config.closeTimeout,
        );
        return this.#setUpFailed(connection, result.error);
      case "closed":
        return this.#setUpFailed(connection, undefined);
      default:
        return result satisfies never;
    }
  }

  /** Closes a connection that the program has not heard of. */
  async #discard(connection: Connection, skip: AbortSignal): Promise<never> {
    if (this.#isStopped) this.#closeInOrder(connection);
    else connection.terminate();
    await connection.closed;
    this.#successor = undefined;
    this.#host.log.disconnects++;
    if (this.#isStopped) throw stopRequested();
    this.#startOutage(reconnectRequested(connection.url), connection.openedAt);
    throw skip.reason;
  }

  async #runHook(
    connection: Connection,
    signals: readonly AbortSignal[],
  ): Promise<HookResult> {
    const { notifier, config, owner } = this.#host;
    if (!notifier.hasConnectHook) return { kind: "passed" };
    const isRotation = this.#isRotating;
    this.#pendingHooks++;
    try {
      return await withEither(signals, (signal) =>
        runConnectHook(connection, {
          call: (session) => notifier.connect(session),
          cause: isRotation
            ? "rotation"
            : this.#wasOpen
            ? "reconnect"
            : "start",
          attempt: isRotation ? 0 : this.#policy.attempt,
          config,
          owner,
          signal,
          onLateError: (error) => notifier.error(error),
        }));
    } finally {
      this.#pendingHooks--;
    }
  }

  /** A connection was opened and did not get through its set-up. */
  async #setUpFailed(
    connection: Connection,
    rejection: WSError | undefined,
  ): Promise<never> {
    const end = await connection.closed;
    this.#successor = undefined;
    this.#host.queue.release(connection);
    if (this.#isStopped) {
      this.#disconnected(end, undefined, false);
      throw stopRequested();
    }
    if (rejection === undefined && end.error === undefined) {
      this.#disconnected(end, undefined, true);
      this.#startOutage(
        reconnectRequested(connection.url),
        connection.openedAt,
      );
      throw this.#skip?.signal.reason ?? connection.goneError;
    }
    const closedBy = end.error ?? serverClose(end, connection.url);
    const close = closedBy && this.#override(closedBy);
    // A fatal close code ends the client even if the hook has rejected.
    const error = close !== undefined &&
        (rejection === undefined || close.severity === "fatal")
      ? close
      : this.#override(rejection ?? connection.goneError);
    this.#startOutage(error, connection.openedAt);
    this.#attemptFailed(error, end);
    throw error;
  }

  /** An attempt failed; `end` is there if a connection had been opened. */
  #attemptFailed(error: WSError, end?: ConnectionEnd): void {
    if (!this.#isRotating) {
      return this.#conclude(error, this.#policy.failed(error, now()), end);
    }
    // The connection in use stays.
    const shown = isNormalClose(error) ? undefined : error;
    if (shown !== undefined) this.#host.notifier.error(shown);
    if (end !== undefined) this.#disconnected(end, shown, true);
    const ms = this.#policy.rotationFailed(error, now());
    this.#waits.plan({ ms, retry: undefined, isForReader: false });
  }

  // The connection in use ----------------------------------------------------------

  /**
   * Replaces a connection, or reconnects if it ends first; the next connection.
   * @throws the client has ended
   */
  async #rotate(old: Connection): Promise<Connection> {
    const opening = handled(this.#open());
    // The end of the run waits for it.
    this.#rotation = opening;
    const first = await Promise.race([
      opening.catch(() => old.closed),
      old.closed,
    ]);
    if (first instanceof Connection) await this.#replace(old, first);
    // The attempt in progress becomes the reconnect.
    else this.#ended(old, first);
    const connection = await opening;
    this.#rotation = undefined;
    return connection;
  }

  #enter(connection: Connection): void {
    this.#successor = undefined;
    this.#current = connection;
    if (this.#isStopped) return this.#closeInOrder(connection);
    this.#endOutage();
    this.#wasOpen = true;
    this.#policy.entered();
    this.#waits.clear();
    this.#openSince = now();
    this.#host.log.up(now());
    if (connection.isOpen) connection.carryQueue();
    // It is about to end: what its hook sent goes to the next one.
    else this.#host.queue.release(connection);
    connection.release();
    this.#host.onState("open");
  }

  /** Waits until the connection is to be replaced, or has ended. */
  async #useUntilTooOld(
    connection: Connection,
  ): Promise<ConnectionEnd | "replace"> {
    const { maxConnectionAge } = this.#host.config;
    const due = rotationAge(maxConnectionAge, this.#setupTime, Math.random());
    const timer = setTimeout(
      () => connection.requestReplacement(),
      Math.max(0, connection.openedAt + due - now()),
    );
    try {
      return await connection.use();
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Lets one connection take over from another. Two TCP connections keep no order
   * between them, so the queue moves when the old one has answered its close.
   */
  async #replace(old: Connection, connection: Connection): Promise<void> {
    const { config, log } = this.#host;
    this.#lastMessageAt = old.lastMessageAt ?? this.#lastMessageAt;
    this.#successor = undefined;
    this.#current = connection;
    if (this.#isStopped) this.#closeInOrder(connection);
    log.rotations++;
    log.replaced();
    this.#policy.rotated(now());
    const { code, reason } = this.#rotateWith;
    this.#rotateWith = NORMAL;
    const closed = old.close(code, reason, config.closeTimeout);
    this.#retiring = this.#retire(closed, this.#retiring);
    const limit = closeAnswerLimit(config, this.#host.hasUnflushed);
    await sleepUntilClosed(limit, old, connection);
    old.releaseQueue();
    connection.carryQueue();
  }

  async #retire(
    closed: Promise<ConnectionEnd>,
    earlier: Promise<void> | undefined,
  ): Promise<void> {
    this.#disconnected(await closed, undefined, true);
    await earlier;
  }

  /**
   * The connection in use has ended.
   * @throws the client has ended with it
   */
  #ended(connection: Connection, end: ConnectionEnd): void {
    this.#lastMessageAt = connection.lastMessageAt ?? this.#lastMessageAt;
    this.#current = undefined;
    this.#host.log.down(now());
    if (this.#isStopped) {
      this.#disconnected(end, undefined, false);
      throw stopRequested();
    }
    const error = end.error && this.#override(end.error);
    const openFor = now() - this.#openSince;
    this.#startOutage(error ?? reconnectRequested(connection.url), now());
    // One that has passed its set-up is about to take over.
    const isReplaced =
      (this.#activity === "dialling" || this.#successor !== undefined) &&
      error?.severity !== "fatal";
    if (error === undefined || isReplaced) {
      // Another connection is dialled now, or is being dialled already.
      this.#policy.dropped(openFor, now(), isReplaced);
      if (isReplaced) this.#gaps.attempt();
      this.#host.onState("connecting");
      const shown = error && isNormalClose(error) ? undefined : error;
      if (shown !== undefined) this.#host.notifier.error(shown);
      this.#disconnected(end, shown, true);
      return;
    }
    this.#conclude(error, this.#policy.ended(error, openFor, now()), end);
    // A wait or an attempt for the connection that has ended is over.
    if (this.#activity !== "none") {
      this.#skip?.abort();
      this.#successor?.terminate();
    }
    if (this.#end !== undefined) throw error;
  }

  /** Reports a failure and what follows from it. */
  #conclude(error: WSError, next: Next, end: ConnectionEnd | undefined): void {
    const { notifier } = this.#host;
    const shown = isNormalClose(error) ? undefined : error;
    this.#lastError = error;
    switch (next.kind) {
      case "retry": {
        const { attempt, delay: ms } = next;
        const isForReader = error.code === "SLOW_CONSUMER";
        this.#waits.plan({ ms, retry: { attempt, error }, isForReader });
        this.#host.onState("waiting");
        break;
      }
      case "end":
        this.#end = { error: next.error };
        break;
      default:
        next satisfies never;
    }
    if (shown !== undefined) notifier.error(shown);
    const last = this.#end?.error;
    if (last !== undefined && last !== error) notifier.error(last);
    if (end !== undefined) {
      this.#disconnected(end, shown, next.kind === "retry");
    }
  }

  #disconnected(
    end: ConnectionEnd,
    error: WSError | undefined,
    goesOn: boolean,
  ): void {
    this.#host.log.disconnects++;
    const { code, reason, wasClean, connectedFor } = end;
    const willRetry = goesOn && !this.#isStopped;
    this.#host.notifier.disconnect(
      { code, reason, wasClean, connectedFor, error, willRetry },
    );
  }

  #closeInOrder(connection: Connection | undefined): void {
    const { code, reason } = this.#stopWith;
    connection?.close(code, reason, this.#host.config.closeTimeout);
  }

  // Outages and errors ---------------------------------------------------------------

  #startOutage(cause: WSError, since: number): void {
    if (this.#wasOpen && !this.#isRotating) this.#gaps.start(cause, since);
  }

  #endOutage(): void {
    const gap = this.#gaps.end(now());
    if (gap !== undefined) this.#host.onOutageEnd(gap);
  }

  #classify(facts: HandshakeFacts, url: URL | undefined): WSError {
    return handshakeError(facts, {
      url,
      proxy: this.#host.config.proxy,
      wasOpen: this.#wasOpen,
      refusals: this.#policy.refusals,
      now: Date.now(),
    });
  }

  #override(error: WSError): WSError {
    const { config, notifier } = this.#host;
    const context = {
      wasOpen: this.#wasOpen,
      attempt: this.#policy.attempt,
    };
    return applyOverrides(
      error,
      config,
      context,
      (thrown) => notifier.error(thrown),
    );
  }
}

/** The error for the server's own close code, if the connection ended with one. */
function serverClose(end: ConnectionEnd, url: string): WSError | undefined {
  const isOurs = end.code === NORMAL.code || end.code === DROPPED.code;
  return isOurs ? undefined : closeError(end, url);
}

/** Unwinds the run; nobody gets to see it. */
function stopRequested(): Error {
  return new Error("The client stops");
}

/** A monotonic clock, in milliseconds. */
function now(): number {
  return performance.now();
}
