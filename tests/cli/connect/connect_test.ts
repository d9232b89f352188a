import { assert, assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { echo } from "../../../src/server/behaviours.ts";
import type { Peer } from "../../../src/server/peer.ts";
import { serve } from "../../../src/server/server.ts";
import { TcpPeer } from "../../support/tcp_peer.ts";
import { TempFile } from "../../support/temp_file.ts";
import { httpProxy } from "../probe/proxies.ts";
import { cli } from "../session.ts";

/** Keeps tests short where nothing is waited for. */
const SHORTLY = ["--linger", "100ms"];

Deno.test("lines of stdin may come before the connection is open, and their answers printed before the end", async () => {
  await using server = serve({
    accept: async () => {
      await new Promise((resolve) => setTimeout(resolve, 300));
      return undefined;
    },
    onPeer: echo,
  });
  const result = await cli(server.url, ...SHORTLY).input("one\ntwö\n\nfour")
    .run();
  assertEquals(result.stdout, "one\ntwö\n\nfour\n");
  assertEquals(result.stderr, "");
  assertEquals(result.code, 0);
});

Deno.test("an answer within the linger time is printed, and renews it", async () => {
  await using server = serve({
    onPeer: async (peer) => {
      const count = Number(await peer.receive());
      for (let i = 1; i <= count; i++) {
        await new Promise((resolve) => setTimeout(resolve, 150));
        await peer.send(`answer ${i}`);
      }
    },
  });
  const result = await cli(server.url, "--linger", "1s").input("8").run();
  const answers = Array.from({ length: 8 }, (_, i) => `answer ${i + 1}\n`);
  assertEquals(result.stdout, answers.join(""));
  assertEquals(result.code, 0);
});

Deno.test("stdin that ends without one byte means receive only", async () => {
  await using server = serve({
    onPeer: async (peer) => {
      for (let i = 0; i < 3; i++) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        await peer.send(`tick ${i}`);
      }
    },
  });
  const result = await cli(server.url, "--linger", "10ms", "-n", "3").run();
  assertEquals(result.stdout, "tick 0\ntick 1\ntick 2\n");
  assertEquals(result.code, 0);
});

Deno.test("the exit code tells how it ended", async (t) => {
  const once = ["--no-reconnect"];

  await t.step("401 is 3, with the status on stderr", async () => {
    await using server = serve({
      accept: () => ({ status: 401 }),
      onPeer: () => {},
    });
    const result = await cli(server.url).run();
    assertMatch(result.stderr, /401/);
    assertEquals(result.code, 3);
  });

  await t.step("a close with 4001 is 4, with code and reason", async () => {
    await using server = serve({ onPeer: (peer) => peer.close(4001, "bye") });
    const result = await cli(server.url, ...once).run();
    assertMatch(result.stderr, /4001.*bye/);
    assertEquals(result.code, 4);
  });

  await t.step("a fatal close code is 4 without --no-reconnect", async () => {
    await using server = serve({ onPeer: (peer) => peer.close(4100) });
    const codes = ["--fatal-close-codes", "4001,4100-4199"];
    assertEquals((await cli(server.url, ...codes).run()).code, 4);
  });

  await t.step("a drop without a close frame is 5", async () => {
    await using server = serve({ onPeer: (peer) => peer.drop() });
    assertEquals((await cli(server.url, ...once).run()).code, 5);
  });

  await t.step("a close with 1000 is 0", async () => {
    await using server = serve({ onPeer: (peer) => peer.close(1000) });
    assertEquals((await cli(server.url, ...once).run()).code, 0);
  });

  await t.step("nobody there is 7, also after retries", async () => {
    const few = ["--max-retries", "2", "--initial-backoff", "10ms"];
    const result = await cli("ws://127.0.0.1:9", ...few).input("x").run();
    const [first, second, last] = result.stderr.split("\n");
    assertMatch(first ?? "", /retry 1 follows/);
    assertMatch(second ?? "", /retry 2 follows/);
    // The first one and two retries.
    assertMatch(last ?? "", /3 attempts in a row failed/);
    // The client's own last words name the cause, once.
    assertEquals(last?.match(/nobody listens/g)?.length, 1);
    assertMatch(result.stderr, /1 message was not sent/);
    assertEquals(result.code, 7);
  });

  await t.step("a name that does not resolve is 6", async () => {
    const result = await cli("ws://no.such.host.invalid", ...once)
      .allow("--allow-net").run();
    assertEquals(result.code, 6);
  });

  await t.step("--timeout is 124", async () => {
    await using server = serve({ onPeer: echo });
    const result = await cli(server.url, "--timeout", "300ms").run();
    assertMatch(result.stderr, /--timeout/);
    assertEquals(result.code, 124);
  });
});

Deno.test("--on-open messages are sent again after each reconnect, before waiting messages", async () => {
  const heard: string[][] = [];
  const second = Promise.withResolvers<void>();
  await using server = serve({
    onPeer: async (peer) => {
      const mine: string[] = [];
      heard.push(mine);
      mine.push(String(await peer.receive()), String(await peer.receive()));
      await peer.send("welcome");
      mine.push(String(await peer.receive()));
      if (heard.length === 1) await peer.drop();
      else second.resolve();
    },
  });
  const session = cli(
    server.url,
    ...["--on-open", "auth", "--on-open", "@@sub", "--await", "^welcome$"],
    ...["--initial-backoff", "10ms", "-v"],
  ).typing().start();
  await session.type("first\n");
  await session.stderr.waitFor("connected again");
  await session.type("second\n");
  await second.promise;
  session.kill("SIGTERM");
  const { stdout } = await session.end;
  const [one = [], two = []] = heard;
  assertEquals(one, ["auth", "@sub", "first"]);
  assertEquals(two.slice(0, 2), ["auth", "@sub"]);
  assertEquals(stdout, "welcome\nwelcome\n");
});

Deno.test("messages of several lines, delimiters", async (t) => {
  await using server = serve({ onPeer: echo });

  await t.step("-0 ends messages with a NUL byte, in and out", async () => {
    const input = "a\nb\0c\0";
    const result = await cli(server.url, "-0", ...SHORTLY).input(input).run();
    assertEquals(result.stdout, input);
  });

  await t.step("--delimiter takes a text with escapes", async () => {
    const input = "a\nb--\r\nc--\r\n";
    const result = await cli(server.url, "--delimiter=--\\r\\n", ...SHORTLY)
      .input(input).run();
    assertEquals(result.stderr, "");
    assertEquals(result.stdout, input);
  });
});

Deno.test("binary goes in and out without damage", async (t) => {
  const kinds: string[] = [];
  await using server = serve({
    onPeer: (peer: Peer) => {
      peer.onmessage = (data) => {
        kinds.push(typeof data);
        return peer.send(data);
      };
    },
  });
  // Each byte there is, also where the pieces of a pipe end.
  const bytes = Uint8Array.from({ length: 200_000 }, (_, i) => i * 7 + i / 256);

  await t.step("raw: every byte, and no other", async () => {
    const result = await cli(server.url, "--binary", "raw", ...SHORTLY)
      .input(bytes).run();
    assertEquals(result.bytes, bytes);
    assert(kinds.every((kind) => kind === "object"));
  });

  await t.step("base64: a message a line", async () => {
    const input = `${bytes.toBase64()}\nAAE=\n`;
    const result = await cli(server.url, "--binary", "base64", ...SHORTLY)
      .input(input).run();
    assertEquals(result.stdout, input);
  });

  await t.step("hex: a message a line", async () => {
    const result = await cli(server.url, "--binary", "hex", ...SHORTLY)
      .input("00ff10\n\n0A0b\n").run();
    assertEquals(result.stdout, "00ff10\n\n0a0b\n");
  });

  await t.step("what is not of the form is told, and is 2", async () => {
    const result = await cli(server.url, "--binary", "hex").input("xyz\n")
      .run();
    assertMatch(result.stderr, /must be hex: got "xyz"/);
    assertEquals(result.code, 2);
  });

  await t.step("text that is no UTF-8 is told, and is 2", async () => {
    const result = await cli(server.url).input(Uint8Array.of(0xff, 10)).run();
    assertMatch(result.stderr, /UTF-8/);
    assertEquals(result.code, 2);
  });
});

Deno.test("flags with a value do not eat the URL, and the URL may come last or first", async () => {
  const seen: (string | null)[] = [];
  await using server = serve({
    accept: ({ headers }) => {
      seen.push(headers.get("x-a"), headers.get("x-b"));
      return undefined;
    },
    onPeer: (peer) => peer.close(),
  });
  const flags = ["-H", "X-A: 1", "-HX-B: 2", "--no-reconnect"];
  await cli(...flags, server.url).run();
  await cli(server.url, ...flags).run();
  assertEquals(seen, ["1", "2", "1", "2"]);
});

Deno.test("secrets come from files, anew for each attempt", async () => {
  const folder = await Deno.makeTempDir();
  const token = `${folder}/token`;
  const seen: (string | null)[] = [];
  await Deno.writeTextFile(token, "one\n");
  await using server = serve({
    accept: ({ headers }) => {
      seen.push(headers.get("authorization"));
      return undefined;
    },
    onPeer: async (peer) => {
      await Deno.writeTextFile(token, "two\n");
      await peer.drop();
    },
  });
  const result = await cli(
    server.url,
    ...["--bearer-file", token, "--initial-backoff", "1ms"],
    ...["--max-retries", "1"],
  ).allow("--allow-net=127.0.0.1", `--allow-read=${token}`).run();
  assertEquals(seen.slice(0, 2), ["Bearer one", "Bearer two"]);
  assertEquals(result.code, 5);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("--json prints one object for each event", async () => {
  let connections = 0;
  await using server = serve({
    subprotocols: ["v1"],
    onPeer: async (peer) => {
      if (connections++ > 0) {
        await peer.send(Uint8Array.of(1, 2));
        return await peer.close(4001, "done");
      }
      await peer.send("text\x1b");
      await peer.drop();
    },
  });
  const result = await cli(
    server.url,
    ...["--json", "--subprotocol", "v1", "--initial-backoff", "1ms"],
    ...["--fatal-close-codes", "4001"],
  ).run();
  const events = result.stdout.trimEnd().split("\n").map((line) =>
    JSON.parse(line)
  );
  assertEquals(events.map(({ type }) => type), [
    ...["open", "message", "error", "close", "retry"],
    ...["gap", "open", "message", "error", "close", "gap"],
  ]);
  for (const { v, ts } of events) {
    assertEquals(v, 1);
    assert(Math.abs(ts - Date.now()) < 60_000);
  }
  const [open, message, error, close, retry, gap] = events;
  assertEquals(open.url, `${server.url}/`);
  assertEquals(open.protocol, "v1");
  assertEquals(open.attempt, 0);
  assertEquals(message.data, "text\x1b");
  assertEquals("encoding" in message, false);
  assertEquals([error.code, error.severity], ["CLOSED", "transient"]);
  assertEquals([close.code, close.wasClean], [1006, false]);
  assertEquals(retry.attempt, 1);
  assertEquals(gap.attempts, 1);
  assertEquals(gap.cause.code, "CLOSED");
  assert(gap.to >= gap.from);
  assertEquals(events[7].data, "AQI=");
  assertEquals(events[7].encoding, "base64");
  assertEquals([events[9].code, events[9].reason], [4001, "done"]);
  assertEquals(result.stderr.includes("4001"), true);
  assertEquals(result.code, 4);
});

Deno.test("an outage that is still there at the end is a gap too", async () => {
  await using server = serve({ onPeer: (peer) => peer.drop() });
  const result = await cli(server.url, "--json", "--no-reconnect").run();
  const types = result.stdout.trimEnd().split("\n")
    .map((line) => JSON.parse(line).type);
  assertEquals(types, ["open", "error", "close", "gap"]);
  assertEquals(result.code, 5);
});

Deno.test("--fail-on-gap ends with 9 before anything after the gap is printed", async () => {
  let connections = 0;
  await using server = serve({
    onPeer: async (peer) => {
      await peer.send(`connection ${++connections}`);
      if (connections === 1) await peer.drop();
    },
  });
  const result = await cli(
    server.url,
    ...["--fail-on-gap", "--initial-backoff", "1ms"],
  ).run();
  assertEquals(result.stdout, "connection 1\n");
  assertMatch(result.stderr, /--fail-on-gap/);
  assertEquals(result.code, 9);
});

Deno.test("several URLs are for failover", async () => {
  await using server = serve({ onPeer: (peer) => peer.send("here") });
  const result = await cli("ws://127.0.0.1:9", server.url, "-n1").run();
  assertEquals(result.stdout, "here\n");
  assertEquals(result.code, 0);
});

Deno.test("-n ends with 0 after so many messages, and prints no more", async () => {
  await using server = serve({
    onPeer: (peer) => peer.sendMany(["1", "2", "3", "4", "5"]),
  });
  const result = await cli(server.url, "--count", "3").run();
  assertEquals(result.stdout, "1\n2\n3\n");
  assertEquals(result.code, 0);
});

Deno.test("--output writes files that are complete, and rotates between messages", async () => {
  using temp = new TempFile();
  const messages = Array.from(
    { length: 40 },
    (_, i) => `${i} `.padEnd(99, "x"),
  );
  await using server = serve({
    onPeer: async (peer) => {
      for (const message of messages) {
        await peer.send(message);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    },
  });
  const result = await cli(
    server.url,
    ...["-o", `${temp.folder}/{host}-{n}.txt`, "--rotate-size", "1000B"],
    ...["-n", "40", "-v"],
  ).allow(
    "--allow-net",
    `--allow-read=${temp.folder}`,
    `--allow-write=${temp.folder}`,
  ).run();
  assertEquals(result.stdout, "");
  assertMatch(result.stderr, /complete: .*127\.0\.0\.1-0001\.txt/);
  const names = temp.names();
  assert(names.length >= 4, names.join());
  const texts = names.map((name) =>
    Deno.readTextFileSync(`${temp.folder}/${name}`)
  );
  assert(texts.every((text) => text.length <= 1000 && text.endsWith("\n")));
  assertEquals(texts.join(""), messages.join("\n") + "\n");
  assertEquals(result.code, 0);
});

Deno.test("--stats prints a line so often", async () => {
  await using server = serve({ onPeer: (peer) => peer.send("one") });
  const session = cli(server.url, "--stats", "50ms").start();
  const line = "ws-stream: open: received 1 message \\(3 B\\), sent 0";
  await session.stderr.waitFor(new RegExp(`(^${line}[^]*){2}`, "m"));
  session.kill("SIGINT");
  await session.end;
});

Deno.test("--spool keeps what could not be sent, for the next run", async () => {
  // A busy machine may not read the input and open the spool within a second.
  for (const timeout of ["1s", "5s", "25s"]) {
    if (await isKept(timeout)) return;
  }
  throw new Error("it was never kept");
});

/** Whether there was time to keep it. */
async function isKept(timeout: string): Promise<boolean> {
  using temp = new TempFile();
  const allow = [
    "--allow-net",
    `--allow-read=${temp.folder}`,
    `--allow-write=${temp.folder}`,
  ];
  const flags = ["--spool", temp.path, "--initial-backoff", "10ms"];
  const first = await cli("ws://127.0.0.1:9", ...flags, "--timeout", timeout)
    .allow(...allow).input("one\ntwo\n").run();
  assertEquals(first.code, 124);
  if (!/2 messages were not sent, and stay in \/\S+$/m.test(first.stderr)) {
    return false;
  }
  const heard: unknown[] = [];
  await using server = serve({
    onPeer: (peer) => {
      peer.onmessage = (data) => void heard.push(data);
    },
  });
  const second = await cli(server.url, ...flags, "--linger", "200ms")
    .allow(...allow).input("three\n").run();
  assertEquals(second.code, 0);
  assertEquals(heard, ["one", "two", "three"]);
  return true;
}

Deno.test("a spool that cannot be opened ends with 2 before anything starts", async () => {
  using temp = new TempFile();
  Deno.writeTextFileSync(temp.path, "no spool, and somebody's own");
  let dials = 0;
  await using server = serve({ onPeer: () => void dials++ });
  const result = await cli(server.url, "--spool", temp.path)
    .allow("--allow-net", "--allow-read", "--allow-write").input("one\n").run();
  assertMatch(result.stderr, /spool/);
  assertNotMatch(result.stderr, /stay/);
  assertEquals([result.code, dials], [2, 0]);
});

Deno.test("an error right before the end is told", async () => {
  await using server = serve({
    onPeer: (peer) => peer.sendMany([Uint8Array.of(1), "fine"]),
  });
  const flags = ["--decompress", "gzip", "-n", "1"];
  const { stdout, stderr, code } = await cli(server.url, ...flags).run();
  assertMatch(stderr, /^.*--decompress failed .*\n.* missed 1 message\n$/);
  assertEquals([stdout, code], ["fine\n", 0]);
});

Deno.test("ws:// through an HTTP proxy goes by a tunnel", async () => {
  await using server = serve({ onPeer: (peer) => peer.send("here") });
  await using proxy = new TcpPeer(httpProxy());
  const flags = ["--proxy", `http://127.0.0.1:${proxy.port}`, "-n", "1"];
  const { stdout, code } = await cli(server.url, ...flags).run();
  assertEquals([stdout, code], ["here\n", 0]);
});

Deno.test("an HTTP proxy that wants credentials is told as that", async () => {
  await using proxy = new TcpPeer(httpProxy("me:secret"));
  for (const scheme of ["ws", "wss"]) {
    const { stderr, code } = await cli(
      ...[`${scheme}://127.0.0.1:1`, "--no-reconnect"],
      ...["--proxy", `http://127.0.0.1:${proxy.port}`],
    ).run();
    assertMatch(stderr, /the proxy wants a user name and a password .*407/);
    assertEquals(code, 3);
  }
});

Deno.test("a proxy whose name does not resolve cannot be reached", async () => {
  for (const scheme of ["http", "socks5"]) {
    const proxy = ["--proxy", `${scheme}://proxy.invalid:1`];
    const run = (...args: string[]) =>
      cli(...args, "ws://127.0.0.1:1", ...proxy)
        .allow("--allow-net=127.0.0.1,proxy.invalid").run();
    for (const transport of ["native", "tcp"]) {
      const { stderr, code } = await run(
        ...["connect", "--no-reconnect", "--transport", transport],
      );
      assertMatch(stderr, /the proxy cannot be reached \(proxy\.invalid:1: /);
      assertEquals(code, 7);
    }
    const { stdout, code } = await run("probe");
    assertMatch(stdout, /The name proxy\.invalid does not resolve/);
    assertEquals(code, 7);
  }
});

Deno.test("a proxy that cannot be reached is named", async () => {
  for (const transport of ["native", "tcp"]) {
    const flags = ["--proxy", "http://127.0.0.1:9", "--transport", transport];
    const { stderr, code } = await cli(
      ...["ws://127.0.0.1:1", "--no-reconnect", ...flags],
    ).run();
    assertMatch(stderr, /the proxy cannot be reached \(127\.0\.0\.1:9: /);
    assertEquals(code, 7);
  }
});

Deno.test("the permission sets of deno.json are enough for what they name", async () => {
  await using server = serve({ onPeer: (peer) => peer.send("here") });
  const root = new URL("../../../", import.meta.url).pathname;
  const result = await cli(
    "run",
    "-q",
    "-P=connect",
    "cli.ts",
    server.url,
    "-n1",
  )
    .program(Deno.execPath()).in(root).run();
  assertEquals(result.stdout, "here\n");
  assertEquals(result.code, 0);
});
