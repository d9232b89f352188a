/**
 * A WebSocket client for live data that connects once and stays connected: it
 * reconnects, checks that the connection is alive, keeps what is sent in a
 * bounded queue, and reports every failure with its cause and whether it will
 * try again.
 *
 * Begin with {@linkcode connect} or {@linkcode WebSocketStreamClient}. What can
 * be set is in {@linkcode WSConfig}, what is reported in
 * {@linkcode WSCallbacks}, what can fail in {@linkcode WSError}.
 *
 * @example By async iterator
 * ```ts
 * import { connect } from "@ws-stream/client";
 *
 * async function main() {
 *   await using feed = await connect("wss://example.com/feed");
 *   for await (const message of feed) console.log(message);
 * }
 * ```
 *
 * @example By callbacks
 * ```ts
 * import { WebSocketStreamClient } from "@ws-stream/client";
 *
 * const client = new WebSocketStreamClient({ url: "wss://example.com/feed" }, {
 *   onConnect: (session) => session.send('{"op":"subscribe"}'),
 *   onMessage: (data) => console.log(data),
 * });
 * await client.start();
 * ```
 *
 * @module
 */

export { connect, WebSocketStreamClient } from "./src/client.ts";
export {
  type Severity,
  WSError,
  type WSErrorCode,
  type WSErrorOptions,
} from "./src/errors.ts";
export type {
  ClientState,
  DisconnectInfo,
  DropReason,
  Gap,
  HandshakeResponse,
  RetryInfo,
  Session,
  WSCallbacks,
} from "./src/callbacks.ts";
export type {
  AcknowledgedRedelivery,
  ClassifyContext,
  CompressionConfig,
  Conflation,
  HandshakeHeaders,
  PingConfig,
  PingReply,
  Provider,
  ReceiveOverflow,
  Redelivery,
  SendOverflow,
  SendRate,
  TlsConfig,
  TransportName,
  WSConfig,
} from "./src/config.ts";
export type { Message } from "./src/message.ts";
export type {
  HeartbeatTimes,
  ReadOptions,
  ReconnectOptions,
  SendOptions,
  StartOptions,
  StopOptions,
  StopResult,
} from "./src/method_options.ts";
export type { RttStats, WSStats } from "./src/stats.ts";
export * as heartbeats from "./src/heartbeats.ts";
