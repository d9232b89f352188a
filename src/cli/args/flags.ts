/**
 * Every flag of every command, once. Parsing, `-h`, `--help`, the completions
 * and the README's table are all made from this table, so that they cannot
 * disagree.
 *
 * @module
 */

import { fileTemplate } from "../output/files.ts";
import { CONNECTION_FLAGS } from "./connection_flags.ts";
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
const STAYS = ["connect", "record"] as const;
const CONNECT = ["connect"] as const;

/** The table. */
export const FLAGS = {
  ...CONNECTION_FLAGS,

  "json": toggle({
    group: "Messages",
    of: ["connect", "ping", "probe"],
    brief: "Prints every event as a line of JSON",
    help: "Prints every event as one JSON object a line.",
  }),
  "raw": toggle({
    group: "Messages",
    of: CONNECT,
    help: "On a terminal: prints JSON as it came, not set out for reading.",
  }),
  "history": one(text, {
    value: "FILE",
    group: "Messages",
    of: CONNECT,
    off: "",
    help: "On a terminal: the file that keeps what was typed, by default " +
      "~/.ws-stream-history if that may be read and written; a line that " +
      "begins with a space is not kept.",
  }),
  "format": one(messageFormat, {
    value: "TEMPLATE",
    group: "Messages",
    of: CONNECT,
    help: "How each message is printed: %s payload, %l its length in bytes, " +
      String.raw`%t time (ISO 8601), %u URL, %% a %; \n \t \0 \xNN are ` +
      String.raw`escapes. Nothing is added: end it with \n.`,
  }),
  "timestamps": toggle({
    group: "Messages",
    of: CONNECT,
    help: "Prints the time of arrival (ISO 8601, UTC) before each message.",
  }),
  "grep": one(regex, {
    value: "REGEX",
    group: "Messages",
    of: CONNECT,
    help: "Prints only messages that match.",
  }),
  "decompress": word(["gzip", "deflate"], {
    group: "Messages",
    of: CONNECT,
    help: "Decompresses binary messages first, as some exchanges send them.",
  }),
  "merge": toggle({
    group: "Messages",
    of: CONNECT,
    help: "Connects to all URLs at once, instead of failover. Each message " +
      "is printed with its URL; input goes to every connection.",
  }),
  "binary": word(["raw", "base64", "hex"], {
    group: "Messages",
    of: CONNECT,
    brief: "Input and output are binary",
    help: "Input is decoded and sent as binary, binary messages are " +
      "printed so. raw cuts and adds nothing unless -0 or --delimiter is " +
      "given. Without it input is text, and binary is printed as base64.",
  }),
  "null": toggle({
    short: "0",
    group: "Messages",
    of: CONNECT,
    help: "A NUL byte ends each message, in and out: for texts of " +
      "several lines.",
  }),
  "delimiter": one(escapedText, {
    value: "TEXT",
    group: "Messages",
    of: CONNECT,
    off: "",
    help: String.raw`What ends each message; \n \r \t \0 \xNN are escapes. ` +
      "A message may have 16 MiB. " +
      "--no-delimiter: nothing does, and input is sent as it comes.",
  }),

  "one-message": toggle({
    group: "Sending",
    of: CONNECT,
    help: "Sends all of stdin as one message.",
  }),
  "send-rate": one(rate, {
    value: "N/TIME",
    group: "Sending",
    of: CONNECT,
    help: "Sends at most so many messages in that time: 5/s, 100/m, 10/500ms.",
  }),
  "overflow": word(["wait", "reject", "drop-oldest", "drop-newest"], {
    group: "Sending",
    of: CONNECT,
    default: "wait",
    help: "When the queue is full: stop reading input, or drop.",
  }),
  "queue-max": one(wholeNumber(1), {
    value: "N",
    group: "Sending",
    of: CONNECT,
    default: "1000",
    help: "How many messages the queue holds.",
  }),
  "redeliver": word(["unflushed", "none"], {
    group: "Sending",
    of: CONNECT,
    default: "unflushed",
    help: "What is sent again after a reconnect.",
  }),
  "spool": one(text, {
    value: "FILE",
    group: "Sending",
    of: CONNECT,
    help: "Keeps the queue in a file, so that it outlives the process.",
  }),

  "output": one(fileTemplate, {
    short: "o",
    value: "FILE",
    group: "Output",
    of: STAYS,
    brief: "Writes messages to files, complete or .part",
    help: "Writes messages to a file; {date} {hour} {minute} {host} {n} in " +
      "its name begin new ones as they change. A file has its name once " +
      "it is complete, and .part after it until then; none is overwritten: " +
      "where FILE.log is there already, FILE.2.log is written.",
  }),
  "rotate-size": one(size, {
    value: "SIZE",
    group: "Output",
    of: CONNECT,
    help: "Begins a new file at this size.",
  }),
  "rotate-every": one(positiveDuration, {
    value: "TIME",
    group: "Output",
    of: CONNECT,
    help: "Begins a new file after so long.",
  }),
  "stats": one(positiveDuration, {
    value: "TIME",
    group: "Output",
    of: STAYS,
    help: "Prints a line of numbers to stderr so often.",
  }),

  "count": one(wholeNumber(1), {
    short: "n",
    value: "N",
    group: "Ending",
    of: ["connect", "ping", "record"],
    brief: "Ends with 0 after N messages",
    help: "Ends with 0 after N printed messages, and only then with 0 (ping: " +
      "after N pings).",
  }),
  "until": one(regex, {
    value: "REGEX",
    group: "Ending",
    of: CONNECT,
    help: "Ends with 0 at the first message that matches, and only then " +
      "with 0.",
  }),
  "once": toggle({
    group: "Ending",
    of: CONNECT,
    brief: "One request, its answer, no reconnect",
    help: "Sends the input, prints the first message that follows the steps " +
      "of the connection, and exits: 0 if there was one.",
  }),
  "for": one(positiveDuration, {
    value: "TIME",
    group: "Ending",
    of: [...STAYS, "ping", "replay", "serve"],
    help: "Ends with 0 after so long: the planned end.",
  }),
  "timeout": one(positiveDuration, {
    value: "TIME",
    group: "Ending",
    of: ["connect", "ping", "probe", "record", "replay", "serve"],
    brief: "Ends the whole run after so long, with 124",
    help: "Ends the whole run after so long with 124: a time that should not " +
      "be reached.",
  }),
  "linger": one(duration, {
    value: "TIME",
    group: "Ending",
    of: CONNECT,
    off: 0,
    brief: "Waits so long for answers after the input [1s]",
    help: "How long to wait for answers after the end of input; each " +
      "message starts the wait again. Input without one byte means receive " +
      "only. [default: 1s; with --once 10s]",
  }),
  "fail-on-gap": toggle({
    group: "Ending",
    of: STAYS,
    help: "Ends with 9 as soon as messages may have been missed.",
  }),

  "message": one(textOrFile, {
    value: "MSG|@FILE",
    group: "Ping",
    of: ["ping"],
    brief: "A message to send instead of a protocol ping",
    help: "What to send instead of a protocol ping: a message that the " +
      "server answers. Without --pong the next message is the answer. With " +
      "--transport native a number is sent, for an echo server.",
  }),
  "interval": one(positiveDuration, {
    value: "TIME",
    group: "Ping",
    of: ["ping"],
    brief: "From one ping to the next",
    default: "1s",
    help: "From one ping to the next.",
  }),

  "wait": one(positiveDuration, {
    value: "TIME",
    group: "Ping",
    of: ["ping"],
    default: "2s",
    brief: "How long an answer may take",
    help: "How long an answer may take before it counts as lost.",
  }),

  "speed": one(speed, {
    value: "10x|max",
    group: "Replay",
    of: ["replay"],
    brief: "How many times as fast as it was",
    default: "1x",
    help: "How many times as fast as it was recorded.",
  }),
  "loop": toggle({
    group: "Replay",
    of: ["replay"],
    brief: "Begins again at the end",
    help: "Begins again at the end.",
  }),
  "serve": one(address, {
    value: "ADDR",
    group: "Replay",
    of: ["replay"],
    brief: "Replays to each client that connects",
    help: "Replays to each client that connects to this address.",
  }),

  "echo": toggle({
    group: "Server",
    of: ["serve"],
    brief: "Sends each message back",
    help: "Sends each message back (when nothing else is asked for).",
  }),
  "broadcast": toggle({
    group: "Server",
    of: ["serve"],
    brief: "Sends each message to all other clients",
    help: "Sends each message to all other clients.",
  }),
  "feed": toggle({
    group: "Server",
    of: ["serve"],
    brief: "Sends numbered messages to all clients",
    help: "Sends numbered messages to all clients.",
  }),
  "rate": one(wholeNumber(1), {
    value: "N",
    group: "Server",
    of: ["serve"],
    brief: "Messages a second of --feed",
    default: "10",
    help: "Messages a second of --feed.",
  }),
  "chaos": one(text, {
    value: "RULES",
    group: "Server",
    of: ["serve"],
    brief: "What goes wrong: drop=5%,half-open@30s",
    help: "What goes wrong, separated by commas: drop=5% reset half-open@30s " +
      "close=1011@30s refuse=503/10 latency=50..200ms. =P% is a chance at " +
      "each message (1% if nothing is said), @TIME an age of the " +
      "connection, /N each Nth handshake.",
  }),
  "seed": one(wholeNumber(0), {
    value: "N",
    group: "Server",
    of: ["serve"],
    brief: "Makes the same things go wrong again",
    help: "Makes the same things go wrong again.",
  }),

  "quiet": toggle({
    short: "q",
    group: "General",
    of: ALL,
    help: "Prints nothing but the error that ends the program.",
  }),
  "verbose": toggle({
    counted: true,
    short: "v",
    group: "General",
    of: ALL,
    brief: "Tells what happens to the connection",
    help: "Prints what happens to the connection; -vv also the headers of " +
      "the handshake and every message.",
  }),
  "color": word(["auto", "always", "never"], {
    group: "General",
    of: ALL,
    default: "auto",
    help: "Colours; auto: on a terminal unless NO_COLOR is set.",
  }),
  "help": toggle({
    group: "General",
    of: ALL,
    brief: "Everything; COMMAND --help: all of a command",
    help: "Everything; -h fits one screen.",
  }),
  "version": toggle({
    short: "V",
    group: "General",
    of: ALL,
    help: "Prints the version.",
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

/** What the command line said, or the defaults. */
export type Flags =
  & { readonly [Name in FlagName]: ValueOf<typeof FLAGS[Name]> }
  & {
    /** What `--on-open` and `--await` say, in the given order. */
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

/** What a command is called with. */
export interface Invocation {
  readonly flags: Flags;
  /** The words that are no flags. */
  readonly operands: readonly string[];
}
