/**
 * Ready-made heartbeats for protocols that many servers speak. Each function
 * returns a fresh value for the option `ping`.
 *
 * @example
 * ```ts
 * import { heartbeats, WebSocketStreamClient } from "@ws-stream/client";
 *
 * const client = new WebSocketStreamClient({
 *   url: "wss://example.com/socket/websocket?vsn=2.0.0",
 *   ping: heartbeats.phoenix(),
 *   pingInterval: 30_000,
 * });
 * ```
 *
 * @module
 */

import type { PingConfig } from "./config.ts";
import type { Message } from "./message.ts";

/**
 * Phoenix channels, serializer version 2 (`?vsn=2.0.0` in the URL). By default
 * the server drops a client that was silent for 60 seconds.
 *
 * {@link https://hexdocs.pm/phoenix/writing_a_channels_client.html}
 */
export function phoenix(): PingConfig {
  let count = 0;
  return {
    message: () =>
      JSON.stringify([
        null,
        `heartbeat-${++count}`,
        "phoenix",
        "heartbeat",
        {},
      ]),
    isPong: (data) => {
      const reply = parseIfContains(data, '"phx_reply"');
      return Array.isArray(reply) && reply[2] === "phoenix" &&
        reply[3] === "phx_reply";
    },
  };
}

/**
 * GraphQL over WebSocket (subprotocol `graphql-transport-ws`): pings, and
 * answers the server's pings with their payload.
 *
 * {@link https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md}
 */
export function graphqlWs(): PingConfig {
  return {
    message: '{"type":"ping"}',
    isPong: (data) => field(parseIfContains(data, '"pong"'), "type") === "pong",
    answer: (data) => {
      const ping = parseIfContains(data, '"ping"');
      if (field(ping, "type") !== "ping") return undefined;
      return JSON.stringify({ type: "pong", payload: field(ping, "payload") });
    },
  };
}

/**
 * Engine.IO 4, and so Socket.IO 3 and newer: the server pings, by default each
 * 25 seconds, and expects the answer within 20. To notice that the pings stay
 * away, set `idleTimeout` to the sum of the `pingInterval` and `pingTimeout`
 * in the server's first message.
 *
 * {@link https://socket.io/docs/v4/engine-io-protocol/#heartbeat}
 */
export function engineIo(): PingConfig {
  return { answer: (data) => data === "2" ? "3" : undefined };
}

/**
 * Centrifugo 4 and newer, JSON format: the server pings with an empty reply, by
 * default each 25 seconds. To notice that the pings stay away, set
 * `idleTimeout` to 35 seconds or so. Only a ping that comes as a message of its
 * own is answered: the server may put several replies into one message, and
 * such a message is delivered as it is.
 *
 * {@link https://centrifugal.dev/docs/transports/client_protocol#ping-pong}
 */
export function centrifugo(): PingConfig {
  return {
    answer: (data) =>
      typeof data === "string" && data.length < 8 && data.trim() === "{}"
        ? "{}"
        : undefined,
  };
}

/**
 * `{"op":"ping"}`, answered by `{"op":"pong"}` or, as Bybit does on its public
 * streams, by `{"op":"ping","ret_msg":"pong"}`.
 *
 * {@link https://bybit-exchange.github.io/docs/v5/ws/connect}
 */
export function jsonOp(): PingConfig {
  return {
    message: '{"op":"ping"}',
    isPong: (data) => {
      const reply = parseIfContains(data, '"pong"');
      return field(reply, "op") === "pong" ||
        field(reply, "ret_msg") === "pong";
    },
  };
}

/**
 * A plain text that is answered by another: `ping` by `pong`, as OKX does.
 *
 * {@link https://www.okx.com/docs-v5/en/#overview-websocket-connect}
 */
export function text(ping = "ping", pong = "pong"): PingConfig {
  return { message: ping, isPong: (data) => data === pong };
}

/** Parsing every message would cost more than looking for a word in it. */
function parseIfContains(data: Message, word: string): unknown {
  if (typeof data !== "string" || !data.includes(word)) return undefined;
  try {
    return JSON.parse(data);
  } catch {
    return undefined; // not JSON, so not of the heartbeat
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null &&
      Object.hasOwn(value, name)
    ? Reflect.get(value, name)
    : undefined;
}
