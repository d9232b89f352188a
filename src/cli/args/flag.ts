/**
 * The facts of a flag of the command line: its form, its help, and the commands
 * that take it.
 *
 * @module
 */

import { oneOf } from "./values.ts";

/** The commands, in the order of the help. */
export const COMMAND_NAMES = [
  "connect",
  "serve",
  "demo",
  "ping",
  "probe",
  "record",
  "replay",
  "completions",
] as const;

/** A command's name. */
export type CommandName = typeof COMMAND_NAMES[number];

/** The groups of the help, in its order. */
export const GROUPS = [
  "Handshake",
  "Staying connected",
  "Messages",
  "Sending",
  "Output",
  "Ending",
  "Ping",
  "Replay",
  "Server",
  "General",
] as const;

/** The facts that every flag has. */
interface FlagFacts {
  /** The one-letter form. */
  readonly short?: string;
  /** Where the help lists it. */
  readonly group: typeof GROUPS[number];
  /** The commands that take it. */
  readonly of: readonly CommandName[];
  /** Says what it does, in sentences. */
  readonly help: string;
  /** The help for the commands for which `help` is not true. */
  readonly helpFor?: Readonly<Partial<Record<CommandName, string>>>;
  /**
   * The line of `-h`, or true for the first sentence of the help; without it
   * `-h` does not list the flag.
   */
  readonly brief?: string | true;
  /** Whether the help shows it as `--no-...`, because that is its use. */
  readonly negated?: boolean;
}

/** A flag without a value. */
export interface Toggle extends FlagFacts {
  readonly kind: "toggle";
  readonly default?: boolean;
  /** Whether it says more each time: `-vv` is 2. */
  readonly counted?: true;
}

/** A flag with a value; the last one counts. */
export interface One<T> extends FlagFacts {
  readonly kind: "one";
  /** How the help writes the value. */
  readonly value: string;
  readonly parse: (text: string) => T;
  /** The value when the flag is absent, as it would be typed. */
  readonly default?: string;
  /** The value of `--no-...`; without it `--no-...` means the default. */
  readonly off?: T;
  /** The values to choose from, for the completions. */
  readonly words?: readonly string[];
}

/** A flag with a value that may come several times. */
export interface Many<T> extends FlagFacts {
  readonly kind: "many";
  readonly value: string;
  readonly parse: (text: string) => T;
  /** Whether the value may be a secret, which no error may show. */
  readonly secret?: true;
}

/** Any flag. */
export type Flag = Toggle | One<unknown> | Many<unknown>;

/** The help of a flag on one line, for a command or for most. */
export function briefOf(flag: Flag, command?: CommandName): string {
  const own = command === undefined ? undefined : flag.helpFor?.[command];
  if (own === undefined && typeof flag.brief === "string") return flag.brief;
  return (own ?? flag.help).replace(/\. .*|\.$/s, "");
}

/** The help of a flag, for a command or for all. */
export function helpOf(
  { help, helpFor = {} }: Flag,
  command?: CommandName,
): string {
  if (command !== undefined) return helpFor[command] ?? help;
  const others = Object.entries(helpFor).map(([name, text]) =>
    ` (${name}: ${text.charAt(0).toLowerCase()}${
      text.slice(1).replace(/\.$/, "")
    })`
  );
  return help + others.join("");
}

/** A flag without a value. */
export function toggle<const F extends Omit<Toggle, "kind">>(facts: F) {
  return { kind: "toggle", ...facts } as const;
}

/** A flag with a value. */
export function one<T, const F extends Omit<One<T>, "kind" | "parse">>(
  parse: (text: string) => T,
  facts: F & { readonly off?: T },
) {
  return { kind: "one", parse, ...facts } as const;
}

/** A flag with a value that may come several times. */
export function many<T, const F extends Omit<Many<T>, "kind" | "parse">>(
  parse: (text: string) => T,
  facts: F,
) {
  return { kind: "many", parse, ...facts } as const;
}

/** A flag whose value is one of a few words. */
export function word<
  const T extends string,
  const F extends FlagFacts & { readonly default?: T },
>(words: readonly T[], facts: F) {
  const parse = oneOf(...words);
  return {
    kind: "one",
    parse,
    value: words.join("|"),
    words,
    ...facts,
  } as const;
}
