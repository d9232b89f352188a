/**
 * Every flag of every command, once. Parsing, `-h`, `--help`, the completions
 * and the README's table are all made from this table, so that they cannot
 * disagree.
 *
 * @module
 */

import type { CommandName, Flag } from "./flag.ts";
import { LINK_FLAGS } from "./link_flags.ts";
import { RUN_FLAGS } from "./run_flags.ts";

/** The table. */
export const FLAGS = { ...LINK_FLAGS, ...RUN_FLAGS } as const;

/** A flag's name, without the dashes. */
export type FlagName = keyof typeof FLAGS;

type ValueOf<F> = F extends { readonly kind: "toggle" } ? boolean
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

/** What the command line said, or the defaults. */
export type Flags = {
  readonly [Name in FlagName]: ValueOf<typeof FLAGS[Name]>;
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
