import { assert, assertEquals } from "@std/assert";
import { completionScript, SHELLS } from "../../src/cli/completions.ts";
import { COMMAND_NAMES } from "../../src/cli/args/flag.ts";
import { FLAG_NAMES, FLAGS } from "../../src/cli/args/flags.ts";

const SUMMARIES = new Map(COMMAND_NAMES.map((name) => [name, `it's ${name}`]));

Deno.test("each shell's script knows every command and flag", () => {
  for (const shell of SHELLS) {
    const script = completionScript(shell, SUMMARIES);
    for (const name of COMMAND_NAMES) assert(script.includes(name), name);
    for (const name of FLAG_NAMES) {
      const long = "negated" in FLAGS[name] ? `no-${name}` : name;
      const form = shell === "fish" ? `-l ${long} ` : `--${long}`;
      assert(script.includes(form), `${shell}: ${name}`);
    }
  }
});

Deno.test("what is quoted stays quoted: apostrophes do not end it", () => {
  for (const shell of ["zsh", "fish"] as const) {
    for (const line of completionScript(shell, SUMMARIES).split("\n")) {
      if (line.trimStart().startsWith("#")) continue;
      assertEquals((line.match(/'/g) ?? []).length % 2, 0, line);
    }
  }
});

Deno.test("files are completed where a file is wanted, words where words are", () => {
  const fish = completionScript("fish", SUMMARIES);
  assert(/-l ca -r -F /.test(fish));
  assert(/-l overflow -x -a 'wait reject drop-oldest drop-newest' /.test(fish));
  assert(/-l linger -x -d /.test(fish));
  assert(/-l json -d /.test(fish));
});

Deno.test("fish offers a command's flags after that command, connect's before any", () => {
  const lines = completionScript("fish", SUMMARIES).split("\n");
  const of = (flag: string) =>
    lines.filter((line) => line.includes(` -l ${flag} `))
      .map((line) => /-n '([^']*)'/.exec(line)?.[1]);
  const others = COMMAND_NAMES.filter((name) => name !== "connect").join(" ");
  assertEquals(of("linger"), [`not __fish_seen_subcommand_from ${others}`]);
  assertEquals(of("chaos"), ["__fish_seen_subcommand_from serve"]);
  assert(lines.includes(
    "complete -c ws-stream -n __fish_use_subcommand -a ping -d 'it’s ping'",
  ));
  assert(lines.some((line) => line.includes(" -s n -l count -x -d ")));
});

Deno.test("zsh offers letters and names, values with what they may be", () => {
  const script = completionScript("zsh", SUMMARIES);
  const specs = script.split("\n").map((line) => line.trim());
  for (
    const spec of [
      "'ping:it’s ping'",
      `'-q[${FLAGS.quiet.help}]'`,
      `'--no-reconnect[${FLAGS.reconnect.brief}]'`,
      `'-n[${FLAGS.count.brief}]:N: '`,
      `'*--header[${FLAGS.header.brief}]:NAME  VALUE: '`,
      `'--bearer-file[Authorization  Bearer with what FILE holds]:FILE:_files'`,
      `'--color[Colours; auto  on a terminal unless NO_COLOR is set.]` +
      `:auto always never:(auto always never)'`,
    ]
  ) {
    assert(specs.includes(spec), spec);
  }
});
