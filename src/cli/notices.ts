/**
 * Notices for people, on stderr: stdout belongs to the payload.
 *
 * @module
 */

import type { Flags } from "./args/flags.ts";
import {
  type Style,
  styleOf,
  terminalWidth,
  wantsColor,
  wrap,
} from "./format.ts";
import { printToStderr } from "./stdio.ts";

/** Notices: good news, trouble, and the details of `-v` and of `-vv`. */
export interface Notices {
  /** `-q`: not even trouble is printed. */
  readonly isQuiet: boolean;
  readonly good: (text: string) => void;
  readonly trouble: (text: string) => void;
  readonly detail: (text: string) => void;
  readonly trace: (text: string) => void;
}

/** Everything that goes to stderr. */
export interface Stderr extends Notices {
  readonly style: Style;
  /** The error that ends the program; printed even with `-q`. */
  readonly fatal: (text: string) => void;
  /** An error in a typed line; printed even with `-q`. */
  readonly complaint: (text: string) => void;
  /** A report that was asked for; printed even with `-q`. */
  readonly report: (text: string) => void;
  /** A line that was asked for. */
  readonly line: (text: string) => void;
}

/** Takes a line, without its newline. */
export type PrintLine = (line: string) => void;

/** How notices are printed. */
export interface NoticeOptions {
  /** @default to stderr */
  readonly print?: PrintLine;
  /** Stands before each. */
  readonly prefix?: string;
  readonly isTerminal?: boolean;
}

/** Notices as loud as the flags say. */
export function stderrNotices(
  flags: Pick<Flags, "quiet" | "verbose" | "color">,
  {
    print = printToStderr,
    prefix = "ws-stream:",
    isTerminal = Deno.stderr.isTerminal(),
  }: NoticeOptions = {},
): Stderr {
  const style = styleOf(wantsColor(flags.color, isTerminal));
  const indent = `\n${" ".repeat(prefix.length + 1)}`;
  // A terminal breaks lines wherever its last column is.
  const fitted = (text: string) =>
    isTerminal
      ? wrap(text, terminalWidth() - prefix.length - 1).join(indent)
      : text;
  const tell = (when: boolean, paint: (text: string) => string) =>
    when
      ? (text: string) => print(`${style.dim(prefix)} ${paint(fitted(text))}`)
      : () => {};
  return {
    style,
    isQuiet: flags.quiet,
    fatal: tell(true, style.red),
    complaint: tell(true, style.magenta),
    trouble: tell(!flags.quiet, style.magenta),
    good: tell(!flags.quiet, style.green),
    detail: tell(flags.verbose > 0 && !flags.quiet, style.dim),
    trace: tell(flags.verbose > 1 && !flags.quiet, style.dim),
    report: tell(true, style.dim),
    line: print,
  };
}
