/**
 * Recipes of the docs that end by themselves, run by a shell as they stand
 * there, with a server of ours in place of the one they name.
 */

import { assert, assertEquals } from "@std/assert";
import { serve } from "../../src/server/server.ts";

const ROOT = new URL("../../", import.meta.url);

interface Recipe {
  /** The document, and a part of the line. */
  readonly document: string;
  readonly line: string;
  readonly stdout: string;
}

const RECIPES: readonly Recipe[] = [
  {
    document: "README.md",
    line: "ws-stream --once wss://example.com",
    stdout: '{"op":"time"}\n',
  },
  {
    document: "README.md",
    line: "ws-stream -q -n 10 --timeout 1m wss://example.com/feed",
    stdout: "",
  },
  {
    document: "docs/cli.md",
    line: `ws-stream -q --until '"status":"ok"'`,
    stdout: Array.from({ length: 10 }, (_, i) => `{"seq":${i}}\n`).join("") +
      '{"status":"ok"}\n',
  },
  {
    document: "docs/cli.md",
    line: "ws-stream -vv --once wss://example.com",
    stdout: "hello\n",
  },
];

const ignore = Deno.build.os === "windows";

for (const { document, line, stdout } of RECIPES) {
  Deno.test(`it works as the docs say: ${line}`, { ignore }, async () => {
    const text = await Deno.readTextFile(new URL(document, ROOT));
    const found = text.split("\n").find((each) => each.includes(line));
    assert(found !== undefined, `${document} has no such line`);
    await using server = serve({
      onPeer: async (peer) => {
        const path = peer.request.path;
        peer.onmessage = (data) => peer.send(data);
        if (path !== "/feed" && path !== "/health") return;
        for (let seq = 0; seq < 10; seq++) {
          await peer.send(JSON.stringify({ seq }));
        }
        await peer.send('{"status":"ok"}');
      },
    });
    const folder = await Deno.makeTempDir();
    try {
      const program = `${folder}/ws-stream`;
      await Deno.writeTextFile(
        program,
        `#!/bin/sh\nexec "${Deno.execPath()}" run --quiet --allow-net ` +
          `"${new URL("cli.ts", ROOT).pathname}" "$@"\n`,
        { mode: 0o700 },
      );
      const command = found.replace("wss://example.com", server.url);
      const { code, stdout: bytes, stderr } = await new Deno.Command("sh", {
        args: ["-c", `printf 'hello\\n' | (${command})`],
        env: { PATH: `${folder}:${Deno.env.get("PATH")}`, NO_COLOR: "1" },
      }).output();
      const decoder = new TextDecoder();
      assertEquals(decoder.decode(bytes), stdout, decoder.decode(stderr));
      assertEquals(code, 0);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}
