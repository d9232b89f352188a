import { assertEquals } from "@std/assert";

Deno.test("the time for the last lines does not pass while the program cannot run", async () => {
  const module = import.meta.resolve("../../src/cli/stdio.ts");
  const spinning = import.meta.resolve("../support/spin.ts");
  // A machine that lets it run only for a moment in each 60 ms.
  const code = `
    import { endStderr, printToStderr } from ${JSON.stringify(module)};
    import { spin } from ${JSON.stringify(spinning)};
    setInterval(() => spin(60), 0);
    const write = Deno.stderr.write.bind(Deno.stderr);
    Deno.stderr.write = async (bytes) => {
      for (let i = 0; i < 4; i++) await new Promise((go) => setTimeout(go));
      return await write(bytes);
    };
    printToStderr("the last line");
    await endStderr(100);
    Deno.exit();
  `;
  const { stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", code],
  }).output();
  assertEquals(new TextDecoder().decode(stderr), "the last line\n");
});
