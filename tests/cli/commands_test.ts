import { assert, assertEquals } from "@std/assert";
import { COMMANDS } from "../../src/cli/commands.ts";
import { COMMAND_NAMES } from "../../src/cli/args/flag.ts";
import { loadCommand } from "../../src/cli/main.ts";

Deno.test("each command name has its command, in the same order", () => {
  assertEquals(COMMANDS.map(({ name }) => name), [...COMMAND_NAMES]);
});

Deno.test("each command is called by its name, and its code is there", async () => {
  for (const { name, usage } of COMMANDS) {
    assert(usage.includes(name), name);
    assertEquals(typeof (await loadCommand(name)).run, "function");
  }
});
