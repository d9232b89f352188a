/**
 * The README's tables of the command line, made from what the program itself
 * is made from. Run it to renew them:
 *
 * ```sh
 * deno run --allow-read=. --allow-write=README.md tests/cli/readme_tables.ts
 * deno fmt README.md
 * ```
 *
 * @module
 */

import { EXIT_CODES } from "../../src/cli/exit_status.ts";
import { type Flag, GROUPS } from "../../src/cli/args/flag.ts";
import { FLAG_NAMES, FLAGS } from "../../src/cli/args/flags.ts";
import { flagUsage } from "../../src/cli/help.ts";
import { COMMANDS } from "../../src/cli/commands.ts";

/** The tables, by the name of their place in the README. */
export const TABLES: Readonly<Record<string, () => string>> = {
  commands: () =>
    table(
      ["command", "what it does"],
      COMMANDS.map((
        { usage, summary },
      ) => [code(`ws-stream ${usage}`), summary]),
    ),
  "exit codes": () =>
    table(
      ["exit code", "meaning"],
      Object.entries(EXIT_CODES).map(([code, meaning]) => [code, meaning]),
    ),
  flags: () =>
    table(
      ["flag", "default", "what it does", "of"],
      GROUPS.flatMap((group) =>
        FLAG_NAMES.filter((name) => FLAGS[name].group === group).map((name) => {
          const flag: Flag = FLAGS[name];
          const initial = flag.kind === "one" ? flag.default : undefined;
          return [
            code(flagUsage(name, flag)),
            initial === undefined ? "" : code(initial),
            flag.help,
            flag.of.length === COMMANDS.length ? "all" : flag.of.join(", "),
          ];
        })
      ),
    ),
};

/** The text with each table in its place: between two comments. */
export function withTables(readme: string): string {
  return Object.entries(TABLES).reduce((text, [name, make]) => {
    const [begin, end] = [`<!-- ${name} -->`, `<!-- end of ${name} -->`];
    const from = text.indexOf(begin);
    const to = text.indexOf(end);
    if (from < 0 || to < from) throw new Error(`the README has no ${begin}`);
    return text.slice(0, from + begin.length) + `\n\n${make()}\n\n` +
      text.slice(to);
  }, readme);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]) {
  return [head, head.map(() => "---"), ...rows]
    .map((cells) => `| ${cells.map(cell).join(" | ")} |`)
    .join("\n");
}

function code(text: string): string {
  return `\`${text}\``;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("<", "&lt;");
}

if (import.meta.main) {
  const path = new URL("../../README.md", import.meta.url);
  await Deno.writeTextFile(path, withTables(await Deno.readTextFile(path)));
}
