/**
 * The tables of the documentation, made from what the program itself is made
 * from. A test checks that they are up to date.
 *
 * ```sh
 * deno task reference
 * ```
 *
 * A table stands between `<!-- NAME -->` and `<!-- end of NAME -->`.
 *
 * @module
 */

import { type Flag, GROUPS, helpOf } from "../src/cli/args/flag.ts";
import { FLAG_NAMES, FLAGS } from "../src/cli/args/flags.ts";
import { COMMANDS } from "../src/cli/commands.ts";
import { EXIT_CODES } from "../src/cli/exit_status.ts";
import { flagUsage } from "../src/cli/help.ts";

const ROOT = new URL("../", import.meta.url);

/** The files that have tables. */
export const FILES = ["README.md", "docs/cli.md", "docs/options.md"];

/** The tables by their name. */
const TABLES: Readonly<Record<string, () => string | Promise<string>>> = {
  "commands": () =>
    table(
      ["command", "what it does"],
      COMMANDS.map(({ usage, summary }) => [
        code(`ws-stream ${usage}`),
        summary,
      ]),
    ),
  "exit codes": () =>
    table(
      ["exit code", "meaning"],
      Object.entries(EXIT_CODES).map(([code, meaning]) => [code, meaning]),
    ),
  "flags": () => sections(GROUPS.map((group) => [group, flagsOf(group)])),
  "options": () => interfaceTables("config.ts", "WSConfig"),
  "tls": () => interfaceTables("config.ts", "TlsConfig"),
  "compression": () => interfaceTables("config.ts", "CompressionConfig"),
  "ping": () => interfaceTables("config.ts", "PingConfig"),
  "acknowledgements": () =>
    interfaceTables("config.ts", "AcknowledgedRedelivery"),
  "callbacks": () => interfaceTables("callbacks.ts", "WSCallbacks"),
  "session": () => interfaceTables("callbacks.ts", "Session"),
  "stats": () => interfaceTables("stats.ts", "WSStats"),
};

/** One member of an interface, as its documentation describes it. */
export interface Member {
  /** The heading of its part of the interface; empty if there are none. */
  readonly group: string;
  readonly name: string;
  readonly isOptional: boolean;
  /** What `@default` says. */
  readonly default: string | undefined;
  readonly text: string;
}

/** The documented members of an interface in a source file. */
export function membersOf(source: string, name: string): Member[] {
  const [, body] = source.match(
    new RegExp(`^export interface ${name} \\{$(.*?)^\\}$`, "ms"),
  ) ??
    [];
  if (body === undefined) throw new Error(`There is no interface ${name}`);
  let group = "";
  const members: Member[] = [];
  const part =
    /^ {2}\/\/ (?<group>.+?) -+$|^ {2}\/\*\*(?<comment>.*?)\*\/\n {2}(?:readonly )?(?<name>\w+)(?<optional>\?)?[:(]/gms;
  for (const { groups = {} } of body.matchAll(part)) {
    if (groups.group !== undefined) group = groups.group;
    else {
      const { text, tags } = parseComment(groups.comment ?? "");
      members.push({
        group,
        name: groups.name ?? "",
        isOptional: groups.optional === "?",
        default: tags.get("default"),
        text,
      });
    }
  }
  return members;
}

function parseComment(comment: string) {
  const lines = comment.split("\n").map((line) =>
    line.replace(/^\s*\*? ?/, "").trimEnd()
  );
  const [text = "", ...tagged] = lines.join("\n").split(/^@/m);
  const tags = new Map(tagged.map((tag) => {
    const [name = "", ...words] = tag.split(/\s+/);
    return [name, words.join(" ").trim()];
  }));
  return { text: plain(text), tags };
}

function plain(text: string): string {
  return text.replaceAll(/\{@link(?:code)? (?:.*?\.)?(\w+)\}/g, "`$1`")
    .replaceAll(/\s+/g, " ").trim();
}

async function interfaceTables(file: string, name: string): Promise<string> {
  const members = membersOf(
    await Deno.readTextFile(new URL(`src/${file}`, ROOT)),
    name,
  );
  const groups = [...new Set(members.map(({ group }) => group))];
  const hasDefaults = members.some((member) => member.default !== undefined);
  return sections(groups.map((group) => [
    group,
    table(
      hasDefaults ? ["name", "default", "meaning"] : ["name", "meaning"],
      members.filter((member) => member.group === group).map((member) => [
        code(member.name),
        ...hasDefaults
          ? [member.default ?? (member.isOptional ? "" : "required")]
          : [],
        member.text,
      ]),
    ),
  ]));
}

function flagsOf(group: string): string {
  const names = FLAG_NAMES.filter((name) => FLAGS[name].group === group);
  return table(
    ["flag", "default", "what it does", "commands"],
    names.map((name) => {
      const flag: Flag = FLAGS[name];
      const initial = flag.kind === "one" ? flag.default : undefined;
      return [
        code(flagUsage(name, flag)),
        initial === undefined ? "" : code(initial),
        helpOf(flag),
        flag.of.length === COMMANDS.length ? "all" : flag.of.join(", "),
      ];
    }),
  );
}

function sections(parts: readonly (readonly [string, string])[]): string {
  return parts.map(([title, text]) =>
    title === "" ? text : `### ${title}\n\n${text}`
  ).join("\n\n");
}

function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
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

/** The text with each of its tables made anew. */
export async function withTables(text: string): Promise<string> {
  let result = text;
  for (const [, name = ""] of text.matchAll(/^<!-- end of (.+) -->$/gm)) {
    const make = TABLES[name];
    if (make === undefined) throw new Error(`There is no table "${name}"`);
    const begin = `<!-- ${name} -->`;
    const from = result.indexOf(begin);
    const to = result.indexOf(`<!-- end of ${name} -->`);
    if (from < 0 || to < from) throw new Error(`There is no ${begin}`);
    result = result.slice(0, from + begin.length) +
      `\n<!-- deno-fmt-ignore-start -->\n\n${await make()}\n\n` +
      `<!-- deno-fmt-ignore-end -->\n` + result.slice(to);
  }
  return result;
}

if (import.meta.main) {
  for (const file of FILES) {
    const path = new URL(file, ROOT);
    const text = await Deno.readTextFile(path);
    await Deno.writeTextFile(path, await withTables(text));
  }
}
