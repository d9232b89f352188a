import {
  assert,
  assertEquals,
  assertMatch,
  assertStrictEquals,
} from "@std/assert";
import { CONNECTION_FLAGS } from "../../../src/cli/args/connection_flags.ts";
import {
  briefOf,
  COMMAND_NAMES,
  type Flag,
  GROUPS,
} from "../../../src/cli/args/flag.ts";
import {
  FLAG_NAMES,
  FLAGS,
  type Flags,
  flagsOf,
} from "../../../src/cli/args/flags.ts";
import { parseCommandLine } from "../../../src/cli/args/parse.ts";

const ALL = FLAG_NAMES.map((name): readonly [string, Flag] => [
  name,
  FLAGS[name],
]);

Deno.test("flags.ts overwrites no flag about the connection", () => {
  for (const name of Object.keys(CONNECTION_FLAGS)) {
    assertStrictEquals(
      Object.entries(FLAGS).find(([each]) => each === name)?.[1],
      Object.entries(CONNECTION_FLAGS).find(([each]) => each === name)?.[1],
    );
  }
});

Deno.test("each flag is written as flags are, and none as the negation of another", () => {
  for (const [name] of ALL) {
    assertMatch(name, /^[a-z]+(-[a-z]+)*$/);
    assert(!name.startsWith("no-"), name);
  }
});

Deno.test("each letter is one flag's, and -h is the help's", () => {
  const letters = ALL.flatMap(([, { short }]) => short ?? []);
  assertEquals(new Set(letters).size, letters.length);
  for (const letter of letters) assertMatch(letter, /^[A-Za-gi-z0-9]$/);
});

Deno.test("each flag is taken by a command, and listed in a group", () => {
  for (const [name, { of, group }] of ALL) {
    assert(of.length > 0, name);
    assertEquals(new Set(of).size, of.length, name);
    assert(of.every((command) => COMMAND_NAMES.includes(command)), name);
    assert(GROUPS.includes(group), name);
  }
});

Deno.test("each flag is helped with a sentence, in short with less than one", () => {
  for (const [name, flag] of ALL) {
    assertMatch(flag.help, /^[A-Z1h].*[.:\]]$/, name);
    if (flag.brief !== undefined) {
      assertMatch(briefOf(flag), /^[A-Z].{2,47}$/, name);
    }
  }
});

Deno.test("a flag's first sentence fits beside it where shells list it", () => {
  for (const command of COMMAND_NAMES) {
    for (const [name, flag] of flagsOf(command)) {
      const brief = briefOf(flag, command);
      const { length } = `--no-${name}  (${brief})`;
      assert(length <= 80, `${command} --${name}: ${brief}`);
    }
  }
});

Deno.test("each default is a value that could be typed", () => {
  for (const [, flag] of ALL) {
    if (flag.kind === "one" && flag.default !== undefined) {
      flag.parse(flag.default);
    }
  }
});

Deno.test("the flags of a command are those it takes, in the table's order", () => {
  for (const command of COMMAND_NAMES) {
    const names = flagsOf(command).map(([name]) => name);
    assertEquals(
      names,
      FLAG_NAMES.filter((name) => {
        const flag: Flag = FLAGS[name];
        return flag.of.includes(command);
      }),
    );
    assert(names.includes("help"), command);
  }
});

Deno.test("a secret is never the value of a flag", () => {
  for (const [name] of ALL) {
    assert(
      !/bearer|auth|token|password|secret/.test(name) || /-file$/.test(name),
      name,
    );
  }
});

function flags(...argv: string[]): Flags {
  const request = parseCommandLine(argv);
  if (request.kind !== "run") throw new Error(`it asks for ${request.kind}`);
  return request.flags;
}

Deno.test("a run has the defaults that the help promises", () => {
  const given = flags();
  assertEquals(given.linger, undefined);
  assertEquals(given["queue-max"], 1000);
  assertEquals(given.overflow, "wait");
  assertEquals(given.redeliver, "unflushed");
  assertEquals(given.color, "auto");
  assertEquals(given.binary, undefined);
  assertEquals(given.delimiter, undefined);
  assertEquals(given.timeout, undefined);
  assertEquals(given.count, undefined);
  assertEquals(flags("ping", "ws://a").interval, 1000);
  assertEquals(flags("ping", "ws://a").wait, 2000);
  assertEquals(flags("replay", "f").speed, 1);
});

Deno.test("each flag of a run is read in its form", () => {
  const given = flags(
    ..."--binary hex -0 --overflow drop-oldest --queue-max 5".split(" "),
    ..."--redeliver none --spool q --output x-{n} --rotate-size 1kB".split(" "),
    ..."--rotate-every 1h --stats 10s -n 3 --timeout 1m --linger 0".split(" "),
    String.raw`--delimiter=\r\n`,
  );
  assertEquals(given.binary, "hex");
  assertEquals(given.null, true);
  assertEquals(given.overflow, "drop-oldest");
  assertEquals(given["queue-max"], 5);
  assertEquals(given.redeliver, "none");
  assertEquals(given.spool, "q");
  assertEquals(given.output, "x-{n}");
  assertEquals(given["rotate-size"], 1000);
  assertEquals(given["rotate-every"], 3_600_000);
  assertEquals(given.stats, 10_000);
  assertEquals(given.count, 3);
  assertEquals(given.timeout, 60_000);
  assertEquals(given.linger, 0);
  assertEquals(given.delimiter, "\r\n");
});

Deno.test("the flags of single commands are read in their forms", () => {
  const ping = flags("ping", "--message=@@x", "--interval=1ms", "--wait=5s");
  assertEquals(ping.message, { text: "@x" });
  assertEquals(ping.interval, 1);
  assertEquals(ping.wait, 5000);
  const replay = flags("replay", "--speed=max", "--loop", "--serve=:9000");
  assertEquals(replay.speed, Infinity);
  assertEquals(replay.loop, true);
  assertEquals(replay.serve, { hostname: "127.0.0.1", port: 9000 });
  const serve = flags(
    "serve",
    "--feed",
    "--rate=5",
    "--chaos=drop",
    "--seed=0",
  );
  assertEquals([serve.feed, serve.rate, serve.chaos, serve.seed], [
    true,
    5,
    "drop",
    0,
  ]);
});
