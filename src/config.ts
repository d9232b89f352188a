/**
 * The options of a client: each with its unit, its default and how to switch it
 * off. `resolve_config.ts` checks them and fills in the defaults.
 *
 * @module
 */

import type { Severity, WSError } from "./errors.ts";
import type { Message } from "./message.ts";

/** A value, or a function called for each attempt that returns one. */
export type Provider<T> = T | (() => T | Promise<T>);

/**
 * What carries the connection.
 *
 * - `"native"`: Deno's `WebSocket`. The smallest, with the runtime's limits: no
 *   ping frames, no compression, no way to stop reading.
 * - `"tcp"`: our own RFC 6455 framing over `Deno.connect` and
 *   `Deno.connectTls`, loaded only when it is asked for.
 */
export type TransportName = "native" | "tcp";

/** Headers, where an `undefined` value counts as absent. */
export type HandshakeHeaders =
  | HeadersInit
  | Readonly<Record<string, string | undefined>>;

/**
 * Certificates, each as PEM text, and how the server's is checked.
 *
 * @example
 * ```ts
 * import { WebSocketStreamClient } from "@ws-stream/client";
 *
 * const client = new WebSocketStreamClient({
 *   url: "wss://feed.internal/v1",
 *   tls: { caCerts: await Deno.readTextFile("company-ca.pem") },
 * });
 * ```
 */
export interface TlsConfig {
  /** Certificate authorities to trust in addition to the ones Deno trusts. */
  readonly caCerts?: string | readonly string[] | undefined;
  /** The client certificate (chain); needs `key`. */
  readonly cert?: string | undefined;
  /** The private key of `cert`. */
  readonly key?: string | undefined;
  /**
   * The name for SNI and for the check of the certificate (RFC 6066, section
   * 3), when it differs from the URL's host. Only with `transport: "tcp"`.
   * @default the URL's host
   */
  readonly serverName?: string | undefined;
  /**
   * Accepts any certificate. **Anybody on the way can then read and change
   * everything, credentials included.** For tests against your own machines;
   * for a private certificate use `caCerts`. Only with `transport: "tcp"`.
   * @default false
   */
  readonly insecure?: boolean | undefined;
}

/**
 * How messages are compressed (permessage-deflate, RFC 7692).
 *
 * @example
 * ```ts
 * import { WebSocketStreamClient } from "@ws-stream/client";
 *
 * const client = new WebSocketStreamClient({
 *   url: "wss://example.com/feed",
 *   transport: "tcp",
 *   compression: { threshold: 256 },
 * });
 * ```
 */
export interface CompressionConfig {
  /**
   * Outgoing messages of fewer bytes are sent uncompressed; 0 compresses all.
   * @default 1024
   */
  readonly threshold?: number | undefined;
  /**
   * Whether each message may refer to earlier ones (RFC 7692, section 7.1.1).
   * It compresses small similar messages much better and costs up to 300 KiB of
   * memory for each connection.
   * @default true
   */
  readonly contextTakeover?: boolean | undefined;
}

/**
 * An answer to a server's ping that is not simply the message to send back.
 *
 * @example
 * ```ts
 * import { type PingConfig } from "@ws-stream/client";
 *
 * // Data that asks for a reply: {"n":7,"ping":true,"price":1}.
 * const ping: PingConfig = {
 *   answer(data) {
 *     const { n, ping } = JSON.parse(String(data));
 *     return ping ? { reply: JSON.stringify({ pong: n }), deliver: true } : undefined;
 *   },
 * };
 * ```
 */
export interface PingReply {
  /** The message to send, ahead of the queue. */
  readonly reply: Message;
  /**
   * Whether the server's message is delivered as well: for protocols that put a
   * ping and data into one message.
   * @default false
   */
  readonly deliver?: boolean | undefined;
}

/**
 * The application heartbeat. Deno's WebSocket can neither send nor see ping
 * frames (RFC 6455, section 5.5.2), so with `transport: "native"` a heartbeat
 * is a message of the application's own protocol. What one of the functions
 * throws is reported to `onError` (`CALLBACK`) and changes nothing else.
 *
 * @example
 * ```ts
 * import { WebSocketStreamClient } from "@ws-stream/client";
 *
 * const client = new WebSocketStreamClient({
 *   url: "wss://example.com/feed",
 *   ping: {
 *     message: () => JSON.stringify({ op: "ping", at: Date.now() }),
 *     isPong: (data) => JSON.parse(String(data)).op === "pong",
 *   },
 *   pingInterval: 15_000,
 * });
 * ```
 */
export interface PingConfig {
  /** What to send every `pingInterval`; without it no message is sent. */
  readonly message?: Message | (() => Message) | undefined;
  /**
   * Recognizes the pong to our ping; any truthy result counts as yes. The pong
   * gives the round-trip time in `stats.rtt` and is not delivered. Without this
   * function any message is a sign of life, and there is no round-trip time.
   */
  readonly isPong?: ((data: Message) => boolean) | undefined;
  /**
   * Answers the pings of the server. The result is sent at once, ahead of the
   * queue. A plain reply consumes the server's message; `{ reply, deliver: true
   * }` also delivers it; `undefined` means that the message is no ping.
   */
  readonly answer?:
    | ((data: Message) => Message | PingReply | undefined)
    | undefined;
}

/**
 * The limit of the send rate: the number of `messages` in each `interval`.
 *
 * @example
 * ```ts
 * import { WebSocketStreamClient } from "@ws-stream/client";
 *
 * const client = new WebSocketStreamClient({
 *   url: "wss://example.com/orders",
 *   sendRate: { messages: 5, interval: 1_000 },
 * });
 * ```
 */
export interface SendRate {
  /** Messages per interval: a whole number from 1. */
  readonly messages: number;
  /** The interval, in milliseconds. */
  readonly interval: number;
}

/**
 * Keep each message until the server acknowledges it.
 *
 * @example
 * ```ts
 * import { WebSocketStreamClient } from "@ws-stream/client";
 *
 * const client = new WebSocketStreamClient({
 *   url: "wss://example.com/ingest",
 *   redeliver: {
 *     id: (data) => JSON.parse(String(data)).id,
 *     acknowledged: (data) => JSON.parse(String(data)).ack,
 *   },
 * });
 * ```
 */
export interface AcknowledgedRedelivery {
  /** The id of an outgoing message. */
  readonly id: (data: Message) => string | number;
  /**
   * The id or ids that an inbound message acknowledges, if any, exactly as `id`
   * returned them: `5` does not acknowledge `"5"`. The message is delivered
   * either way.
   */
  readonly acknowledged: (
    data: Message,
  ) => string | number | readonly (string | number)[] | undefined;
  /**
   * How many messages may be sent and not yet acknowledged.
   * @default `sendQueueMaxSize`
   */
  readonly window?: number | undefined;
}

/**
 * Keep only the latest message of each key.
 *
 * @example
 * ```ts
 * import { connect } from "@ws-stream/client";
 *
 * const feed = await connect("wss://example.com/quotes", {
 *   receiveOverflow: {
 *     conflate: (data) => JSON.parse(String(data)).symbol,
 *   },
 * });
 * ```
 */
export interface Conflation {
  /**
   * The key of an inbound message: for quotes, the symbol. When the buffer has
   * no room for another key, the oldest message is dropped. A message without a
   * key (`undefined`), such as the answer to a subscription, is kept beside the
   * others. If the function throws or returns another value, that is reported
   * (`CALLBACK`), and the message is kept, too.
   */
  readonly conflate: (data: Message) => string | number | undefined;
}

/** What to do when the queue of outgoing messages is full. */
export type SendOverflow = "wait" | "reject" | "drop-oldest" | "drop-newest";

/** What to do when the buffer of a reader is full. */
export type ReceiveOverflow =
  | "disconnect"
  | "drop-oldest"
  | "drop-newest"
  | "pause"
  | Conflation;

/** Which sent messages are sent again on the next connection. */
export type Redelivery = "unflushed" | "none" | AcknowledgedRedelivery;

/**
 * The circumstances of an error, for {@linkcode WSConfig.classify}.
 *
 * @example
 * ```ts
 * import { WebSocketStreamClient } from "@ws-stream/client";
 *
 * const client = new WebSocketStreamClient({
 *   url: "wss://example.com/feed",
 *   // A name that never resolved is a typo, not an outage.
 *   classify: ({ code }, { wasOpen }) =>
 *     code === "DNS" && !wasOpen ? "fatal" : undefined,
 * });
 * ```
 */
export interface ClassifyContext {
  /** Whether this client has been open before. */
  readonly wasOpen: boolean;
  /** The number of the attempt, as `onRetry` reports it; 0 for the first. */
  readonly attempt: number;
}

/**
 * The options of a client. Durations are in milliseconds, at most 2^31-1 (24.8
 * days). A key whose value is `undefined` counts as absent.
 *
 * The constructor throws a `TypeError` for a value of the wrong kind, for an
 * unknown key and for a key that the chosen transport does not have, and a
 * `RangeError` for a number outside its limits. The error names the key, the
 * rule and the value, except where the value may be a secret.
 *
 * @example
 * ```ts
 * import { type WSConfig } from "@ws-stream/client";
 *
 * const config: WSConfig = {
 *   url: ["wss://eu.example.com/feed", "wss://us.example.com/feed"],
 *   headers: async () => ({
 *     Authorization: `Bearer ${await Deno.readTextFile("token")}`,
 *   }),
 *   transport: "tcp",
 *   staleTimeout: 60_000,
 *   maxRetries: 20,
 * };
 * ```
 */
export interface WSConfig {
  // Where to connect, and how --------------------------------------------------

  /**
   * `ws://` or `wss://`; with `transport: "tcp"` also
   * `ws+unix:/path/to/socket:/path`. A list is for failover: after a failure
   * the next URL is tried at once, and the backoff comes after each full round.
   * A function is called for each attempt, for example to get a fresh token; it
   * may be async.
   */
  readonly url:
    | string
    | URL
    | readonly (string | URL)[]
    | (() => string | URL | Promise<string | URL>);
  /**
   * What carries the connection.
   * @default "native"
   */
  readonly transport?: TransportName | undefined;
  /**
   * Additional headers of the handshake, or a function called for each attempt.
   * A header whose value is `undefined` is not sent. The handshake sets these
   * itself: `Host`, `Connection`, `Upgrade`, `Content-Length`,
   * `Transfer-Encoding`, `Sec-WebSocket-*`.
   * @default none
   */
  readonly headers?: Provider<HandshakeHeaders> | undefined;
  /**
   * Subprotocols to offer, best first (RFC 6455, section 1.9), or a function
   * called for each attempt. A server that chooses another one is refused.
   * @default none
   */
  readonly subprotocols?: Provider<string | readonly string[]> | undefined;
  /**
   * Certificate authorities to trust, and a client certificate.
   * @default none
   */
  readonly tls?: TlsConfig | undefined;
  /**
   * An `http://`, `https://` or `socks5://` proxy, with its credentials. The
   * native transport sends a `ws://` request to an HTTP proxy without a tunnel,
   * which many proxies refuse: use `socks5`.
   * @default none; the native transport obeys `HTTP_PROXY`, `HTTPS_PROXY`,
   * `ALL_PROXY` and `NO_PROXY`
   */
  readonly proxy?: string | URL | undefined;
  /**
   * A `Deno.HttpClient` to use instead of `tls` and `proxy`; the program closes
   * it. Only with `transport: "native"`.
   * @default none
   */
  readonly httpClient?: Deno.HttpClient | undefined;
  /**
   * Offers permessage-deflate (RFC 7692), with the default settings (`true`) or
   * the given ones. Only with `transport: "tcp"`.
   * @default false
   */
  readonly compression?: boolean | CompressionConfig | undefined;
  /**
   * The largest inbound message, in bytes after decompression. A larger one
   * closes the connection with 1009. With `transport: "native"` the runtime's
   * limit is fixed: a frame of 64 MiB or more ends the connection, and a
   * message of several frames has no limit.
   * @default 64 MiB
   */
  readonly maxMessageBytes?: number | undefined;
  /**
   * How many redirects of the handshake to follow (301, 302, 303, 307, 308); 0
   * follows none. `Authorization`, `Cookie` and `Proxy-Authorization` are not
   * sent to another origin, and `wss` never becomes `ws`.
   * @default 5
   */
  readonly followRedirects?: number | undefined;

  // Time -------------------------------------------------------------------------

  /**
   * The time limit of an attempt: functions of the configuration, DNS, TCP,
   * TLS, handshake and its diagnosis. The connect hook has the same limit,
   * counted anew.
   * @default 10_000
   */
  readonly connectTimeout?: number | undefined;
  /**
   * The time limit of each step of closing. After it, a connection whose server
   * does not answer is abandoned.
   * @default 3_000
   */
  readonly closeTimeout?: number | undefined;
  /**
   * The application heartbeat. Without `ping.message` the tcp transport sends
   * protocol pings (RFC 6455, section 5.5.2), and the native one sends nothing.
   * @default none
   */
  readonly ping?: PingConfig | undefined;
  /**
   * The period of the heartbeat; 0 switches it off. With the native transport a
   * value above 0 needs `ping.message`, or the constructor throws a
   * `TypeError`.
   * @default 20_000; on native without `ping.message` 0
   */
  readonly pingInterval?: number | undefined;
  /**
   * The connection counts as dead (`HEARTBEAT`) when there is no sign of life
   * for this long after a ping. Signs of life are inbound messages (on tcp:
   * bytes) and outgoing bytes that still leave the socket. On a slow line, a
   * ping that waits behind a large message gets the time for it, too: up to
   * three times this long. Outgoing bytes that do not leave the socket for this
   * long, per MiB, also mean a dead connection, with or without pings.
   * @default 20_000
   */
  readonly pingTimeout?: number | undefined;
  /**
   * Reconnect when nothing at all arrived for this long; 0 switches it off.
   * @default 0
   */
  readonly idleTimeout?: number | undefined;
  /**
   * Reconnect when no message was delivered for this long; 0 switches it off.
   * Unlike with `idleTimeout`, pongs and consumed pings do not count, so this
   * detects a server that answers pings but sends no data.
   * @default 0
   */
  readonly staleTimeout?: number | undefined;
  /**
   * Replace the connection before it reaches this age, counted from the
   * handshake: the next one is open before the old one is closed. The change
   * begins at a random 0.8 to 0.9 of the age; 0 switches it off.
   * @default 0
   */
  readonly maxConnectionAge?: number | undefined;

  // Reconnecting -------------------------------------------------------------------

  /**
   * `false`: one attempt, one connection, no rotation, unless the program calls
   * `reconnect()`. The client ends with the
   * error that ended the connection; after a close with 1000 or 1001 it ends
   * without an error.
   * @default true
   */
  readonly reconnect?: boolean | undefined;
  /**
   * The delay after the first failure, before the jitter. If `maxBackoff` is
   * not given and this is longer than 30 s, `maxBackoff` gets the same value.
   * @default 500; `maxBackoff` if that is less
   */
  readonly initialBackoff?: number | undefined;
  /**
   * The longest delay, before the jitter; a `Retry-After` may exceed it.
   * @default 30_000; `initialBackoff` if that is more
   */
  readonly maxBackoff?: number | undefined;
  /**
   * The factor by which the delay grows after each failure: 1 or more.
   * @default 2
   */
  readonly backoffMultiplier?: number | undefined;
  /**
   * From 0 to 1: 1 draws uniformly from 0 to the delay, 0 takes the delay as it
   * is. Drawn for each attempt, after the cap.
   * @default 1
   */
  readonly jitter?: number | undefined;
  /**
   * A connection that stays open for this long resets the backoff; a shorter
   * one counts as a failed attempt. With 0 every connection that opens resets
   * it.
   * @default 5_000
   */
  readonly stableAfter?: number | undefined;
  /**
   * The number of retries in a row after which the client ends with
   * `RETRIES_EXHAUSTED`; 0 allows a single attempt.
   * @default Infinity
   */
  readonly maxRetries?: number | undefined;
  /**
   * The time without a stable connection before the client ends with
   * `RETRIES_EXHAUSTED`; also the limit of each attempt and its connect hook.
   * The time spent waiting for a slow reader does not count.
   * @default Infinity
   */
  readonly retryBudget?: number | undefined;
  /**
   * Close codes after which there is no reconnect: a list, or a function whose
   * truthy results count as yes.
   * @default []
   */
  readonly fatalCloseCodes?:
    | readonly number[]
    | ((code: number) => boolean)
    | undefined;
  /**
   * Overrides the severity of an error; `undefined` keeps the default. If it
   * throws, that is reported (`CALLBACK`) and the default holds.
   * @default none
   */
  readonly classify?:
    | ((error: WSError, context: ClassifyContext) => Severity | undefined)
    | undefined;
  /**
   * When it aborts, the client stops at once; queued messages are not sent. A
   * `stop()` that is closing the connection no longer waits for the server.
   * @default none
   */
  readonly signal?: AbortSignal | undefined;

  // Sending ------------------------------------------------------------------------

  /**
   * Messages the queue holds: a whole number from 1.
   * @default 1000
   */
  readonly sendQueueMaxSize?: number | undefined;
  /**
   * Bytes the queue holds; a larger message is refused at once (`TOO_LARGE`).
   * @default 16 MiB
   */
  readonly sendQueueMaxBytes?: number | undefined;
  /**
   * What to do when the queue is full: `send()` waits, or rejects
   * (`QUEUE_FULL`), or the oldest or newest message is dropped (`onDrop`).
   * @default "wait"
   */
  readonly overflow?: SendOverflow | undefined;
  /**
   * Limits how many messages leave the queue per interval, across reconnects.
   * Heartbeats and `session.send` count but do not wait.
   * @default none
   */
  readonly sendRate?: SendRate | undefined;
  /**
   * Which messages are sent again on the next connection: those that had not
   * left the socket, none, or those that the server has not acknowledged.
   * @default "unflushed"
   */
  readonly redeliver?: Redelivery | undefined;
  /**
   * The path of a file in which the queue outlives the process. Needs
   * `--allow-read` and `--allow-write` for it.
   * @default none
   */
  readonly spool?: string | undefined;

  // Receiving ------------------------------------------------------------------------

  /**
   * Messages the buffer of each reader holds: a whole number from 1. Also the
   * bound of what arrives during the connect hook. More than that ends the
   * connection if `receiveOverflow` is `"disconnect"`; otherwise the tcp
   * transport stops reading until the hook has settled, and the native one keeps
   * at least 10,000 messages and 64 MiB.
   * @default 10_000
   */
  readonly receiveBufferMaxSize?: number | undefined;
  /**
   * Bytes the buffer of each reader holds (texts as UTF-16 code units).
   * @default 64 MiB
   */
  readonly receiveBufferMaxBytes?: number | undefined;
  /**
   * What to do when the buffer of a reader is full: close the connection
   * (`SLOW_CONSUMER`) and reconnect once the reader has drained to half; drop
   * the oldest or the newest message (reported to `onGap`); or, only with
   * `transport: "tcp"`, `"pause"`: stop reading from the socket until the
   * slowest reader has drained to half.
   * Nothing is lost then, and the server feels the backpressure. With
   * acknowledgements (`redeliver.acknowledged`), do not await `send()` or
   * `flush()` in the loop that reads: they may wait for acknowledgements behind
   * messages for which the reader has no room (`SLOW_CONSUMER` is reported
   * after `pingTimeout`). With `{ conflate }` a message takes the place of an
   * unread one with the same key at any time, which is not reported; when there
   * are too many keys, the oldest message is dropped and reported.
   * @default "disconnect"; "pause" with `transport: "tcp"`
   */
  readonly receiveOverflow?: ReceiveOverflow | undefined;
  /**
   * Applied once to each inbound message, before heartbeat, acknowledgements,
   * callbacks and readers see it: for example to unzip the binary frames of an
   * exchange. If it throws, that is reported (`CALLBACK`), and the message is
   * dropped and reported as a gap.
   * @default none
   */
  readonly decode?: ((data: Message) => Message) | undefined;
}
