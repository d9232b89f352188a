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
  cli: ["mod", "server", "probe"],
  // The one command that makes the steps of an attempt itself.
  probe: ["cli", "mod", "reconnect", "handshake", "seam", "tcp", "protocol"],
  mod: ["client", "send", "receive", "ground"],
  // The one place that names an implementation of the seam.
  client: [
    "reconnect",
    "connection",
    "native",
    "tcp",
    "handshake",
    "seam",
    "send",
    "receive",
    "ground",
  ],
  reconnect: ["connection", "handshake", "seam", "ground"],
  connection: ["handshake", "seam", "ground"],
  native: ["handshake", "seam", "protocol", "ground"],
  tcp: ["handshake", "seam", "protocol", "ground"],
  handshake: ["seam", "protocol", "ground"],
  seam: ["ground"],
  send: ["seam", "ground"],
  receive: ["ground"],
  server: ["protocol", "ground"],
  protocol: [],
  ground: [],
} as const satisfies Record<string, readonly string[]>;

type Part = keyof typeof MAY_IMPORT;

/** The folders, the longest first, and the parts that they hold. */
const FOLDERS: readonly (readonly [folder: string, part: Part])[] = [
  ["src/transport/native/", "native"],
  ["src/transport/tcp/", "tcp"],
  ["src/cli/probe/", "probe"],
  ["src/transport/", "handshake"],
  ["src/reconnect/", "reconnect"],
  ["src/connection/", "connection"],
  ["src/protocol/", "protocol"],
  ["src/receive/", "receive"],
  ["src/server/", "server"],
  ["src/send/", "send"],
  ["src/cli/", "cli"],
];

/** Files that are a part of their own, or belong to another than their folder's. */
const FILES: Readonly<Record<string, Part>> = {
  "mod.ts": "mod",
  "cli.ts": "cli",
  "src/client.ts": "client",
  "src/transport/transport.ts": "seam",
};

/** All that the sources may import from elsewhere. */
const RUNTIME_DEPENDENCY = /^(@std\/async\/|@std\/cli\/|node:)/;

/** The parts of the program import downwards only. */
export const importsGoDown: Rule = (sources) =>
  programFiles(sources).flatMap(({ path, text }) => {
    const from = partOf(path);
    if (from === undefined) return [`${path} belongs to no part`];
    // The word for one message, which both sides of the protocol share.
    const isMessage = (target: string) => target === "src/message.ts";
    const allowed: readonly Part[] = [
      from,
      ...MAY_IMPORT[from],
    ];
    return relativeImports(path, text)
      // The program's version, and the event loop, which is nobody's part.
      .filter((target) =>
        from !== "cli" ||
        target !== "deno.json" && target !== "src/turns.ts"
      )
      .filter((target) => {
        if (from === "protocol" && isMessage(target)) return false;
        const to = partOf(target);
        return to === undefined || !allowed.includes(to);
      })
      .map((target) => `${path} imports ${target}`);
  });

/** A transport reports facts; what they mean is decided in one place. */
export const transportsReportFacts: Rule = (sources) =>
  sources
    .filter(({ path }) => /^src\/transport\/\w+\//.test(path))
    .flatMap(({ path, text }) =>
      relativeImports(path, text)
        .filter((target) =>
          target === "src/errors.ts" ||
          target === "src/transport/classify.ts"
        )
        .map((target) => `${path} imports ${target}`)
    );

/** The protocol is bytes in and bytes out: no network, no timer, no clock. */
export const protocolDoesNoIo: Rule = (sources) => {
  const files = inFolders(sources, ["protocol"]);
  return [
    ...linesThat(RUNTIME_API, files.map(withoutComments)),
    ...linesThat(TIME, files.map(withoutComments)),
    ...files.flatMap(({ path, text }) =>
      importsOf(text)
        .filter((specifier) => !isRelative(specifier))
        .filter((specifier) => !/^node:(buffer|crypto|zlib)$/.test(specifier))
        .map((specifier) => `${path} imports ${specifier}`)
    ),
  ];
};

/** What drives connections works with every transport. */
export const reconnectKnowsNoRuntime: Rule = (sources) =>
  linesThat(
    RUNTIME_API,
    inFolders(sources, ["reconnect", "connection", "receive"])
      .map(withoutComments),
  );

/** What only Deno has, or the network. */
const RUNTIME_API = /\bDeno\.|\bnew WebSocket\(|\bfetch\(/;

const TIME = /\b(set(Timeout|Interval|Immediate)|performance|Date)\b/;

/** Tests in parallel share one process: only tests that run alone change it. */
export const processIsLeftAlone: Rule = (sources) =>
  linesThat(
    /\bDeno\.(chdir|umask|env\.(set|delete))\(/,
    sources
      .filter(({ path }) =>
        path.startsWith("tests/") && !path.startsWith("tests/alone/") &&
        path !== "tests/house_test.ts"
      )
      .map(withoutComments),
  );

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

/**
 * The library writes nothing to the console, but for the exception of a
 * callback when there is no `onError`; the program does it on purpose.
 */
export const libraryIsQuiet: Rule = (sources) =>
  linesThat(
    /\bconsole\./,
    programFiles(sources)
      .filter(({ path }) => !/^(cli\.ts$|src\/cli\/)/.test(path))
      .filter(({ path }) => path !== "src/notifier.ts")
      .map(withoutComments),
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

function inFolders(
  sources: readonly Source[],
  folders: readonly string[],
): Source[] {
  return sources.filter(({ path }) =>
    folders.some((folder) => path.startsWith(`src/${folder}/`))
  );
}

function partOf(path: string): Part | undefined {
  const file = FILES[path];
  if (file !== undefined) return file;
  const folder = FOLDERS.find(([folder]) => path.startsWith(folder));
  if (folder !== undefined) return folder[1];
  return /^src\/\w+\.ts$/.test(path) ? "ground" : undefined;
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
  const specifiers = codeOf(text).matchAll(
    /\b(?:from|import)\s*\(?\s*["']([^"'\n]+)["']/g,
  );
  return [...specifiers].flatMap(([, specifier]) => specifier ?? []);
}

function withoutComments({ path, text }: Source): Source {
  return { path, text: codeOf(text) };
}

/** The text with its lines, but without comments that begin a line. */
function codeOf(text: string): string {
  return text.replaceAll(
    /\/\*[^]*?\*\/|^[^\S\n]*\/\/.*$/gm,
    (comment) => comment.replaceAll(/[^\n]/g, ""),
  );
}

function linesThat(pattern: RegExp, sources: readonly Source[]): string[] {
  return sources.flatMap(({ path, text }) =>
    text.split("\n").flatMap((line, index) =>
      pattern.test(line) ? [`${path}:${index + 1} ${line.trim()}`] : []
    )
  );
}
