import { assertEquals } from "@std/assert";
import { styleOf, terminalWidth, wantsColor } from "../../src/cli/style.ts";

Deno.test("colours are asked for, or not wanted, or for terminals alone", () => {
  for (const isTerminal of [true, false]) {
    assertEquals(wantsColor("always", isTerminal), true);
    assertEquals(wantsColor("never", isTerminal), false);
  }
  assertEquals(wantsColor("auto", false), false);
  assertEquals(wantsColor("auto", true), !Deno.noColor);
});

Deno.test("NO_COLOR is heard, and what was asked for is louder", async () => {
  const answer = async (env: Record<string, string>) => {
    const module = new URL("../../src/cli/style.ts", import.meta.url).href;
    const code = `import { wantsColor } from ${JSON.stringify(module)};
      console.log(wantsColor("auto", true), wantsColor("always", false));`;
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-lock", code],
      env,
    }).output();
    return new TextDecoder().decode(stdout).trim();
  };
  assertEquals(await answer({ NO_COLOR: "1" }), "false true");
});

Deno.test("a painted text ends with what undoes its paint, and no more", () => {
  const style = styleOf(true);
  assertEquals(style.red("a"), "\x1b[31ma\x1b[39m");
  assertEquals(style.green("a"), "\x1b[32ma\x1b[39m");
  assertEquals(style.yellow("a"), "\x1b[33ma\x1b[39m");
  assertEquals(style.cyan("a"), "\x1b[36ma\x1b[39m");
  assertEquals(style.dim("a"), "\x1b[2ma\x1b[22m");
  assertEquals(
    style.red(style.bold("a")),
    "\x1b[31m\x1b[1ma\x1b[22m\x1b[39m",
  );
});

Deno.test("without colours texts are as they are", () => {
  for (const paint of Object.values(styleOf(false))) {
    assertEquals(paint("a"), "a");
  }
});

Deno.test("without a terminal it is 80 columns", () => {
  if (Deno.stdout.isTerminal() || Deno.stderr.isTerminal()) {
    assertEquals(terminalWidth(), Deno.consoleSize().columns);
  } else {
    assertEquals(terminalWidth(), 80);
  }
});
