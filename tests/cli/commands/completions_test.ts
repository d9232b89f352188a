import { assertEquals } from "@std/assert";
import { COMMAND_NAMES } from "../../../src/cli/args/flag.ts";
import {
  canRun,
  type Program,
  testWith,
} from "../../support/foreign_server.ts";
import { cli } from "../session.ts";

testWith(
  await shell("bash"),
  "bash completes commands, flags, words and shells",
  async (complete) => {
    const script = await complete();
    const ask = async (...words: string[]) => {
      const call = `${script}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ws_stream
printf '%s\\n' "\${COMPREPLY[@]}"`;
      const { stdout, stderr } = await cli(...words)
        .program("bash", "-c", call, "bash").run();
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

testWith(
  await shell("fish"),
  "fish completes commands, flags, words and shells",
  async (complete) => {
    const script = await complete();
    const ask = async (line: string) => {
      const call = `${script}\ncomplete -C '${line}'`;
      const { stdout, stderr } = await cli("--no-config", "-c", call)
        .program("fish").run();
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
  },
);

/** A shell, where it is there: what gives the script for it. */
async function shell(name: string): Promise<Program<() => Promise<string>>> {
  if (!await canRun(name, "-c", "true")) return { missing: `no ${name}` };
  return {
    start: async () => (await cli("completions", name).allow().run()).stdout,
  };
}
