/**
 * What a client tells its program, and what it hands over with it.
 *
 * @module
 */

import type { WSError } from "./errors.ts";
import type { Message } from "./message.ts";

/** Where a client is in its life. */
export type ClientState =
  | "idle"
  | "connecting"
  | "open"
  | "waiting"
  | "closing"
  | "closed";

/** Why an outgoing message was dropped. */
export type DropReason =
  | "overflow"
  | "expired"
  | "replaced"
  | "aborted"
  | "spool";

/** How a connection ended. */
export interface DisconnectInfo {
  /** The close code; 1006 for a drop without a close frame. */
  readonly code: number;
  /** The reason the peer gave. */
  readonly reason: string;
  /** Whether both sides exchanged close frames. */
  readonly wasClean: boolean;
  /** What ended it; `undefined` after `stop()` and for rotations. */
  readonly error: WSError | undefined;
  /** Whether the client will dial again. */
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

/** A time in which a consumer may have missed messages. */
export interface Gap {
  /** When it began, in milliseconds since the epoch. */
  readonly from: number;
  /** When it ended, in milliseconds since the epoch. */
  readonly to: number;
  /** What opened it. */
  readonly cause: WSError;
  /** How many attempts it took; 0 when no connection was lost. */
  readonly attempts: number;
  /**
   * How many messages the buffers of readers dropped. What a server said while
   * there was no connection nobody can count.
   */
  readonly count?: number;
}

/** A new connection, before the queue may use it: the gate of `onConnect`. */
export interface Session {
  /** The URL it is connected to, after redirects. */
  readonly url: string;
  /** The subprotocol the server chose; empty if none. */
  readonly protocol: string;
  /** Whether an earlier connection was open. */
  readonly reconnected: boolean;
  /** The number of the attempt, as `onRetry` told it; 0 for a first one. */
  readonly attempt: number;
  /**
   * Sends before everything that is queued.
   * @throws {WSError} the link's error, when the connection is gone
   */
  send(data: Message): void;
  /**
   * The next inbound message; it is not delivered elsewhere.
   * @throws {WSError} the link's error, when the connection is gone
   */
  receive(): Promise<Message>;
}

/**
 * What the program is told. All may be async; none can break the client: what
 * one throws is reported to `onError` with the code `CALLBACK`.
 */
export interface WSCallbacks {
  /**
   * A message, synchronously and in order of arrival. A promise it returns is
   * not waited for.
   */
  readonly onMessage?: (data: Message) => unknown;
  /**
   * A connection is there, and waits: what it sends goes out before the queue,
   * which moves when the returned promise settles. A rejection drops the
   * connection.
   */
  readonly onConnect?: (session: Session) => unknown;
  /** A connection for which `onConnect` was called has ended. */
  readonly onDisconnect?: (info: DisconnectInfo) => unknown;
  /** An error of the link or of a callback, before what follows from it. */
  readonly onError?: (error: WSError) => unknown;
  /** The client will wait and dial again. */
  readonly onRetry?: (info: RetryInfo) => unknown;
  /** An accepted outgoing message was dropped. */
  readonly onDrop?: (data: Message, reason: DropReason) => unknown;
  /** Inbound messages may have been missed. */
  readonly onGap?: (gap: Gap) => unknown;
  /** The state changed. */
  readonly onStateChange?: (
    state: ClientState,
    previous: ClientState,
  ) => unknown;
}
