/**
 * What a terminal can show: colors and columns. Only the sixteen colors that every
 * terminal's own theme chooses, so that everything is readable on any background.
 *
 * @module
 */

/** Wraps a text in what makes a terminal show it so. */
export interface Style {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly red: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly cyan: (text: string) => string;
}

/** What `--color` says. */
export type ColorChoice = "auto" | "always" | "never";

/**
 * Whether to colour what goes to a stream. `Deno.noColor` shows `NO_COLOR`
 * without a permission to read the environment.
 */
export function wantsColor(choice: ColorChoice, isTerminal: boolean): boolean {
  switch (choice) {
    case "always":
      return true;
    case "never":
      return false;
    case "auto":
      return isTerminal && !Deno.noColor && !isDumbTerminal();
    default:
      return choice satisfies never;
  }
}

/** Colours, or texts as they are. */
export function styleOf(colored: boolean): Style {
  const wrap = (on: number, off: number) => (text: string) =>
    colored ? `\x1b[${on}m${text}\x1b[${off}m` : text;
  return {
    bold: wrap(1, 22),
    dim: wrap(2, 22),
    red: wrap(31, 39),
    green: wrap(32, 39),
    yellow: wrap(33, 39),
    cyan: wrap(36, 39),
  };
}

const DEFAULT = 80;

/** Columns; 80 where there is no terminal. */
export function terminalWidth(): number {
  try {
    return Deno.consoleSize().columns || DEFAULT;
  } catch {
    return DEFAULT;
  }
}

/**
 * Whether the terminal obeys no escape sequences (`TERM=dumb`). Only with
 * `--allow-env=TERM` can it be known; otherwise it counts as one that does.
 */
export function isDumbTerminal(): boolean {
  const variable = { name: "env", variable: "TERM" } as const;
  return Deno.permissions.querySync(variable).state === "granted" &&
    Deno.env.get("TERM") === "dumb";
}
