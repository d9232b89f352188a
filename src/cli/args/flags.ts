/**
 * Every flag of every command, once. Parsing, `-h`, `--help`, the completions
 * and the README's table are all made from this table, so that they cannot
 * disagree.
 *
 * @module
 */

import { CONNECTION_FLAGS, STAYS } from "./connection_flags.ts";
import {
  COMMAND_NAMES,
  type CommandName,
  type Flag,
  one,
  toggle,
  word,
} from "./flag.ts";
import {
  address,
  duration,
  escapedText,
  fileTemplate,
  messageFormat,
  positiveDuration,
  rate,
  regex,
  size,
  speed,
  text,
  type TextOrFile,
  textOrFile,
  wholeNumber,
} from "./values.ts";

const ALL = COMMAND_NAMES;
const CONNECT = ["connect"] as const;

/** The table. */
export const FLAGS = {
  ...CONNECTION_FLAGS,

  "json": toggle({
    group: "Messages",
    of: ["connect", "ping", "probe"],
    brief: true,
    help: "Print every event as a line of JSON.",
  }),
  "raw": toggle({
    group: "Messages",
    of: CONNECT,
    help: "On a terminal: print JSON unchanged, not pretty-printed.",
  }),
  "history": one(text, {
    value: "FILE",
    group: "Messages",
    of: CONNECT,
    off: "",
    help: "On a terminal: keep what was typed in this file. The default is " +
      "~/.ws-stream-history if that may be read and written. A line " +
      "that begins with a space is not kept.",
  }),
  "format": one(messageFormat, {
    value: "TEMPLATE",
    group: "Messages",
    of: CONNECT,
    help: "Print each message by this template. %s is the payload, %l its " +
      "length in bytes, %t the time (ISO 8601), %u the URL, %% a %; " +
      String.raw`\n \t \0 \xNN are escapes. Nothing is added: end it with \n.`,
  }),
  "timestamps": toggle({
    group: "Messages",
    of: CONNECT,
    help: "Print the time of arrival before each message. It is UTC, in " +
      "ISO 8601.",
  }),
  "grep": one(regex, {
    value: "REGEX",
    group: "Messages",
    of: CONNECT,
    help: "Print only messages that match.",
  }),
  "decompress": word(["gzip", "deflate"], {
    group: "Messages",
    of: CONNECT,
    help: "Decompress binary messages before anything else. Some " +
      "exchanges compress what they send.",
  }),
  "merge": toggle({
    group: "Messages",
    of: CONNECT,
    help: "Connect to all URLs at once, instead of failover. Each " +
      "message is printed with its URL; input goes to every " +
      "connection. While one cannot be reached and another one is " +
      "open, it misses the input that its queue has no room for.",
  }),
  "binary": word(["raw", "base64", "hex"], {
    group: "Messages",
    of: CONNECT,
    brief: "Send and print binary messages",
    help: "Decode input and send it as binary; encode binary messages " +
      "and print them. raw cuts and adds nothing unless -0 or " +
      "--delimiter is given. Without this flag input is text, and " +
      "binary messages are printed as base64.",
  }),
  "null": toggle({
    short: "0",
    group: "Messages",
    of: CONNECT,
    help: "End each message with a NUL byte, in and out. This is for texts " +
      "of several lines.",
  }),
  "delimiter": one(escapedText, {
    value: "TEXT",
    group: "Messages",
    of: CONNECT,
    off: "",
    help: String
      .raw`End each message with TEXT, in and out. \n \r \t \0 \xNN are ` +
      "escapes. A message may be up to 16 MiB long. With --no-delimiter " +
      "nothing ends a message, and input is sent as it comes.",
  }),

  "one-message": toggle({
    group: "Sending",
    of: CONNECT,
    help: "Send all of stdin as one message.",
  }),
  "send-rate": one(rate, {
    value: "N/TIME",
    group: "Sending",
    of: CONNECT,
    help: "Limit the rate of sent messages: 5/s, 100/m, 10/500ms.",
  }),
  "overflow": word(["wait", "reject", "drop-oldest", "drop-newest"], {
    group: "Sending",
    of: CONNECT,
    default: "wait",
    help: "Choose what happens when the queue is full. wait stops reading " +
      "input, reject and drop-newest drop the new message, drop-oldest " +
      "drops the oldest one.",
  }),
  "queue-max": one(wholeNumber(1), {
    value: "N",
    group: "Sending",
    of: CONNECT,
    default: "1000",
    help: "Limit the queue to N messages.",
  }),
  "redeliver": word(["unflushed", "none"], {
    group: "Sending",
    of: CONNECT,
    default: "unflushed",
    help: "Choose what is sent again after a reconnect. unflushed: the " +
      "messages that may not have reached the network; none: nothing.",
  }),
  "spool": one(text, {
    value: "FILE",
    group: "Sending",
    of: CONNECT,
    help: "Keep the queue in a file, so that it outlives the process.",
  }),

  "output": one(fileTemplate, {
    short: "o",
    value: "FILE",
    group: "Output",
    of: STAYS,
    brief: "Write messages to a file, .part until complete",
    help: "Write messages to a file; {date} {hour} {minute} {host} {n} " +
      "in its name start a new file when they change. A file has its " +
      "name once it is complete, and .part after it until then. None " +
      "is overwritten: where FILE.log exists, FILE.2.log is written.",
  }),
  "rotate-size": one(size, {
    value: "SIZE",
    group: "Output",
    of: CONNECT,
    help: "Start a new file at this size.",
  }),
  "rotate-every": one(positiveDuration, {
    value: "TIME",
    group: "Output",
    of: CONNECT,
    help: "Start a new file after this time.",
  }),
  "stats": one(positiveDuration, {
    value: "TIME",
    group: "Output",
    of: STAYS,
    help: "Print a line of statistics to stderr at this interval.",
  }),

  "count": one(wholeNumber(1), {
    short: "n",
    value: "N",
    group: "Ending",
    of: ["connect", "ping", "record"],
    brief: "Exit with 0 after N messages",
    help: "Exit with 0 after N printed messages. When fewer come, the " +
      "exit code is not 0.",
    helpFor: { ping: "Exit after N pings." },
  }),
  "until": one(regex, {
    value: "REGEX",
    group: "Ending",
    of: CONNECT,
    help: "Exit with 0 at the first message that matches. When none " +
      "comes, the exit code is not 0.",
  }),
  "once": toggle({
    group: "Ending",
    of: CONNECT,
    brief: "Make one request, print its answer, and exit",
    help: "Send the input, print the first message that arrives after " +
      "the steps of --on-open and --await, and exit; with 0 if one came.",
  }),
  "for": one(positiveDuration, {
    value: "TIME",
    group: "Ending",
    of: [...STAYS, "ping", "replay", "serve"],
    help: "Exit with 0 after this time. It is a planned end, even if input " +
      "was not sent.",
    helpFor: {
      ping: "Exit after this time.",
      serve: "Exit with 0 after this time.",
    },
  }),
  "timeout": one(positiveDuration, {
    value: "TIME",
    group: "Ending",
    of: ["connect", "ping", "probe", "record", "replay", "serve"],
    brief: "Exit with 124 after this time",
    help: "Exit with 124 after this time (a failure).",
  }),
  "linger": one(duration, {
    value: "TIME",
    group: "Ending",
    of: CONNECT,
    off: 0,
    brief: "Wait this long for answers after the input [1s]",
    help: "Wait this long for answers after the end of input; each message " +
      "starts the wait again. With empty input the program only " +
      "receives, and does not end. [default: 1s; with --once 10s]",
  }),
  "fail-on-gap": toggle({
    group: "Ending",
    of: STAYS,
    help: "Exit with 9 as soon as messages may have been missed.",
  }),

  "message": one(textOrFile, {
    value: "MSG|@FILE",
    group: "Ping",
    of: ["ping"],
    brief: "Send this instead of a protocol ping",
    help: "Send this message, which the server answers, instead of a " +
      "protocol ping. Without --pong the next message is the answer. " +
      "Without --message, --transport native sends a number, which an " +
      "echo server returns.",
  }),
  "interval": one(positiveDuration, {
    value: "TIME",
    group: "Ping",
    of: ["ping"],
    default: "1s",
    brief: true,
    help: "Send a ping at this interval.",
  }),

  "wait": one(positiveDuration, {
    value: "TIME",
    group: "Ping",
    of: ["ping"],
    default: "2s",
    brief: "Count a ping as lost after this time",
    help: "Count a ping as lost after this time without an answer.",
  }),

  "speed": one(speed, {
    value: "10x|max",
    group: "Replay",
    of: ["replay"],
    default: "1x",
    brief: true,
    help: "Send at this multiple of the recorded speed.",
  }),
  "loop": toggle({
    group: "Replay",
    of: ["replay"],
    brief: true,
    help: "Start again at the end.",
  }),
  "serve": one(address, {
    value: "ADDR",
    group: "Replay",
    of: ["replay"],
    brief: "Replay to each client that connects here",
    help: "Listen on this address, and replay to each client that " +
      "connects.",
  }),

  "echo": toggle({
    group: "Server",
    of: ["serve"],
    brief: true,
    help: "Send each message back. This is the default.",
  }),
  "broadcast": toggle({
    group: "Server",
    of: ["serve"],
    brief: true,
    help: "Send each message to all other clients.",
  }),
  "feed": toggle({
    group: "Server",
    of: ["serve"],
    brief: true,
    help: "Send numbered messages to each client.",
  }),
  "rate": one(wholeNumber(1), {
    value: "N",
    group: "Server",
    of: ["serve"],
    brief: "With --feed, messages a second [10]",
    help: "With --feed, send this many messages a second. [default: 10]",
  }),
  "chaos": one(text, {
    value: "RULES",
    group: "Server",
    of: ["serve"],
    brief: "Break connections: drop=5%,half-open@30s",
    help: "Break connections on purpose, by rules between commas: " +
      "drop=5% reset half-open@30s close=1011@30s refuse=503/10 " +
      "latency=50..200ms. =P% is the chance at each message (1% by " +
      "default), @TIME the age of the connection, /N every Nth " +
      "handshake.",
  }),
  "seed": one(wholeNumber(0), {
    value: "N",
    group: "Server",
    of: ["serve"],
    brief: "Repeat the faults of an earlier run",
    help: "Repeat the faults of an earlier run, which printed this " +
      "number.",
  }),

  "quiet": toggle({
    short: "q",
    group: "General",
    of: ALL,
    help: "Print nothing but the error that ends the program.",
  }),
  "verbose": toggle({
    counted: true,
    short: "v",
    group: "General",
    of: ALL,
    brief: "Print what happens to the connection",
    help: "Print what happens to the connection; -vv also the headers of " +
      "the handshake (those of the response only with --transport tcp) " +
      "and every message. Secrets are hidden.",
    helpFor: {
      serve: "Print each message that a client sends.",
    },
  }),
  "color": word(["auto", "always", "never"], {
    group: "General",
    of: ALL,
    default: "auto",
    help: "Use colors; auto: on a terminal, unless NO_COLOR is set.",
  }),
  "help": toggle({
    group: "General",
    of: ALL,
    brief: "Print everything; COMMAND --help: all about it",
    help: "Print everything; -h fits one screen.",
  }),
  "version": toggle({
    short: "V",
    group: "General",
    of: ALL,
    help: "Print the version.",
  }),
} as const;

/** A flag's name, without the dashes. */
export type FlagName = keyof typeof FLAGS;

type ValueOf<F> = F extends { readonly counted: true } ? number
  : F extends { readonly kind: "toggle" } ? boolean
  : F extends { readonly kind: "many"; parse: (text: string) => infer T }
    ? readonly T[]
  : F extends {
    readonly kind: "one";
    readonly default: string;
    parse: (text: string) => infer T;
  } ? T
  : F extends { readonly kind: "one"; parse: (text: string) => infer T }
    ? T | undefined
  : never;

/** A step at the start of each connection: `--on-open` or `--await`. */
export type StepFlag =
  | { readonly kind: "send"; readonly message: TextOrFile }
  | { readonly kind: "await"; readonly pattern: RegExp };

/** The values of the command line, or the defaults. */
export type Flags =
  & { readonly [Name in FlagName]: ValueOf<typeof FLAGS[Name]> }
  & {
    /** The values of `--on-open` and `--await`, in the given order. */
    readonly steps: readonly StepFlag[];
  };

/** The flags that a command takes, in the table's order. */
export function flagsOf(
  command: CommandName,
): readonly (readonly [FlagName, Flag])[] {
  return FLAG_NAMES.map((name): readonly [FlagName, Flag] => [
    name,
    FLAGS[name],
  ]).filter(([, flag]) => flag.of.includes(command));
}

/** Every flag's name, in the table's order. */
export const FLAG_NAMES: readonly FlagName[] = Object.keys(FLAGS).filter((
  name,
): name is FlagName => name in FLAGS);

/** The flags and operands of a command. */
export interface Invocation {
  readonly flags: Flags;
  /** The words that are no flags. */
  readonly operands: readonly string[];
}
