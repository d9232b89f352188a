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
 * the server closes the connection of a client that was silent for 60 seconds.
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
 * Engine.IO 4, and so Socket.IO 3 and newer: the server pings, by default every
 * 25 seconds, and closes the connection if no pong comes within 20. Over
 * WebSocket each packet is a message of its own.
 *
 * The server dictates the interval in its first message. Pass it on in the
 * connect hook: if no ping comes for this long, the connection is dead.
 *
 * @example
 * ```ts
 * import { heartbeats, WebSocketStreamClient } from "@ws-stream/client";
 *
 * const client = new WebSocketStreamClient({
 *   url: "wss://example.com/socket.io/?EIO=4&transport=websocket",
 *   ping: heartbeats.engineIo(),
 * }, {
 *   onConnect: async (session) => {
 *     const open = String(await session.receive()); // 0{"sid":"...",...}
 *     const { pingInterval, pingTimeout } = JSON.parse(open.slice(1));
 *     session.setHeartbeat({ idleTimeout: pingInterval + pingTimeout });
 *     session.send("40"); // Socket.IO: connect to the namespace "/"
 *     await session.receive(); // 40{"sid":"..."}
 *   },
 * });
 * ```
 *
 * {@link https://socket.io/docs/v4/engine-io-protocol/#heartbeat}
 */
export function engineIo(): PingConfig {
  return { answer: (data) => data === "2" ? "3" : undefined };
}

/** An empty reply on a line of its own. */
const CENTRIFUGO_PING = /^\{\}\r?$/m;
const CENTRIFUGO_PINGS_ONLY = /^(?:\{\}\s*)+$/;

/**
 * Centrifugo 4 and newer, JSON format: the server pings with an empty reply, by
 * default every 25 seconds, and closes the connection with 3012 if no pong
 * comes within 8. It puts several replies into one message, one a line: a
 * message that holds a ping and data is answered and delivered, empty line
 * `{}` included.
 *
 * The server dictates the interval, in seconds, in its reply to `connect`. Pass
 * it on in the connect hook: if no ping comes for this long, the connection is
 * dead.
 *
 * @example
 * ```ts
 * import { heartbeats, WebSocketStreamClient } from "@ws-stream/client";
 *
 * const client = new WebSocketStreamClient({
 *   url: "wss://example.com/connection/websocket",
 *   ping: heartbeats.centrifugo(),
 * }, {
 *   onConnect: async (session) => {
 *     session.send(JSON.stringify({ id: 1, connect: { token: "..." } }));
 *     // The lines behind the reply, if any, are pushes.
 *     const [reply = ""] = String(await session.receive()).split("\n");
 *     const { connect, error } = JSON.parse(reply);
 *     if (error !== undefined) throw new Error(error.message);
 *     session.setHeartbeat({ idleTimeout: (connect.ping + 10) * 1000 });
 *     session.send(JSON.stringify({ id: 2, subscribe: { channel: "feed" } }));
 *   },
 * });
 * ```
 *
 * {@link https://centrifugal.dev/docs/transports/client_protocol#ping-pong}
 */
export function centrifugo(): PingConfig {
  return {
    answer: (data) => {
      // Looking for a word costs less than the search of every line.
      if (typeof data !== "string" || !data.includes("{}")) return undefined;
      if (CENTRIFUGO_PINGS_ONLY.test(data)) return "{}";
      return CENTRIFUGO_PING.test(data)
        ? { reply: "{}", deliver: true }
        : undefined;
    },
  };
}

/** Tags and source, then the command (IRCv3 message format). */
const IRC_PING = /^(?:@\S+ +)?(?::\S+ +)?PING(?: +(.*))?$/i;
const IRC_PONG = /^(?:@\S+ +)?(?::\S+ +)?PONG(?: .*)?$/i;

/**
 * IRC as text over WebSocket, as Twitch and IRCv3 servers speak it: pings, and
 * answers the server's pings with their parameter. A message may hold several
 * lines: one that holds a ping and other lines is answered and delivered.
 *
 * {@link https://ircv3.net/specs/extensions/websocket}
 */
export function irc(): PingConfig {
  return {
    message: "PING :ws-stream",
    isPong: (data) => {
      const lines = linesIfContain(data, "PONG");
      return lines.length === 1 && lines.every((line) => IRC_PONG.test(line));
    },
    answer: (data) => {
      const lines = linesIfContain(data, "PING");
      const pings = lines.filter((line) => IRC_PING.test(line));
      if (pings.length === 0) return undefined;
      const reply = pings
        .map((line) => line.replace(IRC_PING, "PONG $1").trimEnd())
        .join("\r\n");
      return { reply, deliver: pings.length < lines.length };
    },
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
    return undefined; // not JSON, so not a heartbeat
  }
}

function linesIfContain(data: Message, word: string): string[] {
  if (typeof data !== "string" || !data.includes(word)) return [];
  return data.split(/\r?\n/).filter((line) => line !== "");
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null &&
      Object.hasOwn(value, name)
    ? Reflect.get(value, name)
    : undefined;
}
