import { assertEquals } from "@std/assert";
import { RawMode } from "../../../src/cli/terminal/raw_mode.ts";

/** Notes what becomes of a terminal. */
function terminal() {
  const notes: string[] = [];
  return {
    notes,
    screen: {
      hide: () => void notes.push("hide"),
      redraw: () => void notes.push("redraw"),
    },
    stdin: { setRaw: (on: boolean) => notes.push(on ? "raw" : "as before") },
  };
}

Deno.test("the terminal is given back once, without the prompt", () => {
  const { notes, screen, stdin } = terminal();
  {
    using raw = new RawMode(screen, stdin);
    assertEquals(notes, ["raw", "redraw"]);
    raw[Symbol.dispose]();
  }
  assertEquals(notes, ["raw", "redraw", "hide", "as before"]);
});

Deno.test({
  name: "after Ctrl-Z and fg the keys come one by one again",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const { notes, screen, stdin } = terminal();
    using _ = new RawMode(screen, stdin);
    Deno.kill(Deno.pid, "SIGCONT");
    // A listener for signals keeps no event loop alive; a timer does.
    while (notes.length < 4) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assertEquals(notes, ["raw", "redraw", "raw", "redraw"]);
  },
});
