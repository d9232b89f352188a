import { assert, assertEquals, assertMatch } from "@std/assert";
import { echo } from "../../../src/server/behaviours.ts";
import type { Peer } from "../../../src/server/peer.ts";
import { serve } from "../../../src/server/server.ts";
import { TempFile } from "../../support/temp_file.ts";
import { installed, testWith } from "../../support/foreign_server.ts";
import { cli } from "../session.ts";

const SHORTLY = ["--linger", "200ms"];

/** A server that notes what it hears, and echoes it. */
function noting() {
  const heard: (string | number[])[] = [];
  const server = serve({
    onPeer: (peer: Peer) => {
      peer.onmessage = (data) => {
        heard.push(typeof data === "string" ? data : [...data]);
        return peer.send(data);
      };
    },
  });
  return { server, heard };
}

/** A server that closes normally after one message. */
function closingAfterOne() {
  return serve({
    onPeer: async (peer) => {
      await peer.receive();
      await peer.close(1000);
    },
  });
}

Deno.test("the lines of PowerShell, with a byte order mark and carriage returns, are clean messages", async () => {
  const { server, heard } = noting();
  await using _ = server;
  await cli(server.url, ...SHORTLY).input("\ufeffone\r\ntwo\r\n").run();
  assertEquals(heard, ["one", "two"]);
});

Deno.test("what came before a bad line is sent, and the run ends with 2", async () => {
  const { server, heard } = noting();
  await using _ = server;
  const result = await cli(server.url, "--binary", "hex").input("0a\nzz\n0b\n")
    .run();
  assertEquals(heard, [[10]]);
  assertMatch(result.stderr, /line 2 of stdin must be hex: got "zz"/);
  assertEquals(result.code, 2);
  const flags = ["--binary", "base64", "-0"];
  const other = await cli(server.url, ...flags).input("CQ==\0??\0").run();
  assertMatch(other.stderr, /message 2 of stdin must be base64: got "\?\?"/);
});

Deno.test("a line that is too long for the queue is told with the limit, after those before it", async () => {
  const { server, heard } = noting();
  await using _ = server;
  const result = await cli(server.url)
    .input("short\n" + "x".repeat(17 * 1024 * 1024) + "\n").run();
  assertEquals(heard, ["short"]);
  assertMatch(
    result.stderr,
    /longer than 16 MiB, the most that the queue holds/,
  );
  assertEquals(result.code, 2);
});

Deno.test("--no-delimiter sends what comes, and cuts no character in two", async () => {
  const { server, heard } = noting();
  await using _ = server;
  const text = "ä€😀".repeat(50_000);
  const result = await cli(server.url, "--no-delimiter", ...SHORTLY)
    .input(text).run();
  assertEquals(heard.join(""), text);
  assertEquals(result.stdout, text);
  assertEquals(result.code, 0);
});

Deno.test("--one-message sends all of stdin as one message", async () => {
  const { server, heard } = noting();
  await using _ = server;
  await cli(server.url, "--one-message", ...SHORTLY).input('{\n "a": 1\n}\n')
    .run();
  assertEquals(heard, ['{\n "a": 1\n}\n']);
});

Deno.test("a server that closes before it has all of the input is told, even with -q: 4", async () => {
  await using server = closingAfterOne();
  const flags = ["-q", "--no-reconnect", "--send-rate", "1/m"];
  const result = await cli(server.url, ...flags).input("1\n2\n3\n").run();
  assertEquals(
    result.stderr,
    "ws-stream: the server closed the connection too early\n",
  );
  assertEquals(result.code, 4);
});

Deno.test("a connection that is lost in the time for answers is told", async (t) => {
  const ends: readonly (readonly [string, number, (peer: Peer) => unknown])[] =
    [
      ["dropped", 5, (peer) => peer.drop()],
      ["closed with 4001", 4, (peer) => peer.close(4001)],
      ["closed with 1000", 0, (peer) => peer.close(1000)],
    ];
  for (const backoff of ["1h", "1ms"]) {
    const then = backoff === "1h" ? "not back" : "back again";
    for (const [name, expected, end] of ends) {
      await t.step(`${name}, ${then}: ${expected}`, async () => {
        await using server = serve({
          onPeer: (peer) => {
            peer.onmessage = () => void end(peer);
          },
        });
        const flags = ["-q", "--initial-backoff", backoff, "--jitter", "0"];
        const { code, stderr } = await cli(
          server.url,
          ...flags,
          "--max-backoff=1h",
          ...SHORTLY,
        ).input("1\n").run();
        assertEquals(code, expected);
        assertEquals(stderr === "", expected === 0, stderr);
      });
    }
  }
});

Deno.test("a connection that is lost before the last line is sent is no failure", async () => {
  await using server = serve({
    onPeer: (peer) => {
      peer.onmessage = (data) => void (data === "1" ? peer.drop() : undefined);
    },
  });
  const session = cli(server.url, "-v", "--initial-backoff=1ms", ...SHORTLY)
    .typing().start();
  await session.type("1\n");
  await session.stderr.waitFor("connected again");
  await session.type("2\n");
  await session.close();
  assertEquals((await session.end).code, 0);
});

Deno.test("with --json a drop event counts the messages that a full queue drops", async () => {
  await using server = serve({ onPeer: () => {} });
  const flags = ["--json", "--send-rate", "1/1h", "--queue-max", "10"];
  const session = cli(server.url, ...flags, "--overflow", "drop-oldest")
    .typing().start();
  await session.stdout.waitFor('"type":"open"');
  await session.type(`${"x\n".repeat(31)}`);
  // While it runs: a program that reads it may act.
  await session.stdout.waitFor('"type":"drop"');
  await session.type(`${"x\n".repeat(5)}`);
  await session.stdout.waitFor(/"type":"drop".*"type":"drop"/s);
  session.kill("SIGTERM");
  const { stdout } = await session.end;
  const drops = stdout.trimEnd().split("\n").map((line) => JSON.parse(line))
    .filter(({ type }) => type === "drop");
  assertEquals(
    drops.map(({ url, reason, count }) => ({ url, reason, count })),
    [
      { url: `${server.url}/`, reason: "overflow", count: 20 },
      { url: `${server.url}/`, reason: "overflow", count: 5 },
    ],
  );
});

Deno.test("with --json, too, the messages that were not sent are on stderr", async () => {
  await using server = closingAfterOne();
  const flags = ["--json", "--no-reconnect", "--send-rate", "1/m"];
  const result = await cli(server.url, ...flags).input("1\n2\n3\n").run();
  assertMatch(result.stderr, /^ws-stream: 2 messages were not sent$/m);
  assert(!result.stdout.includes("not sent"));
});

/** More lines than the queue holds, and less than one read of a pipe. */
const MANY = Array.from({ length: 5_000 }, (_, i) => `${i}\n`).join("");

Deno.test("lines that were read and did not fit into the queue count as not sent", async (t) => {
  await t.step("when the time is up", async () => {
    const { server } = noting();
    await using _ = server;
    const flags = ["--send-rate", "1/m", "--timeout", "3s"];
    const { stderr, code } = await cli(server.url, ...flags).input(MANY).run();
    assertMatch(stderr, /^ws-stream: 4,999 messages were not sent$/m);
    assertEquals(code, 124);
  });

  await t.step("without a connection", async () => {
    const url = "ws://127.0.0.1:9";
    const { stderr, code } = await cli(url, "--no-reconnect").input(MANY).run();
    assertMatch(stderr, /^ws-stream: 5,000 messages were not sent$/m);
    assertEquals(code, 7);
  });

  await t.step("the beginning of a line, too", async () => {
    await using server = serve({ onPeer: echo });
    const session = cli(server.url).typing().start();
    await session.type("one\ntwo\nthr");
    await session.stdout.waitFor("two\n");
    session.kill("SIGTERM");
    const { stderr } = await session.end;
    assertMatch(stderr, /sent 2 messages \(6 B\), 1 message not sent$/m);
  });

  await t.step("the beginning of --one-message, for each URL", async () => {
    await using one = serve({ onPeer: (peer) => peer.send("hello") });
    await using two = serve({ onPeer: (peer) => peer.send("hello") });
    const flags = ["--merge", "--one-message", "--timeout", "3s"];
    const session = cli(one.url, two.url, ...flags).typing().start();
    await session.type("one\n");
    const { stderr } = await session.end;
    assertMatch(stderr, /^ws-stream: 2 messages were not sent$/m);
  });

  await t.step("not after the end of the input", async () => {
    await using server = serve({ onPeer: echo });
    const { stdout, stderr } = await cli(server.url, ...SHORTLY)
      .input("one\ntwo").run();
    assertEquals([stdout, stderr], ["one\ntwo\n", ""]);
  });

  await t.step("with a spool, which keeps those of the queue", async () => {
    using temp = new TempFile();
    const flags = ["--spool", temp.path, "--timeout", "1s"];
    const { stderr } = await cli("ws://127.0.0.1:9", ...flags)
      .allow("--allow-net", "--allow-read", "--allow-write").input(MANY).run();
    assertMatch(
      stderr,
      /5,000 messages were not sent: 1,000 messages stay in \/\S+, 4,000 messages were read and not kept$/m,
    );
  });
});

Deno.test("--send-rate bounds how fast the input is sent", async () => {
  const times: number[] = [];
  await using server = serve({
    onPeer: (peer) => {
      peer.onmessage = () => void times.push(performance.now());
    },
  });
  await cli(server.url, "--send-rate", "2/500ms", ...SHORTLY)
    .input("1\n2\n3\n4\n5\n").run();
  assertEquals(times.length, 5);
  const [first = 0] = times;
  // Two at once, two after half a second, one after a whole one.
  assertEquals((times[4] ?? 0) - first > 900, true);
});

Deno.test("with --overflow reject a message that does not fit is lost, and the rest is sent", async () => {
  await using server = serve({
    accept: async () => {
      await new Promise((resolve) => setTimeout(resolve, 300));
      return undefined;
    },
    onPeer: echo,
  });
  const flags = ["--overflow", "reject", "--queue-max", "3"];
  const result = await cli(server.url, ...flags, ...SHORTLY)
    .input("1\n2\n3\n4\n5\n").run();
  assertEquals(result.stdout, "1\n2\n3\n");
  assertMatch(result.stderr, /dropped \(overflow\)/);
  assertMatch(result.stderr, /^ws-stream: 2 messages were dropped$/m);
  assertEquals(result.code, 0);
});

Deno.test("steps run in the given order on each connection, before the input", async () => {
  const heard: string[][] = [];
  await using server = serve({
    onPeer: async (peer) => {
      const mine: string[] = [];
      heard.push(mine);
      await peer.send("hello");
      mine.push(String(await peer.receive()));
      await peer.send("login ok");
      mine.push(String(await peer.receive()));
      await peer.send("subscribed");
      if (heard.length > 1) return await peer.close(4000);
      mine.push(String(await peer.receive()));
      await peer.drop();
    },
  });
  const result = await cli(
    server.url,
    ...["--await", "^hello", "--on-open", "login", "--await", "ok$"],
    ...["--on-open", "subscribe", "--await", "subscribed"],
    ...["--initial-backoff", "1ms", "--fatal-close-codes", "4000"],
  ).input("one\ntwo\n").run();
  assertEquals(heard.map((mine) => mine.slice(0, 2)), [
    ["login", "subscribe"],
    ["login", "subscribe"],
  ]);
  assertEquals(heard[0]?.[2], "one");
  assertEquals(result.stdout, "hello\nlogin ok\nsubscribed\n".repeat(2));
  assertEquals(result.code, 4);
});

testWith(
  Deno.build.os === "windows"
    ? { missing: "no pipes with names" }
    : await installed("bash", "--version"),
  "a secret can come from a pipe, for every attempt",
  async () => {
    const seen: (string | null)[] = [];
    await using server = serve({
      accept: ({ headers }) => {
        seen.push(headers.get("authorization"));
        return seen.length < 2 ? { status: 503 } : undefined;
      },
      onPeer: (peer) => peer.close(1000),
    });
    const flags = ["--initial-backoff", "1ms", "--max-retries", "1"];
    const { words } = cli(server.url, ...flags).allow("-A");
    const line = 'token=$1; shift; "$@" --bearer-file <(echo "$token")';
    await cli().program("bash", "-c", line, "bash", "secret", ...words).run();
    // The diagnosis of a refusal may ask twice.
    assertEquals(new Set(seen), new Set(["Bearer secret"]));
  },
);

Deno.test("a secret can come from stdin", async () => {
  const seen: (string | null)[] = [];
  await using server = serve({
    accept: ({ headers }) => {
      seen.push(headers.get("authorization"));
      return undefined;
    },
    onPeer: (peer) => peer.send("welcome"),
  });
  const result = await cli(server.url, "--bearer-file", "-", "-n1")
    .input("secret\n").run();
  assertEquals(seen, ["Bearer secret"]);
  assertEquals(result.stdout, "welcome\n");
  assertEquals(result.code, 0);
});

Deno.test("a file that vanishes is named", async () => {
  using temp = new TempFile();
  Deno.writeTextFileSync(temp.path, "token");
  await using server = serve({
    onPeer: (peer) => {
      Deno.removeSync(temp.path);
      return peer.drop();
    },
  });
  const result = await cli(
    server.url,
    ...["--bearer-file", temp.path, "--initial-backoff", "1ms"],
    ...["--max-retries", "1"],
  ).allow("--allow-net", "--allow-read").run();
  assertMatch(
    result.stderr,
    new RegExp(`--bearer-file cannot be read from ${temp.path}: No such file`),
  );
});

Deno.test({
  name: "a stdin that cannot be read is named, and is 2",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using server = serve({ onPeer: echo });
    const { words } = cli(server.url);
    const { stderr, code } = await cli()
      .program("sh", "-c", '"$@" < /', "sh", ...words).run();
    assertMatch(stderr, /^ws-stream: stdin cannot be read: Is a directory/);
    assertEquals(code, 2);
  },
});
