import fc from "fast-check";
import {
  assertEquals,
  assertInstanceOf,
  assertNotMatch,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { COMMAND_NAMES, type Flag } from "../../../src/cli/args/flag.ts";
import { FLAG_NAMES, FLAGS } from "../../../src/cli/args/flags.ts";
import {
  expandShortFlags,
  parseCommandLine,
  similar,
} from "../../../src/cli/args/parse.ts";
import { UsageError } from "../../../src/cli/args/values.ts";
import { brokenText } from "../../support/texts.ts";

function run(...argv: string[]) {
  const request = parseCommandLine(argv);
  if (request.kind !== "run") throw new Error(`it asks for ${request.kind}`);
  return request;
}

function flags(...argv: string[]) {
  return run(...argv).flags;
}

/** What the user is told. */
function refusal(...argv: string[]): string {
  return assertThrows(() => parseCommandLine(argv), UsageError).message;
}

Deno.test("the first word may be a command, the other words are operands", () => {
  for (const name of COMMAND_NAMES) {
    const { command, operands } = run(name, "a", "b");
    assertEquals({ command, operands }, {
      command: name,
      operands: ["a", "b"],
    });
  }
});

Deno.test("without a command it is connect", () => {
  const { command, operands } = run("wss://a", "serve");
  assertEquals(command, "connect");
  assertEquals(operands, ["wss://a", "serve"]);
});

Deno.test("flags may stand before and after the command and the operands", () => {
  const { command, operands, flags } = run(
    "-q",
    "ping",
    "-n",
    "3",
    "ws://a",
    "-v",
  );
  assertEquals({ command, operands }, {
    command: "ping",
    operands: ["ws://a"],
  });
  assertEquals([flags.quiet, flags.count, flags.verbose], [true, 3, 1]);
});

Deno.test("what is not given has its default", () => {
  const defaults = flags();
  assertEquals(defaults.json, false);
  assertEquals(defaults.reconnect, true);
  assertEquals(defaults.header, []);
  assertEquals(defaults.count, undefined);
  assertEquals(defaults["connect-timeout"], 10_000);
  assertEquals(defaults.overflow, "wait");
});

Deno.test("a value follows as the next word or after =", () => {
  assertEquals(flags("--count", "3").count, 3);
  assertEquals(flags("--count=3").count, 3);
  assertEquals(flags("-n", "3").count, 3);
  assertEquals(flags("-qn3").count, 3);
  assertEquals(flags("--on-open=-x=y")["on-open"], [{ text: "-x=y" }]);
});

Deno.test("of several values of one flag the last one counts", () => {
  assertEquals(flags("--count=3", "-n4").count, 4);
});

Deno.test("a flag that may come several times keeps all its values, in order", () => {
  assertEquals(
    flags("-Ha: 1", "--header", "b: 2", "--header=a: 3").header,
    [
      { name: "a", value: "1" },
      { name: "b", value: "2" },
      { name: "a", value: "3" },
    ],
  );
});

Deno.test("--no-... takes back what was given before it", () => {
  assertEquals(flags("--json", "--no-json").json, false);
  assertEquals(flags("--no-json", "--json").json, true);
  assertEquals(flags("--count=3", "--no-count").count, undefined);
  assertEquals(
    flags("--connect-timeout=1s", "--no-connect-timeout")["connect-timeout"],
    10_000,
  );
  assertEquals(
    flags("-Ha:1", "--no-header", "-Hb:2").header,
    [{ name: "b", value: "2" }],
  );
});

Deno.test("--no-... switches off what can be switched off", () => {
  assertEquals(flags("--no-reconnect").reconnect, false);
  assertEquals(flags("--no-linger").linger, 0);
  assertEquals(flags("--no-max-retries")["max-retries"], Infinity);
  assertEquals(flags("--no-delimiter").delimiter, "");
});

Deno.test("-- ends the flags: what follows is an operand as it is", () => {
  assertEquals(run("--", "-q").operands, ["-q"]);
  fc.assert(fc.property(fc.array(brokenText), (words) => {
    assertEquals(run("connect", "-q", "--", ...words).operands, words);
  }));
});

Deno.test("any text is a value as it was typed", () => {
  fc.assert(fc.property(brokenText, (text) => {
    fc.pre(text !== "" && !text.startsWith("@"));
    assertEquals(flags(`--on-open=${text}`)["on-open"], [{ text }]);
    fc.pre(!text.startsWith("-"));
    assertEquals(flags("--on-open", text)["on-open"], [{ text }]);
  }));
});

Deno.test("an operand after a toggle is an operand, even true and false", () => {
  for (const word of ["true", "false", "0", ""]) {
    const { flags, operands } = run("--json", word);
    assertEquals({ json: flags.json, operands }, {
      json: true,
      operands: [word],
    });
  }
});

Deno.test("numbers among the operands stay as they were typed", () => {
  assertEquals(run("serve", "0x1F90").operands, ["0x1F90"]);
  assertEquals(run("1e3").operands, ["1e3"]);
});

Deno.test("-h and --help ask for help, of a command if one is named", () => {
  assertEquals(parseCommandLine(["-h"]), {
    kind: "help",
    command: undefined,
    full: false,
  });
  assertEquals(parseCommandLine(["ping", "--help"]), {
    kind: "help",
    command: "ping",
    full: true,
  });
  assertEquals(parseCommandLine(["-h", "--help"]), {
    kind: "help",
    command: undefined,
    full: true,
  });
});

Deno.test("help and version come whatever else is wrong", () => {
  assertEquals(parseCommandLine(["--nonsense", "-qh"]).kind, "help");
  assertEquals(parseCommandLine(["--count=x", "-V"]).kind, "version");
  assertEquals(parseCommandLine(["--version"]).kind, "version");
});

Deno.test("an unknown flag is named, without its value", () => {
  assertEquals(refusal("--tokn=secret"), 'unknown flag "--tokn"');
  assertEquals(refusal("-qx"), 'unknown flag "-x"');
  assertEquals(refusal("--H=x"), 'unknown flag "--H"');
  assertEquals(refusal("--no-help"), 'unknown flag "--no-help"');
});

Deno.test("-c of ping(8) and of wscat is answered with what to use", () => {
  const answer = "there is no -c: a count is -n N, and a URL needs no flag";
  assertEquals(refusal("ping", "-c", "3", "ws://h"), answer);
  assertEquals(refusal("-qc", "ws://h"), answer);
});

Deno.test("an unknown flag may have been meant as another one", () => {
  assertEquals(
    refusal("--head"),
    'unknown flag "--head" (do you mean --header?)',
  );
  assertStringIncludes(refusal("--max"), "--max-retries or --max-backoff");
  assertStringIncludes(refusal("--jsonl"), "(do you mean --json?)");
  assertStringIncludes(refusal("--jsn"), "(do you mean --json?)");
  assertStringIncludes(refusal("---json"), "(do you mean --json?)");
  assertStringIncludes(
    refusal("--no-reconect"),
    "(do you mean --no-reconnect?)",
  );
  assertEquals(refusal("--no-versoin"), 'unknown flag "--no-versoin"');
});

Deno.test("a value that looks like a flag is told how to be written", () => {
  assertEquals(
    refusal("ws://h", "--linger", "-1s"),
    'unknown flag "-1" (a value that begins with - is written --flag=-...)',
  );
});

Deno.test("a command may have been mistyped, a host is none", () => {
  assertEquals(
    refusal("prob", "ws://h"),
    'unknown command "prob" (do you mean probe?)',
  );
  assertEquals(
    refusal("rcord"),
    'unknown command "rcord" (do you mean record?)',
  );
  assertEquals(parseCommandLine(["ws://probe"]).kind, "run");
  assertEquals(parseCommandLine(["localhost"]).kind, "run");
});

Deno.test("what every object has is no flag", () => {
  for (const name of Object.getOwnPropertyNames(Object.prototype)) {
    assertEquals(refusal(`--${name}`), `unknown flag "--${name}"`);
  }
});

Deno.test("what is left out on purpose is answered with what there is", () => {
  for (const name of ["bearer", "basic-auth"]) {
    const message = refusal(`--${name}=secret`);
    assertStringIncludes(message, `use --${name}-file FILE`);
    assertNotMatch(message, /=secret/);
  }
});

Deno.test("a toggle takes no value", () => {
  assertEquals(
    refusal("--json=maybe"),
    '--json takes no value: got "--json=maybe"',
  );
  assertEquals(
    refusal("-q=false"),
    '--quiet takes no value: got "--quiet=false"',
  );
  assertEquals(
    refusal("--no-linger=3"),
    '--no-linger takes no value: got "--no-linger=3"',
  );
});

Deno.test("a value that is missing is missed", () => {
  for (const argv of [["--count"], ["--count="], ["-n"], ["--count", "-q"]]) {
    assertStringIncludes(refusal(...argv), "--count needs a value");
  }
  assertEquals(refusal("-H", "--", "a: b"), "--header needs a value");
  assertEquals(
    refusal("--delimiter", "--json"),
    "--delimiter needs a value " +
      "(one that begins with - is written --delimiter=-...)",
  );
});

Deno.test("a wrong value is told with flag, rule and what came", () => {
  assertEquals(
    refusal("--count=0"),
    '--count must be a whole number of at least 1: got "0"',
  );
  assertEquals(
    refusal("--on-open=a", "--linger", "soon"),
    '--linger must be a duration such as 500ms, 10s, 2m or 1h: got "soon"',
  );
});

Deno.test("a wrong value that may be a secret is not shown", () => {
  const wrong = ["-HAuthorization secret", "-HCookie: secret\r\nx"];
  for (const word of [...wrong, "--subprotocol=auth secret"]) {
    assertNotMatch(refusal(word), /secret/);
  }
  assertStringIncludes(refusal("-HCookie: secret\x07"), "Cookie");
});

Deno.test("a long wrong value is cut", () => {
  const message = refusal(`--count=${"9".repeat(500)}x`);
  assertEquals(message.length < 150, true, message);
  assertStringIncludes(message, '999…"');
});

Deno.test("a flag of another command is refused, its default is not", () => {
  assertEquals(refusal("serve", "--count=3"), "serve takes no --count");
  assertEquals(refusal("--chaos=drop"), "connect takes no --chaos");
  assertEquals(refusal("demo", "-Ha:b"), "demo takes no --header");
  assertEquals(
    refusal("serve", "--no-reconnect"),
    "serve takes no --reconnect",
  );
  assertEquals(run("serve", "--no-json").command, "serve");
});

Deno.test("each command takes its own flags", () => {
  for (const name of FLAG_NAMES) {
    const flag: Flag = FLAGS[name];
    if (flag.kind !== "toggle") continue;
    for (const command of flag.of) {
      if (["help", "version"].includes(name)) continue;
      assertEquals(Number(run(command, `--${name}`).flags[name]), 1);
    }
  }
});

Deno.test("whatever is typed, it is taken or refused with a usage error", () => {
  const word = fc.oneof(
    brokenText,
    fc.constantFrom(...FLAG_NAMES).map((name) => `--${name}`),
    fc.constantFrom(...FLAG_NAMES).map((name) => `--no-${name}`),
    fc.tuple(fc.constantFrom(...FLAG_NAMES), brokenText)
      .map(([name, value]) => `--${name}=${value}`),
    fc.tuple(fc.constantFrom(..."-0HVhnoqvx="), brokenText)
      .map(([letter, value]) => `-${letter}${value}`),
    fc.constantFrom("--", "-", "", "--=", "--no-", "--a.b=c", "--__proto__=x"),
    fc.constantFrom(...COMMAND_NAMES, "3", "10s", "true", "ws://a", "base64"),
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), (argv) => {
      try {
        parseCommandLine(argv);
      } catch (error) {
        assertInstanceOf(error, UsageError);
        assertNotMatch(error.message, /undefined|\[object|function/);
      }
    }),
    { numRuns: 1000 },
  );
});

Deno.test("one-letter flags are spelled out, one word each", () => {
  assertEquals(expandShortFlags("-q"), ["--quiet"]);
  assertEquals(expandShortFlags("-qv0"), ["--quiet", "--verbose", "--null"]);
});

Deno.test("what follows a letter that takes a value is its value", () => {
  assertEquals(expandShortFlags("-n3"), ["--count=3"]);
  assertEquals(expandShortFlags("-qn3"), ["--quiet", "--count=3"]);
  assertEquals(expandShortFlags("-nq"), ["--count=q"]);
  assertEquals(expandShortFlags("-HX-A: -b\n=c"), ["--header=X-A: -b\n=c"]);
  assertEquals(expandShortFlags("-o-"), ["--output=-"]);
});

Deno.test("one = between a letter and its value does not count", () => {
  assertEquals(expandShortFlags("-n=3"), ["--count=3"]);
  assertEquals(expandShortFlags("-o==x"), ["--output==x"]);
  assertEquals(expandShortFlags("-n="), ["--count="]);
});

Deno.test("the value may be the next word", () => {
  assertEquals(expandShortFlags("-n"), ["--count"]);
  assertEquals(expandShortFlags("-qH"), ["--quiet", "--header"]);
});

Deno.test("a value after a toggle stays to be seen", () => {
  assertEquals(expandShortFlags("-q=false"), ["--quiet=false"]);
  assertEquals(expandShortFlags("-vq="), ["--verbose", "--quiet="]);
});

Deno.test("letters that are no flags stay", () => {
  assertEquals(expandShortFlags("-z"), ["-z"]);
  assertEquals(expandShortFlags("-qz🌍n3"), [
    "--quiet",
    "-z",
    "-🌍",
    "--count=3",
  ]);
  assertEquals(expandShortFlags("-h"), ["-h"]);
});

Deno.test("all other words are as they were", () => {
  for (const word of ["--count=3", "--", "-", "", "wss://a/-q", "---q", "n"]) {
    assertEquals(expandShortFlags(word), [word]);
  }
});

const WORDS = ["json", "header", "max-retries", "max-backoff"] as const;

Deno.test("who stopped too early, or too late, meant what begins so", () => {
  assertEquals(similar("head", WORDS), ["header"]);
  assertEquals(similar("max", WORDS), ["max-retries", "max-backoff"]);
  assertEquals(similar("jsonl", WORDS), ["json"]);
  assertEquals(similar("h", WORDS), [], "a letter is no beginning");
});

Deno.test("a slip is forgiven: a letter too many, too few, wrong or swapped", () => {
  for (const word of ["jsson", "jsn", "jsom", "josn", "xjson"]) {
    assertEquals(similar(word, WORDS), ["json"], word);
  }
});

Deno.test("two slips are, in a long word", () => {
  assertEquals(similar("max-rertys", WORDS), []);
  assertEquals(similar("max-retrise", WORDS), ["max-retries"]);
  assertEquals(similar("mxa-retreis", WORDS), ["max-retries"]);
  assertEquals(similar("josm", WORDS), []);
});

Deno.test("what is like nothing is like nothing", () => {
  assertEquals(similar("tokn", WORDS), []);
  assertEquals(similar("", WORDS), []);
});

Deno.test("steps keep the order in which they were given", () => {
  const { steps } = run(
    "ws://a",
    ...["--await", "hello", "--on-open=login", "--await=ok"],
    ...["-H", "X: --await", "--on-open", "@@sub"],
  ).flags;
  assertEquals(
    steps.map((step) =>
      step.kind === "await" ? step.pattern.source : step.message
    ),
    ["hello", { text: "login" }, "ok", { text: "@sub" }],
  );
});

Deno.test("-v counts", () => {
  const verbose = (...argv: string[]) => run("ws://a", ...argv).flags.verbose;
  assertEquals(verbose(), 0);
  assertEquals(verbose("-v"), 1);
  assertEquals(verbose("-vv"), 2);
  assertEquals(verbose("-v", "--verbose"), 2);
});

Deno.test("a value may be -, which stands for stdin or stdout", () => {
  const { flags, operands } = run("ws://a", "-o", "-", "--bearer-file", "-");
  assertEquals([flags.output, flags["bearer-file"]], ["-", "-"]);
  assertEquals(operands, ["ws://a"]);
  assertEquals(run("replay", "-").operands, ["-"]);
});
