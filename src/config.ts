/**
 * What a client can be told: every option with its unit, default and how to
 * switch it off. `resolve_config.ts` checks it and fills in the defaults.
 *
 * @module
 */

import type { Severity, WSError } from "./errors.ts";
import type { Message } from "./message.ts";

/** A value, or a function called for each attempt that returns one. */
export type Provider<T> = T | (() => T | Promise<T>);

/** Certificates, each as PEM text. */
export interface TlsConfig {
  /** Certificate authorities to trust besides the ones Deno trusts. */
  readonly caCerts?: string | readonly string[];
  /** The client certificate (chain); needs `key`. */
  readonly cert?: string;
  /** The private key of `cert`. */
  readonly key?: string;
}

/**
 * The application heartbeat: Deno's WebSocket can neither send nor see ping
 * frames (RFC 6455, section 5.5.2), so a heartbeat is a message of the
 * application's own protocol.
 */
export interface PingConfig {
  /** What to send each `pingInterval`; without it nothing is sent by itself. */
  readonly message?: Message | (() => Message);
  /**
   * Tells the answer to our ping. It gives the round-trip time in `stats.rtt`
   * and is not delivered. Without it any message is a sign of life, and there
   * is no round-trip time.
   */
  readonly isPong?: (data: Message) => boolean;
  /**
   * For servers that ping the client: what it returns is sent at once, ahead of
   * the queue, and the server's ping is not delivered.
   */
  readonly answer?: (data: Message) => Message | undefined;
}

/** Keep each message until the server acknowledges it. */
export interface AcknowledgedRedelivery {
  /** The id of an outgoing message. */
  readonly id: (data: Message) => string | number;
  /**
   * The id or ids that an inbound message acknowledges, if any, just as `id`
   * gave them: `5` does not acknowledge `"5"`.
   */
  readonly acknowledged: (
    data: Message,
  ) => string | number | readonly (string | number)[] | undefined;
  /**
   * How many messages may be sent and not yet acknowledged.
   * @default `sendQueueMaxSize`
   */
  readonly window?: number;
}

/** Keep only the latest message of each key. */
export interface Conflation {
  /**
   * The key of an inbound message: for quotes, the symbol. With more keys than
   * the buffer has room for, the oldest is dropped. If it throws, that is
   * reported, and the message is kept as one of its own.
   */
  readonly conflate: (data: Message) => string | number;
}

/** What to do when the queue of outgoing messages is full. */
export type SendOverflow = "wait" | "reject" | "drop-oldest" | "drop-newest";

/** What to do when the buffer of a reader is full. */
export type ReceiveOverflow =
  | "disconnect"
  | "drop-oldest"
  | "drop-newest"
  | Conflation;

/** Which sent messages are sent again on the next connection. */
export type Redelivery = "unflushed" | "none" | AcknowledgedRedelivery;

/**
 * The options of a client. Durations are in milliseconds. A wrong value or an
 * unknown key throws a `TypeError` or `RangeError` that names it; a key whose
 * value is `undefined` counts as absent.
 */
export interface WSConfig {
  // Where to connect -------------------------------------------------------

  /**
   * `ws://` or `wss://`. A list is for failover: after a failure the next one
   * is tried at once, the backoff comes after each full round. A function is
   * called for each attempt, for example to get a fresh token.
   */
  readonly url:
    | string
    | URL
    | readonly (string | URL)[]
    | (() => string | URL | Promise<string | URL>);
  /**
   * Extra headers of the handshake, but none that it sets itself: `Host`,
   * `Connection`, `Upgrade`, `Content-Length`, `Transfer-Encoding`,
   * `Sec-WebSocket-*`.
   */
  readonly headers?: Provider<HeadersInit>;
  /** Subprotocols to offer, best first (RFC 6455, section 1.9). */
  readonly subprotocols?: Provider<string | readonly string[]>;
  /** Own certificate authorities, client certificate. */
  readonly tls?: TlsConfig;
  /** `http://`, `https://` or `socks5://` proxy; for `ws://` use `socks5`. */
  readonly proxy?: string | URL;
  /** A ready HTTP client instead of `tls` and `proxy`; the caller closes it. */
  readonly httpClient?: Deno.HttpClient;
  /**
   * How many redirects of the handshake to follow; 0 follows none.
   * `Authorization` and `Cookie` are not sent to another origin.
   * @default 5
   */
  readonly followRedirects?: number;

  // Time ---------------------------------------------------------------------

  /**
   * The whole attempt: providers, DNS, TCP, TLS, handshake, diagnosis. Also
   * the limit of the gate in `onConnect`.
   * @default 10_000
   */
  readonly connectTimeout?: number;
  /**
   * Each step of closing; a peer that does not answer is then abandoned.
   * @default 3_000
   */
  readonly closeTimeout?: number;
  /** The application heartbeat. */
  readonly ping?: PingConfig;
  /**
   * The period of the heartbeat; 0 switches it off. Needs `ping.message`.
   * @default 20_000
   */
  readonly pingInterval?: number;
  /**
   * How long after a ping without any inbound message the link counts as dead;
   * also how long bytes may sit in the socket without moving, for each MiB that
   * does (the runtime tells only when a whole message has left).
   * @default 20_000
   */
  readonly pingTimeout?: number;
  /**
   * Reconnect when nothing at all came in for so long; 0 is off.
   * @default 0
   */
  readonly idleTimeout?: number;
  /**
   * Replace the connection before the server cuts it, at 0.9 to 1.0 of this
   * age; 0 is off.
   * @default 0
   */
  readonly maxConnectionAge?: number;

  // Reconnecting ---------------------------------------------------------------

  /**
   * `false`: one attempt, one connection.
   * @default true
   */
  readonly reconnect?: boolean;
  /**
   * The first delay.
   * @default 500
   */
  readonly initialBackoff?: number;
  /**
   * The longest delay, before `Retry-After`.
   * @default 30_000
   */
  readonly maxBackoff?: number;
  /**
   * What each delay is multiplied by for the next.
   * @default 2
   */
  readonly backoffMultiplier?: number;
  /**
   * 1 draws uniformly from 0 to the delay, 0 takes the delay as it is.
   * @default 1
   */
  readonly jitter?: number;
  /**
   * A connection that held so long resets the attempts; one that fell before
   * counts as a failure.
   * @default 5_000
   */
  readonly stableAfter?: number;
  /**
   * Attempts after the first failed one in a row; 0 means one attempt.
   * @default Infinity
   */
  readonly maxRetries?: number;
  /**
   * The total time without a stable connection.
   * @default Infinity
   */
  readonly retryBudget?: number;
  /**
   * Close codes after which there is no reconnect.
   * @default []
   */
  readonly fatalCloseCodes?: readonly number[] | ((code: number) => boolean);
  /** The last word on what is worth another attempt; `undefined` keeps ours. */
  readonly classify?: (error: WSError) => Severity | undefined;
  /** Stops the client at once: what is queued is not sent any more. */
  readonly signal?: AbortSignal;

  // Sending ----------------------------------------------------------------------

  /**
   * Messages the queue holds.
   * @default 1000
   */
  readonly sendQueueMaxSize?: number;
  /**
   * Bytes the queue holds; a larger message is `TOO_LARGE`.
   * @default 16 MiB
   */
  readonly sendQueueMaxBytes?: number;
  /**
   * What to do when the queue is full.
   * @default "wait"
   */
  readonly overflow?: SendOverflow;
  /**
   * What is sent again on the next connection.
   * @default "unflushed"
   */
  readonly redeliver?: Redelivery;
  /** A file in which the queue outlives the process. */
  readonly spool?: string;

  // Receiving --------------------------------------------------------------------

  /**
   * Messages the buffer of each reader holds.
   * @default 10_000
   */
  readonly receiveBufferMaxSize?: number;
  /**
   * Bytes the buffer of each reader holds (texts as UTF-16 code units).
   * @default 64 MiB
   */
  readonly receiveBufferMaxBytes?: number;
  /**
   * What to do when the buffer of a reader is full.
   * @default "disconnect"
   */
  readonly receiveOverflow?: ReceiveOverflow;
}
