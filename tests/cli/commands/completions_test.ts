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

for (const shell of ["zsh", "fish"]) {
  const found = await which(shell);
  Deno.test({
    name: found
      ? `${shell} takes its script`
      : `${shell} takes its script (skipped: there is no ${shell})`,
    ignore: !found,
    fn: async () => {
      const script = (await cli("completions", shell).allow().run()).stdout;
      const file = await Deno.makeTempFile();
      await Deno.writeTextFile(file, script);
      const { stderr, code } = await cli("-n", file).program(shell).run();
      assertEquals(stderr, "");
      assertEquals(code, 0);
      await Deno.remove(file);
    },
  });
}

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
