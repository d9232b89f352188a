import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import {
  binaryName,
  checksums,
  compileArgs,
  TARGETS,
} from "../../tools/binaries.ts";
import { packageFiles } from "../../tools/package.ts";
import { changelogSection } from "../../tools/release.ts";
import { components } from "../../tools/sbom.ts";

const ROOT = new URL("../../", import.meta.url);

function read(path: string): Promise<string> {
  return Deno.readTextFile(new URL(path, ROOT));
}

Deno.test("the changelog has a section for the version in deno.json", async () => {
  const section = changelogSection(await read("CHANGELOG.md"), config.version);
  assert(section !== undefined && section.length > 100, section);
});

Deno.test("a section of the changelog ends where the next one begins", () => {
  const changelog = "# Changelog\n\n## 1.10.0 (2030-01-02)\n\n- b\n\n" +
    "## 1.1.0 (2030-01-01)\n\n- a\n";
  assertEquals(changelogSection(changelog, "1.10.0"), "- b");
  assertEquals(changelogSection(changelog, "1.1.0"), "- a");
  assertEquals(changelogSection(changelog, "1.1"), undefined);
});

Deno.test("no source file repeats the version", async () => {
  for (const { path } of await packageFiles()) {
    if (!path.endsWith(".ts")) continue;
    assertEquals(
      (await read(path)).includes(`"${config.version}"`),
      false,
      path,
    );
  }
});

Deno.test("release --dry-run shows what would happen, and does nothing", async () => {
  const { stdout, code } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "release", "--dry-run"],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stderr: "null",
  }).output();
  const text = new TextDecoder().decode(stdout);
  assertStringIncludes(text, `ws-stream ${config.version} from commit `);
  assertStringIncludes(text, `Package @ws-stream/client@${config.version}: `);
  for (const target of TARGETS) assertStringIncludes(text, binaryName(target));
  assertStringIncludes(text, "--minimum-dependency-age=0");
  assertMatch(text, /[Ww]ould run:\n {2}git tag .*\n {2}git push origin v/);
  assertEquals(code, text.includes("STOP") ? 1 : 0, text);
});

Deno.test("a program of a release may do what `deno task compile` allows", () => {
  const args = compileArgs("dist/x", ["--target", "t"]);
  const task = config.tasks.compile.command
    .replace("compile", "compile --target t")
    .replace("--output ws-stream", "--output dist/x");
  assertEquals(`deno ${args.join(" ")}`, task);
});

Deno.test("the checksums are what sha256sum checks", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/b`, "abc");
    await Deno.writeTextFile(`${folder}/a`, "");
    await Deno.writeTextFile(`${folder}/SHA256SUMS`, "old");
    assertEquals(
      await checksums(folder),
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a\n" +
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  b\n",
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("the list of what is inside has what the program loads, and no test dependency", async () => {
  const purls = (await components()).map(({ purl }) => purl);
  assert(purls.some((purl) => purl.startsWith("pkg:github/denoland/deno@")));
  assert(purls.some((purl) => /deno-std|%40std/.test(purl)), purls.join());
  assertEquals(purls.filter((purl) => /nats|fast-check|x509/.test(purl)), []);
});

Deno.test("the workflows name tasks that there are", async () => {
  for (const workflow of ["ci", "release"]) {
    const text = await read(`.github/workflows/${workflow}.yml`);
    const names = [
      ...text.matchAll(/\btask(?:: +| (?:--quiet )?)([a-z][\w:]*)/g),
    ];
    assert(names.length > 0);
    for (const [, task = ""] of names) assert(task in config.tasks, task);
  }
});

Deno.test("the types of test dependencies are found without the lock file", async () => {
  const importers = [];
  for await (const path of filesBelow("tests/")) {
    const [, before] = (await read(path)).match(/(.*)\nimport .* from "ws";/) ??
      [];
    if (before === undefined) continue;
    assertEquals(before, '// @ts-types="@types/ws"', path);
    importers.push(path);
  }
  assert(importers.includes("tests/support/node_ws_server.ts"));
  // The smallest of them.
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["check", "--quiet", "--no-lock", "tests/support/node_ws_server.ts"],
    cwd: ROOT,
    stdin: "null",
    stdout: "null",
  }).output();
  assert(success, new TextDecoder().decode(stderr));
});

async function* filesBelow(folder: string): AsyncGenerator<string> {
  for await (const { name, isFile } of Deno.readDir(new URL(folder, ROOT))) {
    if (isFile) yield folder + name;
    else yield* filesBelow(`${folder}${name}/`);
  }
}
