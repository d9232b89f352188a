import { assert, assertEquals, assertMatch } from "@std/assert";
import { serve } from "../../../src/server/server.ts";
import { cli, type Running } from "../session.ts";

const hasTerminal = Deno.build.os === "linux" && await canRun("script");
const why = hasTerminal ? "" : " (skipped: no `script` to make a terminal)";

Deno.test({
  name: `on a terminal one talks, and gets the terminal back${why}`,
  ignore: !hasTerminal,
  fn: async (t) => {
    const folder = await Deno.makeTempDir();
    await using server = serve({
      onPeer: async (peer) => {
        peer.onmessage = (data) => peer.send(data);
        await peer.send("evil\x1b[2J\x1b]0;title\x07 text");
      },
    });
    const flags = ["--ping", "are you there", "--pong", "^are you there$"];
    const session = onTerminal(folder, server.url, ...flags);

    await t.step(
      "text from the network does not drive the terminal",
      async () => {
        await session.stdout.waitFor("evil\\x1b[2J\\x1b]0;title\\x07 text");
      },
    );

    await t.step("what is typed is sent, the answer is marked", async () => {
      await session.type("hello\r");
      await session.stdout.waitFor("> hello");
      await session.stdout.waitFor(/< hello/);
    });

    await t.step("JSON is laid out", async () => {
      await session.type('{"a":[1,2]}\r');
      await session.stdout.waitFor('{"a": [1, 2]}');
    });

    await t.step(
      "what arrives while typing leaves the line as it is",
      async () => {
        await session.type("half a li");
        await session.stdout.waitFor("half a li");
        for (const peer of server.peers) await peer.send("in between");
        await session.stdout.waitFor(/in between\r\n[^\n]*> half a li/);
        await session.type("ne\r");
        await session.stdout.waitFor(/< half a line/);
      },
    );

    await t.step("commands", async () => {
      await session.type("/ping\r");
      await session.stdout.waitFor(/answered after [\d.]+ ms/);
      await session.type("/stats\r");
      await session.stdout.waitFor(/open: received \d+ messages/);
      await session.type("/nonsense\r");
      await session.stdout.waitFor("there is no /nonsense");
      await session.type("//slash\r");
      await session.stdout.waitFor(/< \/slash/);
      await session.type("/reconnect\r");
      await session.stdout.waitFor("connected again");
    });

    await t.step("Ctrl-C ends it by the signal, with a summary", async () => {
      await session.type("\x03");
      const { stdout } = await session.end;
      assertMatch(stdout, /received \d+ messages .*, sent/);
      assertMatch(stdout, /status 130/);
    });

    await t.step("the terminal is as it was", async () => {
      const before = await Deno.readTextFile(`${folder}/before`);
      assertEquals(await Deno.readTextFile(`${folder}/after`), before);
      assert(before.includes("icanon"));
    });
    await Deno.remove(folder, { recursive: true });
  },
});

Deno.test({
  name: `Ctrl-D and /close leave with 0${why}`,
  ignore: !hasTerminal,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    const codes: number[] = [];
    await using server = serve({
      onPeer: (peer) => {
        peer.closed.then(({ code }) => codes.push(code));
      },
    });
    for (const keys of ["\x04", "/close 4000 so long\r"]) {
      const session = onTerminal(folder, server.url);
      await session.stdout.waitFor("connected to");
      await session.type(keys);
      assertMatch((await session.end).stdout, /status 0/);
    }
    assertEquals(codes, [1000, 4000]);
    await Deno.remove(folder, { recursive: true });
  },
});

/** A session in a terminal of its own, which notes its modes before and after. */
function onTerminal(folder: string, ...args: readonly string[]): Running {
  const words = cli("--color", "never", ...args).words.map((word) =>
    `'${word}'`
  ).join(" ");
  // A shell of its own stops when its program dies of Ctrl-C; this one goes on.
  const line =
    `trap : INT; stty -a > ${folder}/before; ${words}; echo status $?; ` +
    `stty -a > ${folder}/after`;
  return cli("-qec", `bash -c "${line.replaceAll("$", "\\$")}"`, "/dev/null")
    .program("script").typing().start();
}

async function canRun(program: string): Promise<boolean> {
  try {
    await new Deno.Command(program, { args: ["--version"] }).output();
    return true;
  } catch (error) {
    assert(error instanceof Deno.errors.NotFound);
    return false;
  }
}
