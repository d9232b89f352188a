import { assert, assertEquals, assertMatch } from "@std/assert";
import { EXIT_CODES } from "../../src/cli/exit_code.ts";
import { COMMAND_NAMES } from "../../src/cli/flags/flag.ts";
import { FLAG_NAMES, FLAGS } from "../../src/cli/flags/table.ts";
import { briefHelp, fullHelp, written } from "../../src/cli/help.ts";
import { COMMANDS } from "../../src/cli/main.ts";

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
