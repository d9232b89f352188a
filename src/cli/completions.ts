/**
 * Completion scripts, made from the table of flags.
 *
 * @module
 */

import {
  briefOf,
  COMMAND_NAMES,
  type CommandName,
  type Flag,
  type Toggle,
} from "./args/flag.ts";
import {
  FLAG_NAMES,
  type FlagName,
  FLAGS,
  flagsOf,
  type Invocation,
} from "./args/flags.ts";
import { UsageError } from "./args/values.ts";
import { COMMANDS } from "./commands.ts";
import type { ExitStatus } from "./exit_status.ts";
import { printToStdout } from "./stdio.ts";

/** The shells that there are scripts for. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

/** One of them. */
export type Shell = typeof SHELLS[number];

/** The summary of each command, for the shells that show it. */
export type Summaries = ReadonlyMap<CommandName, string>;

/** The script of a shell. */
export function completionScript(shell: Shell, summaries: Summaries): string {
  switch (shell) {
    case "bash":
      return bash();
    case "zsh":
      return zsh(summaries);
    case "fish":
      return fish(summaries);
    default:
      return shell satisfies never;
  }
}

/** Words that are no commands of their own, but stand where one does. */
const HELP_WORDS: readonly (readonly [word: string, does: string])[] = [
  ["help", "Print everything about the program or a command"],
  ["version", "Print the version"],
];

/** How a URL begins, and the commands that take one. */
const SCHEMES = "ws:// wss://";
const TAKE_URL: readonly CommandName[] = ["connect", "ping", "probe", "record"];

const FIRST_WORDS = [...COMMAND_NAMES, ...HELP_WORDS.map(([word]) => word)];

/** The forms of a flag that are offered: `--reconnect` only as `--no-...`. */
function forms(name: FlagName, flag: Flag): string[] {
  const long = `--${flag.negated ? "no-" : ""}${name}`;
  return flag.short === undefined ? [long] : [`-${flag.short}`, long];
}

/** How each kind of value is completed; `@file` is a file behind an `@`. */
interface ValueForms {
  readonly words: (words: string) => string;
  readonly file: string;
  readonly "@file": string;
  readonly other: string;
}

function valueForm(
  flag: Exclude<Flag, Toggle>,
  forms: ValueForms,
): string {
  if (flag.kind === "one" && flag.words !== undefined) {
    return forms.words(flag.words.join(" "));
  }
  if (flag.value.includes("@FILE")) return forms["@file"];
  return flag.value.includes("FILE") ? forms.file : forms.other;
}

function bash(): string {
  const cases = COMMAND_NAMES.map((command) => {
    const words = flagsOf(command).flatMap(([name, flag]) => forms(name, flag));
    return `    ${command}) flags="${words.join(" ")}" ;;`;
  });
  return `# bash completion of ws-stream:
#   source <(ws-stream completions bash)
_ws_stream_files() {
  # One name a line: there may be spaces in it.
  local IFS=$'\\n'
  COMPREPLY=($(compgen -f -- "$1"))
  compopt -o filenames 2>/dev/null
}
_ws_stream_at_files() {
  # With "-o filenames" bash would take the @ for a part of the name.
  local name
  while IFS= read -r name; do
    if [[ -d $name ]]; then
      name=$name/
      compopt -o nospace 2>/dev/null
    fi
    COMPREPLY+=("$(printf '@%q' "$name")")
  done < <(compgen -f -- "\${1#@}")
}
_ws_stream_urls() {
  # The words behind the first one are offered, too.
  COMPREPLY=($(compgen -W "\${*:2} ${SCHEMES}" -- "$1"))
  [[ \${COMPREPLY-} == *:// ]] && compopt -o nospace 2>/dev/null
}
_ws_stream() {
  # bash breaks words at = and @; "$2" is what it replaces
  local cur=$2 prev=$3 command=connect flags word
  [[ $prev =~ ^=?@?$ ]] && prev=\${COMP_WORDS[COMP_CWORD-2]}
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in
      ${COMMAND_NAMES.join("|")}) command=$word; break ;;
    esac
  done
  case $prev in
${bashValueCases().join("\n")}
  esac
  case $command in
${cases.join("\n")}
  esac
  case $cur in
    -*) COMPREPLY=($(compgen -W "$flags" -- "$cur")) ;;
    *)
      if [[ \${COMP_WORDS[1]} == help ]]; then
        COMPREPLY=($(compgen -W "${COMMAND_NAMES.join(" ")}" -- "$cur"))
      elif [[ $command == completions ]]; then
        COMPREPLY=($(compgen -W "${SHELLS.join(" ")}" -- "$cur"))
      elif [[ $command == replay ]]; then
        _ws_stream_files "$cur"
      elif ((COMP_CWORD == 1)); then
        _ws_stream_urls "$cur" ${FIRST_WORDS.join(" ")}
      else
        case $prev in
          ${TAKE_URL.join("|")}) _ws_stream_urls "$cur" ;;
        esac
      fi ;;
  esac
}
complete -o bashdefault -F _ws_stream ws-stream
`;
}

const BASH_VALUES: ValueForms = {
  words: (words) => `COMPREPLY=($(compgen -W "${words}" -- "$cur"))`,
  file: '_ws_stream_files "$cur"',
  "@file": 'COMPREPLY=(); [[ $cur == @* ]] && _ws_stream_at_files "$cur"',
  other: "COMPREPLY=()",
};

function bashValueCases(): string[] {
  return FLAG_NAMES.flatMap((name) => {
    const flag: Flag = FLAGS[name];
    if (flag.kind === "toggle") return [];
    const reply = valueForm(flag, BASH_VALUES);
    return [`    ${forms(name, flag).join("|")}) ${reply}; return ;;`];
  });
}

function zsh(summaries: Summaries): string {
  const commands = [...summaries, ...HELP_WORDS].map(([name, does]) =>
    `    ${quoted(`${name}:${does}`)}`
  );
  const cases = COMMAND_NAMES.map((command) => {
    const specs = flagsOf(command).flatMap(([name, flag]) =>
      forms(name, flag).map((form) => `        ${zshSpec(form, flag, command)}`)
    );
    return `    ${command})\n      flags=(\n${specs.join("\n")}\n      ) ;;`;
  });
  return `#compdef ws-stream
# zsh completion of ws-stream: put it as _ws-stream into a folder of $fpath,
# or: source <(ws-stream completions zsh)
_ws_stream_urls() {
  compadd -S '' -- ${SCHEMES}
}
_ws-stream() {
  local command=connect word
  local -a commands flags
  commands=(
${commands.join("\n")}
  )
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case $word in
      ${COMMAND_NAMES.join("|")}) command=$word; break ;;
    esac
  done
  case $command in
${cases.join("\n")}
  esac
  if ((CURRENT == 2)) && [[ \${words[CURRENT]} != -* ]]; then
    _describe command commands
    _ws_stream_urls
    return
  fi
  [[ \${words[2]} == version ]] && return
  [[ \${words[2]} == help ]] && command=help
  case $command in
    help) _arguments '*:command:(${COMMAND_NAMES.join(" ")})' ;;
    completions) _arguments -s $flags '*:shell:(${SHELLS.join(" ")})' ;;
    ${TAKE_URL.join("|")}) _arguments -s $flags '*:URL:_ws_stream_urls' ;;
    replay) _arguments -s $flags '*:operand:_files' ;;
    *) _arguments -s $flags '*:operand:{false}' ;;
  esac
}
# loaded from $fpath it is called at once, sourced it is only defined
if [[ $funcstack[1] == _ws-stream ]]; then
  _ws-stream "$@"
else
  compdef _ws-stream ws-stream
fi
`;
}

const ZSH_VALUES: ValueForms = {
  words: (words) => `(${words})`,
  file: "_files",
  "@file": "{compset -P @ && _files}",
  other: " ",
};

function zshSpec(form: string, flag: Flag, command: CommandName): string {
  const about = briefOf(flag, command).replaceAll(/[[\]:]/g, String.raw`\$&`);
  const isRepeated = flag.kind === "many" ||
    flag.kind === "toggle" && flag.counted;
  const repeated = isRepeated ? "*" : "";
  if (flag.kind === "toggle") return quoted(`${repeated}${form}[${about}]`);
  const value = flag.value.replaceAll(/[[\]:]/g, String.raw`\$&`);
  const action = valueForm(flag, ZSH_VALUES);
  // The value of a long flag may stand behind a =, too.
  const assigned = form.startsWith("--") ? "=" : "";
  return quoted(`${repeated}${form}${assigned}[${about}]:${value}:${action}`);
}

function fish(summaries: Summaries): string {
  const lines = [
    "# fish completion of ws-stream:",
    "#   ws-stream completions fish > ~/.config/fish/completions/ws-stream.fish",
    "complete -c ws-stream -f",
  ];
  for (const [name, does] of [...summaries, ...HELP_WORDS]) {
    lines.push(
      `complete -c ws-stream -n __fish_use_subcommand -a ${name} ` +
        `-d ${quoted(does)}`,
    );
  }
  const takeUrl = `__fish_seen_subcommand_from ${TAKE_URL.join(" ")}`;
  for (const condition of ["__fish_use_subcommand", takeUrl]) {
    lines.push(
      `complete -c ws-stream -n ${quoted(condition)} -a ${quoted(SCHEMES)}`,
    );
  }
  const others = FIRST_WORDS.filter((name) => name !== "connect").join(" ");
  for (const command of COMMAND_NAMES) {
    const condition = command === "connect"
      ? `not __fish_seen_subcommand_from ${others}`
      : `__fish_seen_subcommand_from ${command}`;
    for (const [name, flag] of flagsOf(command)) {
      lines.push(
        `complete -c ws-stream -n ${quoted(condition)} ${
          fishFlag(name, flag, command)
        }`,
      );
    }
  }
  lines.push(
    `complete -c ws-stream -n '__fish_seen_subcommand_from completions' -a ` +
      quoted(SHELLS.join(" ")),
    "complete -c ws-stream -n '__fish_seen_subcommand_from help' -a " +
      quoted(COMMAND_NAMES.join(" ")),
    "complete -c ws-stream -n '__fish_seen_subcommand_from replay' -F",
  );
  return lines.join("\n") + "\n";
}

/** Files, each behind the `@` that was typed. */
const FISH_AT_FILES =
  '(string match -q -- "@*" (commandline -ct); and string replace -r "^" @ ' +
  "(__fish_complete_path (string sub -s 2 -- (commandline -ct))))";

const FISH_VALUES: ValueForms = {
  words: (words) => `-x -a ${quoted(words)}`,
  file: "-r -F",
  "@file": `-x -a ${quoted(FISH_AT_FILES)}`,
  other: "-x",
};

function fishFlag(
  name: FlagName,
  flag: Flag,
  command: CommandName,
): string {
  const short = flag.short === undefined ? "" : `-s ${flag.short} `;
  const long = `-l ${flag.negated ? "no-" : ""}${name}`;
  const about = `-d ${quoted(briefOf(flag, command))}`;
  if (flag.kind === "toggle") return `${short}${long} ${about}`;
  return `${short}${long} ${valueForm(flag, FISH_VALUES)} ${about}`;
}

/** For all three shells: fish takes `\'` inside quotes, the others leave them. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "’")}'`;
}

/** Runs the command. */
export function run({ operands }: Invocation): Promise<ExitStatus> {
  const shell = SHELLS.find((name) => name === operands[0]);
  if (shell === undefined || operands.length > 1) {
    throw new UsageError(`completions takes one of ${SHELLS.join(", ")}`);
  }
  const summaries = new Map(
    COMMANDS.map(({ name, summary }) => [name, summary]),
  );
  const script = completionScript(shell, summaries);
  printToStdout(script);
  return Promise.resolve(0);
}
