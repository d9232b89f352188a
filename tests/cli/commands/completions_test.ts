import { assert, assertEquals } from "@std/assert";
import { COMMAND_NAMES } from "../../../src/cli/flags/flag.ts";
import { cli } from "../session.ts";

const bash = await which("bash");

Deno.test({
  name: bash
    ? "bash completes commands, flags, words and shells"
    : "bash completes (skipped: there is no bash)",
  ignore: !bash,
  fn: async () => {
    const script = (await cli("completions", "bash").allow().run()).stdout;
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
});

const zsh = await which("zsh");

Deno.test({
  name: zsh
    ? "zsh takes its script"
    : "zsh takes its script (skipped: there is no zsh)",
  ignore: !zsh,
  fn: async () => {
    const script = (await cli("completions", "zsh").allow().run()).stdout;
    const file = await Deno.makeTempFile();
    await Deno.writeTextFile(file, script);
    const { stderr, code } = await cli("-n", file).program("zsh").run();
    assertEquals(stderr, "");
    assertEquals(code, 0);
    await Deno.remove(file);
  },
});

const fish = await which("fish");

Deno.test({
  name: fish
    ? "fish completes commands, flags, words and shells"
    : "fish completes (skipped: there is no fish)",
  ignore: !fish,
  fn: async () => {
    const script = (await cli("completions", "fish").allow().run()).stdout;
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
});

async function which(program: string): Promise<boolean> {
  try {
    const args = ["-c", "true"];
    const { success } = await new Deno.Command(program, { args }).output();
    return success;
  } catch (error) {
    assert(error instanceof Deno.errors.NotFound);
    return false;
  }
}
