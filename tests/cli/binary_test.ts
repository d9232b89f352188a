/**
 * The compiled program, for real. It is taken from `WS_STREAM_BIN`, or compiled
 * here with `DENO26` (a Deno) and `DENORT_BIN` (the runtime part of the very
 * same version). A machine that has neither skips these tests.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { echo } from "../../src/server/behaviours.ts";
import { serve } from "../../src/server/server.ts";
import { compileArgs } from "../../tools/binaries.ts";
import { cli, type Session } from "./session.ts";

const given = Deno.env.get("WS_STREAM_BIN");
const compiler = Deno.env.get("DENO26");
const runtime = Deno.env.get("DENORT_BIN");
const canCompile = compiler !== undefined && runtime !== undefined;
const why = "skipped: neither WS_STREAM_BIN nor DENO26 and DENORT_BIN are set";
const ignore = given === undefined && !canCompile;

Deno.test({
  name: `the compiled program works${ignore ? ` (${why})` : ""}`,
  ignore,
  fn: async (t) => {
    const folder = await Deno.makeTempDir();
    const binary = given ?? await compile(folder);
    // Nothing of this machine's environment is needed.
    const run = (...args: string[]): Session =>
      cli(...args).program("env", "-i", binary);

    await t.step("it tells its version", async () => {
      const { stdout } = await run("--version").run();
      assertEquals(stdout, `ws-stream ${config.version}\n`);
    });

    await t.step("the demo loses nothing", async () => {
      const { stdout, stderr, code } = await run("demo").run();
      assert(stdout.startsWith("connected; sending a test message...\n"));
      assertMatch(stdout, /, lost 0/);
      assertEquals(stderr, "");
      assertEquals(code, 0);
    });

    await t.step("it works in a pipe", async () => {
      await using server = serve({ onPeer: echo });
      const { stdout, code } = await run(server.url, "--linger", "50ms")
        .input("one\ntwo\n").run();
      assertEquals(stdout, "one\ntwo\n");
      assertEquals(code, 0);
    });

    await t.step("its exit code tells how it ended", async () => {
      await using server = serve({ onPeer: (peer) => peer.close(4001) });
      assertEquals((await run(server.url, "--no-reconnect").run()).code, 4);
      const nobody = await run("ws://127.0.0.1:9", "--no-reconnect").run();
      assertEquals(nobody.code, 7);
      assertEquals((await run("--bogus").run()).code, 2);
    });

    await t.step(
      "a permission that it was compiled without is named",
      async () => {
        const { stderr, code } = await run("ws://h", "-o", "x").run();
        assertEquals(stderr.split("\n").slice(0, 3), [
          "ws-stream: missing permission: --allow-read=. --allow-write=.",
          "this program was compiled without it; compile one that has it:",
          "  deno compile --allow-net --allow-env=HOME,TERM --allow-read " +
          "--allow-write --output ws-stream jsr:@ws-stream/client/cli",
        ]);
        assertEquals(code, 2);
      },
    );

    await Deno.remove(folder, { recursive: true });
  },
});

/**
 * By the very tasks that people use, but into another folder. The Deno of this
 * test bundles, since it reaches the registry.
 */
async function compile(folder: string): Promise<string> {
  const binary = `${folder}/ws-stream`;
  await runDeno(Deno.execPath(), ["task", "bundle"]);
  await runDeno(compiler ?? "", compileArgs(binary));
  return binary;
}

async function runDeno(
  program: string,
  args: readonly string[],
): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, {
    args: [...args],
    cwd: new URL("../../", import.meta.url).pathname,
    env: { DENORT_BIN: runtime ?? "" },
  }).output();
  assert(success, new TextDecoder().decode(stderr));
}
