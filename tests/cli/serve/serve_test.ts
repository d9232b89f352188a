import {
  assert,
  assertEquals,
  assertLess,
  assertMatch,
  assertRejects,
} from "@std/assert";
import { WebSocketStreamClient } from "../../../mod.ts";
import { Opcode } from "../../../src/protocol/frames.ts";
import { clientFrame, RawClient } from "../../support/raw_client.ts";
import { certificates } from "../../support/certificates.ts";
import { canReset } from "../../../src/server/listener.ts";
import { freePort } from "../../support/free_port.ts";
import { TempFile } from "../../support/temp_file.ts";
import { runInPty } from "../pty.ts";
import { cli, type Running } from "../session.ts";
import { hasTmux, Tmux, tmuxNote } from "../tmux.ts";

Deno.test("serve echoes, broadcasts and feeds", async (t) => {
  await t.step(
    "it echoes by default, and tells who comes and goes",
    async () => {
      const server = cli("serve", "0").start();
      const url = await urlOf(server);
      const client = await cli(url, "--linger", "50ms").input("hi\n").run();
      assertEquals(client.stdout, "hi\n");
      await server.stderr.waitFor("closed with 1000 after");
      server.kill("SIGINT");
      const { signal, stdout, stderr } = await server.end;
      assertEquals(signal, "SIGINT");
      assertEquals(stdout, "");
      assertMatch(stderr, /#0 127\.0\.0\.1:\d+ \/: connected/);
    },
  );

  await t.step("a feed besides an echo, with a rate", async () => {
    const server = cli("serve", "0", "--feed", "--echo", "--rate", "100")
      .start();
    const url = await urlOf(server);
    const client = await cli(url, "--until", "^hi$").input("hi\n").run();
    const lines = client.stdout.trimEnd().split("\n");
    assertEquals(lines.pop(), "hi");
    const numbers = lines.map((line) => JSON.parse(line).seq);
    assertEquals(numbers, numbers.map((_, i) => i));
    assert(numbers.length > 0);
    assertEquals(client.code, 0);
    server.kill("SIGTERM");
    assertEquals((await server.end).signal, "SIGTERM");
  });
});

for (
  const [first, second] of [
    ["SIGINT", "SIGTERM"],
    ["SIGTERM", "SIGINT"],
  ] as const
) {
  Deno.test({
    name: `a second signal ends serve at once: ${second} after ${first}`,
    ignore: Deno.build.os === "windows",
    fn: async () => {
      const server = cli("serve", "0").start();
      const { port } = new URL(await urlOf(server));
      using client = await RawClient.connect(Number(port));
      server.kill(first);
      // The first one makes it wait for an answer that never comes.
      assertEquals((await client.readFrame())?.opcode, Opcode.close);
      server.kill(second);
      assertEquals((await server.end).signal, second);
    },
  });
}

Deno.test("serve speaks TLS and subprotocols", async () => {
  const { ca, good } = await certificates();
  const folder = await Deno.makeTempDir();
  for (const [name, text] of Object.entries({ ca, ...good })) {
    await Deno.writeTextFile(`${folder}/${name}.pem`, text);
  }
  const files = ["--allow-net", "--allow-read"];
  const server = cli(
    ...["serve", "localhost:0", "--cert", "cert.pem", "--key", "key.pem"],
    ...["--subprotocol", "v2"],
  ).allow(...files).in(folder).start();
  const url = await urlOf(server);
  assertMatch(url, /^wss:/);
  const client = await cli(
    ...[url, "--ca", "ca.pem", "--subprotocol", "v2", "--json"],
    ...["--linger", "50ms"],
  ).allow(...files).in(folder).input("x").run();
  assertEquals(JSON.parse(client.stdout.split("\n")[0] ?? "").protocol, "v2");
  const stranger = await cli(url, "--no-reconnect").run();
  assertEquals(stranger.code, 8);
  server.kill("SIGINT");
  await server.end;
  await Deno.remove(folder, { recursive: true });
});

Deno.test("chaos says its seed, and the same seed does the same again", async () => {
  const results: string[] = [];
  for (let i = 0; i < 2; i++) {
    const server = cli(
      ...["serve", "0", "--feed", "--rate", "1000"],
      ...["--chaos", "drop=5%", "--seed", "7"],
    ).start();
    const url = await urlOf(server);
    await server.stderr.waitFor("--seed 7");
    const { stdout, code } = await cli(url, "--no-reconnect").run();
    assertEquals(code, 5);
    results.push(String(stdout.split("\n").length));
    server.kill("SIGINT");
    await server.end;
  }
  assertEquals(results[0], results[1]);
});

Deno.test("an address in use is told, with 2; --timeout ends with 124", async () => {
  const server = cli("serve", "0").start();
  const { port } = new URL(await urlOf(server));
  const second = await cli("serve", port).run();
  assertMatch(second.stderr, /cannot listen on 127\.0\.0\.1:\d+: /);
  assertEquals(second.code, 2);
  server.kill("SIGINT");
  await server.end;
  assertEquals((await cli("serve", "0", "--timeout", "1ms").run()).code, 124);
});

Deno.test("a name that does not resolve is no address to listen on", async () => {
  for (const words of [["serve"], ["replay", "recording", "--serve"]]) {
    const folder = await Deno.makeTempDir();
    await Deno.writeTextFile(`${folder}/recording`, "");
    const { stderr, code } = await cli(...words, "nowhere.invalid:8080")
      .in(folder).allow("--allow-net", "--allow-read").run();
    assertMatch(
      stderr,
      /^ws-stream: cannot listen on nowhere\.invalid:8080: [^\n]*\n$/,
    );
    assertEquals(code, 2);
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("what a client did wrong is told when its connection closes", async () => {
  const server = cli("serve", "0").start();
  const { port } = new URL(await urlOf(server));
  using client = await RawClient.connect(Number(port));
  // A reserved opcode.
  await client.write(clientFrame(3, new Uint8Array(1)));
  await server.stderr.waitFor(
    /dropped without a close frame after .*: .*opcode/,
  );
  server.kill("SIGINT");
  await server.end;
});

Deno.test({
  name: "chaos with a reset resets, and does not just hang up",
  ignore: !canReset(),
  fn: async () => {
    const server = cli("serve", "0", "--chaos", "reset@50ms").start();
    const { port } = new URL(await urlOf(server));
    using conn = await Deno.connect({
      hostname: "127.0.0.1",
      port: Number(port),
    });
    await conn.write(new TextEncoder().encode(
      "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n" +
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    ));
    await assertRejects(async () => {
      const buffer = new Uint8Array(1024);
      while (await conn.read(buffer) !== null);
    }, Deno.errors.ConnectionReset);
    server.kill("SIGINT");
    await server.end;
  },
});

Deno.test("a certificate that cannot be used is wrong usage", async () => {
  const { good } = await certificates();
  using temp = new TempFile();
  const files = { bad: "-----BEGIN X-----", cert: good.cert };
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${temp.folder}/${name}`, text);
  }
  for (const cert of ["bad", "cert"]) {
    const { stderr, code } = await cli(
      ...["serve", "0", "--cert", cert, "--key", "bad"],
    ).in(temp.folder).allow("--allow-net", "--allow-read").run();
    assertMatch(stderr, /^ws-stream: --cert and --key cannot be used: .*\n$/);
    assertEquals(code, 2);
  }
});

Deno.test("--seed without --chaos, or --rate without --feed, is wrong usage", async () => {
  const { stderr, code } = await cli("serve", "0", "--seed", "5").run();
  assertEquals([stderr, code], ["ws-stream: --seed needs --chaos\n", 2]);
  const rate = await cli("serve", "0", "--rate", "10").run();
  assertEquals(
    [rate.stderr, rate.code],
    ["ws-stream: --rate needs --feed\n", 2],
  );
});

Deno.test("chaos tells whom it strikes, and how", async () => {
  const server = cli(
    ...["serve", "0", "--chaos", "refuse=503/2,close=4000@1ms"],
  ).start();
  const url = await urlOf(server);
  for (let i = 0; i < 2; i++) await cli(url, "--no-reconnect").run();
  await server.stderr.waitFor("#1 chaos: refuse=503");
  server.kill("SIGTERM");
  const { stderr } = await server.end;
  assertMatch(stderr, /#0 chaos: close=4000[^]*#1 chaos: refuse=503/);
});

Deno.test("--chaos says what is wrong with it, as a flag does", async () => {
  const { stderr, code } = await cli("serve", "0", "--chaos", "drop=200%")
    .run();
  assertEquals(
    stderr,
    "ws-stream: --chaos must have a chance from =0% to =100%, an age such as " +
      '@30s, or nothing: got "drop=200%"\n',
  );
  assertEquals(code, 2);
});

Deno.test("chaos with a reset asks no more of an address than any other", async () => {
  const chaos = ["--chaos", "reset"];
  const named = await cli("serve", "localhost:0", "--timeout", "1ms", ...chaos)
    .allow("--allow-net=localhost").run();
  assertMatch(named.stderr, /listening on ws:\/\/localhost:/);
  const server = cli("serve", "0").start();
  const { port } = new URL(await urlOf(server));
  const second = await cli("serve", port, ...chaos).run();
  assertMatch(second.stderr, /cannot listen on 127\.0\.0\.1:\d+: /);
  assertEquals(second.code, 2);
  server.kill("SIGINT");
  await server.end;
});

Deno.test("-v shows what clients send, one line each, escaped", async () => {
  const server = cli("serve", "0", "-v").start();
  const url = await urlOf(server);
  await cli(url, "-0", "--linger", "50ms").input("a\x1b[2J\n\0b").run();
  await server.stderr.waitFor("#0 < b");
  assertMatch(server.stderr.text, /^#0 < a\\x1b\[2J\\n$/m);
  server.kill("SIGINT");
  assertEquals((await server.end).stdout, "");
});

Deno.test("--compress agrees to the compression that a client offers", async () => {
  const server = cli("serve", "0", "--compress").start();
  const url = await urlOf(server);
  const text = "compress me ".repeat(500);
  const client = await cli(url, "--compress", "--once").input(text).run();
  assertEquals(client.stdout, `${text}\n`);
  const { hostname, port } = new URL(url);
  using conn = await Deno.connect({ hostname, port: Number(port) });
  await conn.write(new TextEncoder().encode(
    "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n" +
      "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
      "Sec-WebSocket-Extensions: permessage-deflate\r\n" +
      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
  ));
  const buffer = new Uint8Array(1024);
  const length = await conn.read(buffer) ?? 0;
  assertMatch(
    new TextDecoder().decode(buffer.subarray(0, length)),
    /sec-websocket-extensions: permessage-deflate/i,
  );
  server.kill("SIGINT");
  await server.end;
});

Deno.test("--for ends with 0", async () => {
  const { code } = await cli("serve", "0", "--for", "100ms").run();
  assertEquals(code, 0);
});

Deno.test("-q says nothing", async () => {
  const server = cli("serve", "0", "-q", "--timeout", "300ms").start();
  const { stdout, stderr } = await server.end;
  assertEquals([stdout, stderr], ["", ""]);
});

Deno.test({
  name: `on a terminal what is typed goes to the clients${tmuxNote}`,
  ignore: !hasTmux,
  fn: async () => {
    await using terminal = await Tmux.start(["serve", "0"]);
    const enter = async (line: string) => {
      await terminal.type(line);
      await terminal.press("Enter");
    };
    const screen = await terminal.waitFor(/listening on (ws:\S+):/);
    await terminal.waitFor("/help");
    const [, url = ""] = /listening on (ws:\S+):/.exec(screen) ?? [];
    await enter("hello?");
    await terminal.waitFor("no client is connected");
    const first = cli(url).typing().start();
    await terminal.waitFor(/#0 .*connected/);
    const second = cli(url).typing().start();
    await terminal.waitFor(/#1 .*connected/);
    await enter("everybody");
    await first.stdout.waitFor("everybody");
    await enter("/to 1 only you");
    await second.stdout.waitFor("only you");
    await enter("/to 1");
    await terminal.waitFor("use /to N TEXT");
    await enter("/clients");
    await terminal.waitFor(/#0 127[^]*#1 127/);
    await enter("/close 1012 restart");
    await terminal.waitFor("there is no client #1012; /clients lists all");
    await enter("/close #0 4000 enough");
    await terminal.waitFor('closed with 4000 "enough" after');
    await enter("/close 1 12");
    await terminal.waitFor(/code/);
    await terminal.press("C-d");
    assertEquals(await terminal.end(), 0);
    first.kill("SIGKILL");
    second.kill("SIGKILL");
    assertEquals((await second.end).stdout, "everybody\nonly you\n");
    assertEquals((await first.end).stdout, "everybody\n");
  },
});

for (const stalls of [false, true]) {
  const how = stalls ? " and stalls" : "";
  Deno.test({
    name: `Ctrl-C ends a server whose clients flood its terminal${how}`,
    ignore: Deno.build.os === "windows",
    fn: async () => {
      const port = freePort();
      const { words } = cli("serve", `${port}`, "-v", "--color", "never");
      const server = runInPty(words, { pressAfter: 500_000, stalls });
      await using client = new WebSocketStreamClient(
        { url: `ws://127.0.0.1:${port}`, transport: "tcp", initialBackoff: 50 },
        { onMessage: () => {} },
      );
      const flood = assertRejects(async () => {
        await client.start();
        for (;;) await client.sendText("x".repeat(100));
      });
      const { code, isRestored, printedAfterKey } = await server;
      assertEquals(code, Deno.version.deno.startsWith("2.6.") ? 130 : -2);
      assert(isRestored);
      assertLess(printedAfterKey, 200_000);
      await client.stop({ drain: 0 });
      await flood;
    },
  });
}

/** Where it listens. */
async function urlOf(server: Running): Promise<string> {
  const pattern = /listening on (wss?:\/\/\S+):/;
  await server.stderr.waitFor(pattern);
  const [, url] = pattern.exec(server.stderr.text) ?? [];
  assert(url !== undefined);
  return url;
}
