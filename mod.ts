/**
 * A WebSocket client that does not lose its feed: it reconnects by itself,
 * watches the link, queues what is sent, and says what went wrong.
 *
 * @example
 * ```ts
 * import { connect } from "@ws-stream/client";
 *
 * async function main() {
 *   await using feed = await connect("wss://example.com/feed");
 *   for await (const message of feed) console.log(message);
 * }
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
