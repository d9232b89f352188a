/**
 * The callbacks of a client, and what they are called with.
 *
 * @module
 */

import type { WSError } from "./errors.ts";
import type { Message } from "./message.ts";
import type { HeartbeatTimes } from "./method_options.ts";

/**
 * - `"idle"`: before `start()`
 * - `"connecting"`: an attempt is being made, its connect hook included
 * - `"open"`: a connection is in use
 * - `"waiting"`: before the next attempt
 * - `"closing"`: after `stop()`
 * - `"closed"`: the client has ended
 */
export type ClientState =
  | "idle"
  | "connecting"
  | "open"
  | "waiting"
  | "closing"
  | "closed";

/**
 * Why an accepted outgoing message will not be sent.
 *
 * - `"overflow"`: the queue was full, and `overflow` says to drop
 * - `"expired"`: its `ttl` ran out
 * - `"replaced"`: a newer message with the same `key` took its place
 * - `"aborted"`: its `signal` aborted
 * - `"cleared"`: `clearQueue()`
 * - `"too-large"`: the server closed with 1009 while it was in flight
 * - `"spool"`: the spool could not be written
 * - `"ended"`: the client has ended
 */
export type DropReason =
  | "overflow"
  | "expired"
  | "replaced"
  | "aborted"
  | "cleared"
  | "too-large"
  | "spool"
  | "ended";

/** How a connection ended. */
export interface DisconnectInfo {
  /** The close code; 1006 for a drop without a close frame. */
  readonly code: number;
  /** The reason in the server's close frame. */
  readonly reason: string;
  /** Whether both sides exchanged close frames. */
  readonly wasClean: boolean;
  /** What ended it; `undefined` after `stop()` and for rotations. */
  readonly error: WSError | undefined;
  /** Whether the client will make another attempt. */
  readonly willRetry: boolean;
  /** How long it was connected, in milliseconds. */
  readonly connectedFor: number;
}

/** A wait before the next attempt. */
export interface RetryInfo {
  /** The number of the coming attempt in this series; the first retry is 1. */
  readonly attempt: number;
  /** How long the client will wait, in milliseconds. */
  readonly delay: number;
  /** Why the last attempt or connection ended. */
  readonly error: WSError;
}

/**
 * A time in which a consumer may have missed messages.
 *
 * @example
 * ```ts
 * import { WebSocketStreamClient } from "@ws-stream/client";
 *
 * const client = new WebSocketStreamClient({ url: "wss://example.com/trades" }, {
 *   async onGap({ from, to }) {
 *     const query = `from=${from}&to=${to}`;
 *     const missed = await fetch(`https://example.com/trades?${query}`);
 *     console.log(await missed.json());
 *   },
 * });
 * ```
 */
export interface Gap {
  /** When it began, in milliseconds since the epoch. */
  readonly from: number;
  /** When it ended, in milliseconds since the epoch. */
  readonly to: number;
  /** What caused it. */
  readonly cause: WSError;
  /** How many attempts it took; 0 when no connection was lost. */
  readonly attempts: number;
  /**
   * How many messages were dropped on our side: by the buffers of readers, or
   * because `decode` threw. Messages that the server sent while there was no
   * connection cannot be counted.
   */
  readonly count?: number;
}

/** The HTTP response to a handshake (RFC 6455, section 4.2.2). */
export interface HandshakeResponse {
  /** 101. */
  readonly status: number;
  /** All headers of the response. */
  readonly headers: Headers;
}

/**
 * A new connection before the queue may use it, in the connect hook.
 *
 * @example
 * ```ts
 * import { WebSocketStreamClient } from "@ws-stream/client";
 *
 * const client = new WebSocketStreamClient({ url: "wss://example.com/feed" }, {
 *   async onConnect(session) {
 *     const { heartbeat } = JSON.parse(String(await session.receive()));
 *     session.setHeartbeat({ idleTimeout: 2 * heartbeat });
 *     session.send(JSON.stringify({ op: "subscribe", channel: "trades" }));
 *   },
 * });
 * ```
 */
export interface Session {
  /** The URL it is connected to, after redirects. */
  readonly url: string;
  /** The subprotocol the server chose; empty if none. */
  readonly protocol: string;
  /**
   * Why the connection was made: `"start"` until the client has been open,
   * `"rotation"` to replace an open connection, `"reconnect"` otherwise.
   */
  readonly cause: "start" | "reconnect" | "rotation";
  /** Whether an earlier connection was open: `cause` is not `"start"`. */
  readonly reconnected: boolean;
  /** The number of the attempt, as `onRetry` reported it; 0 for a first one. */
  readonly attempt: number;
  /**
   * The server's answer to the handshake (RFC 6455, section 4.2.2);
   * `undefined` with transport `"native"`, which hides it.
   */
  readonly response: HandshakeResponse | undefined;
  /**
   * Sends before everything in the queue.
   * @throws {WSError} the connection's error, once it is closed
   * @throws {TypeError} once `onConnect` has settled; a wrong message
   */
  send(data: Message): void;
  /**
   * The next inbound message; it is not delivered elsewhere.
   * @throws {WSError} the connection's error, once it is closed
   * @throws {TypeError} once `onConnect` has settled
   */
  receive(): Promise<Message>;
  /**
   * Sets the heartbeat of this connection, for protocols whose server dictates
   * it. Absent keys stay as they are.
   * @throws {TypeError | RangeError} as the options of the client
   */
  setHeartbeat(times: HeartbeatTimes): void;
}

/**
 * What the client reports to the program. All callbacks may be async; none can
 * break the client: an exception is reported to `onError` with the code
 * `CALLBACK`, or with `console.error` when there is no `onError`. A callback is
 * looked up when it is called, so it may be replaced.
 *
 * @example
 * ```ts
 * import { WebSocketStreamClient } from "@ws-stream/client";
 *
 * const client = new WebSocketStreamClient({ url: "wss://example.com/feed" }, {
 *   onConnect: ({ url, cause }) => console.log(`connected to ${url} (${cause})`),
 *   onMessage: (data) => console.log(data),
 *   onRetry: ({ delay, error }) => console.log(`${error.message}: ${delay} ms`),
 *   onGap: ({ from, to }) => console.log(`maybe missed ${to - from} ms`),
 * });
 * ```
 */
export interface WSCallbacks {
  /**
   * Called for each message, synchronously and in order of arrival. A promise
   * that it returns is not awaited.
   */
  readonly onMessage?: ((data: Message) => unknown) | undefined;
  /**
   * The connect hook. Messages that it sends with `session.send` leave before
   * the queue, which waits until the returned promise settles. A rejection ends
   * the connection, and a fatal {@linkcode WSError} also the client, unless
   * there are other URLs. The hook may take `connectTimeout`. If its connection
   * ends first, that is reported at once, and the next attempt waits for the
   * hook for at most `closeTimeout`.
   */
  readonly onConnect?: ((session: Session) => unknown) | undefined;
  /** A connection has ended. */
  readonly onDisconnect?: ((info: DisconnectInfo) => unknown) | undefined;
  /**
   * An attempt, a connection, the spool or a callback failed. Called before
   * `onDisconnect` and `onRetry`.
   */
  readonly onError?: ((error: WSError) => unknown) | undefined;
  /** The client will wait, then make another attempt. */
  readonly onRetry?: ((info: RetryInfo) => unknown) | undefined;
  /** An accepted outgoing message will not be sent. */
  readonly onDrop?:
    | ((data: Message, reason: DropReason) => unknown)
    | undefined;
  /** Inbound messages may have been missed. */
  readonly onGap?: ((gap: Gap) => unknown) | undefined;
  /** The state changed. */
  readonly onStateChange?:
    | ((state: ClientState, previous: ClientState) => unknown)
    | undefined;
}
