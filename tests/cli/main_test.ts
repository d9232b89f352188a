import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { runCommand } from "../../src/cli/main.ts";
import { COMMAND_NAMES } from "../../src/cli/args/flag.ts";
import { UsageError } from "../../src/cli/args/values.ts";
import { installed, testWith } from "../support/foreign_server.ts";
import { loads } from "../support/loads.ts";
import { cli, PROGRAM } from "./session.ts";

Deno.test("help and version go to stdout and need no permission", async (t) => {
  await t.step("-h fits one screen", async () => {
    const { stdout, stderr, code } = await cli("-h").allow().run();
    const lines = stdout.trimEnd().split("\n");
    assert(lines.length <= 24, `${lines.length} lines`);
    assert(lines.every((line) => line.length <= 80));
    for (const name of COMMAND_NAMES) assertMatch(stdout, new RegExp(name));
    assertEquals(stderr, "");
    assertEquals(code, 0);
  });

  await t.step("--help has it all, with exit codes and examples", async () => {
    const { stdout, code } = await cli("--help").allow().run();
    for (const part of ["Exit codes", "Examples", "--insecure", "130"]) {
      assert(stdout.includes(part), part);
    }
    assert(stdout.split("\n").every((line) => line.length <= 80));
    assertEquals(code, 0);
  });

  await t.step("a command has its own", async () => {
    const { stdout } = await cli("serve", "--help").allow().run();
    assert(stdout.includes("--chaos"));
    assert(!stdout.includes("--linger"));
  });

  await t.step("help, with a command or without one", async () => {
    const help = async (...args: string[]) =>
      (await cli(...args).allow().run()).stdout;
    assertEquals(await help("help", "serve"), await help("serve", "--help"));
    assertEquals(await help("help"), await help("--help"));
    const { code, stderr } = await cli("help", "nonsense").allow().run();
    assertMatch(stderr, /help takes one of connect, serve/);
    assertEquals(code, 2);
  });

  await t.step("the version, in three ways", async () => {
    for (const word of ["-V", "--version", "version"]) {
      const { stdout } = await cli(word).allow().run();
      assertEquals(stdout, `ws-stream ${config.version}\n`);
    }
  });
});

Deno.test({
  name: "a help that cannot be written is one line, and 1",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const { words } = cli("--help");
    const { code, stderr } = await cli()
      .program("sh", "-c", '"$@" > /dev/full', "sh", ...words).run();
    assertMatch(stderr, /^ws-stream: stdout cannot be written: [^\n]+\n$/);
    assertEquals(code, 1);
  },
});

Deno.test("the version loads nothing, the help no client and no server", async () => {
  assertEquals(await loads("src/cli/main.ts"), [
    "src/cli/main.ts",
    "deno.json",
    "src/cli/stdio.ts",
  ]);
  const help = await loads("src/cli/help.ts");
  assert(help.includes("src/cli/args/flags.ts"));
  for (const path of help) {
    assert(!/^mod\.ts|^src\/(?!cli)/.test(path), path);
  }
});

Deno.test("what is wrong is named before anything starts", async () => {
  const cases: readonly (readonly [string[], RegExp])[] = [
    [[], /no URL given/],
    [["example.com"], /must begin with ws:\/\/ or wss:\/\/.*wss:\/\/example/],
    [["ws://h", "--bogus"], /unknown flag "--bogus"/],
    [["ws://h", "--linger", "soon"], /--linger must be a duration.*"soon"/],
    [["ws://h", "--await", "("], /--await must be a regular expression/],
    [["ws://h", "-H", "nonsense"], /--header must have the form NAME: VALUE/],
    [["ws://h", "--cert", "x"], /--cert and --key need each other/],
    [["ws://h", "--pong", "x"], /--pong needs --ping/],
    [["ws://h", "--ca", "/no/such/file"], /--ca cannot be read from \/no/],
    [["ws://h", "--rotate-every", "1h"], /need --output/],
    [["ws://h", "-0", "--delimiter", "x"], /cannot be used together/],
    [["ws://h", "-o", "{year}"], /--output must use only.*not \{year\}/],
    [["ping", "ws://h", "--raw"], /ping takes no --raw/],
    [["ping"], /one URL/],
    [["completions", "tcsh"], /bash, zsh, fish/],
    [["replay", "file"], /a URL or --serve/],
    [
      ["replay", "/no/such/file", "ws://h"],
      /the recording cannot be read from \/no/,
    ],
    [["serve", "nowhere:x"], /the address must be/],
    [["serve", "--chaos", "flood"], /--chaos must name drop, .*flood/],
    [["ws://h", "-H", "Host: x"], /^--header cannot set host: the handshake/],
    [
      ["ws://h", "-H", "Sec-WebSocket-Protocol: x"],
      /^--header cannot set sec-websocket-protocol: use --subprotocol$/,
    ],
    [
      ["ws://h", "--connect-timeout", "40d"],
      /^--connect-timeout must be at most 24 days$/,
    ],
    [["serve", "--echo", "--broadcast"], /cannot be used together/],
    [["demo", "now"], /no operand/],
  ];
  for (const [argv, pattern] of cases) {
    const { message } = await assertRejects(() => runCommand(argv), UsageError);
    assertMatch(message, pattern);
  }
});

Deno.test("a wrong command line is one line on stderr, and 2", async () => {
  const { code, stderr, stdout } = await cli("ws://h", "--bogus").run();
  assertEquals(stderr, 'ws-stream: unknown flag "--bogus"\n');
  assertEquals(stdout, "");
  assertEquals(code, 2);
});

Deno.test("a missing permission is named exactly, before anything starts", async (t) => {
  const cases: readonly (readonly [string[], string])[] = [
    [["wss://example.com/x?token=1"], "--allow-net=example.com:443"],
    [["demo"], "--allow-net=127.0.0.1"],
    [["probe", "ws://localhost:9"], "--allow-net=localhost"],
    [
      ["ws://h", "--ca", "ca.pem", "-o", "feeds/{date}.txt"],
      "--allow-net=h:80 --allow-read=ca.pem,feeds --allow-write=feeds",
    ],
  ];
  for (const [args, flags] of cases) {
    await t.step(args.join(" "), async () => {
      const { code, stderr } = await cli(...args).allow().run();
      const [first, , command] = stderr.split("\n");
      assertEquals(first, `ws-stream: missing permission: ${flags}`);
      assertEquals(command, `  deno run ${flags} ${PROGRAM} ...`);
      assertEquals(code, 2);
    });
  }
});

testWith(
  await installed("bash", "--version"),
  "nobody who reads the help is no failure",
  async () => {
    const { words } = cli("--help");
    const line = '"$@" | true; exit ${PIPESTATUS[0]}';
    const { code, stderr } = await cli()
      .program("bash", "-c", line, "bash", ...words).run();
    assertEquals(stderr, "");
    assertEquals(code, 0);
  },
);

Deno.test({
  name: "the reason of the end reaches a reader of stderr that is late",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    // The pipe is full until the reader begins.
    const script = '(head -c 65536 /dev/zero >&2; exec "$@") 2>&1 >/dev/null' +
      " | (sleep 0.7; tail -c 200)";
    const args = ["ws://127.0.0.1:9", "--no-reconnect"];
    const { stdout } = await cli().program(
      ...["bash", "-c", script, "bash", ...cli(...args).words],
    ).run();
    assertMatch(stdout, /nobody listens there/);
  },
});
