/**
 * The options of the client's methods, and their checks. Each check throws a
 * `TypeError` for a value of the wrong kind or an unknown key and a
 * `RangeError` for a number outside its limits.
 *
 * @module
 */

import type { ReceiveOverflow } from "./config.ts";
import {
  checkPingInterval,
  checkReceiveOverflow,
  type ResolvedConfig,
} from "./resolve_config.ts";
import {
  abortSignal,
  boolean,
  closeCode,
  closeReason,
  COUNT,
  DURATION,
  number,
  type NumberRule,
  onlyKnownKeys,
  POSITIVE_DURATION,
  wrongKind,
} from "./rules.ts";

/**
 * Options of `start()` and `connect()`: they bound the first open only.
 *
 * @example
 * ```ts
 * import { connect } from "@ws-stream/client";
 *
 * const client = await connect("wss://example.com", {}, {}, { timeout: 30_000 });
 * ```
 */
export interface StartOptions {
  /** Ends the client when it aborts before the first open. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Ends the client when it is not open after this time, in milliseconds.
   * @default none
   */
  readonly timeout?: number | undefined;
}

/** Checks the options of `start()` and `connect()`. */
export function checkStartOptions(options: StartOptions): StartOptions {
  onlyKnownKeys("start()", options, ["signal", "timeout"]);
  const { signal, timeout } = options;
  if (signal !== undefined) abortSignal("signal", signal);
  if (timeout !== undefined) number("timeout", timeout, POSITIVE_DURATION);
  return { signal, timeout };
}

/**
 * Options of `stop()`.
 *
 * @example
 * ```ts
 * import { connect } from "@ws-stream/client";
 *
 * const client = await connect("wss://example.com");
 * const { unsent } = await client.stop({ code: 4000, drain: 10_000 });
 * if (unsent > 0) console.warn(`${unsent} messages were not sent`);
 * ```
 */
export interface StopOptions {
  /**
   * The close code: 1000, or 3000 to 4999 (RFC 6455, section 7.4.2).
   * @default 1000
   */
  readonly code?: number | undefined;
  /**
   * The reason in the close frame: at most 123 bytes.
   * @default ""
   */
  readonly reason?: string | undefined;
  /**
   * How long queued messages may still be sent, in milliseconds; 0 closes at
   * once.
   * @default `closeTimeout`
   */
  readonly drain?: number | undefined;
}

/** What `stop()` could not send. */
export interface StopResult {
  /**
   * Messages left in the queue, and in the socket if the server did not answer
   * the close frame: those that were in it when closing began and are not known
   * to have left. With a spool they are in it.
   */
  readonly unsent: number;
  /** Bytes left. */
  readonly unsentBytes: number;
}

/** Checks the options of `stop()` and fills in the defaults. */
export function resolveStopOptions(
  options: StopOptions,
  closeTimeout: number,
): Required<StopOptions> {
  onlyKnownKeys("stop()", options, ["code", "reason", "drain"]);
  const { code = 1000, reason = "", drain = closeTimeout } = options;
  return {
    code: closeCode(code),
    reason: closeReason(reason),
    drain: number("drain", drain, DURATION),
  };
}

/**
 * Options of `reconnect()`.
 *
 * @example
 * ```ts
 * import { connect } from "@ws-stream/client";
 *
 * const client = await connect("wss://example.com");
 * client.reconnect({ graceful: true });
 * ```
 */
export interface ReconnectOptions {
  /**
   * `true` opens the new connection before it closes the old one, as at
   * `maxConnectionAge`; `false` ends the connection, or the dial in progress,
   * first.
   * @default false
   */
  readonly graceful?: boolean | undefined;
  /**
   * The close code for the old connection: 1000, or 3000 to 4999.
   * @default 1000
   */
  readonly code?: number | undefined;
  /**
   * The reason in its close frame: at most 123 bytes.
   * @default ""
   */
  readonly reason?: string | undefined;
}

/** Checks the options of `reconnect()` and fills in the defaults. */
export function resolveReconnectOptions(
  options: ReconnectOptions,
): Required<ReconnectOptions> {
  onlyKnownKeys("reconnect()", options, ["graceful", "code", "reason"]);
  const { graceful = false, code = 1000, reason = "" } = options;
  return {
    graceful: boolean("graceful", graceful),
    code: closeCode(code),
    reason: closeReason(reason),
  };
}

/**
 * Options of one outgoing message.
 *
 * @example
 * ```ts
 * import { connect } from "@ws-stream/client";
 *
 * const client = await connect("wss://example.com");
 * // The newest position only, and none that is older than a second.
 * await client.sendText('{"x":3,"y":4}', { key: "position", ttl: 1_000 });
 * ```
 */
export interface SendOptions {
  /**
   * How long the message may wait, in milliseconds, more than 0. If it still
   * waits to be written to a socket then, it is dropped (`"expired"`).
   * @default Infinity
   */
  readonly ttl?: number | undefined;
  /**
   * While this message is queued, a newer one with the same key takes its
   * place; it is dropped as `"replaced"`.
   * @default none
   */
  readonly key?: string | undefined;
  /**
   * Takes the message back while it waits to be written to a socket.
   * @default none
   */
  readonly signal?: AbortSignal | undefined;
}

const UNLIMITED: NumberRule = { ...DURATION, infinity: true };
const TTL: NumberRule = { ...POSITIVE_DURATION, infinity: true };

/** Checks the options of one outgoing message. */
export function checkSendOptions(options: SendOptions): SendOptions {
  onlyKnownKeys("send()", options, ["ttl", "key", "signal"]);
  const { ttl, key, signal } = options;
  if (ttl !== undefined) number("ttl", ttl, TTL);
  if (key !== undefined && typeof key !== "string") {
    throw wrongKind("key", "a string", key);
  }
  if (signal !== undefined) abortSignal("signal", signal);
  return { ttl, key, signal };
}

/** Checks the limit of `flush()`, in milliseconds; `undefined` is none. */
export function checkFlushLimit(ms: number | undefined): number | undefined {
  if (ms === undefined) return undefined;
  return number("ms", ms, UNLIMITED) === Infinity ? undefined : ms;
}

/**
 * Options of `messages()`; whatever is absent is as in the client's options.
 *
 * @example
 * ```ts
 * import { connect } from "@ws-stream/client";
 *
 * const client = await connect("wss://example.com");
 * const newest = client.messages({ bufferMaxSize: 1, overflow: "drop-oldest" });
 * for await (const message of newest) console.log(message);
 * ```
 */
export interface ReadOptions {
  /**
   * Ends the reader at once; its buffered messages are dropped.
   * @default none
   */
  readonly signal?: AbortSignal | undefined;
  /**
   * Messages its buffer holds.
   * @default `receiveBufferMaxSize`
   */
  readonly bufferMaxSize?: number | undefined;
  /**
   * Bytes its buffer holds (texts as UTF-16 code units).
   * @default `receiveBufferMaxBytes`
   */
  readonly bufferMaxBytes?: number | undefined;
  /**
   * What to do when its buffer is full.
   * @default `receiveOverflow`
   */
  readonly overflow?: ReceiveOverflow | undefined;
}

/** The bounds of a reader. */
export interface ReadBounds {
  readonly maxSize: number;
  readonly maxBytes: number;
  readonly overflow: ReceiveOverflow;
}

/** Checks the options of `messages()` and fills in the defaults. */
export function resolveReadOptions(
  options: ReadOptions,
  config: Pick<
    ResolvedConfig,
    | "transport"
    | "receiveBufferMaxSize"
    | "receiveBufferMaxBytes"
    | "receiveOverflow"
  >,
): ReadBounds & Pick<ReadOptions, "signal"> {
  const keys = ["signal", "bufferMaxSize", "bufferMaxBytes", "overflow"];
  onlyKnownKeys("messages()", options, keys);
  const {
    signal,
    bufferMaxSize = config.receiveBufferMaxSize,
    bufferMaxBytes = config.receiveBufferMaxBytes,
    overflow,
  } = options;
  if (signal !== undefined) abortSignal("signal", signal);
  return {
    signal,
    maxSize: number("bufferMaxSize", bufferMaxSize, COUNT),
    maxBytes: number("bufferMaxBytes", bufferMaxBytes, COUNT),
    overflow: overflow === undefined
      ? config.receiveOverflow
      : checkReceiveOverflow("overflow", overflow, config.transport),
  };
}

/** The heartbeat that a server dictates, for `session.setHeartbeat()`. */
export interface HeartbeatTimes {
  /** As in the client's options. */
  readonly pingInterval?: number | undefined;
  /** As in the client's options. */
  readonly pingTimeout?: number | undefined;
  /** As in the client's options. */
  readonly idleTimeout?: number | undefined;
}

/** Checks the options of `session.setHeartbeat()`. */
export function checkHeartbeatTimes(
  times: HeartbeatTimes,
  config: Pick<ResolvedConfig, "transport" | "ping">,
): HeartbeatTimes {
  const keys = ["pingInterval", "pingTimeout", "idleTimeout"];
  onlyKnownKeys("setHeartbeat()", times, keys);
  const { pingInterval, pingTimeout, idleTimeout } = times;
  if (pingInterval !== undefined) checkPingInterval(pingInterval, config);
  if (pingTimeout !== undefined) {
    number("pingTimeout", pingTimeout, POSITIVE_DURATION);
  }
  if (idleTimeout !== undefined) number("idleTimeout", idleTimeout, DURATION);
  return { pingInterval, pingTimeout, idleTimeout };
}
