/**
 * `-h` and `--help`, made from the commands and the table of flags.
 *
 * @module
 */

import type { Command } from "./commands.ts";
import { EXIT_CODES } from "./exit_status.ts";
import { COMMAND_NAMES, type Flag, GROUPS } from "./args/flag.ts";
import { FLAG_NAMES, type FlagName, FLAGS } from "./args/flags.ts";
import { wrap } from "./format.ts";

/** What a help is made from. */
export interface HelpOptions {
  readonly version: string;
  readonly commands: readonly Command[];
  /** Columns of the terminal. */
  readonly width: number;
}

/** The column in which descriptions begin. */
const COLUMN = 32;

/** `-h`: what is used most, one line each. */
export function briefHelp(
  { version, commands, width }: HelpOptions,
  command?: Command,
): string {
  const lines = command === undefined
    ? [`ws-stream ${version}: a WebSocket client that does not lose its feed`]
    : [`ws-stream ${command.name}: ${command.summary}`];
  lines.push("");
  if (command === undefined) {
    lines.push(
      ...commands.map((each) =>
        row(`ws-stream ${each.usage}`, each.summary, width)
      ),
    );
  } else {
    lines.push(`  ws-stream ${command.usage}`);
  }
  lines.push("");
  for (const name of FLAG_NAMES) {
    const flag: Flag = FLAGS[name];
    if (flag.brief === undefined) continue;
    if (!flag.of.includes(command?.name ?? "connect")) continue;
    lines.push(row(written(name, flag), flag.brief, width));
  }
  return lines.join("\n") + "\n";
}

function row(left: string, right: string, width: number): string {
  const line = `  ${left.padEnd(COLUMN - 3)} ${right}`;
  return line.length <= width ? line : `${line.slice(0, width - 1)}…`;
}

/** `-H, --header NAME: VALUE`, `--no-reconnect`. */
export function written(name: FlagName, flag: Flag): string {
  const short = flag.short === undefined ? "" : `-${flag.short}, `;
  const value = flag.kind === "toggle" ? "" : ` ${flag.value}`;
  return `${short}--${flag.negated ? "no-" : ""}${name}${value}`;
}

/** `--help`: everything. */
export function fullHelp(
  { version, commands, width }: HelpOptions,
  command?: Command,
): string {
  const about = command === undefined ? commands : [command];
  const parts = [
    command === undefined
      ? `ws-stream ${version}: a WebSocket client that does not lose its feed`
      : `ws-stream ${command.name}: ${command.summary}`,
    section("Usage", about.flatMap((each) => usage(each, width))),
    ...GROUPS.map((group) => flagGroup(group, about, width)),
    section("Examples", about.flatMap((each) => examples(each, width))),
    section("Exit codes", exitCodes(width)),
    ...notes(width),
  ];
  return parts.filter((part) => part !== "").join("\n\n") + "\n";
}

function section(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? "" : [`${title}:`, ...lines].join("\n");
}

function usage({ usage, summary }: Command, width: number): string[] {
  return entry(`ws-stream ${usage}`, summary, width);
}

function examples(command: Command, width: number): string[] {
  return command.examples.flatMap(([line, does]) => [
    `  ${line}`,
    ...wrap(does, width - 6).map((part) => `      ${part}`),
  ]);
}

function flagGroup(
  group: typeof GROUPS[number],
  commands: readonly Command[],
  width: number,
): string {
  const names = commands.map(({ name }) => name);
  const lines = FLAG_NAMES.flatMap((name) => {
    const flag: Flag = FLAGS[name];
    if (flag.group !== group) return [];
    if (!flag.of.some((taker) => names.includes(taker))) return [];
    return entry(written(name, flag), description(flag), width);
  });
  return section(group, lines);
}

/** What a flag does, its default, and who takes it if not `connect`. */
export function description(flag: Flag): string {
  const initial = flag.kind === "one" && flag.default !== undefined
    ? ` [default: ${flag.default}]`
    : "";
  const isCommon = flag.of.includes("connect") ||
    flag.of.length === COMMAND_NAMES.length;
  const takers = isCommon ? "" : ` (${flag.of.join(", ")})`;
  return `${flag.help}${initial}${takers}`;
}

function exitCodes(width: number): string[] {
  return Object.entries(EXIT_CODES).flatMap(([code, meaning]) =>
    wrap(meaning, width - 8).map((part, i) =>
      `  ${(i === 0 ? code : "").padStart(3)}   ${part}`
    )
  );
}

/** A name with its description beside it, or below it if the name is long. */
function entry(left: string, right: string, width: number): string[] {
  const parts = wrap(right, Math.max(width - COLUMN, 20));
  const below = parts.map((part) => " ".repeat(COLUMN) + part);
  const [first = "", ...rest] = below;
  return left.length <= COLUMN - 4
    ? [`  ${left.padEnd(COLUMN - 2)}${first.trimStart()}`, ...rest]
    : [`  ${left}`, ...below];
}

function notes(width: number): string[] {
  const text = (title: string, body: string) =>
    section(title, wrap(body, width - 2).map((line) => `  ${line}`));
  return [
    text(
      "Flags",
      "Times are 500ms, 10s, 2m, 1h. -- ends the flags. A value that begins " +
        "with - is written --name=-value. --no-NAME takes back what an alias " +
        "has set, and switches off what can be switched off.",
    ),
    text(
      "Streams",
      "stdout has messages and nothing else; all else goes to stderr. On a " +
        "terminal, control characters from the network are shown, not obeyed.",
    ),
    text(
      "When retries are used up",
      "the exit code is the one of the last cause. A broken pipe on stdout " +
        "ends with 0. SIGINT closes with 1000 and prints a summary; a second " +
        "one ends at once.",
    ),
    text(
      "Certificates",
      "There is no --insecure. Trust the server's own authority with --ca " +
        "FILE. To connect without any proof, which lets anybody in between " +
        "read and forge, Deno itself has a flag for named hosts: deno run " +
        "--unsafely-ignore-certificate-errors=HOST ...",
    ),
    text(
      "Permissions",
      "--allow-net=HOST is enough to connect. --allow-read=FILE is for files " +
        "that flags name, --allow-write=FOLDER (with --allow-read) for " +
        "--output, -o and --spool. What is missing is named before anything " +
        "starts.",
    ),
  ];
}
