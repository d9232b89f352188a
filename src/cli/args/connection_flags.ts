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
  subprotocol,
  text,
  textOrFile,
  wholeNumber,
} from "./values.ts";

const DIALS = ["connect", "ping", "probe", "record", "replay"] as const;
const CERTIFIED = [...DIALS, "serve"] as const;
/** The commands that stay connected. */
export const STAYS = ["connect", "record"] as const;
const CLIENTS = ["connect", "ping", "record", "replay"] as const;
const RETRIES = ["connect", "record", "replay"] as const;

/** The handshake, and staying connected. */
export const CONNECTION_FLAGS = {
  "header": many(header, {
    short: "H",
    value: "NAME: VALUE|@FILE",
    secret: true,
    group: "Handshake",
    of: DIALS,
    brief: "Send a header in the handshake",
    help: "Send a header in the handshake. @FILE sends the headers in FILE, " +
      "one on each line.",
  }),
  "subprotocol": many(subprotocol, {
    value: "NAME",
    secret: true,
    group: "Handshake",
    of: CERTIFIED,
    help: "Offer a subprotocol. Repeat the flag for more of them, the " +
      "preferred one first.",
    helpFor: { serve: "Accept a subprotocol; repeat the flag for more." },
  }),
  "bearer-file": one(text, {
    value: "FILE",
    group: "Handshake",
    of: DIALS,
    brief: true,
    help: "Send the token in FILE as Authorization: Bearer. The file is " +
      "read again for each attempt.",
  }),
  "basic-auth-file": one(text, {
    value: "FILE",
    group: "Handshake",
    of: DIALS,
    help: "Send USER:PASSWORD in FILE as Authorization: Basic.",
  }),
  "ca": many(text, {
    value: "FILE",
    group: "Handshake",
    of: DIALS,
    help: "Trust these certificate authorities (PEM) too.",
  }),
  "cert": one(text, {
    value: "FILE",
    group: "Handshake",
    of: CERTIFIED,
    help: "Present this client certificate (PEM), with --key.",
    helpFor: { serve: "Present this certificate (PEM), with --key, for wss." },
  }),
  "key": one(text, {
    value: "FILE",
    group: "Handshake",
    of: CERTIFIED,
    help: "Use this private key (PEM) with --cert.",
  }),
  "server-name": one(text, {
    value: "NAME",
    group: "Handshake",
    of: DIALS,
    help: "Expect this name in the certificate. Without this flag it is the " +
      "host of the URL. Selects --transport tcp.",
  }),
  "insecure": toggle({
    short: "k",
    group: "Handshake",
    of: DIALS,
    help: "Accept any certificate. Anybody between you and the server " +
      "can then read and change everything, secrets included. " +
      "Selects --transport tcp.",
  }),
  "proxy": one(text, {
    value: "URL",
    group: "Handshake",
    of: DIALS,
    help: "Connect through an http://, https:// or socks5:// proxy. An HTTP " +
      "proxy selects --transport tcp. Without this flag the native transport " +
      "obeys HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY.",
  }),
  "transport": word(["native", "tcp"], {
    group: "Handshake",
    of: CLIENTS,
    help: "Choose what carries the messages. native is Deno's own " +
      "WebSocket; tcp is the framing of ws-stream, which is faster and has " +
      "protocol pings. The default is native, unless a flag or a ws+unix: " +
      "URL needs tcp.",
  }),
  "compress": toggle({
    group: "Handshake",
    of: [...CLIENTS, "serve"],
    help: "Offer compression, permessage-deflate. Selects --transport tcp.",
    helpFor: { serve: "Agree to compression, permessage-deflate." },
  }),
  "connect-timeout": one(positiveDuration, {
    value: "TIME",
    group: "Handshake",
    of: DIALS,
    default: "10s",
    help: "Give up an attempt after this time.",
  }),
  "follow-redirects": one(wholeNumber(0), {
    value: "N",
    group: "Handshake",
    of: DIALS,
    default: "5",
    off: 0,
    help: "Follow at most N redirects.",
  }),

  "on-open": many(textOrFile, {
    value: "MSG|@FILE",
    group: "Staying connected",
    of: CLIENTS,
    brief: "Send this first on each connection",
    help: "Send this on each connection before anything else, to " +
      "authenticate or to subscribe. --on-open and --await may be " +
      "repeated and mixed; they run in the given order, after every " +
      "reconnect too. @@ stands for a leading @.",
  }),
  "await": many(regex, {
    value: "REGEX",
    group: "Staying connected",
    of: CLIENTS,
    help: "Wait for a message that matches. The steps of --on-open and " +
      "--await run on each connection, in the given order.",
  }),
  "reconnect": toggle({
    group: "Staying connected",
    of: RETRIES,
    default: true,
    negated: true,
    brief: "Exit when the connection closes",
    help: "Make one attempt and one connection, and exit when it closes.",
  }),
  "max-retries": one(wholeNumber(0), {
    value: "N",
    group: "Staying connected",
    of: RETRIES,
    off: Infinity,
    help: "Retry at most N times in a row.",
  }),
  "initial-backoff": one(positiveDuration, {
    value: "TIME",
    group: "Staying connected",
    of: RETRIES,
    default: "500ms",
    help: "Start with this backoff. --backoff-multiplier makes it grow, " +
      "and --jitter makes each wait random.",
  }),
  "max-backoff": one(positiveDuration, {
    value: "TIME",
    group: "Staying connected",
    of: RETRIES,
    default: "30s",
    help: "Limit the backoff to this time.",
  }),
  "backoff-multiplier": one(number(1), {
    value: "X",
    group: "Staying connected",
    of: RETRIES,
    default: "2",
    help: "Multiply the backoff by X after each failed attempt.",
  }),
  "jitter": one(number(0, 1), {
    value: "0..1",
    group: "Staying connected",
    of: RETRIES,
    default: "1",
    off: 0,
    help: "Draw each wait at random. With 1 it is anything from 0 to the " +
      "backoff, with 0 it is exactly the backoff.",
  }),
  "stable-after": one(duration, {
    value: "TIME",
    group: "Staying connected",
    of: RETRIES,
    default: "5s",
    help:
      "Reset the backoff after a connection of this length. A shorter one " +
      "counts as a failed attempt.",
  }),
  "retry-budget": one(positiveDuration, {
    value: "TIME",
    group: "Staying connected",
    of: RETRIES,
    off: Infinity,
    help: "Give up after this time without a stable connection.",
  }),
  "ping": one(textOrFile, {
    value: "MSG|@FILE",
    group: "Staying connected",
    of: STAYS,
    help: "Send this message as a heartbeat, which the server answers. " +
      "Without it tcp sends protocol pings, and native sends " +
      "nothing.",
  }),
  "pong": one(regex, {
    value: "REGEX",
    group: "Staying connected",
    of: ["connect", "record", "ping"],
    help: "Recognize the answer to a ping by this; it is not printed. " +
      "Without it any message is a sign of life.",
    helpFor: { ping: "Recognize the answer to --message by this." },
  }),
  "ping-interval": one(duration, {
    value: "TIME",
    group: "Staying connected",
    of: STAYS,
    off: 0,
    help: "Send a ping at this interval. Without --ping it selects " +
      "--transport tcp. [default: 20s]",
  }),
  "ping-timeout": one(positiveDuration, {
    value: "TIME",
    group: "Staying connected",
    of: STAYS,
    default: "20s",
    help: "Reconnect when nothing arrives for this long after a ping.",
  }),
  "idle-timeout": one(duration, {
    value: "TIME",
    group: "Staying connected",
    of: STAYS,
    off: 0,
    help: "Reconnect when nothing at all arrives for this long.",
  }),
  "stale-timeout": one(duration, {
    value: "TIME",
    group: "Staying connected",
    of: STAYS,
    off: 0,
    help: "Reconnect when no message arrives for this long. Pongs do not " +
      "count.",
  }),
  "max-connection-age": one(duration, {
    value: "TIME",
    group: "Staying connected",
    of: STAYS,
    off: 0,
    help: "Replace the connection before this age, without a gap.",
  }),
  "fatal-close-codes": one(closeCodes, {
    value: "CODES",
    group: "Staying connected",
    of: RETRIES,
    help: "Do not reconnect after these close codes. Example: 4001,4100-4199.",
  }),
} as const;
