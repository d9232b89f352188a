/**
 * From the words of the command line to a command with checked flags. Strict:
 * an error names the flag, the rule and the value.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import {
  COMMAND_NAMES,
  type CommandName,
  type Flag,
  type Toggle,
} from "./flag.ts";
import {
  FLAG_NAMES,
  type FlagName,
  FLAGS,
  type Flags,
  type StepFlag,
} from "./flags.ts";
import { regex, textOrFile, UsageError } from "./values.ts";

/** The request that the command line makes. */
export type Request =
  | { readonly kind: "version" }
  | {
    readonly kind: "help";
    /** Undefined for the program as a whole. */
    readonly command: CommandName | undefined;
    /** `--help` rather than `-h`. */
    readonly full: boolean;
  }
  | {
    readonly kind: "run";
    readonly command: CommandName;
    readonly flags: Flags;
    readonly operands: readonly string[];
  };

const NEGATABLE = FLAG_NAMES.filter((name) =>
  name !== "help" && name !== "version" && name !== "verbose"
);

/**
 * Takes the command line apart.
 * @throws {UsageError} with the flag, the rule and the value
 */
export function parseCommandLine(argv: readonly string[]): Request {
  const { values, words, operands, unknown } = split(argv);
  const command = COMMAND_NAMES.find((name) => name === operands[0]);
  if (values["h"] === true || values["help"] === true) {
    return { kind: "help", command, full: values["help"] === true };
  }
  if (values["version"] === true) return { kind: "version" };
  if (unknown !== undefined) throw new UsageError(unknown);
  if (operands[0] === "version") return { kind: "version" };
  if (operands[0] === "help") return helpRequest(operands.slice(1));
  if (command === undefined) checkCommand(operands[0]);
  return {
    kind: "run",
    command: command ?? "connect",
    flags: readFlags(values, words, command ?? "connect"),
    operands: command === undefined ? operands : operands.slice(1),
  };
}

/** `help [COMMAND]`. */
function helpRequest([word, ...more]: readonly string[]): Request {
  const command = COMMAND_NAMES.find((name) => name === word);
  if (more.length > 0 || word !== undefined && command === undefined) {
    throw new UsageError(`help takes one of ${COMMAND_NAMES.join(", ")}`);
  }
  return { kind: "help", command, full: true };
}

type Values = Readonly<Record<string, unknown>>;

function split(argv: readonly string[]) {
  const end = argv.indexOf("--");
  const words = withDashes(
    (end < 0 ? argv : argv.slice(0, end)).flatMap(expandShortFlags),
  );
  const operands: string[] = [];
  let unknown: string | undefined;
  const values: Values = parseArgs(words.map(withToggleValue), {
    boolean: ["h", ...FLAG_NAMES.filter(isToggle)],
    string: FLAG_NAMES.filter((name) => !isToggle(name)),
    collect: FLAG_NAMES.filter((name) => FLAGS[name].kind === "many"),
    negatable: NEGATABLE,
    default: defaultToggles(),
    unknown: (arg, key) => {
      if (key === undefined) operands.push(arg);
      else unknown ??= unknownFlag(arg, key);
      return false;
    },
  });
  if (end >= 0) operands.push(...argv.slice(end + 1));
  return { values, words, operands, unknown: wrongShape(words) ?? unknown };
}

/** `--output -` as `--output=-`: `parseArgs` takes no `-` for a value. */
function withDashes(words: readonly string[]): string[] {
  return words.flatMap((word, i) => {
    if (word === "-" && takesNext(words[i - 1])) return [];
    return word !== "-" && takesNext(word) && words[i + 1] === "-"
      ? [`${word}=-`]
      : [word];
  });
}

function takesNext(word: string = ""): boolean {
  const name = word.slice("--".length);
  return word.startsWith("--") && isFlagName(name) && !isToggle(name);
}

/** `parseArgs` would take an operand `true` or `false` for a toggle's value. */
function withToggleValue(word: string): string {
  const name = word.slice("--".length);
  return isFlagName(name) && isToggle(name) ? `${word}=true` : word;
}

function isToggle(name: FlagName): boolean {
  return FLAGS[name].kind === "toggle";
}

function defaultToggles(): Record<string, boolean> {
  const defaults: Record<string, boolean> = {};
  for (const name of FLAG_NAMES) {
    const flag: Flag = FLAGS[name];
    if (flag.kind === "toggle") defaults[name] = flag.default ?? false;
  }
  return defaults;
}

/** Errors that `parseArgs` lets pass: `--json=maybe`, `--no-linger=3`, `--H`. */
function wrongShape(words: readonly string[]): string | undefined {
  for (const arg of words) {
    const [, no, name = "", assigned] = /^--(no-)?([^=]+)(=)?/s.exec(arg) ?? [];
    if (name.length === 1) return unknownFlag(arg, name);
    if (assigned === undefined || !isFlagName(name)) continue;
    if (no !== undefined) {
      return `--no-${name} takes no value: got ${show(arg)}`;
    }
    if (isToggle(name)) return `--${name} takes no value: got ${show(arg)}`;
  }
  return undefined;
}

function isFlagName(name: string): name is FlagName {
  return Object.hasOwn(FLAGS, name);
}

const NOT_OFFERED: Readonly<Record<string, string>> = {
  bearer: "a secret is no flag, others could see it: use --bearer-file FILE",
  "basic-auth":
    "a secret is no flag, others could see it: use --basic-auth-file FILE",
  // Of ping(8) and of wscat.
  c: "a count is -n N, and a URL needs no flag",
};

function unknownFlag(arg: string, key: string): string {
  const [shown = arg] = arg.split("=", 1);
  if (Object.hasOwn(NOT_OFFERED, key)) {
    return `there is no ${shown}: ${NOT_OFFERED[key]}`;
  }
  if (/^\d/.test(key)) {
    return `unknown flag ${show(shown)} ` +
      "(a value that begins with - is written --flag=-...)";
  }
  const no = "no-";
  const flags = key.startsWith(no)
    ? similar(key.slice(no.length), NEGATABLE).map((name) => `--${no}${name}`)
    : similar(key, FLAG_NAMES).map((name) => `--${name}`);
  return `unknown flag ${show(shown)}${guess(flags)}`;
}

/** A word that is neither a command nor a URL may be a mistyped command. */
function checkCommand(word: string | undefined): void {
  if (word === undefined || !/^[a-z]+$/.test(word)) return;
  const commands = similar(word, COMMAND_NAMES);
  if (commands.length === 0) return;
  throw new UsageError(`unknown command ${show(word)}${guess(commands)}`);
}

function guess(words: readonly string[]): string {
  return words.length === 0 ? "" : ` (do you mean ${words.join(" or ")}?)`;
}

function readFlags(
  values: Values,
  words: readonly string[],
  command: CommandName,
): Flags {
  const flags: Record<string, unknown> = {};
  for (const name of FLAG_NAMES) {
    const flag: Flag = FLAGS[name];
    const value = values[name];
    if (!flag.of.includes(command) && isGiven(flag, value)) {
      throw new UsageError(`${command} takes no --${name}`);
    }
    flags[name] = flag.kind === "toggle" && flag.counted
      ? words.filter((word) => word === `--${name}`).length
      : readFlag(name, flag, value, words);
  }
  flags["steps"] = stepsInOrder(words, values);
  // The table gives both the names of this record and the types of its values.
  return flags as Flags;
}

function isGiven(flag: Flag, value: unknown): boolean {
  switch (flag.kind) {
    case "toggle":
      return value !== (flag.default ?? false);
    case "many":
      return !Array.isArray(value) || value.length > 0;
    case "one":
      return value !== undefined;
    default:
      return flag satisfies never;
  }
}

/** `parseArgs` keeps the order of one flag's values, not of two flags'. */
function stepsInOrder(words: readonly string[], values: Values): StepFlag[] {
  const sends = listOf(values["on-open"]);
  const awaits = listOf(values["await"]);
  return words.flatMap((word): StepFlag[] => {
    const [, name] = /^--(on-open|await)(=|$)/.exec(word) ?? [];
    if (name === undefined) return [];
    const text = (name === "await" ? awaits : sends).shift() ?? "";
    return name === "await"
      ? [{ kind: "await", pattern: regex(text) }]
      : [{ kind: "send", message: textOrFile(text) }];
  });
}

function listOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function readFlag(
  name: FlagName,
  flag: Flag,
  value: unknown,
  words: readonly string[],
): unknown {
  switch (flag.kind) {
    case "toggle":
      return value;
    case "many":
      return Array.isArray(value)
        ? value.map((text) => parseValue(name, flag, String(text), words))
        : [];
    case "one":
      if (value === false && "off" in flag) return flag.off;
      if (typeof value === "string") {
        return parseValue(name, flag, value, words);
      }
      return flag.default === undefined ? undefined : flag.parse(flag.default);
    default:
      return flag satisfies never;
  }
}

function parseValue(
  name: FlagName,
  flag: Exclude<Flag, Toggle>,
  text: string,
  words: readonly string[],
): unknown {
  if (text === "") {
    const next = words[words.indexOf(`--${name}`) + 1] ?? "";
    const hint = next.startsWith("-")
      ? ` (one that begins with - is written --${name}=-...)`
      : "";
    throw new UsageError(`--${name} needs a value${hint}`);
  }
  try {
    return flag.parse(text);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    const isSecret = flag.kind === "many" && flag.secret;
    const got = isSecret ? "" : `: got ${show(text)}`;
    throw new UsageError(`--${name} ${error.message}${got}`);
  }
}

function show(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 79)}…` : text);
}

/**
 * `-qn3` as `--quiet` and `--count=3`; words without one-letter flags as they
 * are. Letters that are no flags stay, to be reported as unknown.
 */
export function expandShortFlags(word: string): string[] {
  if (!/^-[^-]/.test(word)) return [word];
  const words: string[] = [];
  for (let rest = word.slice(1); rest !== "";) {
    const [letter = ""] = rest;
    rest = rest.slice(letter.length);
    const name = longName(letter);
    if (name === undefined) {
      words.push(`-${letter}`);
    } else if (rest.startsWith("=") || takesValue(name) && rest !== "") {
      return [...words, `--${name}=${rest.replace(/^=/, "")}`];
    } else {
      words.push(`--${name}`);
    }
  }
  return words;
}

function longName(letter: string): FlagName | undefined {
  return FLAG_NAMES.find((name) => {
    const { short }: Flag = FLAGS[name];
    return short === letter;
  });
}

function takesValue(name: FlagName): boolean {
  return FLAGS[name].kind !== "toggle";
}

/** From this length on two slips are forgiven, before only one. */
const LONG = 6;

/**
 * Those of the words that begin as the mistyped one does, or with which it
 * begins; if there are none, those that are one or two slips away: a letter too
 * many, too few, wrong, or swapped with its neighbour. One letter is too little.
 */
export function similar<T extends string>(
  mistyped: string,
  words: readonly T[],
): T[] {
  if (mistyped.length < 2) return [];
  const alike = words.filter((word) =>
    word.startsWith(mistyped) || mistyped.startsWith(word)
  );
  if (alike.length > 0) return alike;
  const slips = mistyped.length < LONG ? 1 : 2;
  return words.filter((word) => distance(mistyped, word) <= slips);
}

/** How many slips lead from one to the other (optimal string alignment). */
function distance(from: string, to: string): number {
  let [beforeLast, last]: [number[], number[]] = [[], []];
  for (let i = 0; i <= from.length; i++) {
    const row: number[] = [];
    for (let j = 0; j <= to.length; j++) {
      const isSame = i > 0 && j > 0 && from[i - 1] === to[j - 1];
      const isSwapped = i > 1 && j > 1 && from[i - 1] === to[j - 2] &&
        from[i - 2] === to[j - 1];
      row.push(
        i === 0 || j === 0 ? i + j : Math.min(
          (last[j] ?? 0) + 1,
          (row[j - 1] ?? 0) + 1,
          (last[j - 1] ?? 0) + (isSame ? 0 : 1),
          isSwapped ? (beforeLast[j - 2] ?? 0) + 1 : Infinity,
        ),
      );
    }
    [beforeLast, last] = [last, row];
  }
  return last[to.length] ?? 0;
}
