import { assert, assertEquals } from "@std/assert";
import { briefOf, COMMAND_NAMES } from "../../src/cli/args/flag.ts";
import { FLAG_NAMES, FLAGS } from "../../src/cli/args/flags.ts";
import { completionScript, SHELLS } from "../../src/cli/completions.ts";
import { canRun, type Program, testWith } from "../support/foreign_server.ts";
import { TempFile } from "../support/temp_file.ts";
import { cli } from "./session.ts";
import { hasTmux, Tmux, tmuxNote } from "./tmux.ts";

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
  const others = [...COMMAND_NAMES, "help", "version"]
    .filter((name) => name !== "connect").join(" ");
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
      `'-q[${briefOf(FLAGS.quiet)}]'`,
      `'--no-reconnect[${FLAGS.reconnect.brief}]'`,
      `'-n[${FLAGS.count.brief}]:N: '`,
      String
        .raw`'*--header=[${FLAGS.header.brief}]:NAME\: VALUE|@FILE:{compset -P @ && _files}'`,
      String
        .raw`'--bearer-file=[Send the token in FILE as Authorization\: Bearer]:FILE:_files'`,
      String
        .raw`'--color=[Use colors; auto\: on a terminal, unless NO_COLOR is set]` +
      `:auto|always|never:(auto always never)'`,
    ]
  ) {
    assert(specs.includes(spec), spec);
  }
});

testWith(
  await shell("bash"),
  "bash completes commands, flags, words and shells",
  async (complete) => {
    const script = await complete();
    using folder = new TempFile();
    await Deno.writeTextFile(`${folder.folder}/subscribe.json`, "");
    const ask = async (...words: string[]) => {
      const call = `${script}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); prev=\${@:$#-1:1}; cur=\${@:$#}
[[ $prev == *@ ]] && cur=@$cur
_ws_stream ws-stream "$cur" "$prev"
printf '%s\\n' "\${COMPREPLY[@]}"`;
      const { stdout, stderr } = await cli(...words)
        .program("bash", "-c", call, "bash").in(folder.folder).run();
      assertEquals(stderr, "");
      return stdout.trimEnd().split("\n");
    };
    assertEquals(await ask("ws-stream", "re"), ["record", "replay"]);
    assertEquals(
      (await ask("ws-stream", "")).slice(0, COMMAND_NAMES.length),
      [...COMMAND_NAMES],
    );
    assertEquals(await ask("ws-stream", "ws://h", "--rec"), [""]);
    assertEquals(await ask("ws-stream", "ws://h", "--no-"), ["--no-reconnect"]);
    assertEquals(await ask("ws-stream", "serve", "--ch"), ["--chaos"]);
    assertEquals(await ask("ws-stream", "serve", "--json"), [""]);
    assertEquals(await ask("ws-stream", "ws://h", "--overflow", "d"), [
      "drop-oldest",
      "drop-newest",
    ]);
    assertEquals(await ask("ws-stream", "completions", "f"), ["fish"]);
    assertEquals(await ask("ws-stream", "he"), ["help"]);
    const schemes = ["ws://", "wss://"];
    assertEquals(await ask("ws-stream", "ws"), schemes);
    assertEquals(await ask("ws-stream", "ping", ""), schemes);
    assertEquals(await ask("ws-stream", "ping", "ws", ":"), [""]);
    assertEquals(await ask("ws-stream", "serve", ""), [""]);
    assertEquals(await ask("ws-stream", "help", "pr"), ["probe"]);
    assertEquals(await ask("ws-stream", "ws://h", "--color", "=", "al"), [
      "always",
    ]);
    // Bash breaks words at =, : and @, but replaces the @ too.
    const file = ["subscribe.json"];
    const atFile = ["@subscribe.json"];
    const url = ["ws-stream", "ws", ":", "//h"];
    assertEquals(await ask(...url, "--spool", "sub"), file);
    assertEquals(await ask(...url, "--spool", "=", "sub"), file);
    assertEquals(await ask(...url, "--on-open", "@"), atFile);
    assertEquals(await ask(...url, "-H", "@", "sub"), atFile);
    assertEquals(await ask(...url, "--on-open", "@", "sub"), atFile);
    assertEquals(await ask(...url, "--on-open", "=@", "sub"), atFile);
    assertEquals(await ask(...url, "--on-open", "sub"), [""]);
  },
);

testWith(
  await shell("bash"),
  "bash completes names of files and folders, with spaces too",
  async (complete) => {
    const script = await complete();
    using folder = new TempFile();
    await Deno.mkdir(`${folder.folder}/my certs`);
    await Deno.writeTextFile(`${folder.folder}/my certs/ca.pem`, "");
    const lines = [
      `cd '${folder.folder}' && eval '${script.replaceAll("'", `'\\''`)}'`,
      'ws-stream() { printf "<%s>" "$@"; }',
      "ws-stream --ca my\tc\t",
      "ws-stream -H @my\tc\t",
      "ws-stream wss\texample",
    ];
    const { stdout } = await cli().program("bash", "--norc", "-i")
      .input(lines.join("\n") + "\n").run();
    assert(stdout.includes("<--ca><my certs/ca.pem>"), stdout);
    assert(stdout.includes("<-H><@my certs/ca.pem>"), stdout);
    assert(stdout.includes("<wss://example>"), stdout);
  },
);

testWith(await shell("zsh"), "zsh takes its script", async (complete) => {
  const file = await Deno.makeTempFile();
  await Deno.writeTextFile(file, await complete());
  const { stderr, code } = await cli("-n", file).program("zsh").run();
  assertEquals(stderr, "");
  assertEquals(code, 0);
  await Deno.remove(file);
});

Deno.test({
  name: `zsh completes commands, flags, words and shells${tmuxNote}`,
  ignore: !hasTmux || !await canRun("zsh", "-c", "true"),
  fn: async () => {
    const folder = await Deno.makeTempDir();
    const { stdout } = await cli("completions", "zsh").allow().run();
    await Deno.writeTextFile(`${folder}/_ws-stream`, stdout);
    const setup = `fpath=(${folder} $fpath); autoload -U compinit; ` +
      `compinit -u -d ${folder}/dump; PS1="%% "; clear`;
    await using terminal = await Tmux.run(["zsh", "-f"], { columns: 100 });
    await terminal.type(setup);
    await terminal.press("Enter");
    await terminal.waitFor(/^% *$/m);
    const completed = async (line: string, wanted: string | RegExp) => {
      await terminal.type(line);
      await terminal.press("Tab");
      await terminal.waitFor(wanted);
      await terminal.press("C-u");
    };
    await completed("ws-stream pro", "% ws-stream probe");
    await completed("ws-stream serve --cha", "% ws-stream serve --chaos");
    await completed("ws-stream ws://h --overflow drop-o", "drop-oldest");
    await completed("ws-stream help pro", "% ws-stream help probe");
    await completed("ws-stream completions fi", "completions fish");
    await completed(`ws-stream w --spool ${folder}/du`, ` ${folder}/dump`);
    await completed(`ws-stream w --on-open @${folder}/du`, `@${folder}/dump`);
    await completed(`ws-stream w -H @${folder}/du`, `@${folder}/dump`);
    await completed("ws-stream wss", "% ws-stream wss://");
    await completed("ws-stream ping wss", "% ws-stream ping wss://");
    await terminal.type(`ws-stream probe ${folder}/du`);
    await terminal.press("Tab");
    await terminal.type("|");
    // There is no URL that is a file.
    await terminal.waitFor(`probe ${folder}/du|`);
    await Deno.remove(folder, { recursive: true });
  },
});

testWith(
  await shell("fish"),
  "fish completes commands, flags, words and shells",
  async (complete) => {
    const script = await complete();
    using folder = new TempFile();
    await Deno.writeTextFile(`${folder.folder}/subscribe.json`, "");
    const ask = async (line: string) => {
      const call = `${script}\ncomplete -C '${line}'`;
      const { stdout, stderr } = await cli("--no-config", "-c", call)
        .program("fish").in(folder.folder).run();
      assertEquals(stderr, "");
      // Behind a tab there is what it means.
      return stdout.split("\n").map((row) => row.split("\t")[0])
        .filter((word) => word !== "");
    };
    assertEquals(await ask("ws-stream re"), ["record", "replay"]);
    assertEquals(await ask("ws-stream ws://h --rec"), []);
    assertEquals(await ask("ws-stream ws://h --no-"), ["--no-reconnect"]);
    assertEquals(await ask("ws-stream serve --ch"), ["--chaos"]);
    assertEquals(await ask("ws-stream serve --j"), []);
    assertEquals(await ask("ws-stream ws://h --overflow d"), [
      "drop-newest",
      "drop-oldest",
    ]);
    assertEquals(await ask("ws-stream completions f"), ["fish"]);
    assertEquals(await ask("ws-stream help pr"), ["probe"]);
    assertEquals(await ask("ws-stream ver"), ["version"]);
    assertEquals(await ask("ws-stream wss"), ["wss://"]);
    assertEquals(await ask("ws-stream probe w"), ["ws://", "wss://"]);
    const url = "ws-stream ws://h";
    assertEquals(await ask(`${url} --spool sub`), ["subscribe.json"]);
    assertEquals(await ask(`${url} --on-open @sub`), ["@subscribe.json"]);
    assertEquals(await ask(`${url} -H @sub`), ["@subscribe.json"]);
    assertEquals(await ask(`${url} --on-open sub`), []);
  },
);

/** A shell, where it is there: what gives the script for it. */
async function shell(name: string): Promise<Program<() => Promise<string>>> {
  if (!await canRun(name, "-c", "true")) return { missing: `no ${name}` };
  return {
    start: async () => (await cli("completions", name).allow().run()).stdout,
  };
}
