/**
 * The rules of the house, as pure functions over the text of the sources.
 *
 * A rule returns its breaches, one line each; none means that it is kept.
 *
 * @module
 */

/** A file of the project, by its path from the root. */
export interface Source {
  readonly path: string;
  readonly text: string;
}

/** Finds the breaches of one rule. */
export type Rule = (sources: readonly Source[]) => string[];

/** What each part may import besides itself. Arrows go down only. */
const MAY_IMPORT = {
  cli: ["mod", "server"],
  mod: ["client", "outbound", "inbound", "ground"],
  client: ["lifecycle", "connection", "outbound", "inbound", "ground"],
  lifecycle: ["connection", "ground"],
  connection: ["ground"],
  outbound: ["ground"],
  inbound: ["ground"],
  server: ["ground"],
  ground: [],
} as const satisfies Record<string, readonly string[]>;

type Part = keyof typeof MAY_IMPORT;

/** The public class, with what wires it. */
const CLIENT_FILES = [
  "src/client.ts",
  "src/client_errors.ts",
  "src/connect.ts",
  "src/engine.ts",
];

/** All that the sources may import from elsewhere. */
const RUNTIME_DEPENDENCY = /^(@std\/async\/|@std\/cli\/|node:)/;

/** What a file of types alone, which leaves nothing to test, does without. */
const RUNTIME_EXPORT =
  /^export (default|((async|abstract) )?(function|class|const|let|enum)\b)/m;

const MAX_LINES = 300;

/** The parts of the program import downwards only. */
export const importsGoDown: Rule = (sources) =>
  programFiles(sources).flatMap(({ path, text }) => {
    const from = partOf(path);
    if (from === undefined) return [`${path} belongs to no part`];
    const allowed: readonly Part[] = [from, ...MAY_IMPORT[from]];
    return relativeImports(path, text)
      // The program tells its version from there.
      .filter((target) => !(from === "cli" && target === "deno.json"))
      .filter((target) => {
        const to = partOf(target);
        return to === undefined || !allowed.includes(to);
      })
      .map((target) => `${path} imports ${target}`);
  });

/** The errors know nobody, so that everybody can know them. */
export const errorsImportNobody: Rule = (sources) =>
  sources
    .filter(({ path }) => path === "src/errors.ts")
    .flatMap(({ path, text }) =>
      importsOf(text).map((specifier) => `${path} imports ${specifier}`)
    );

/** The program depends on the standard library and on Deno alone. */
export const dependsOnStdAlone: Rule = (sources) =>
  programFiles(sources).flatMap(({ path, text }) =>
    importsOf(text)
      .filter((specifier) => !isRelative(specifier))
      .filter((specifier) => !RUNTIME_DEPENDENCY.test(specifier))
      .map((specifier) => `${path} imports ${specifier}`)
  );

/** Each source file has a test of its name. */
export const eachFileHasItsTest: Rule = (sources) => {
  const paths = new Set(sources.map(({ path }) => path));
  const testOf = (path: string) =>
    path.replace(/^src\//, "tests/").replace(/\.ts$/, "_test.ts");
  return sources
    .filter(({ path }) => path.startsWith("src/"))
    .filter(({ text }) => RUNTIME_EXPORT.test(text))
    .filter(({ path }) => !paths.has(testOf(path)))
    .map(({ path }) => `${path} has no ${testOf(path)}`);
};

/** No file is longer than a reader can hold. */
export const filesAreShort: Rule = (sources) =>
  programFiles(sources)
    .map(({ path, text }) => ({ path, lines: text.split("\n").length - 1 }))
    .filter(({ lines }) => lines > MAX_LINES)
    .map(({ path, lines }) => `${path} has ${lines} lines`);

/** Files are named after one concept, in snake_case. */
export const filesAreNamedAfterAConcept: Rule = (sources) =>
  programFiles(sources)
    .map(({ path }) => path)
    .filter((path) =>
      !/^([a-z0-9]+_)*[a-z0-9]+\.ts$/.test(path.split("/").at(-1) ?? "") ||
      /\b(utils?|helpers?|manager|types|common|misc)\b/.test(path)
    );

/** Nothing talks the compiler or the linter out of what it saw. */
export const nothingIsSilenced: Rule = (sources) =>
  linesThat(
    /@ts-(ignore|expect-error|nocheck)|no-explicit-any|\bas (any|unknown as|never)\b/,
    programFiles(sources),
  );

/** The library writes nothing to the console; the program does it on purpose. */
export const libraryIsQuiet: Rule = (sources) =>
  linesThat(
    /^(?!\s*(\*|\/\/)).*\bconsole\./,
    programFiles(sources).filter(({ path }) => partOf(path) !== "cli"),
  );

/** What is left to do is not left in the tree. */
export const nothingIsLeftToDo: Rule = (sources) =>
  linesThat(/\b(TODO|FIXME|XXX|HACK)\b/, sources);

/** Nothing names the machine that it was written on, or what it downloads from. */
export const namesNoMachine: Rule = (sources) =>
  linesThat(
    /(^|[^\w.~-])\/(root|home|work|Users)\/|\b(registry\.npmjs|pypi|pythonhosted|crates|proxy\.golang|maven|debian)\.(org|io|com)\b/,
    sources,
  );

/** What is shipped: the two entry points and `src`. */
function programFiles(sources: readonly Source[]): Source[] {
  return sources.filter(({ path }) =>
    path === "mod.ts" || path === "cli.ts" || path.startsWith("src/")
  );
}

function partOf(path: string): Part | undefined {
  if (path === "mod.ts") return "mod";
  if (path === "cli.ts") return "cli";
  if (CLIENT_FILES.includes(path)) return "client";
  const [, folder] = /^src\/(?:(\w+)\/)?/.exec(path) ?? [];
  if (folder === undefined) {
    return path.startsWith("src/") ? "ground" : undefined;
  }
  return isPart(folder) ? folder : undefined;
}

function isPart(name: string): name is Part {
  return Object.hasOwn(MAY_IMPORT, name);
}

function isRelative(specifier: string): boolean {
  return /^\.{1,2}\//.test(specifier);
}

function relativeImports(path: string, text: string): string[] {
  return importsOf(text)
    .filter(isRelative)
    .map((specifier) =>
      new URL(specifier, `file:///${path}`).pathname.slice(1)
    );
}

/** The specifiers of all imports, re-exports and dynamic imports. */
function importsOf(text: string): string[] {
  const code = text.replaceAll(/\/\*.*?\*\/|^\s*\/\/.*$/gms, "");
  const specifiers = code.matchAll(
    /\b(?:from|import)\s*\(?\s*["']([^"'\n]+)["']/g,
  );
  return [...specifiers].flatMap(([, specifier]) => specifier ?? []);
}

function linesThat(pattern: RegExp, sources: readonly Source[]): string[] {
  return sources.flatMap(({ path, text }) =>
    text.split("\n").flatMap((line, index) =>
      pattern.test(line) ? [`${path}:${index + 1} ${line.trim()}`] : []
    )
  );
}
