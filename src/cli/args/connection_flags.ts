/**
 * The flags about the connection: the handshake, and staying connected.
 *
 * @module
 */

import { many, one, toggle, word } from "./flag.ts";
import {
  closeCodes,
  duration,
  header,
  number,
  positiveDuration,
  regex,
  text,
  textOrFile,
  wholeNumber,
} from "./values.ts";

const DIALS = ["connect", "ping", "probe", "record", "replay"] as const;
const CERTIFIED = [...DIALS, "serve"] as const;
const STAYS = ["connect", "record"] as const;
const CLIENTS = ["connect", "ping", "record", "replay"] as const;
const RETRIES = ["connect", "record", "replay"] as const;

/** The handshake, and staying connected. */
export const CONNECTION_FLAGS = {
  "header": many(header, {
    short: "H",
    value: "NAME: VALUE",
    group: "Handshake",
    of: DIALS,
    brief: "A header of the handshake",
    help: "A header of the handshake; @FILE holds one a line.",
  }),
  "subprotocol": many(text, {
    value: "NAME",
    group: "Handshake",
    of: CERTIFIED,
    help: "A subprotocol to offer, best first; serve: to speak.",
  }),
  "bearer-file": one(text, {
    value: "FILE",
    group: "Handshake",
    of: DIALS,
    brief: "Authorization: Bearer with what FILE holds",
    help: "Sends the token in FILE as Authorization: Bearer. The file is " +
      "read for each attempt. Secrets are never flags: others can see them.",
  }),
  "basic-auth-file": one(text, {
    value: "FILE",
    group: "Handshake",
    of: DIALS,
    help: "Sends USER:PASSWORD in FILE as Authorization: Basic.",
  }),
  "ca": many(text, {
    value: "FILE",
    group: "Handshake",
    of: DIALS,
    help: "Trusts these certificate authorities (PEM) too.",
  }),
  "cert": one(text, {
    value: "FILE",
    group: "Handshake",
    of: CERTIFIED,
    help:
      "The client certificate (PEM), needs --key; serve: the server's, for wss.",
  }),
  "key": one(text, {
    value: "FILE",
    group: "Handshake",
    of: CERTIFIED,
    help: "The private key of --cert (PEM).",
  }),
  "server-name": one(text, {
    value: "NAME",
    group: "Handshake",
    of: DIALS,
    help: "The name that the certificate must have, instead of the host of " +
      "the URL. Selects --transport tcp.",
  }),
  "insecure": toggle({
    short: "k",
    group: "Handshake",
    of: DIALS,
    help: "Accepts any certificate. Anybody between you and the server can " +
      "then read and change everything, secrets included. Selects " +
      "--transport tcp.",
  }),
  "proxy": one(text, {
    value: "URL",
    group: "Handshake",
    of: DIALS,
    help: "An http://, https:// or socks5:// proxy. Without it the native " +
      "transport obeys HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY.",
  }),
  "transport": word(["native", "tcp"], {
    group: "Handshake",
    of: CLIENTS,
    help:
      "How to connect: native is Deno's own WebSocket, tcp our own framing, faster and " +
      "with protocol pings. By default native, unless a flag or a ws+unix: " +
      "URL needs tcp.",
  }),
  "compress": toggle({
    group: "Handshake",
    of: [...CLIENTS, "serve"],
    help: "Offers compression (permessage-deflate); serve: agrees to it. " +
      "Selects --transport tcp.",
  }),
  "connect-timeout": one(positiveDuration, {
    value: "TIME",
    group: "Handshake",
    of: DIALS,
    default: "10s",
    help: "The limit of each attempt.",
  }),
  "follow-redirects": one(wholeNumber(0), {
    value: "N",
    group: "Handshake",
    of: DIALS,
    default: "5",
    off: 0,
    help: "How many redirects to follow.",
  }),

  "on-open": many(textOrFile, {
    value: "MSG|@FILE",
    group: "Staying connected",
    of: CLIENTS,
    brief: "Sent first on each connection",
    help: "A step on each connection, before anything else is sent, so " +
      "after every reconnect too: sends a message, to authenticate or to " +
      "subscribe. --on-open and --await may be repeated and mixed; they run " +
      "in the given order. @@ stands for a leading @.",
  }),
  "await": many(regex, {
    value: "REGEX",
    group: "Staying connected",
    of: CLIENTS,
    help: "A step on each connection: waits for a message that matches.",
  }),
  "reconnect": toggle({
    group: "Staying connected",
    of: RETRIES,
    default: true,
    negated: true,
    brief: "Exits when the connection closes",
    help: "Makes one attempt and one connection, and exits when it closes.",
  }),
  "max-retries": one(wholeNumber(0), {
    value: "N",
    group: "Staying connected",
    of: RETRIES,
    off: Infinity,
    help: "How many failed attempts in a row to follow with another one.",
  }),
  "initial-backoff": one(positiveDuration, {
    value: "TIME",
    group: "Staying connected",
    of: RETRIES,
    default: "500ms",
    help: "The first wait before a retry; each is twice the last, drawn " +
      "at random from 0 up to that.",
  }),
  "max-backoff": one(positiveDuration, {
    value: "TIME",
    group: "Staying connected",
    of: RETRIES,
    default: "30s",
    help: "The longest wait before a retry.",
  }),
  "backoff-multiplier": one(number(1), {
    value: "X",
    group: "Staying connected",
    of: RETRIES,
    default: "2",
    help: "How many times as long as the last wait the next one is.",
  }),
  "jitter": one(number(0, 1), {
    value: "0..1",
    group: "Staying connected",
    of: RETRIES,
    default: "1",
    off: 0,
    help: "1 draws each wait at random from 0 up to the backoff; 0 waits for " +
      "exactly the backoff.",
  }),
  "stable-after": one(duration, {
    value: "TIME",
    group: "Staying connected",
    of: RETRIES,
    default: "5s",
    help: "A connection that held so long resets the backoff; a shorter one " +
      "counts as a failed attempt.",
  }),
  "retry-budget": one(positiveDuration, {
    value: "TIME",
    group: "Staying connected",
    of: RETRIES,
    off: Infinity,
    help: "Gives up after so long without a stable connection.",
  }),
  "ping": one(textOrFile, {
    value: "MSG|@FILE",
    group: "Staying connected",
    of: STAYS,
    help: "The heartbeat: a message that the server answers. Without it tcp " +
      "sends protocol pings, and native sends nothing.",
  }),
  "pong": one(regex, {
    value: "REGEX",
    group: "Staying connected",
    of: ["connect", "record", "ping"],
    help: "Recognizes the answer to a ping; it is not printed. Without it " +
      "any message is a sign of life.",
  }),
  "ping-interval": one(duration, {
    value: "TIME",
    group: "Staying connected",
    of: STAYS,
    default: "20s",
    off: 0,
    help: "How often a ping is sent.",
  }),
  "ping-timeout": one(positiveDuration, {
    value: "TIME",
    group: "Staying connected",
    of: STAYS,
    default: "20s",
    help: "Silence after a ping that means a dead connection.",
  }),
  "idle-timeout": one(duration, {
    value: "TIME",
    group: "Staying connected",
    of: STAYS,
    off: 0,
    help: "Reconnects when nothing at all came in for so long.",
  }),
  "stale-timeout": one(duration, {
    value: "TIME",
    group: "Staying connected",
    of: STAYS,
    off: 0,
    help: "Reconnects when no message came for so long; pongs do not count.",
  }),
  "max-connection-age": one(duration, {
    value: "TIME",
    group: "Staying connected",
    of: STAYS,
    off: 0,
    help: "Replaces the connection at this age, without a gap.",
  }),
  "fatal-close-codes": one(closeCodes, {
    value: "CODES",
    group: "Staying connected",
    of: RETRIES,
    help: "Close codes after which not to reconnect: 4001,4100-4199.",
  }),
} as const;
