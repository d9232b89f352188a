/**
 * `-h` and `--help`, made from the commands and the table of flags.
 *
 * @module
 */

import config from "../../deno.json" with { type: "json" };
import {
  briefOf,
  COMMAND_NAMES,
  type CommandName,
  type Flag,
  GROUPS,
  helpOf,
} from "./args/flag.ts";
import { FLAG_NAMES, type FlagName, FLAGS } from "./args/flags.ts";
import { type Command, commandOf, COMMANDS, type Example } from "./commands.ts";
import { EXIT_CODES, type ExitCode } from "./exit_status.ts";
import {
  type Style,
  styleOf,
  terminalWidth,
  wantsColor,
  wrap,
} from "./format.ts";

/** The help for the program or one command, as the terminal shows it best. */
export function helpText(name: CommandName | undefined, full: boolean): string {
  const command = name === undefined ? undefined : commandOf(name);
  const options = {
    width: Math.min(terminalWidth(), 100),
    style: styleOf(wantsColor("auto", Deno.stdout.isTerminal())),
  };
  return full ? fullHelp(options, command) : briefHelp(options, command);
}

/** How a help is set. */
export interface HelpOptions {
  /** Columns of the terminal. */
  readonly width: number;
  /** @default no colours */
  readonly style?: Style;
}

/** The column in which descriptions begin. */
const COLUMN = 33;

/** `-h` of the whole program lists these: one screen has room for no more. */
const MOST_USED: readonly FlagName[] = [
  "header",
  "bearer-file",
  "on-open",
  "json",
  "output",
  "once",
  "count",
  "timeout",
  "reconnect",
  "verbose",
];

/** `-h`: one screen. */
export function briefHelp(
  { width, style = styleOf(false) }: HelpOptions,
  command?: Command,
): string {
  const lines: string[] = [];
  if (command === undefined) {
    lines.push(style.bold(title()), "");
    for (const { usage, summary } of COMMANDS) {
      lines.push(row(`ws-stream ${usage}`, summary, width));
    }
  } else {
    lines.push(
      style.bold(`ws-stream ${command.usage}`),
      `  ${command.summary}`,
    );
  }
  lines.push("");
  for (const name of FLAG_NAMES) {
    const flag: Flag = FLAGS[name];
    const isListed = command === undefined
      ? MOST_USED.includes(name)
      : flag.brief !== undefined && flag.of.includes(command.name) &&
        name !== "help";
    if (!isListed) continue;
    lines.push(row(flagUsage(name, flag), briefOf(flag, command?.name), width));
  }
  const all = command === undefined
    ? "ws-stream help [COMMAND]"
    : `ws-stream help ${command.name}`;
  return [...lines, "", row(all, "Everything, with examples", width)]
    .join("\n") + "\n";
}

function title(): string {
  return `ws-stream ${config.version}: a WebSocket client that does not lose ` +
    "its feed";
}

function row(left: string, right: string, width: number): string {
  const line = `  ${left.padEnd(COLUMN - 3)} ${right}`;
  return line.length <= width ? line : `${line.slice(0, width - 1)}…`;
}

/** `-H, --header NAME: VALUE`, `--no-reconnect`. */
export function flagUsage(name: FlagName, flag: Flag): string {
  const short = flag.short === undefined ? "" : `-${flag.short}, `;
  const value = flag.kind === "toggle" ? "" : ` ${flag.value}`;
  return `${short}--${flag.negated ? "no-" : ""}${name}${value}`;
}

/** `--help`: everything. */
export function fullHelp(
  { width, style = styleOf(false) }: HelpOptions,
  command?: Command,
): string {
  const about = command === undefined ? COMMANDS : [command];
  const section = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : [[style.bold(title), ...lines].join("\n")];
  const parts = [
    ...command === undefined
      ? [style.bold(title()), paragraph(ABOUT, width)]
      : [style.bold(`ws-stream ${command.name}: ${command.summary}`)],
    ...section(
      "Usage",
      about.flatMap(({ usage, summary }) =>
        entry(`ws-stream ${usage}`, command === undefined ? summary : "", width)
      ),
    ),
    ...command === undefined ? [] : [paragraph(command.about, width)],
    ...GROUPS.flatMap((group) =>
      section(group, flagGroup(group, about, width))
    ),
    ...command === undefined
      ? NOTES.flatMap(([title, text]) =>
        section(title, wrap(text, width - 2).map((line) => `  ${line}`))
      )
      : [],
    ...section("Exit codes", exitCodes(command?.exits, width)),
    ...section("Examples", examples(command?.examples ?? JOBS, width)),
  ];
  return parts.join("\n\n") + "\n";
}

const ABOUT =
  "Connects once and stays connected: it reconnects, checks that the " +
  "connection is alive, and says so when something may have been missed. " +
  "Lines of stdin become messages, messages become lines of stdout.";

/** One example for each job, whatever the command. */
const JOBS: readonly Example[] = COMMANDS.filter(({ name }) =>
  name !== "completions"
).flatMap(({ examples }) => examples);

function paragraph(text: string, width: number): string {
  return wrap(text, width).join("\n");
}

function flagGroup(
  group: typeof GROUPS[number],
  commands: readonly Command[],
  width: number,
): string[] {
  const names = commands.map(({ name }) => name);
  return FLAG_NAMES.flatMap((name) => {
    const flag: Flag = FLAGS[name];
    const isListed = flag.group === group &&
      flag.of.some((name) => names.includes(name));
    if (!isListed) return [];
    const [only, ...others] = commands;
    const isOfOne = others.length === 0;
    const text = description(flag, isOfOne ? only?.name : undefined);
    return entry(flagUsage(name, flag), text, width);
  });
}

/** The help of a flag, its default, and its commands if `connect` lacks it. */
export function description(flag: Flag, command?: CommandName): string {
  const initial = flag.kind === "one" && flag.default !== undefined
    ? ` [default: ${flag.default}]`
    : "";
  const isCommon = command !== undefined || flag.of.includes("connect") ||
    flag.of.length === COMMAND_NAMES.length;
  const commands = isCommon ? "" : ` (${flag.of.join(", ")})`;
  return `${helpOf(flag, command)}${initial}${commands}`;
}

function exitCodes(
  listed: readonly ExitCode[] | undefined,
  width: number,
): string[] {
  return Object.entries(EXIT_CODES)
    .filter(([code]) => listed?.some((each) => String(each) === code) ?? true)
    .flatMap(([code, meaning]) =>
      wrap(meaning, width - 8).map((part, i) =>
        `  ${(i === 0 ? code : "").padStart(3)}   ${part}`
      )
    );
}

const NO_BREAK_SPACE = "\u00a0";

/** A name with its description beside it, or below it if the name is long. */
function entry(left: string, right: string, width: number): string[] {
  if (right === "") return [`  ${left}`];
  // A default stays on one line.
  const kept = right.replaceAll("[default: ", `[default:${NO_BREAK_SPACE}`);
  const parts = wrap(kept, Math.max(width - COLUMN, 20))
    .map((part) => part.replaceAll(NO_BREAK_SPACE, " "));
  const below = parts.map((part) => " ".repeat(COLUMN) + part);
  const [first = "", ...rest] = below;
  return left.length <= COLUMN - 4
    ? [`  ${left.padEnd(COLUMN - 2)}${first.trimStart()}`, ...rest]
    : [`  ${left}`, ...below];
}

function examples(examples: readonly Example[], width: number): string[] {
  const shown = examples.flatMap(({ job, lines }) => [
    `  ${job}`,
    ...lines.map((line) => `      ${line}`),
  ]);
  const isClient = shown.some((line) => /\bwss?:\/\//.test(line));
  const beside = "To try these on one machine, first start the servers in " +
    "the examples of `ws-stream help serve`.";
  const note = isClient
    ? wrap(beside, width - 2).map((line) => `  ${line}`)
    : [];
  return [...note, ...shown];
}

const NOTES: readonly (readonly [title: string, text: string])[] = [
  [
    "Flags",
    "Times are 500ms, 10s, 2m, 1h, 1d; sizes 64KiB, 100MiB. -- ends the flags. " +
    "A value that begins with - is written --name=-value. --no-NAME undoes an " +
    "earlier --NAME and switches the feature off (--no-linger).",
  ],
  [
    "Streams",
    "Messages go to stdout, everything else to stderr. On a terminal, control " +
    "characters from the network are escaped. A broken pipe on stdout ends " +
    "the program with 0.",
  ],
  [
    "Signals",
    "The first INT, TERM or HUP closes the connection with 1000 and prints a " +
    "summary; a second one exits at once. Without a terminal HUP is ignored.",
  ],
  [
    "Unsent input",
    "At the end stderr says how many messages were read and not sent. They " +
    "change the exit code only if the server closed the connection (4). With " +
    "-n, --until and --for it depends on the received messages alone.",
  ],
  [
    "Retries",
    "A failed connection is tried again, unless another try would fail in the " +
    "same way (401, a bad certificate). When retries are used up, the exit " +
    "code is that of the last cause.",
  ],
  [
    "Permissions",
    "--allow-net=HOST is enough to connect. --allow-read=FILE is for files " +
    "that flags name, --allow-write=FOLDER (with --allow-read) for " +
    "--output, -o and --spool, --allow-env=HOME,TERM for the history and for " +
    "terminals without colors. The program names a missing permission " +
    "before it starts anything.",
  ],
];
