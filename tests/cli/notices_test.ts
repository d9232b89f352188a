import { assertEquals } from "@std/assert";
import { stderrNotices } from "../../src/cli/notices.ts";

/** What is printed of one notice of each kind. */
function told(
  flags: { quiet?: boolean; verbose?: number },
  isTerminal = false,
) {
  const lines: string[] = [];
  const notices = stderrNotices(
    { quiet: false, verbose: 0, color: "auto", ...flags },
    { print: (line) => lines.push(line), prefix: "*", isTerminal },
  );
  notices.fatal("fatal");
  notices.trouble("trouble");
  notices.good("good");
  notices.detail("detail");
  notices.line("line");
  return lines;
}

Deno.test("-q leaves what ends the program, -v adds the details", () => {
  assertEquals(told({}), ["* fatal", "* trouble", "* good", "line"]);
  assertEquals(told({ quiet: true }), ["* fatal", "line"]);
  assertEquals(told({ verbose: 1 }), [
    ...["* fatal", "* trouble", "* good", "* detail", "line"],
  ]);
  assertEquals(told({ quiet: true, verbose: 1 }), ["* fatal", "line"]);
});

Deno.test("colours are for terminals, unless NO_COLOR says otherwise", () => {
  const colored = told({}, true).join().includes("\x1b[31mfatal\x1b[39m");
  assertEquals(colored, !Deno.noColor);
});
