/**
 * The README is run, not read: its first example against a real server, its
 * commands against the tasks there are, its tables against the code.
 */

import {
  assert,
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { WebSocketStreamClient } from "../mod.ts";
import { echo } from "../src/server/behaviours.ts";
import { serve } from "../src/server/server.ts";

const readme = await Deno.readTextFile(
  new URL("../README.md", import.meta.url),
);

function firstExample(): string {
  const code = readme.match(/```ts\n(?<code>[^]*?)```/)?.groups?.code;
  if (code === undefined) throw new Error("the README has no example");
  return code;
}

Deno.test("the README's first example prints its three lines", async () => {
  const server = serve({ onPeer: echo });
  const example = firstExample();
  assertStringIncludes(example, "wss://example.com/feed");
  const code = example.replace("wss://example.com/feed", server.url);
  const file = await Deno.makeTempFile({
    dir: new URL(".", import.meta.url).pathname,
    suffix: ".ts",
  });
  try {
    await Deno.writeTextFile(file, code);
    const { code: exit, stdout, stderr } = await new Deno.Command(
      Deno.execPath(),
      { args: ["run", "--allow-net=127.0.0.1", file], stdin: "null" },
    ).output();
    assertEquals(
      new TextDecoder().decode(stdout),
      "connected; sending a test message...\n" +
        "RX: hello from the ws-stream client\n" +
        "disconnected gracefully.\n",
      new TextDecoder().decode(stderr),
    );
    assertEquals(exit, 0);
  } finally {
    await Deno.remove(file);
    await server.close();
  }
});

Deno.test("the README's two commands stand on lines of their own and name tasks", async () => {
  const config = JSON.parse(
    await Deno.readTextFile(new URL("../deno.json", import.meta.url)),
  );
  for (const task of ["demo", "test"]) {
    assert(
      readme.split("\n").includes(`npx -y deno@2.9.6 task ${task}`),
      `no line for the task ${task}`,
    );
    assert(task in config.tasks, `no task ${task}`);
  }
});

Deno.test("the docs name every option", async () => {
  const unknown = { url: "ws://127.0.0.1", unknown: true };
  const { message } = assertThrows(
    () => new WebSocketStreamClient(unknown),
    TypeError,
  );
  const [, known = ""] = message.split("known are ");
  const keys = known.split(", ");
  assert(keys.includes("url"), message);
  const options = await Deno.readTextFile(
    new URL("../docs/options.md", import.meta.url),
  );
  for (const key of keys) assertStringIncludes(options, `| \`${key}\` |`);
});

Deno.test("the README has the command line before its middle", () => {
  const lines = readme.split("\n");
  assert(lines.indexOf("## The command line") < lines.length / 2);
});
