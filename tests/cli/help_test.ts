import { assert, assertEquals, assertMatch } from "@std/assert";
import { EXIT_CODES } from "../../src/cli/exit_status.ts";
import { COMMAND_NAMES } from "../../src/cli/args/flag.ts";
import { FLAG_NAMES, FLAGS } from "../../src/cli/args/flags.ts";
import {
  briefHelp,
  description,
  fullHelp,
  written,
} from "../../src/cli/help.ts";
import { COMMANDS } from "../../src/cli/commands.ts";

const at = (width: number) => ({ version: "1.2.3", commands: COMMANDS, width });

Deno.test("-h fits one screen, for each command, and cuts nothing off", () => {
  for (const command of [undefined, ...COMMANDS]) {
    const lines = briefHelp(at(80), command).trimEnd().split("\n");
    assert(lines.length <= 24, command?.name);
    assert(lines.every((line) => line.length <= 80 && !line.includes("…")));
  }
});

Deno.test("a narrow terminal cuts lines off instead of breaking them", () => {
  const lines = briefHelp(at(50)).trimEnd().split("\n").slice(1);
  assert(lines.every((line) => line.length <= 50));
  assert(lines.some((line) => line.endsWith("…")));
});

Deno.test("--help has every command, flag, exit code and example", () => {
  const help = fullHelp(at(80));
  for (const name of COMMAND_NAMES) {
    assertMatch(help, new RegExp(`  .*${name}`));
  }
  for (const name of FLAG_NAMES) {
    assert(help.includes(written(name, FLAGS[name])), name);
  }
  for (const code of Object.keys(EXIT_CODES)) {
    assertMatch(help, new RegExp(`^ +${code}   `, "m"));
  }
  for (const { examples } of COMMANDS) {
    for (const [line, does] of examples) {
      assert(help.includes(line) && does.endsWith("."), line);
    }
  }
  assert(help.split("\n").every((line) => line.length <= 80));
});

Deno.test("a command's --help has its flags and no others", () => {
  for (const command of COMMANDS) {
    const help = fullHelp(at(100), command);
    for (const name of FLAG_NAMES) {
      const flag = FLAGS[name];
      const takers: readonly string[] = flag.of;
      const form = new RegExp(`^  (-., )?--(no-)?${name}( |$)`, "m");
      assertEquals(form.test(help), takers.includes(command.name), name);
    }
  }
});

Deno.test("a flag that is there to be negated is shown so", () => {
  assertEquals(written("reconnect", FLAGS.reconnect), "--no-reconnect");
  assertEquals(written("count", FLAGS.count), "-n, --count N");
});

Deno.test("-h of a command has its usage and what is used most of it", () => {
  const demo = COMMANDS.find(({ name }) => name === "demo");
  const verbose = FLAGS.verbose.brief;
  const help = FLAGS.help.brief;
  assertEquals(briefHelp(at(80), demo).split("\n"), [
    "ws-stream demo: Breaks a link again and again, and loses nothing",
    "",
    "  ws-stream demo",
    "",
    `  -v, --verbose                 ${verbose}`,
    `  --help                        ${help}`,
    "",
  ]);
});

Deno.test("--help is set in sections, descriptions beside their flags or below", () => {
  const demo = COMMANDS.find(({ name }) => name === "demo");
  const sections = fullHelp(at(80), demo).split("\n\n");
  assertEquals(sections.slice(0, 4).map((section) => section.split("\n")), [
    ["ws-stream demo: Breaks a link again and again, and loses nothing"],
    [
      "Usage:",
      "  ws-stream demo                Breaks a link again and again, and " +
      "loses nothing",
    ],
    [
      "General:",
      "  -q, --quiet                   Prints nothing but the error that ends the",
      "                                program.",
      "  -v, --verbose                 Prints what happens to the connection; -vv also",
      "                                the headers of the handshake and every message.",
      "  --color auto|always|never     Colours; auto: on a terminal unless " +
      "NO_COLOR is",
      "                                set. [default: auto]",
      "  --help                        Everything; -h fits one screen.",
      "  -V, --version                 Prints the version.",
    ],
    [
      "Examples:",
      "  ws-stream demo",
      "      Needs no network; takes some seconds.",
    ],
  ]);
  assertEquals(
    fullHelp(at(80)).match(
      /^ {2}--overflow .*\n {32}When the queue .*$/m,
    )?.[0].split("\n").length,
    2,
  );
});

Deno.test("a description tells the default, and who takes the flag if it is not for all", () => {
  assertMatch(description(FLAGS.linger), / \[default: 1s; with --once 10s\]$/);
  assertEquals(description(FLAGS.count), FLAGS.count.help);
  assertEquals(description(FLAGS.quiet), FLAGS.quiet.help);
  assertEquals(description(FLAGS.loop), `${FLAGS.loop.help} (replay)`);
  assertMatch(description(FLAGS.rate), / \[default: 10\] \(serve\)$/);
});
