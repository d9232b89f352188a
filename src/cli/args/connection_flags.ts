/**
 * The flags about the link: the handshake, and staying connected.
 *
 * @module
 */

import { many, one, toggle } from "./flag.ts";
import {
  closeCodes,
  duration,
  header,
  positiveDuration,
  regex,
  text,
  textOrFile,
  wholeNumber,
} from "./values.ts";

const DIALS = ["connect", "ping", "probe", "record", "replay"] as const;
const CERTIFIED = [...DIALS, "serve"] as const;
const STAYS = ["connect", "record"] as const;
const GATE = ["connect", "ping", "record", "replay"] as const;
const RETRIES = ["connect", "record", "replay"] as const;

/** Handshake and link. */
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
    help: "Trusts these certificate authorities (PEM) too. There is no " +
      "--insecure.",
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
  "proxy": one(text, {
    value: "URL",
    group: "Handshake",
    of: DIALS,
    help: "http://, https:// or socks5:// proxy; for ws:// use socks5.",
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
    of: GATE,
    brief: "Sent first on each connection",
    help: "Sent first on each connection, so after every reconnect too: to " +
      "authenticate, to subscribe. Repeatable; @@ for a leading @.",
  }),
  "await": one(regex, {
    value: "REGEX",
    group: "Staying connected",
    of: GATE,
    help: "What is to be sent waits on each connection until a message " +
      "matches.",
  }),
  "reconnect": toggle({
    group: "Staying connected",
    of: RETRIES,
    default: true,
    negated: true,
    brief: "One connection; its end is the end",
    help: "One connection; its end is the end.",
  }),
  "max-retries": one(wholeNumber(0), {
    value: "N",
    group: "Staying connected",
    of: RETRIES,
    off: Infinity,
    help: "Attempts after the first failed one in a row.",
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
  "ping": one(textOrFile, {
    value: "MSG|@FILE",
    group: "Staying connected",
    of: STAYS,
    help: "The heartbeat: a message the server answers.",
  }),
  "pong": one(regex, {
    value: "REGEX",
    group: "Staying connected",
    of: ["connect", "record", "ping"],
    help: "Tells the answer to a ping; it is not printed. Without it any " +
      "message is a sign of life.",
  }),
  "ping-interval": one(duration, {
    value: "TIME",
    group: "Staying connected",
    of: STAYS,
    default: "20s",
    off: 0,
    help: "How often --ping is sent.",
  }),
  "ping-timeout": one(positiveDuration, {
    value: "TIME",
    group: "Staying connected",
    of: STAYS,
    default: "20s",
    help: "Silence after a ping that means a dead link.",
  }),
  "idle-timeout": one(duration, {
    value: "TIME",
    group: "Staying connected",
    of: STAYS,
    off: 0,
    help: "Reconnects when nothing at all came in for so long.",
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
