import { assert, assertEquals, assertMatch } from "@std/assert";
import { FLAG_NAMES, FLAGS } from "../../src/cli/args/flags.ts";
import { parseCommandLine } from "../../src/cli/args/parse.ts";
import { COMMANDS } from "../../src/cli/commands.ts";
import { EXIT_CODES } from "../../src/cli/exit_status.ts";
import {
  briefHelp,
  description,
  flagUsage,
  fullHelp,
} from "../../src/cli/help.ts";
import { styleOf } from "../../src/cli/format.ts";

Deno.test("-h fits one screen, for the program and for each command", () => {
  for (const command of [undefined, ...COMMANDS]) {
    const lines = briefHelp({ width: 80 }, command).trimEnd().split("\n");
    assert(lines.length <= 24, `${command?.name}: ${lines.length} lines`);
    for (const line of lines) assert(line.length <= 80, line);
  }
});

Deno.test("on a narrow screen lines are cut, not wrapped", () => {
  const lines = briefHelp({ width: 50 }).trimEnd().split("\n").slice(1);
  assert(lines.every((line) => line.length <= 50));
  assert(lines.some((line) => line.endsWith("…")));
});

Deno.test("-h names every command; that of a command its flags and no others", () => {
  const all = briefHelp({ width: 80 });
  for (const { usage, summary } of COMMANDS) {
    assert(all.includes(`ws-stream ${usage}`) && all.includes(summary), usage);
  }
  const serve = COMMANDS.find(({ name }) => name === "serve");
  const help = briefHelp({ width: 80 }, serve);
  assertMatch(help, /--chaos RULES/);
  assertEquals(help.includes("--bearer-file"), false);
});

Deno.test("--help has every command, flag, exit code and job", () => {
  const help = fullHelp({ width: 80 });
  for (const { usage, summary } of COMMANDS) {
    assert(help.includes(`ws-stream ${usage}`) && help.includes(summary));
  }
  for (const name of FLAG_NAMES) {
    assert(help.includes(flagUsage(name, FLAGS[name])), name);
  }
  for (const code of Object.keys(EXIT_CODES)) {
    assertMatch(help, new RegExp(`^ +${code}   `, "m"));
  }
  for (
    const job of [
      "Watch a feed and filter it",
      "Make one request",
      "Log for days",
      "Monitor from cron, by exit code",
      "Bridge into a broker",
      "Debug a 401",
      "Send a file",
      "Run an echo server",
    ]
  ) {
    assert(help.includes(`\n  ${job}`), job);
  }
  for (const line of help.split("\n")) {
    assert(line.length <= 80, line);
    assert(!line.endsWith("[default:"), line);
  }
});

Deno.test("a command's --help has its flags and no others, and its examples", () => {
  for (const command of COMMANDS) {
    const help = fullHelp({ width: 100 }, command);
    for (const name of FLAG_NAMES) {
      const { of: commands }: { of: readonly string[] } = FLAGS[name];
      const form = new RegExp(`^  (-., )?--(no-)?${name}( |$)`, "m");
      assertEquals(form.test(help), commands.includes(command.name), name);
    }
    for (const { job, lines } of command.examples) {
      assert(help.includes(`  ${job}\n      ${lines[0]}`), job);
    }
  }
});

Deno.test("a command's help says what its flags do there, and its exit codes", () => {
  const of = (name: string) =>
    COMMANDS.find((command) => command.name === name);
  const serve = fullHelp({ width: 100 }, of("serve"));
  assertMatch(serve, /^ {2}--cert FILE +Present this certificate /m);
  assertMatch(serve, /^ {2}--compress +Agree to compression/m);
  assertEquals(/\(serve|--transport tcp|gap/.test(serve), false);
  assertEquals(
    [...serve.matchAll(/^ {2} *(\d+) {3}/gm)].map(([, code]) => code),
    ["0", "1", "2", "124", "129", "130", "143"],
  );
  assertMatch(briefHelp({ width: 80 }, of("ping")), /--count N +Exit after N/);
  assertMatch(
    briefHelp({ width: 80 }, of("connect")),
    /--count N +Exit with 0/,
  );
  assertEquals(/pings/.test(briefHelp({ width: 80 }, of("connect"))), false);
  const all = fullHelp({ width: 100 });
  assertMatch(all, /\(ping: exit after N pings\)/);
});

/** The words of a command line, as a shell takes them apart. */
function words(line: string): string[] {
  return [...line.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)]
    .map(([word]) => word.replace(/'([^']*)'|"([^"]*)"/g, "$1$2"));
}

Deno.test("every example is a command line that the program takes", () => {
  for (const { examples } of COMMANDS) {
    for (const { lines } of examples) {
      const text = lines.join("\n").replaceAll("\\\n", "");
      const calls = [...text.matchAll(/ws-stream ([^|<>)\n]+)/g)];
      assert(calls.length > 0, text);
      for (const [, call = ""] of calls) {
        assertEquals(parseCommandLine(words(call)).kind, "run", call);
      }
    }
  }
});

Deno.test("a flag that is there to be negated is shown so", () => {
  assertEquals(flagUsage("reconnect", FLAGS.reconnect), "--no-reconnect");
  assertEquals(flagUsage("count", FLAGS.count), "-n, --count N");
});

Deno.test("--help is set in sections, descriptions beside their flags or below", () => {
  const demo = COMMANDS.find(({ name }) => name === "demo");
  const sections = fullHelp({ width: 80 }, demo).split("\n\n");
  assertEquals(sections.slice(0, 2).map((section) => section.split("\n")), [
    ["ws-stream demo: Break connections again and again, lose nothing"],
    ["Usage", "  ws-stream demo"],
  ]);
  const general = sections.find((section) => section.startsWith("General"));
  assertEquals(general?.split("\n").slice(-4), [
    "  --color auto|always|never      Use colors; auto: on a terminal, unless",
    "                                 NO_COLOR is set. [default: auto]",
    "  --help                         Print everything; -h fits one screen.",
    "  -V, --version                  Print the version.",
  ]);
  assertEquals(
    fullHelp({ width: 80 }).match(
      /^ {2}--overflow .*\n {33}Choose what .*$/m,
    )?.[0].split("\n").length,
    2,
  );
});

Deno.test("titles are bold on a terminal, and nothing else is", () => {
  const plain = fullHelp({ width: 80 });
  const bold = fullHelp({ width: 80, style: styleOf(true) });
  assert(bold.includes("\n\x1b[1mExamples\x1b[22m\n"));
  const unstyled = bold.replaceAll("\x1b[1m", "").replaceAll("\x1b[22m", "");
  assertEquals(unstyled, plain);
});

Deno.test("a description tells the default, and who takes the flag if it is not for all", () => {
  assertMatch(description(FLAGS["connect-timeout"]), / \[default: 10s\]$/);
  assertEquals(description(FLAGS.quiet), FLAGS.quiet.help);
  assertEquals(description(FLAGS.loop), `${FLAGS.loop.help} (replay)`);
  assertEquals(description(FLAGS.loop, "replay"), FLAGS.loop.help);
  assertMatch(description(FLAGS.rate), / \[default: 10\] \(serve\)$/);
});
