import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  COMMAND_NAMES,
  type Flag,
  GROUPS,
} from "../../../src/cli/flags/flag.ts";
import {
  FLAG_NAMES,
  type FlagName,
  FLAGS,
  flagsOf,
} from "../../../src/cli/flags/table.ts";

const ALL = FLAG_NAMES.map((name): [FlagName, Flag] => [
  name,
  FLAGS[name],
]);

Deno.test("names and letters are unique, and can be typed", () => {
  const letters = ALL.flatMap(([, { short }]) => short ?? []);
  assertEquals(new Set(letters).size, letters.length);
  // -h is the short help, which is no flag of the table.
  assert(
    letters.every((letter) => /^[A-Za-z0-9]$/.test(letter) && letter !== "h"),
  );
  for (const [name] of ALL) assertMatch(name, /^[a-z]+(-[a-z]+)*$/);
  assert(ALL.every(([name]) => !name.startsWith("no-")));
});

Deno.test("every default can be read by its flag's own parser", () => {
  for (const [name, flag] of ALL) {
    if (flag.kind !== "one" || flag.default === undefined) continue;
    assert(flag.parse(flag.default) !== undefined, name);
    assert(flag.words?.includes(flag.default) ?? true, name);
  }
});

Deno.test("every group has flags, every flag a taker and a sentence", () => {
  for (const group of GROUPS) {
    assert(ALL.some(([, flag]) => flag.group === group), group);
  }
  for (const [name, { help, of, brief }] of ALL) {
    assert(of.length > 0, name);
    assertMatch(help, /^\S.*\.$/, name);
    assertEquals(brief?.endsWith(".") ?? false, false, name);
  }
});

Deno.test("a command has the flags that name it, in the table's order", () => {
  for (const command of COMMAND_NAMES) {
    assertEquals(
      flagsOf(command),
      ALL.filter(([, { of }]) => of.includes(command)),
    );
  }
  assert(
    flagsOf("demo").every(([, { of }]) => of.length === COMMAND_NAMES.length),
  );
});
