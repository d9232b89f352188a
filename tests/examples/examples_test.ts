import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { permissionsOf } from "./example.ts";

const FOLDER = new URL("../../examples/", import.meta.url);

/** Files that are started, by their path from the folder. */
const programs: string[] = [];
for (const folder of ["", "fleet/"]) {
  for (const { name, isFile } of Deno.readDirSync(new URL(folder, FOLDER))) {
    if (!isFile || !name.endsWith(".ts")) continue;
    const text = Deno.readTextFileSync(new URL(folder + name, FOLDER));
    if (text.startsWith("#!")) programs.push(folder + name);
  }
}

Deno.test("each example is listed and described", () => {
  const list = Deno.readTextFileSync(new URL("README.md", FOLDER));
  assert(programs.length > 0);
  for (const program of programs) {
    assertStringIncludes(list, `[${program}](${program})`);
  }
});

Deno.test("each example asks for named hosts and files only", () => {
  for (const program of programs) {
    const text = Deno.readTextFileSync(new URL(program, FOLDER));
    const [first = ""] = text.split("\n");
    const hosts = first.match(/--allow-net=(\S+)/)?.[1]?.split(",") ?? [];
    assert(hosts.length > 0, `${program}: ${first}`);
    for (const flag of permissionsOf(text, hosts)) {
      assert(
        /^--allow-(net|read|write|env)=.+$/.test(flag),
        `${program}: ${flag}`,
      );
    }
  }
});

Deno.test("each example can be started by its name", {
  ignore: Deno.build.os === "windows",
}, () => {
  for (const program of programs) {
    const { mode } = Deno.statSync(new URL(program, FOLDER));
    assertEquals((mode ?? 0) & 0o111, 0o111, program);
  }
});
