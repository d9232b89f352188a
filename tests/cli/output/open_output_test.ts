import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../../src/cli/args/values.ts";
import {
  openOutput,
  type OutputFlags,
  outputNeeds,
} from "../../../src/cli/output/open_output.ts";
import { TempFile } from "../../support/temp_file.ts";

function opened(flags: Partial<OutputFlags>) {
  const notes: string[] = [];
  const open = openOutput(
    {
      output: undefined,
      "rotate-size": undefined,
      "rotate-every": undefined,
      ...flags,
    },
    {
      delimiter: "\n",
      host: "example.com",
      onBrokenPipe: () => notes.push("broken pipe"),
      onError: (error) => notes.push(error.name),
      onFile: (path) => notes.push(path.split("/").at(-1) ?? ""),
    },
  );
  return { open, notes };
}

Deno.test("files are complete when the output is closed, and told", () => {
  using temp = new TempFile();
  const { open, notes } = opened({ output: `${temp.folder}/{host}.txt` });
  open.output.text("one");
  open.output.text("two");
  open[Symbol.dispose]();
  assertEquals(notes, ["example.com.txt"]);
  const text = Deno.readTextFileSync(`${temp.folder}/example.com.txt`);
  assertEquals(text, "one\ntwo\n");
});

Deno.test("no file is larger than it may be, however many messages come at once", () => {
  for (const size of [10, 500_000]) {
    using temp = new TempFile();
    const { open, notes } = opened({
      output: `${temp.folder}/{n}`,
      "rotate-size": size,
    });
    const message = "x".repeat(size / 2 - 1);
    for (let i = 0; i < 5; i++) open.output.text(message);
    open[Symbol.dispose]();
    assertEquals(notes, ["0001", "0002", "0003"]);
    const sizes = notes.map((name) =>
      Deno.statSync(`${temp.folder}/${name}`).size
    );
    assertEquals(sizes, [size, size, size / 2]);
  }
});

Deno.test("a file that cannot be written is told, once", () => {
  using temp = new TempFile();
  Deno.writeTextFileSync(temp.path, "a file, no folder");
  const { open, notes } = opened({ output: `${temp.path}/x.txt` });
  for (const text of ["one", "two"]) {
    open.output.text(text);
    open.output.flush();
  }
  open[Symbol.dispose]();
  assertEquals(notes.length, 1);
});

Deno.test("rotation without files is wrong usage", () => {
  assertThrows(() => opened({ "rotate-size": 1 }), UsageError, "--output");
  assertThrows(() => opened({ "rotate-every": 1 }), UsageError, "--output");
});

Deno.test("files need their folder, stdout needs nothing", () => {
  const rest = { "rotate-size": undefined, "rotate-every": undefined };
  assertEquals(outputNeeds({ output: undefined, ...rest }), []);
  assertEquals(outputNeeds({ output: "a/{date}/{hour}", ...rest }), [
    { kind: "read", path: "a" },
    { kind: "write", path: "a" },
  ]);
});
