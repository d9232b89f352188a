import { assertEquals, assertMatch } from "@std/assert";

/** A program whose transport cannot be loaded, as while the network is down. */
const PROGRAM = `
import { connect } from "${import.meta.resolve("../../mod.ts")}";
setTimeout(() => Deno.exit(3), 20_000);
let errors = 0;
const onError = () => { errors++; };
try {
  await connect("ws://127.0.0.1:9/", { transport: "tcp" }, { onError });
} catch ({ code, severity, message }) {
  console.log(JSON.stringify({ code, severity, message, errors }));
  Deno.exit();
}
`;

Deno.test("a transport that cannot be loaded ends the client at once", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const broken = import.meta.resolve(
      "../../src/transport/tcp/tcp_transport.ts",
    );
    const config = JSON.parse(
      await Deno.readTextFile(new URL("../../deno.json", import.meta.url)),
    );
    const { imports } = config;
    for (const name of ["abortable", "delay", "retry"]) {
      const path = `../../std/async/${name}.ts`;
      imports[`@std/async/${name}`] = import.meta.resolve(path);
    }
    imports[broken] = "data:text/javascript,throw new Error('unreachable')";
    await Deno.writeTextFile(`${folder}/map.json`, JSON.stringify({ imports }));
    await Deno.writeTextFile(`${folder}/main.ts`, PROGRAM);
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--no-lock", "--no-check", "--allow-net"],
        ...["--import-map", `${folder}/map.json`, `${folder}/main.ts`],
      ],
    }).output();
    const text = new TextDecoder().decode(stdout);
    assertEquals(new TextDecoder().decode(stderr), "");
    const { message, ...facts } = JSON.parse(text);
    assertMatch(message, /unreachable/);
    assertEquals(facts, { code: "CONNECT", severity: "fatal", errors: 1 });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
