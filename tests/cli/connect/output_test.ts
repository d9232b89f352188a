import { assert, assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { echo } from "../../../src/server/behaviours.ts";
import { serve } from "../../../src/server/server.ts";
import { TempFile } from "../../support/temp_file.ts";
import { TcpPeer } from "../../support/tcp_peer.ts";
import { cli } from "../session.ts";

const SHORTLY = ["--linger", "200ms"];
const FILES = ["--allow-net", "--allow-read", "--allow-write"];

Deno.test("--format prints exactly what the template says", async () => {
  await using server = serve({ onPeer: echo });
  const flags = ["--format", String.raw`%l\t%s\t%u %%\n`];
  const result = await cli(server.url, ...flags, ...SHORTLY)
    .input("ä\nbc\n").run();
  assertEquals(
    result.stdout,
    `2\tä\t${server.url}/ %\n2\tbc\t${server.url}/ %\n`,
  );
});

Deno.test("--timestamps puts the time of arrival before each message", async () => {
  await using server = serve({ onPeer: echo });
  const before = new Date().toISOString();
  const { stdout } = await cli(server.url, "--timestamps", ...SHORTLY)
    .input("one\n").run();
  const [time = "", text] = stdout.trimEnd().split(" ");
  assertEquals(text, "one");
  assert(before <= time && time <= new Date().toISOString());
});

Deno.test("--merge prints the messages of every URL, each with its URL", async () => {
  await using one = serve({ onPeer: (peer) => peer.send("from one") });
  await using two = serve({ onPeer: (peer) => peer.send("from two") });
  const result = await cli(one.url, two.url, "--merge", "-n", "2", "-v").run();
  assertEquals(
    result.stdout.trimEnd().split("\n").sort(),
    [`${one.url}/ from one`, `${two.url}/ from two`].sort(),
  );
  assertNotMatch(result.stderr, /reconnect/);
  assertEquals(result.code, 0);
});

Deno.test("--merge with --json tags every event", async () => {
  await using one = serve({ onPeer: (peer) => peer.close(4001) });
  await using two = serve({ onPeer: (peer) => peer.close(4002) });
  const flags = ["--merge", "--json", "--no-reconnect"];
  const { stdout, code } = await cli(one.url, two.url, ...flags).run();
  const closes = stdout.trimEnd().split("\n").map((line) => JSON.parse(line))
    .filter(({ type }) => type === "close");
  assertEquals(
    closes.map(({ url, code }) => `${url} ${code}`).sort(),
    [`${one.url}/ 4001`, `${two.url}/ 4002`].sort(),
  );
  assertEquals(code, 4);
});

Deno.test("--merge sends the input although one URL is dead, and is 7", async (t) => {
  await using server = serve({ onPeer: echo });
  const dead = "ws://127.0.0.1:4";
  const cases = { first: [dead, server.url], last: [server.url, dead] };
  for (const [name, urls] of Object.entries(cases)) {
    await t.step(`it is the ${name}`, async () => {
      const flags = ["--merge", "--no-reconnect", ...SHORTLY];
      const session = cli(...urls, ...flags).typing().start();
      await session.type("early\n");
      await session.stderr.waitFor("127.0.0.1:4: nobody listens");
      await session.type("late\n");
      await session.close();
      const { stdout, stderr, code } = await session.end;
      assertEquals(
        stdout,
        `${server.url}/ early\n${server.url}/ late\n`,
      );
      // Neither reached the dead one.
      assertMatch(stderr, /^ws-stream: 2 messages were not sent$/m);
      assertEquals(code, 7);
    });
  }
});

/** This many lines: more than the queue of a URL holds. */
function lines(count: number): string {
  return Array.from({ length: count }, (_, i) => `${i}\n`).join("");
}

Deno.test("--merge sends all the input to the other URLs while one cannot be reached", async () => {
  await using server = serve({ onPeer: echo });
  const dead = "ws://127.0.0.1:4";
  const flags = ["--merge", "-n", "1500"];
  const session = cli(dead, server.url, ...flags).input(lines(1500)).start();
  const { stdout, stderr, code } = await session.end;
  assertEquals(stdout, lines(1500).replaceAll(/^(?=.)/gm, `${server.url}/ `));
  assertMatch(stderr, /^ws-stream: messages to .*:4\/ are being dropped/m);
  assertMatch(stderr, /^ws-stream: 500 messages were dropped$/m);
  assertMatch(stderr, /^ws-stream: 1,000 messages were not sent$/m);
  assertEquals(code, 0);
});

Deno.test("--merge drops no input while a URL is being dialled for the first time", async () => {
  await using server = serve({ onPeer: echo });
  const opens = Promise.withResolvers<void>();
  const heard: unknown[] = [];
  await using slow = serve({
    accept: async () => {
      await opens.promise;
      return undefined;
    },
    onPeer: (peer) => {
      peer.onmessage = (data) => void heard.push(data);
    },
  });
  const session = cli(slow.url, server.url, "--merge", ...SHORTLY)
    .input(lines(1500)).start();
  await session.stdout.waitFor(" 999\n");
  opens.resolve();
  const { stderr, code } = await session.end;
  assertEquals(heard.length, 1500);
  assertEquals(stderr, "");
  assertEquals(code, 0);
});

for (const quiet of [[], ["-q"], ["--json"]]) {
  const name = ["--merge", ...quiet].join(" ");
  Deno.test(`${name} tells once on stderr why one URL cannot be reached`, async () => {
    await using server = serve({
      onPeer: async (peer) => {
        await peer.receive();
        await peer.close(1000);
      },
    });
    const dead = "ws://127.0.0.1:4";
    const flags = ["--merge", "--no-reconnect", ...quiet];
    const session = cli(dead, server.url, ...flags).typing().start();
    // Without -q it is told a little after it happened.
    if (quiet.length === 0) await session.stderr.waitFor("nobody listens");
    await session.type("bye\n");
    const { stderr, code } = await session.end;
    assertEquals(stderr.match(/127\.0\.0\.1:4: nobody listens/g)?.length, 1);
    assertEquals(code, 7);
  });
}

Deno.test("--merge keeps the input that the queue of an unreachable URL has accepted", async () => {
  await using server = serve({ onPeer: echo });
  const opens = Promise.withResolvers<void>();
  let isUp = true;
  await using failing = serve({
    accept: async () => {
      await opens.promise;
      return isUp ? undefined : { status: 503, headers: {}, body: "" };
    },
    onPeer: async (peer) => {
      await peer.receive();
      isUp = false;
      await peer.drop();
    },
  });
  const flags = ["--queue-max", "1", "--send-rate", "1/1h"];
  const session = cli(failing.url, server.url, "--merge", ...flags)
    .typing().start();
  await session.type("one\ntwo\n");
  await session.stdout.waitFor("one\n");
  // By now the second one waits for room in the queue.
  opens.resolve();
  await session.stderr.waitFor("503");
  session.kill("SIGTERM");
  const { stderr } = await session.end;
  assertNotMatch(stderr, /being dropped|messages? dropped/);
  assertMatch(stderr, /2 messages not sent/);
});

Deno.test("--decompress shows what exchanges send compressed", async (t) => {
  const text = JSON.stringify({ price: 1.5, name: "ä" });
  const cases = {
    gzip: gzipSync(text),
    deflate: deflateSync(text),
    "deflate without a header": deflateRawSync(text),
  };
  for (const [name, bytes] of Object.entries(cases)) {
    await t.step(name, async () => {
      await using server = serve({
        onPeer: async (peer) => {
          await peer.send(new Uint8Array(bytes));
          await peer.send("plain");
        },
      });
      const [form = ""] = name.split(" ");
      const flags = ["--decompress", form, "-n", "2"];
      const { stdout } = await cli(server.url, ...flags).run();
      assertEquals(stdout, `${text}\nplain\n`);
    });
  }
});

Deno.test("--decompress tells of a message that it cannot decompress", async () => {
  await using server = serve({
    onPeer: async (peer) => {
      await peer.send(new Uint8Array([1, 2, 3]));
      await peer.send("plain");
    },
  });
  const flags = ["--decompress", "gzip", "--for", "1s"];
  const { stdout, stderr } = await cli(server.url, ...flags).run();
  assertEquals(stdout, "plain\n");
  assertMatch(stderr, /^ws-stream: --decompress failed for a message: /m);
  assertMatch(stderr, /^ws-stream: missed 1 message$/m);
  assertNotMatch(stderr, /connected again|decode/);
  const events = await cli(server.url, "--json", ...flags).run();
  assertMatch(events.stdout, /"error".*"--decompress failed for a message: /);
  assertNotMatch(events.stdout, /decode/);
});

Deno.test("-o is told before the start if it cannot be written", async (t) => {
  using temp = new TempFile();
  Deno.mkdirSync(`${temp.folder}/dir`);
  const nowhere = "ws://127.0.0.1:9";
  const cases: readonly (readonly [string, RegExp])[] = [
    [`${temp.folder}/dir`, /--output is a folder/],
    ["/dev/null/file", /--output \/dev\/null\/file cannot be written/],
  ];
  for (const [path, pattern] of cases) {
    await t.step(path.replace(temp.folder, ""), async () => {
      const result = await cli(nowhere, "-o", path).allow(...FILES).run();
      assertMatch(result.stderr, pattern);
      assertEquals(result.code, 2);
    });
  }
});

Deno.test({
  name: "-o writes to what is there and no file",
  ignore: Deno.build.os === "windows",
  fn: async (t) => {
    using temp = new TempFile();
    await using server = serve({ onPeer: echo });

    await t.step("/dev/null", async () => {
      const result = await cli(server.url, "-o", "/dev/null", ...SHORTLY)
        .allow("--allow-net", "--allow-write=/dev/null").input("x\n").run();
      assertEquals([result.stderr, result.code], ["", 0]);
    });

    await t.step("- is stdout", async () => {
      const result = await cli(server.url, "-o", "-", ...SHORTLY)
        .input("x\n").run();
      assertEquals([result.stdout, result.code], ["x\n", 0]);
    });

    await t.step("a FIFO", async () => {
      const fifo = `${temp.folder}/fifo`;
      const { words } = cli(server.url, "-o", fifo, ...SHORTLY).allow(...FILES);
      const line = 'fifo=$1; shift; mkfifo "$fifo"; cat "$fifo" & ' +
        'echo hello | "$@"; code=$?; wait; exit $code';
      const result = await cli()
        .program("sh", "-c", line, "sh", fifo, ...words).run();
      assertEquals([result.stdout, result.code], ["hello\n", 0]);
    });
  },
});

Deno.test("-o leaves no file where no message came", async () => {
  using temp = new TempFile();
  await using server = serve({ onPeer: (peer) => peer.close(1000) });
  const path = `${temp.folder}/feed.txt`;
  const { code } = await cli(server.url, "-o", path, "--no-reconnect")
    .allow(...FILES).run();
  assertEquals([code, temp.names()], [0, []]);
});

Deno.test({
  name: "a full disk leaves no file with its final name, and is 1",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    using temp = new TempFile();
    await using server = serve({
      onPeer: async (peer) => {
        for (let i = 0; i < 100; i++) await peer.send("x".repeat(10_000));
      },
    });
    const { words } = cli(server.url, "-o", `${temp.folder}/feed.txt`)
      .allow(...FILES);
    // A limit on the size of files is a disk that is full.
    const line = 'trap "" XFSZ; ulimit -f 100; exec "$@"';
    const result = await cli().program("sh", "-c", line, "sh", ...words)
      .run();
    assertMatch(
      result.stderr,
      /--output \S+\/feed\.txt cannot be written: File too large/,
    );
    assertEquals(result.code, 1);
    assertEquals(temp.names(), ["feed.txt.part"]);
  },
});

Deno.test({
  name: "a full disk behind stdout or a device is told, and is 1",
  ignore: Deno.build.os !== "linux",
  fn: async (t) => {
    // More than the main thread writes by itself.
    const long = "x".repeat(10_000);
    const cases = {
      "stdout, a short message": { data: "x", flags: [], what: "stdout" },
      "stdout, a long message": { data: long, flags: [], what: "stdout" },
      "-o": {
        data: "x",
        flags: ["-o", "/dev/full"],
        what: "--output /dev/full",
      },
    };
    for (const [name, { data, flags, what }] of Object.entries(cases)) {
      await t.step(name, async () => {
        await using server = serve({
          onPeer: async (peer) => {
            await peer.send(data);
            peer.close(1000);
          },
        });
        const { words } = cli(server.url, "--no-reconnect", ...flags)
          .allow("-A");
        const result = await cli()
          .program("sh", "-c", '"$@" > /dev/full', "sh", ...words).run();
        assertEquals(
          result.stderr,
          `ws-stream: ${what} cannot be written: ` +
            "No space left on device (os error 28)\n",
        );
        assertEquals(result.code, 1);
      });
    }
  },
});

Deno.test("-v shows what a refusal says", async () => {
  await using server = serve({
    accept: () => ({ status: 403, body: "no access for you" }),
    onPeer: () => {},
  });
  const flags = ["--transport", "tcp"];
  const result = await cli(server.url, "-v", ...flags).run();
  assertMatch(result.stderr, /the server says: no access for you/);
  assertEquals(result.code, 3);
});

Deno.test("-vv shows the handshake and each message, but no secret", async () => {
  await using server = serve({ onPeer: echo });
  const flags = ["-vv", "--transport", "tcp", "-H", "X-Api-Key: secret"];
  const { stderr } = await cli(server.url, ...flags, ...SHORTLY)
    .input("hello\n").run();
  assertMatch(stderr, /> X-Api-Key: \*\*\*/);
  assertMatch(stderr, /< HTTP 101/);
  assertMatch(stderr, /< upgrade: websocket/);
  assertMatch(stderr, /> text, 5 characters: hello/);
  assertMatch(stderr, /< text, 5 characters: hello/);
  assert(!stderr.includes("secret"));
});

Deno.test("-vv shows which credentials a server asks for", async () => {
  await using peer = new TcpPeer(async ({ readRequest, write }) => {
    await readRequest();
    await write(
      "HTTP/1.1 401 Unauthorized\r\nset-cookie: session=1\r\n" +
        'www-authenticate: Bearer error="invalid_token"\r\n\r\n',
    );
  });
  const { stderr } = await cli(peer.url, "-vv", "--transport", "tcp").run();
  assertMatch(stderr, /< www-authenticate: Bearer error="invalid_token"/);
  assertMatch(stderr, /< set-cookie: \*\*\*/);
});

Deno.test("-vv over native shows what is known of the handshake, and where more is", async () => {
  using file = new TempFile();
  await Deno.writeTextFile(file.path, "hidden-token");
  await using server = serve({ onPeer: echo, subprotocols: ["v2.feed"] });
  const token = "bearer.hidden-token";
  const offers = ["v2.feed", token].flatMap((name) => ["--subprotocol", name]);
  const flags = ["-vv", "-H", "X-Feed: fast", "--bearer-file", file.path];
  const { stderr } = await cli(server.url, ...flags, ...offers, ...SHORTLY)
    .allow("--allow-net", "--allow-read").input("hello\n").run();
  assertMatch(stderr, /> GET ws:\/\/127/);
  assertMatch(stderr, /> X-Feed: fast/);
  assertMatch(stderr, /> authorization: \*\*\*/);
  assertMatch(stderr, /> sec-websocket-protocol: v2\.feed, \*\*\*/);
  assertMatch(stderr, /< HTTP 101.*--transport tcp/);
  assertMatch(stderr, /< sec-websocket-protocol: v2\.feed/);
  assert(!stderr.includes("hidden-token"));
});

Deno.test("-vv shows the request of every command that makes one", async () => {
  using file = new TempFile();
  await Deno.writeTextFile(
    file.path,
    '{"v":1,"type":"message","ts":1,"data":"x"}',
  );
  await using server = serve({ onPeer: echo });
  const commands = [
    ["record", server.url, "-n", "1", "--on-open", "hello"],
    ["replay", file.path, server.url],
    ["ping", server.url, "-n", "1", "--interval", "20ms"],
  ];
  for (const words of commands) {
    const { stderr } = await cli(...words, "-vv", "-H", "X-Feed: fast")
      .allow("--allow-net", "--allow-read").run();
    assertMatch(stderr, /> GET ws:\/\/127.*\n.*> X-Feed: fast/, words[0]);
    assertMatch(stderr, /< HTTP 101/, words[0]);
  }
});

Deno.test("a proxy of the environment is named when it is in the way", async () => {
  await using server = serve({ onPeer: echo });
  const dead = { HTTP_PROXY: "http://me:secret@127.0.0.1:4" };
  using file = new TempFile();
  await Deno.writeTextFile(file.path, "");
  const told = async (env: Record<string, string>, ...words: string[]) =>
    (await cli(...words).allow("--allow-net", "--allow-read", "--allow-env")
      .env(env).run()).stderr;
  const commands = [
    ["connect", server.url, "--no-reconnect"],
    ["record", server.url, "--no-reconnect"],
    ["replay", file.path, server.url, "--no-reconnect"],
    ["ping", server.url, "--transport", "native"],
    ["probe", server.url],
  ];
  for (const words of commands) {
    const stderr = await told(dead, ...words);
    assertMatch(stderr, /the proxy that HTTP_PROXY names \(127\.0\.0\.1:4\)/);
    assert(!stderr.includes("secret"));
  }
  assertEquals(await told(dead, "ping", server.url, "-n1"), "");
  const all = { ...dead, NO_PROXY: "*" };
  assertMatch(
    await told(all, "connect", server.url, "--no-reconnect"),
    /HTTP_/,
  );
});

Deno.test("a proxy of the environment is not named without --allow-env", async () => {
  const { stderr } = await cli("ws://127.0.0.1:4", "--no-reconnect")
    .allow("--allow-net").env({ HTTP_PROXY: "http://127.0.0.1:4" }).run();
  assert(!stderr.includes("HTTP_PROXY"));
});

Deno.test("every failed attempt is told, with several URLs too", async () => {
  await using server = serve({ onPeer: (peer) => peer.send("here") });
  const urls = ["ws://127.0.0.1:4", "ws://127.0.0.1:5", server.url];
  const result = await cli(...urls, "-n1").run();
  assertMatch(result.stderr, /127\.0\.0\.1:4: nobody listens/);
  assertMatch(result.stderr, /127\.0\.0\.1:5: nobody listens/);
  assertEquals(result.stdout, "here\n");
});
