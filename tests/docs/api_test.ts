import { assert, assertEquals } from "@std/assert";

const ROOT = new URL("../../", import.meta.url);

async function doc(...args: string[]): Promise<string> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", ...args],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "null",
  }).output();
  const text = new TextDecoder().decode(stderr);
  assert(success, text);
  return text;
}

Deno.test("everything public is documented", async () => {
  await doc("--lint", "mod.ts", "cli.ts");
});

Deno.test("the API documentation can be built", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await doc("--html", "--name=ws-stream", `--output=${folder}`, "mod.ts");
    const pages = [...Deno.readDirSync(`${folder}/~`)].map(({ name }) => name);
    for (const name of ["WebSocketStreamClient", "connect", "WSError"]) {
      assertEquals(pages.includes(`${name}.html`), true, pages.join());
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
