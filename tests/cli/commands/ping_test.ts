import { assertEquals, assertMatch } from "@std/assert";
import { echo } from "../../../src/server/behaviours.ts";
import { serve } from "../../../src/server/server.ts";
import { cli } from "../session.ts";

const QUICK = ["--interval", "20ms"];

Deno.test("ping prints a line for each answer, and sums up", async () => {
  await using server = serve({ onPeer: echo });
  const { stdout, code } = await cli("ping", server.url, "-n", "4", ...QUICK)
    .run();
  const lines = stdout.split("\n");
  for (let seq = 1; seq <= 4; seq++) {
    assertMatch(
      lines[seq - 1] ?? "",
      new RegExp(`^answer from 127\\.0\\.0\\.1: seq=${seq} time=[\\d.]+ ms$`),
    );
  }
  assertMatch(stdout, /4 sent, 4 answered, 0% lost/);
  assertMatch(stdout, /rtt min\/avg\/p99\/max = /);
  assertMatch(stdout, /up to .* ms .* #/);
  assertEquals(code, 0);
});

Deno.test("ping ends with 1 when everything was lost", async () => {
  await using server = serve({ onPeer: () => {} });
  const { stdout, code } = await cli(
    ...["ping", server.url, "-n", "2", "--wait", "100ms"],
    ...QUICK,
  ).run();
  assertMatch(stdout, /no answer to seq=2 within 100 ms/);
  assertMatch(stdout, /2 sent, 0 answered, 100% lost/);
  assertEquals(code, 1);
});

Deno.test("a message of one's own is answered by what --pong tells", async () => {
  await using server = serve({
    onPeer: (peer) => {
      peer.onmessage = async (data) => {
        await peer.send("noise");
        if (data === "PING") await peer.send("PONG");
      };
    },
  });
  const { stdout, code } = await cli(
    ...["ping", server.url, "-n", "2", "--message", "PING", "--pong", "^PONG$"],
    ...QUICK,
  ).run();
  assertMatch(stdout, /2 sent, 2 answered/);
  assertEquals(code, 0);
});

Deno.test("without a connection ping has connect's exit code", async () => {
  const { stdout, code } = await cli("ping", "ws://127.0.0.1:9").run();
  assertEquals(stdout, "");
  assertEquals(code, 7);
});

Deno.test({
  name: "an interrupted ping still sums up",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using server = serve({ onPeer: echo });
    const session = cli("ping", server.url).start();
    await session.stdout.waitFor("seq=1");
    session.kill("SIGINT");
    const { stdout, signal } = await session.end;
    assertMatch(stdout, /1 sent, 1 answered/);
    assertEquals(signal, "SIGINT");
  },
});
