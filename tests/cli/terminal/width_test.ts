import { assertEquals } from "@std/assert";
import { terminalWidth } from "../../../src/cli/terminal/width.ts";

Deno.test("without a terminal it is 80 columns", () => {
  if (Deno.stdout.isTerminal() || Deno.stderr.isTerminal()) {
    assertEquals(terminalWidth(), Deno.consoleSize().columns);
  } else {
    assertEquals(terminalWidth(), 80);
  }
});
