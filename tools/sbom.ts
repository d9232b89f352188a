/**
 * What is inside the compiled program, as a CycloneDX 1.6 document.
 *
 * It is read from the module graph, not from a list of dependencies: what the
 * program does not load is not in it.
 *
 * ```sh
 * deno run --allow-read --allow-env --allow-run=deno tools/sbom.ts >ws-stream.cdx.json
 * ```
 *
 * @module
 */

import config from "../deno.json" with { type: "json" };

/** A part of the program. */
export interface Component {
  readonly type: "library" | "framework";
  readonly name: string;
  readonly version: string;
  readonly purl: string;
}

/** What `deno info --json` says, as far as it is used here. */
interface Graph {
  readonly modules: readonly { readonly specifier: string }[];
  /** All that the lock file has; what the program loads is less. */
  readonly npmPackages?: Readonly<Record<string, NpmPackage>>;
}

interface NpmPackage {
  readonly name: string;
  readonly version: string;
  readonly dependencies: readonly string[];
}

/** The parts of the program `cli.ts`, sorted by name. */
export async function components(): Promise<Component[]> {
  const { stdout, success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", new URL("../cli.ts", import.meta.url).href],
    stdout: "piped",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const { modules, npmPackages = {} }: Graph = JSON.parse(
    new TextDecoder().decode(stdout),
  );
  const npm = loaded(modules.map(({ specifier }) => specifier), npmPackages)
    .map(({ name, version }) => library(name, version, "npm"));
  const jsr = modules.flatMap(({ specifier }) => {
    const [, name, version] =
      specifier.match(/\/(@[\w-]+\/[\w-]+)\/(\d+\.\d+\.\d+)\//) ?? [];
    return name === undefined || version === undefined
      ? []
      : [library(name, version, "jsr")];
  });
  const { deno, v8 } = Deno.version;
  const runtime: Component[] = [
    framework("deno", deno, `pkg:github/denoland/deno@v${deno}`),
    framework("v8", v8, `pkg:generic/v8@${v8}`),
  ];
  const byPurl = new Map(
    [...npm, ...jsr, ...runtime].map((one) => [one.purl, one]),
  );
  return [...byPurl.values()].toSorted((a, b) => a.purl < b.purl ? -1 : 1);
}

/** The document. */
export async function sbom() {
  const { name, version, license } = config;
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${crypto.randomUUID()}`,
    version: 1,
    metadata: {
      timestamp: new Date().toISOString(),
      component: {
        type: "application",
        name: "ws-stream",
        version,
        purl: `pkg:jsr/${name}@${version}`,
        licenses: [{ license: { id: license } }],
      },
    },
    components: await components(),
  };
}

/** The npm packages of these modules, with all that they depend on. */
function loaded(
  specifiers: readonly string[],
  packages: Readonly<Record<string, NpmPackage>>,
): NpmPackage[] {
  const ids = new Set(specifiers.flatMap((specifier) => {
    const [, id] = specifier.match(/^npm:\/((?:@[^/]+\/)?[^/]+)/) ?? [];
    return id === undefined ? [] : [id];
  }));
  for (const id of ids) {
    for (const other of packages[id]?.dependencies ?? []) ids.add(other);
  }
  return [...ids].flatMap((id) => packages[id] ?? []);
}

function library(name: string, version: string, registry: string): Component {
  const path = name.replace("@", "%40");
  return {
    type: "library",
    name,
    version,
    purl: `pkg:${registry}/${path}@${version}`,
  };
}

function framework(name: string, version: string, purl: string): Component {
  return { type: "framework", name, version, purl };
}

if (import.meta.main) console.log(JSON.stringify(await sbom(), null, 2));
