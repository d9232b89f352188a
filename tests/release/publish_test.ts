/**
 * The package as a stranger gets it: published with `deno publish` into a
 * registry of our own, then added, checked, run, installed and compiled in an
 * empty folder with an empty cache.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { echo } from "../../src/server/behaviours.ts";
import { serve } from "../../src/server/server.ts";
import { packageConfig, packageFiles, stage } from "../../tools/package.ts";
import { Registry } from "./registry.ts";

const { name, version } = packageConfig();
const PACKAGE = `jsr:${name}`;

/** For `deno compile`, a runtime of the version of this very Deno. */
const runtime = Deno.env.get("DENORT_BIN");
const canCompile = runtime !== undefined &&
  Deno.execPath() === Deno.env.get("DENO26");

/** A program whose options are there or not, by its own configuration. */
const STRICT = `
import { connect, WSError } from "${name}";

type AllUndefined<T> = { [K in keyof T]?: undefined };
type Tail<T extends unknown[]> = T extends [unknown, ...infer Rest] ? Rest : [];
type Given = Tail<Parameters<typeof connect>>;

const config: AllUndefined<NonNullable<Given[0]>> = {};
const callbacks: AllUndefined<NonNullable<Given[1]>> = {};
const start: AllUndefined<NonNullable<Given[2]>> = {};
const nothing = undefined;

export async function main() {
  const client = await connect("ws://localhost", config, callbacks, start);
  await connect("ws://localhost", {
    tls: { caCerts: nothing, cert: nothing, key: nothing, serverName: nothing },
    compression: { threshold: nothing, contextTakeover: nothing },
    ping: { message: nothing, isPong: nothing, answer: nothing },
    redeliver: { id: String, acknowledged: () => nothing, window: nothing },
  }, {
    onConnect: (session) =>
      session.setHeartbeat({ pingInterval: nothing, pingTimeout: nothing }),
  });
  await client.send("", { ttl: nothing, key: nothing, signal: nothing });
  client.messages({ overflow: nothing, bufferMaxSize: nothing });
  client.reconnect({ graceful: nothing, code: nothing, reason: nothing });
  await client.stop({ code: nothing, reason: nothing, drain: nothing });
  throw new WSError("", { code: "CLOSED", severity: "fatal", url: nothing });
}
`;

Deno.test("a stranger can use what is published", async (t) => {
  await using registry = new Registry();
  for (const member of ["async", "cli"]) {
    await registry.addFolder(
      new URL(`../../std/${member}/`, import.meta.url),
    );
  }
  await using server = serve({ onPeer: echo });
  const root = await Deno.makeTempDir();
  const folder = `${root}/stranger`;
  await Deno.mkdir(folder);

  const run = async (cwd: string, command: string, ...args: string[]) => {
    const { success, stdout, stderr } = await new Deno.Command(command, {
      args,
      cwd,
      env: {
        DENO_DIR: `${root}/cache`,
        JSR_URL: registry.url,
        NO_COLOR: "1",
      },
      stdin: "null",
    }).output();
    const text = new TextDecoder().decode(stdout);
    const errors = new TextDecoder().decode(stderr);
    assert(success, `${command} ${args.join(" ")}\n${text}\n${errors}`);
    return { stdout: text, stderr: errors };
  };
  const deno = (...args: string[]) => run(folder, Deno.execPath(), ...args);

  try {
    await t.step("it is published without a complaint", async () => {
      await stage(`${root}/package`);
      const { stderr } = await run(
        `${root}/package`,
        Deno.execPath(),
        "publish",
        "--token=secret",
        "--no-provenance",
        "--no-check", // `deno task check` does it
      );
      assertStringIncludes(stderr, `published ${name}@${version}`);
      assertEquals(stderr.match(/^warning.*/gmi), null);
    });

    await t.step("the registry has the files of the package", async () => {
      const paths = [...registry.files(name, version)?.keys() ?? []];
      const expected = (await packageFiles()).map(({ path }) => `/${path}`);
      assertEquals(paths.toSorted(), [...expected, "/deno.json"].toSorted());
    });

    await t.step("it is added", async () => {
      await deno("add", PACKAGE);
      const text = await Deno.readTextFile(`${folder}/deno.json`);
      assertEquals(JSON.parse(text), {
        imports: { [name]: `${PACKAGE}@^${version}` },
      });
    });

    await t.step("the first example is type-checked and runs", async () => {
      const readme = await Deno.readTextFile(`${root}/package/README.md`);
      const [, example = ""] = readme.match(/```ts\n(.*?)```/s) ?? [];
      await Deno.writeTextFile(
        `${folder}/main.ts`,
        example.replace("wss://example.com/feed", server.url),
      );
      await deno("check", "main.ts");
      const { stdout } = await deno(
        "run",
        "--no-prompt",
        `--allow-net=127.0.0.1:${server.port}`,
        "main.ts",
      );
      assertEquals(
        stdout,
        "connected; sending a test message...\n" +
          "RX: hello from the ws-stream client\n" +
          "disconnected gracefully.\n",
      );
    });

    await t.step("options may be undefined for a strict compiler", async () => {
      const path = `${folder}/deno.json`;
      const text = await Deno.readTextFile(path);
      const strict = { exactOptionalPropertyTypes: true };
      await Deno.writeTextFile(
        path,
        JSON.stringify({ ...JSON.parse(text), compilerOptions: strict }),
      );
      await Deno.writeTextFile(`${folder}/strict.ts`, STRICT);
      await deno("check", "strict.ts");
      await Deno.writeTextFile(path, text);
    });

    await t.step(
      "the transport that is loaded on demand is in the package",
      async () => {
        const text = await Deno.readTextFile(`${folder}/main.ts`);
        await Deno.writeTextFile(
          `${folder}/tcp.ts`,
          text.replace(
            /\{ url: "([^"]+)" \}/,
            '{ url: "$1", transport: "tcp" }',
          ),
        );
        const { stdout } = await deno(
          "run",
          "--no-prompt",
          `--allow-net=127.0.0.1:${server.port}`,
          "tcp.ts",
        );
        assertStringIncludes(stdout, "RX: hello from the ws-stream client\n");
        assertStringIncludes(
          await Deno.readTextFile(`${folder}/tcp.ts`),
          '"tcp"',
        );
      },
    );

    await t.step("the program runs without being installed", async () => {
      const { stdout } = await deno("run", `${PACKAGE}/cli`, "--version");
      assertEquals(stdout, `ws-stream ${version}\n`);
    });

    await t.step("the program is installed", async () => {
      await deno(
        "install",
        "--global",
        "--allow-net",
        "--name=ws-stream",
        `--root=${root}/installed`,
        `${PACKAGE}/cli`,
      );
      const suffix = Deno.build.os === "windows" ? ".cmd" : "";
      const { stdout } = await run(
        folder,
        `${root}/installed/bin/ws-stream${suffix}`,
        "--version",
      );
      assertEquals(stdout, `ws-stream ${version}\n`);
    });

    await t.step(
      "the program loads nothing that the package does not declare",
      async () => {
        const { stdout } = await deno("info", "--json", `${PACKAGE}/cli`);
        const { modules }: { modules: { specifier: string }[] } = JSON.parse(
          stdout,
        );
        const foreign = modules.map(({ specifier }) => specifier)
          .filter((specifier) => !specifier.startsWith("node:"))
          .filter((specifier) => !specifier.includes("/@ws-stream/client/"))
          .filter((specifier) => !/\/@std\/(async|cli)\//.test(specifier))
          // What the stand-ins for @std are made of.
          .filter((specifier) => !/^npm:\/(deno-std|get-east)/.test(specifier));
        assertEquals(foreign, []);
      },
    );

    await t.step({
      name: "the program is compiled" +
        (canCompile ? "" : " (skipped: DENORT_BIN is not set for this Deno)"),
      ignore: !canCompile,
      fn: async () => {
        const binary = `${root}/ws-stream`;
        await deno(
          "compile",
          "--allow-net",
          `--output=${binary}`,
          `${PACKAGE}/cli`,
        );
        const { stdout } = await run(folder, binary, "--version");
        assertEquals(stdout, `ws-stream ${version}\n`);
        const over = ["--transport", "tcp", "-n", "1", "--on-open", "hello"];
        const answer = await run(folder, binary, server.url, ...over);
        assertEquals(answer.stdout, "hello\n");
      },
    });
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
