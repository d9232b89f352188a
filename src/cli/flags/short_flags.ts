/**
 * One-letter flags in their long forms, one word each. `parseArgs` knows them
 * too, but takes whatever follows one in its cluster for its value: of `-qn3`
 * it makes a `-q` with the value `n3`.
 *
 * @module
 */

import type { Flag } from "./flag.ts";
import { FLAG_NAMES, type FlagName, FLAGS } from "./table.ts";

/**
 * `-qn3` as `--quiet` and `--count=3`; words without one-letter flags as they
 * are. Letters that are no flags stay, for whoever tells of unknown flags.
 */
export function spellOut(word: string): string[] {
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
