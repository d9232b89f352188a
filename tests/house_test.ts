import { assertEquals, assertGreater } from "@std/assert";
import {
  dependsOnStdAlone,
  errorsImportNobody,
  filesAreNamedAfterAConcept,
  importsGoDown,
  libraryIsQuiet,
  namesNoMachine,
  nothingIsLeftToDo,
  nothingIsSilenced,
  processIsLeftAlone,
  protocolDoesNoIo,
  reconnectKnowsNoRuntime,
  type Rule,
  type Source,
  transportsReportFacts,
} from "./support/house.ts";

interface Case {
  readonly name: string;
  readonly rule: Rule;
  /** Each is one breach. */
  readonly breaches: readonly Source[];
  /** All of them together keep the rule. */
  readonly kept: readonly Source[];
}

const CASES: readonly Case[] = [
  {
    name: "imports go down only",
    rule: importsGoDown,
    breaches: [
      file("src/protocol/a.ts", 'import { b } from "../rules.ts";'),
      file("src/send/a.ts", 'import { b } from "../connection/b.ts";'),
      file("src/send/a.ts", 'import { b } from "../transport/classify.ts";'),
      file(
        "src/receive/a.ts",
        'import { b } from "../transport/transport.ts";',
      ),
      file("src/connection/a.ts", 'import "../reconnect/b.ts";'),
      file("src/connection/a.ts", 'import "../transport/native/b.ts";'),
      file("src/reconnect/a.ts", 'await import("../transport/tcp/b.ts");'),
      file("src/reconnect/a.ts", 'export * from "../send/b.ts";'),
      file("src/transport/transport.ts", 'import "./handshake_request.ts";'),
      file("src/transport/classify.ts", 'import "./native/b.ts";'),
      file("src/transport/native/a.ts", 'import "../tcp/b.ts";'),
      file("src/transport/tcp/a.ts", 'import "../../connection/b.ts";'),
      file("src/server/a.ts", 'await import("../connection/b.ts");'),
      file("src/server/a.ts", 'import "../transport/tcp/b.ts";'),
      file("src/cli/a.ts", 'import { b } from "../client.ts";'),
      file("src/cli/a.ts", 'import { b } from "../protocol/b.ts";'),
      file("src/cli/ping/a.ts", 'import { b } from "../../errors.ts";'),
      file("src/cli/probe/a.ts", 'import "../../transport/native/b.ts";'),
      file("src/config.ts", "import {\n  b,\n} from './send/b.ts';"),
      file("src/client.ts", 'import { b } from "../mod.ts";'),
      file("mod.ts", 'export { b } from "./src/server/b.ts";'),
      file("src/client.ts", 'import { b } from "../tests/b.ts";'),
      file("src/elsewhere/a.ts", ""),
    ],
    kept: [
      file("cli.ts", 'import { main } from "./src/cli/main.ts";'),
      file("src/cli/commands/a.ts", 'import { b } from "../../../mod.ts";'),
      file("src/cli/a.ts", 'import { b } from "../server/b.ts";'),
      file("src/cli/a.ts", 'import { b } from "./probe/b.ts";'),
      file("src/cli/probe/a.ts", 'import { b } from "../../protocol/b.ts";'),
      file("src/cli/probe/a.ts", 'import "../../transport/tcp/b.ts";'),
      file("mod.ts", 'export { b } from "./src/client.ts";'),
      file("src/client.ts", 'import { b } from "./reconnect/b.ts";'),
      file("src/client.ts", 'await import("./transport/tcp/b.ts");'),
      file("src/reconnect/a.ts", 'import { b } from "../connection/b.ts";'),
      file("src/reconnect/a.ts", 'import "../transport/classify.ts";'),
      file("src/connection/a.ts", 'import "../transport/transport.ts";'),
      file("src/transport/tcp/a.ts", 'import "../../protocol/b.ts";'),
      file(
        "src/send/a.ts",
        'import type { B } from "../transport/transport.ts";',
      ),
      file("src/server/a.ts", 'import { b } from "../protocol/b.ts";'),
      file("src/protocol/a.ts", 'import type { B } from "../message.ts";'),
      file("src/config.ts", 'import type { B } from "./errors.ts";'),
      file("src/receive/a.ts", '/**\n * import "../client.ts";\n */'),
    ],
  },
  {
    name: "a transport reports facts, not errors",
    rule: transportsReportFacts,
    breaches: [
      file("src/transport/native/a.ts", 'import { b } from "../../errors.ts";'),
      file("src/transport/tcp/a.ts", 'import { b } from "../classify.ts";'),
    ],
    kept: [
      file("src/transport/classify.ts", 'import { b } from "../errors.ts";'),
      file("src/transport/tcp/a.ts", 'import { b } from "../transport.ts";'),
    ],
  },
  {
    name: "the protocol does no I/O",
    rule: protocolDoesNoIo,
    breaches: [
      file("src/protocol/a.ts", "await Deno.connect({ port });"),
      file("src/protocol/a.ts", "setTimeout(b, 10);"),
      file("src/protocol/a.ts", "const now = performance.now();"),
      file("src/protocol/a.ts", 'import { connect } from "node:net";'),
      file("src/protocol/a.ts", 'import { delay } from "@std/async/delay";'),
    ],
    kept: [
      file("src/protocol/a.ts", 'import { Buffer } from "node:buffer";'),
      file("src/protocol/b.ts", "// As `Deno.connect` does.\n/* fetch(b) */"),
    ],
  },
  {
    name: "reconnecting and receiving know no runtime API",
    rule: reconnectKnowsNoRuntime,
    breaches: [
      file("src/reconnect/a.ts", "await Deno.permissions.query(b);"),
      file("src/connection/a.ts", "const socket = new WebSocket(url);"),
      file("src/receive/a.ts", "await fetch(url);"),
    ],
    kept: [
      file("src/transport/native/a.ts", "const socket = new WebSocket(url);"),
      file("src/reconnect/a.ts", " // Deno.permissions asks.\nretry(b);"),
    ],
  },
  {
    name: "tests that run in parallel leave their process as it is",
    rule: processIsLeftAlone,
    breaches: [
      file("tests/a_test.ts", "Deno.chdir(folder);"),
      file("tests/cli/a_test.ts", 'Deno.env.set("TZ", "UTC");'),
    ],
    kept: [
      file("tests/alone/a_test.ts", "Deno.chdir(folder);"),
      file("tests/a_test.ts", 'Deno.env.get("TZ");'),
    ],
  },
  {
    name: "the errors import nobody",
    rule: errorsImportNobody,
    breaches: [file("src/errors.ts", 'import { b } from "./config.ts";')],
    kept: [file("src/config.ts", 'import { b } from "./errors.ts";')],
  },
  {
    name: "the program depends on the standard library alone",
    rule: dependsOnStdAlone,
    breaches: [
      file("src/a.ts", 'import { b } from "npm:b";'),
      file("src/a.ts", 'import { b } from "jsr:@std/async@1/delay";'),
      file("cli.ts", 'import { b } from "https://example.com/b.ts";'),
      file("mod.ts", 'export { assert } from "@std/assert";'),
    ],
    kept: [
      file("src/a.ts", 'import { delay } from "@std/async/delay";'),
      file("src/b.ts", 'import { connect } from "node:tls";'),
      file("tests/a_test.ts", 'import { WebSocketServer } from "ws";'),
    ],
  },
  {
    name: "each source file is named after a concept",
    rule: filesAreNamedAfterAConcept,
    breaches: [
      file("src/utils.ts", ""),
      file("src/helpers/a.ts", ""),
      file("src/sendQueue.ts", ""),
      file("src/send-queue.ts", ""),
    ],
    kept: [file("src/send/send_queue.ts", ""), file("mod.ts", "")],
  },
  {
    name: "nothing is silenced",
    rule: nothingIsSilenced,
    breaches: [
      file("src/a.ts", "// @ts-ignore because"),
      file("src/a.ts", "// deno-lint-ignore no-explicit-any"),
      file("src/a.ts", "const b = c as unknown as string;"),
      file("src/a.ts", "const b = c as any;"),
    ],
    kept: [file("src/a.ts", "const b = c as const;")],
  },
  {
    name: "the library writes nothing to the console",
    rule: libraryIsQuiet,
    breaches: [file("src/a.ts", 'console.log("b");')],
    kept: [
      file("src/cli/a.ts", 'console.error("b");'),
      file("src/notifier.ts", "console.error(error);"),
      file("src/a.ts", "/**\n * onMessage: (data) => console.log(data),\n */"),
    ],
  },
  {
    name: "nothing is left to do",
    rule: nothingIsLeftToDo,
    breaches: [file("tests/a_test.ts", "// TODO: b"), file("a.md", "FIXME")],
    kept: [file("src/a.ts", "todo")],
  },
  {
    name: "nothing names the machine it was written on",
    rule: namesNoMachine,
    breaches: [
      file("README.md", "cd /home/me/ws-stream"),
      file("a.ts", '"/Users/me/.cache"'),
      file("deno.lock", "https://registry.npmjs.org/ws"),
    ],
    kept: [file("src/a.ts", 'import "../home/b.ts"; // https://jsr.io/@std')],
  },
];

const tree = await readTree();

Deno.test("the rules see the whole tree", () => {
  const paths = tree.map(({ path }) => path);
  for (const path of ["deno.json", ".ci/run", "std/async/retry.ts"]) {
    assertEquals(paths.includes(path), true, path);
  }
  assertGreater(paths.filter((path) => path.startsWith("src/")).length, 0);
});

for (const { name, rule, breaches, kept } of CASES) {
  Deno.test(name, () => assertEquals(rule(tree), []));

  Deno.test(`${name}: a breach is seen`, () => {
    for (const breach of breaches) {
      assertEquals(rule([breach]).length, 1, JSON.stringify(breach));
    }
    assertEquals(rule(kept), []);
  });
}

function file(path: string, text: string): Source {
  return { path, text };
}

/** All of the project that is text, apart from the rules and their breaches. */
async function readTree(): Promise<Source[]> {
  const root = new URL("../", import.meta.url);
  const sources: Source[] = [];
  const folders = [""];
  for (const folder of folders) {
    for await (const entry of Deno.readDir(new URL(folder, root))) {
      const path = folder + entry.name;
      if (entry.isDirectory) {
        if (![".git", "node_modules", "coverage", "build"].includes(path)) {
          folders.push(`${path}/`);
        }
      } else if (isText(path) && !/^tests\/.*house(_test)?\.ts$/.test(path)) {
        const text = await Deno.readTextFile(new URL(path, root));
        sources.push({ path, text });
      }
    }
  }
  return sources;
}

function isText(path: string): boolean {
  return /\.(ts|js|py|json|lock|md|sh|conf)$|(^|\/)(LICENSE|run|\.gitignore)$/
    .test(path);
}
