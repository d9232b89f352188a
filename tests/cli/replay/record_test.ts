import { assert, assertEquals, assertMatch } from "@std/assert";
import { serve } from "../../../src/server/server.ts";
import { TempFile } from "../../support/temp_file.ts";
import { cli } from "../session.ts";

Deno.test("record writes what comes, with its time, into a file that is complete when it has its name", async () => {
  using temp = new TempFile();
  const files = [`--allow-read=${temp.folder}`, `--allow-write=${temp.folder}`];
  const gate = Promise.withResolvers<void>();
  await using server = serve({
    onPeer: async (peer) => {
      await peer.send("one\n\u2028");
      await gate.promise;
      await peer.send(Uint8Array.of(0, 255));
    },
  });
  const file = `${temp.folder}/feed.ndjson`;
  const session = cli("record", server.url, "-o", file, "-n", "2")
    .allow("--allow-net", ...files).start();
  while (!temp.names().includes("feed.ndjson.part")) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assertEquals(temp.names(), ["feed.ndjson.part"]);
  gate.resolve();
  const { stdout, stderr, code } = await session.end;
  assertEquals(temp.names(), ["feed.ndjson"]);
  assertEquals(stdout, "");
  assertMatch(stderr, /recorded .*feed\.ndjson/);
  assertEquals(code, 0);
  const events = (await Deno.readTextFile(file)).trimEnd().split("\n")
    .map((line) => JSON.parse(line));
  assertEquals(events.map(({ type }) => type), [
    ...["open", "message", "message", "close"],
  ]);
  const [, one, two] = events;
  assertEquals(one.data, "one\n\u2028");
  assertEquals([two.data, two.encoding], ["AP8=", "base64"]);
  assert(two.t >= one.t && one.t >= 0);
  for (const { url } of events) assertEquals(url, `${server.url}/`);
});

Deno.test("a recording that cannot get its name is a failure", async () => {
  using temp = new TempFile();
  const gate = Promise.withResolvers<void>();
  await using server = serve({
    onPeer: async (peer) => {
      await gate.promise;
      await peer.send("one");
    },
  });
  const file = `${temp.folder}/feed.ndjson`;
  const session = cli("record", server.url, "-o", file, "-n", "1")
    .allow("--allow-net", "--allow-read", "--allow-write").start();
  while (!temp.names().includes("feed.ndjson.part")) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await Deno.remove(`${file}.part`);
  gate.resolve();
  const { stderr, code } = await session.end;
  assertMatch(stderr, /ws-stream: .*rename/);
  assertEquals(code, 1);
});
