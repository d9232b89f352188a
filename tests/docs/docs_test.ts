/**
 * The documentation is checked, not believed: its code compiles, its commands
 * are commands, its tables are those of the program, its links lead somewhere.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { heartbeats, WebSocketStreamClient } from "../../mod.ts";
import { parseCommandLine } from "../../src/cli/args/parse.ts";
import { FILES, membersOf, withTables } from "../../tools/reference.ts";

const ROOT = new URL("../../", import.meta.url);

const DOCUMENTS = [
  "CHANGELOG.md",
  "CONTRIBUTING.md",
  "README.md",
  "examples/README.md",
  ...[...Deno.readDirSync(new URL("docs/", ROOT))]
    .map(({ name }) => `docs/${name}`)
    .filter((path) => path.endsWith(".md")).toSorted(),
];

function read(path: string): string {
  return Deno.readTextFileSync(new URL(path, ROOT));
}

Deno.test("the tables in the docs are those of the program (deno task reference renews them)", async () => {
  for (const file of FILES) {
    const text = read(file);
    assertEquals(text, await withTables(text), file);
  }
});

Deno.test("the code in the docs compiles", async () => {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["check", "--quiet", "--doc-only", ...DOCUMENTS],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "null",
  }).output();
  assert(success, new TextDecoder().decode(stderr));
});

Deno.test("the commands in the docs are commands of the program", () => {
  let count = 0;
  for (const document of DOCUMENTS) {
    for (const line of shellLines(read(document))) {
      for (const words of commands(line)) {
        if (words[0] !== "ws-stream") continue;
        count++;
        try {
          parseCommandLine(words.slice(1));
        } catch (cause) {
          throw new Error(`${document}: ${line}`, { cause });
        }
      }
    }
  }
  assert(count > 0);
});

Deno.test("the tasks in the docs are tasks", () => {
  for (const document of DOCUMENTS) {
    for (
      const [, task = ""] of read(document).matchAll(
        /deno(?:@\S+)? task (\w[\w:]*)/g,
      )
    ) {
      assert(task in config.tasks, `${document}: ${task}`);
    }
  }
});

Deno.test("the links in the docs lead to files and headings that there are", () => {
  for (const document of DOCUMENTS) {
    for (const [, link = ""] of read(document).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(link)) continue;
      const [path = "", anchor] = link.split("#");
      const target = new URL(path, new URL(document, ROOT));
      const text = Deno.readTextFileSync(target);
      if (anchor === undefined) continue;
      const anchors = [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = ""]) =>
        title.toLowerCase().replaceAll(/[^\w -]/g, "").replaceAll(" ", "-")
      );
      assert(anchors.includes(anchor), `${document}: ${link}`);
    }
  }
});

Deno.test("the docs name every error code, drop reason and heartbeat", () => {
  const { failures } = new WebSocketStreamClient({ url: "ws://127.0.0.1" })
    .stats;
  const text = read("docs/failures.md");
  for (const code of Object.keys(failures)) {
    assertStringIncludes(text, `\`${code}\``);
  }
  const [, reasons = ""] =
    read("src/callbacks.ts").match(/type DropReason =([^;]+);/) ?? [];
  const delivery = read("docs/delivery.md");
  for (const [reason] of reasons.matchAll(/"[\w-]+"/g)) {
    assertStringIncludes(delivery, `\`${reason}\``);
  }
  const options = read("docs/options.md");
  for (const name of Object.keys(heartbeats)) {
    assertStringIncludes(options, `\`heartbeats.${name}()\``);
  }
});

Deno.test("the members of an interface are found with their documentation", () => {
  const source = `export interface A {
  // First -----------------

  /**
   * What it is, {@linkcode B.c}.
   * @default 1; see
   * below
   */
  readonly one?: number;

  // Second ----------------

  /** Another. */
  two(): void;
}
`;
  assertEquals(membersOf(source, "A"), [
    {
      group: "First",
      name: "one",
      isOptional: true,
      default: "1; see below",
      text: "What it is, `c`.",
    },
    {
      group: "Second",
      name: "two",
      isOptional: false,
      default: undefined,
      text: "Another.",
    },
  ]);
});

/** The lines of the shell examples, without comments. */
function shellLines(markdown: string): string[] {
  return [...markdown.matchAll(/```sh\n(.*?)```/gs)]
    .flatMap(([, block = ""]) => block.split("\n"))
    .map((line) => line.replace(/(^|\s)#\s.*$/, ""));
}

/** The commands of a line, each as its words; redirections are left out. */
function commands(line: string): string[][] {
  const words = [...line.matchAll(/'[^']*'|"[^"]*"|[|]|[^\s'"|]+/g)]
    .map(([word]) => word);
  const list: string[][] = [[]];
  for (const word of words) {
    if (word === "|") list.push([]);
    else if (!/^\d?[<>]/.test(word)) {
      list.at(-1)?.push(word.replace(/^(['"])(.*)\1$/, "$2"));
    }
  }
  return list;
}
