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
 * opens a connection, which is then used until it ends. Every attempt, from its
 * wait to its hook, has an AbortController of its own, and every connection is
 * an object of its own, so that a late event of an old one changes nothing.
 *
 * A rotation is a series like any other, made while the old connection is open.
 * Its failures are reported and have no other effect. If the old connection
 * ends first, the attempt in progress becomes the reconnect.
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
import {
  applyOverrides,
  closeError,
  handshakeError,
  isNormalClose,
  reconnectRequested,
} from "../transport/classify.ts";
import { DROPPED, type Transport } from "../transport/transport.ts";
import { attempt } from "./attempt.ts";
import {
  type HookResult,
  loadContext,
  runConnectHook,
} from "./connect_hook.ts";
import { type Next, RetryPolicy } from "./retry_policy.ts";
import { RetryWaits, type WaitParts } from "./retry_waits.ts";
import { closeAnswerLimit, ROTATION_HOLD, useUntilTooOld } from "./rotation.ts";
import { sleepUntil, withEither } from "./waiting.ts";

/** The parts that the loop uses, and the events that it reports. */
export interface LoopHost extends ConnectionHost, WaitParts {
  readonly owner: object;
  /** A time without a connection is over. */
  onOutageEnd(gap: Gap): void;
  /** Makes the transport; called at the first attempt. */
  makeTransport(): Promise<Transport>;
  onState(state: "connecting" | "open" | "waiting"): void;
  /** The loop itself failed: reports it, and returns the error to end with. */
  onBug(cause: unknown): WSError;
  /**
   * Called once, at the end, with the error that ended the client, if there is
   * one.
   */
  onEnd(error: WSError | undefined): void;
}

const NO_CONNECTIONS: readonly Connection[] = Object.freeze([]);

/** How a connection is closed. */
export interface CloseWith {
  readonly code: number;
  readonly reason: string;
}

const NORMAL: CloseWith = Object.freeze({ code: 1000, reason: "" });
/**
 * How long a server may take to close a connection whose hook has failed, in
 * milliseconds.
 */
const CLOSE_CODE_WAIT = 250;

/** Why no more attempts are made; open connections are being closed. */
type Ending =
  /** By `stop()`. */
  | { readonly tag: "stopped"; readonly closeWith: CloseWith }
  | { readonly tag: "failed"; readonly error: WSError }
  /** The server closed the connection normally, and `reconnect` is off. */
  | { readonly tag: "closed" };

/** A series of attempts. */
interface Series {
  /** Aborted when the client stops. */
  readonly stop: AbortController;
  opened?: Promise<Connection>;
}

/** The attempt in progress. */
type Attempt =
  | {
    readonly tag: "waiting" | "dialling";
    /** Aborted to start the attempt again. */
    readonly skip: AbortController;
    readonly connection?: undefined;
  }
  /**
   * In its connect hook, or held for a moment before it replaces another; then
   * ready to be used.
   */
  | {
    readonly tag: "setting-up" | "ready";
    readonly skip: AbortController;
    readonly connection: Connection;
  };

/** Keeps one client connected. */
export class ReconnectLoop {
  readonly #host: LoopHost;
  readonly #policy: RetryPolicy;
  readonly #waits: RetryWaits;
  #transport: Transport | undefined;
  #ending: Ending | undefined;
  #lastError: WSError | undefined;

  #series: Series | undefined;
  #attempt: Attempt | undefined;
  /** How long the last dial and its connect hook took, in milliseconds. */
  #setupTime = 0;

  /** The connection in use. */
  #current: Connection | undefined;
  #wasOpen = false;
  /** When the client became open; a rotation does not change it. */
  #openSince = 0;
  #lastMessageAt: number | undefined;
  #rotateWith = NORMAL;
  /** Old connections whose close handshakes go on, beside another connection. */
  #retired = NO_CONNECTIONS;
  /** Resolves when these have ended. */
  #retiring: Promise<void> | undefined;

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

  /** Whether a connect hook may be running. */
  get isInHook(): boolean {
    return this.#attempt?.tag === "setting-up";
  }

  /**
   * The wall clock's time of the last message, as of the heartbeat's last
   * check.
   */
  get lastMessageAt(): number | undefined {
    return this.#current?.lastMessageAt ?? this.#lastMessageAt;
  }

  /** Runs until the client has ended. Never rejects. */
  async run(): Promise<void> {
    this.#policy.start(now());
    try {
      for (let connection = await this.#open();;) {
        connection = await this.#use(connection);
      }
    } catch (cause) {
      this.#ending ??= { tag: "failed", error: this.#host.onBug(cause) };
    }
    this.#series?.stop.abort();
    this.#current?.terminate();
    this.#attempt?.connection?.terminate();
    await this.#series?.opened?.catch(() => {});
    await this.#retiring;
    if (this.#ending.tag !== "closed") this.#endOutage();
    this.#host.log.end(now());
    this.#transport?.close();
    this.#host.onEnd(
      this.#ending.tag === "failed" ? this.#ending.error : undefined,
    );
  }

  /**
   * Uses a connection until it has ended or is replaced. Not a part of `run`:
   * what a suspended function has seen stays in memory.
   * @returns the next connection
   * @throws the client has ended
   */
  async #use(connection: Connection): Promise<Connection> {
    const { config } = this.#host;
    if (this.#current !== connection) this.#enter(connection);
    const end = await useUntilTooOld(connection, config, this.#setupTime);
    if (end === "replace") return await this.#rotate(connection);
    this.#ended(connection, end);
    return await this.#open();
  }

  /** Ends the run, after a close handshake on open connections. */
  stop(code: number, reason: string): void {
    if (this.#ending !== undefined) return;
    this.#ending = { tag: "stopped", closeWith: { code, reason } };
    this.#closeAll();
  }

  /** Whether the run is about to end: open connections are being closed. */
  get isEnding(): boolean {
    return this.#ending !== undefined;
  }

  /** Cuts short the close handshakes of an ending run. */
  terminate(): void {
    for (const old of this.#retired) old.skipClose();
    this.#attempt?.connection?.terminate();
    this.#current?.terminate();
  }

  /** Ends the run with an error. */
  fail(error: WSError): void {
    if (this.#ending !== undefined) return;
    this.#ending = { tag: "failed", error };
    this.#host.notifier.error(error);
    this.#closeAll();
  }

  /**
   * Ends the current connection, attempt or wait, and makes a new attempt.
   * Graceful: replaces the open connection.
   */
  reconnect(graceful: boolean, closeWith: CloseWith | undefined): void {
    if (this.#ending !== undefined) return;
    const current = this.#current;
    // One that the server is closing ends by itself, with the server's code.
    if (graceful && current !== undefined && !current.isClosed) {
      this.#rotateWith = closeWith ?? NORMAL;
      current.requestReplacement();
      return;
    }
    const opened = this.#attempt?.connection;
    // A rotation that has opened its connection goes on.
    if (this.#current === undefined || opened === undefined) {
      this.#waits.requestSkip();
      this.#attempt?.skip.abort();
    }
    const dropped = this.#current ?? opened;
    if (closeWith === undefined || dropped === undefined) {
      dropped?.terminate();
      return;
    }
    const { code, reason } = closeWith;
    const { closeTimeout } = this.#host.config;
    this.#retire(dropped, dropped.abandon(code, reason, closeTimeout));
  }

  /** Ends the connection because a reader is too slow for it. */
  failCurrent(error: WSError): void {
    this.#current?.fail(error);
  }

  /** Stops or starts reading from all connections. */
  setReadingPaused(isPaused: boolean): void {
    this.#current?.setPausedForReaders(isPaused);
    this.#attempt?.connection?.setPausedForReaders(isPaused);
    for (const old of this.#retired) old.setPausedForReaders(isPaused);
  }

  get #isRotating(): boolean {
    return this.#current !== undefined;
  }

  /** How long a dial, or a connect hook, may take from now, in milliseconds. */
  get #timeLimit(): number {
    const { connectTimeout } = this.#host.config;
    // While a connection is open there is no hurry.
    if (this.#isRotating) return connectTimeout;
    return Math.min(connectTimeout, this.#policy.budgetLeft(now()));
  }

  // A series of attempts ---------------------------------------------------------

  /**
   * Makes attempts until there is a connection that may be used.
   * @throws the error of the last attempt, or the stop signal's reason
   */
  async #open(): Promise<Connection> {
    const stop = new AbortController();
    if (this.#ending !== undefined) stop.abort();
    const series: Series = this.#series = { stop };
    try {
      // The policy counts the failures, because onDisconnect must report
      // whether there will be another attempt, before retry() knows.
      return await (series.opened = retry(
        () => this.#attemptOnce(stop.signal),
        {
          maxAttempts: Number.MAX_SAFE_INTEGER,
          minTimeout: 0,
          jitter: 0,
          // Anything but a WSError is a bug, or a transport that did not load:
          // it would fail again at once, endlessly.
          isRetriable: (error) =>
            error instanceof WSError && this.#policy.allowsRetry,
          signal: stop.signal,
        },
      ));
    } finally {
      this.#series = undefined;
    }
  }

  /**
   * Makes an attempt. One that `reconnect()` ends is not a failure: it starts
   * again.
   */
  async #attemptOnce(stop: AbortSignal): Promise<Connection> {
    for (;;) {
      const skip = new AbortController();
      this.#attempt = { tag: "waiting", skip };
      try {
        return await withEither(
          [skip.signal, stop],
          (signal) => this.#connect(skip, signal),
        );
      } catch (error) {
        this.#attempt = undefined;
        stop.throwIfAborted();
        if (error !== skip.signal.reason) throw error;
      }
    }
  }

  /** Waits, dials, and runs the connect hook. */
  async #connect(
    skip: AbortController,
    signal: AbortSignal,
  ): Promise<Connection> {
    await this.#waits.pass(signal);
    this.#attempt = { tag: "dialling", skip };
    if (!this.#isRotating) {
      this.#host.onState("connecting");
      this.#host.log.countAttempt();
    }
    const startedAt = now();
    const connection = await this.#dial(signal);
    // Not in the set-up: no wait may come between its check of the signal and
    // the call of the hook.
    if (this.#host.notifier.hasConnectHook) await loadContext();
    this.#attempt = { tag: "setting-up", skip, connection };
    await this.#setUp(connection, signal);
    this.#setupTime = now() - startedAt;
    this.#attempt = { tag: "ready", skip, connection };
    return connection;
  }

  /**
   * Opens a connection.
   * @throws {WSError} it was not opened; the failure is reported
   */
  async #dial(signal: AbortSignal): Promise<Connection> {
    const { config, log } = this.#host;
    const transport = this.#transport ??= await this.#host.makeTransport();
    try {
      const socket = await attempt({
        endpoint: this.#policy.endpoint,
        headers: config.headers,
        subprotocols: config.subprotocols,
        transportName: config.transport,
        followRedirects: config.followRedirects,
        transport,
        timeout: this.#timeLimit,
        signal,
        classify: (facts, url) =>
          handshakeError(facts, {
            url,
            wasOpen: this.#wasOpen,
            refusals: this.#policy.refusals,
            now: Date.now(),
          }),
      });
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
  async #setUp(connection: Connection, signal: AbortSignal): Promise<void> {
    // stop() and reconnect() may have been called while the dial completed, or
    // are called in onGap.
    if (!signal.aborted && !this.#isRotating) this.#endOutage();
    if (signal.aborted) return await this.#discard(connection, signal);
    const result = await this.#runHook(connection, signal);
    if (result === "passed" && await this.#holds(connection)) return;
    if (result instanceof WSError) {
      // Not at once, so that the server's own close code arrives first: servers
      // answer our close frame with our code.
      if (result.severity === "transient") {
        await sleepUntil(connection.closed, CLOSE_CODE_WAIT);
      }
      this.#close(connection, NORMAL);
      return this.#setUpFailed(connection, signal, result);
    }
    return this.#setUpFailed(connection, signal, undefined);
  }

  /** Closes a connection that was not reported to the program. */
  async #discard(connection: Connection, signal: AbortSignal): Promise<never> {
    if (this.#ending !== undefined) this.#closeInOrder(connection);
    else connection.terminate();
    await connection.closed;
    this.#host.log.disconnects++;
    this.#endedByUs(connection);
    throw signal.reason;
  }

  async #runHook(
    connection: Connection,
    signal: AbortSignal,
  ): Promise<HookResult> {
    const { notifier, config, owner } = this.#host;
    if (!notifier.hasConnectHook) return "passed";
    const isRotation = this.#isRotating;
    return await runConnectHook(connection, {
      call: (session) => notifier.connect(session),
      cause: isRotation ? "rotation" : this.#wasOpen ? "reconnect" : "start",
      attempt: isRotation ? 0 : this.#policy.attempt,
      timeout: this.#timeLimit,
      config,
      owner,
      signal,
      onAbandoned: (settled) => this.#waits.planHook(settled),
      onLateError: (error) => {
        // If another connection is in use, the error is out of date.
        const ends = error.severity === "fatal" &&
          this.#current === undefined && this.#ending === undefined;
        if (ends) this.fail(error);
        else notifier.error(error);
      },
    });
  }

  /** Whether a connection whose hook has passed may be used. */
  async #holds(connection: Connection): Promise<boolean> {
    if (this.#current === undefined) {
      return !connection.isClosed && this.#ending === undefined;
    }
    connection.release();
    const closed = Promise.race([connection.closed, this.#current.closed]);
    await sleepUntil(closed, ROTATION_HOLD);
    return connection.isOpen;
  }

  /** A connection was opened, and its set-up failed. */
  async #setUpFailed(
    connection: Connection,
    signal: AbortSignal,
    rejection: WSError | undefined,
  ): Promise<never> {
    const end = await connection.closed;
    this.#host.sender.release(connection);
    if (this.#ending !== undefined || (rejection ?? end.error) === undefined) {
      this.#disconnected(end, undefined, true);
      this.#endedByUs(connection);
      throw signal.reason;
    }
    const closedBy = end.error ?? serverClose(end, connection.url);
    const close = closedBy && this.#override(closedBy);
    // A fatal close code ends the client even if the hook has rejected.
    const error = close !== undefined &&
        (rejection === undefined || close.severity === "fatal")
      ? close
      : this.#override(rejection ?? connection.closedError);
    this.#startOutage(error, connection.openedAt);
    this.#attemptFailed(error, end);
    throw error;
  }

  /** The client has ended a connection before it was used. */
  #endedByUs({ url, openedAt }: Connection): void {
    if (this.#ending !== undefined) return;
    this.#startOutage(reconnectRequested(url), openedAt);
  }

  /** An attempt failed; `end` is given if a connection had been opened. */
  #attemptFailed(error: WSError, end?: ConnectionEnd): void {
    if (!this.#isRotating) {
      return this.#conclude(error, this.#policy.failed(error, now()), end);
    }
    // The connection in use stays.
    const ms = this.#policy.rotationFailed(error, now());
    this.#waits.plan({ ms, retry: undefined, isForReader: false });
    this.#report(error, end, true);
  }

  // The connection in use ----------------------------------------------------------

  /**
   * Replaces a connection, or reconnects if it ends first; returns the next
   * one.
   * @throws the client has ended
   */
  async #rotate(old: Connection): Promise<Connection> {
    const opening = handled(this.#open());
    const first = await Promise.race([
      opening.catch(() => old.closed),
      old.closed,
    ]);
    if (first instanceof Connection) await this.#replace(old, first);
    // The attempt in progress becomes the reconnect.
    else this.#ended(old, first);
    return await opening;
  }

  #enter(connection: Connection): void {
    this.#attempt = undefined;
    this.#current = connection;
    if (this.#ending !== undefined) return;
    this.#endOutage();
    this.#wasOpen = true;
    // V8 keeps what an error's stack was made of: the connection that has ended.
    this.#lastError = undefined;
    this.#policy.entered();
    this.#waits.clear();
    this.#openSince = now();
    this.#host.log.up(now());
    // Messages that the hook of a closed connection sent go to the next
    // connection.
    connection.attachQueue();
    connection.release();
    this.#host.onState("open");
  }

  /**
   * Uses a new connection instead of an old one. Messages on two TCP
   * connections may overtake each other, so the queue moves only when the
   * server has answered the close of the old one, or too much time has passed.
   */
  async #replace(old: Connection, connection: Connection): Promise<void> {
    const { config, log, sender } = this.#host;
    this.#lastMessageAt = old.lastMessageAt ?? this.#lastMessageAt;
    this.#attempt = undefined;
    this.#current = connection;
    log.rotations++;
    log.replaced();
    this.#policy.rotated(now());
    const replaced = this.#close(old, this.#rotateWith);
    this.#rotateWith = NORMAL;
    const reported = replaced.then((end) =>
      this.#disconnected(end, undefined, true)
    );
    this.#retire(old, reported);
    const limit = closeAnswerLimit(config, sender.hasUnflushed);
    const closed = Promise.race([replaced, connection.closed]);
    await sleepUntil(closed, limit);
    old.detachQueue();
    connection.attachQueue();
  }

  /** Keeps an old connection until its close handshake has ended. */
  #retire(old: Connection, ended: Promise<void>): void {
    const earlier = this.#retiring;
    this.#retired = [...this.#retired, old];
    this.#retiring = ended.then(() => {
      this.#retired = this.#retired.filter((other) => other !== old);
      return earlier;
    });
  }

  /**
   * The connection in use has ended.
   * @throws the client has ended with it
   */
  #ended(connection: Connection, end: ConnectionEnd): void {
    this.#lastMessageAt = connection.lastMessageAt ?? this.#lastMessageAt;
    this.#current = undefined;
    this.#host.log.down(now());
    if (this.#ending !== undefined) {
      this.#disconnected(end, undefined, false);
      throw new Error("The client stops");
    }
    const error = end.error && this.#override(end.error);
    const openFor = now() - this.#openSince;
    this.#startOutage(error ?? reconnectRequested(connection.url), now());
    const attempt = this.#attempt;
    const isReplaced = attempt !== undefined && attempt.tag !== "waiting" &&
      error?.severity !== "fatal";
    if (error === undefined || isReplaced) {
      // Another connection is dialled now, or is being dialled already.
      this.#policy.dropped(openFor, now(), isReplaced);
      if (isReplaced) this.#host.log.countAttempt();
      this.#host.onState("connecting");
      this.#report(error, end, true);
      return;
    }
    this.#conclude(error, this.#policy.ended(error, openFor, now()), end);
    // A rotation that was waiting or dialling starts again as the reconnect,
    // unless the client ends.
    if (attempt !== undefined && attempt.tag !== "ready") {
      attempt.skip.abort();
      attempt.connection?.terminate();
    }
    if (this.#ending !== undefined) throw error;
  }

  /** Reports a failure, and plans the retry or the end that follows. */
  #conclude(error: WSError, next: Next, end: ConnectionEnd | undefined): void {
    this.#lastError = error;
    switch (next.kind) {
      case "retry": {
        const { attempt, delay: ms } = next;
        const isForReader = error.code === "SLOW_CONSUMER";
        this.#waits.plan({ ms, retry: { attempt, error }, isForReader });
        this.#host.onState("waiting");
        return this.#report(error, end, true);
      }
      case "end":
        this.#ending ??= next.error === undefined
          ? { tag: "closed" }
          : { tag: "failed", error: next.error };
        return this.#report(error, end, false, next.error);
      default:
        next satisfies never;
    }
  }

  /**
   * Reports a failure, and the connection that ended with it, if there was one. A
   * normal close by the server is no error.
   * @param last the error that ends the client, if it is another one
   */
  #report(
    error: WSError | undefined,
    end: ConnectionEnd | undefined,
    goesOn: boolean,
    last?: WSError,
  ): void {
    const { notifier } = this.#host;
    const shown = error && isNormalClose(error) ? undefined : error;
    if (shown !== undefined) notifier.error(shown);
    if (last !== undefined && last !== error) notifier.error(last);
    if (end !== undefined) this.#disconnected(end, shown, goesOn);
  }

  #disconnected(
    end: ConnectionEnd,
    error: WSError | undefined,
    goesOn: boolean,
  ): void {
    this.#host.log.disconnects++;
    // A callback may have stopped the client.
    const willRetry = goesOn && this.#ending === undefined;
    const { code, reason, wasClean, connectedFor } = end;
    this.#host.notifier.disconnect(
      { code, reason, wasClean, connectedFor, error, willRetry },
    );
  }

  #closeAll(): void {
    this.#series?.stop.abort();
    this.#closeInOrder(this.#current);
    this.#closeInOrder(this.#attempt?.connection);
  }

  #closeInOrder(connection: Connection | undefined): void {
    const ending = this.#ending;
    const closeWith = ending?.tag === "stopped" ? ending.closeWith : NORMAL;
    if (connection !== undefined) this.#close(connection, closeWith);
  }

  #close(
    connection: Connection,
    { code, reason }: CloseWith,
  ): Promise<ConnectionEnd> {
    return connection.close(code, reason, this.#host.config.closeTimeout);
  }

  #startOutage(cause: WSError, since: number): void {
    if (this.#wasOpen && !this.#isRotating) {
      this.#host.log.startOutage(cause, since);
    }
  }

  #endOutage(): void {
    const gap = this.#host.log.endOutage(now());
    if (gap !== undefined) this.#host.onOutageEnd(gap);
  }

  #override(error: WSError): WSError {
    const { config, notifier } = this.#host;
    const context = { wasOpen: this.#wasOpen, attempt: this.#policy.attempt };
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

/** A monotonic clock, in milliseconds. */
function now(): number {
  return performance.now();
}
