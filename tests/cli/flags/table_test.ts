import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  COMMAND_NAMES,
  type Flag,
  GROUPS,
} from "../../../src/cli/flags/flag.ts";
import { LINK_FLAGS } from "../../../src/cli/flags/link_flags.ts";
import { RUN_FLAGS } from "../../../src/cli/flags/run_flags.ts";
import { FLAG_NAMES, FLAGS, flagsOf } from "../../../src/cli/flags/table.ts";

const ALL = FLAG_NAMES.map((name): readonly [string, Flag] => [
  name,
  FLAGS[name],
]);

Deno.test("no flag is there twice, in either table", () => {
  const names = [...Object.keys(LINK_FLAGS), ...Object.keys(RUN_FLAGS)];
  assertEquals(new Set(names).size, names.length);
  assertEquals<readonly string[]>(FLAG_NAMES, names);
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
  for (const [name, { help, brief }] of ALL) {
    assertMatch(help, /^[A-Zh].*[.:]$/, name);
    if (brief !== undefined) assertMatch(brief, /^[A-Z].{2,47}$/, name);
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
