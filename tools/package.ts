/**
 * The package as strangers get it: what `publish.include` in `deno.json` names,
 * and a `deno.json` without what only a checkout needs.
 *
 * The checkout's own `deno.json` cannot be published: it lists workspace
 * members and test dependencies that are not in the package.
 *
 * ```sh
 * deno task package dist/package
 * ```
 *
 * @module
 */

import config from "../deno.json" with { type: "json" };

const ROOT = new URL("../", import.meta.url);

/** A file of the package. */
export interface PackageFile {
  /** From the root, with slashes. */
  readonly path: string;
  /** In bytes. */
  readonly size: number;
}

/** The files of the package, sorted; `deno.json` is made by `stage`. */
export async function packageFiles(): Promise<PackageFile[]> {
  const files: PackageFile[] = [];
  const paths = config.publish.include.filter((path) => path !== "deno.json");
  for (const path of paths) {
    const { isDirectory, size } = await Deno.stat(new URL(path, ROOT));
    if (!isDirectory) files.push({ path, size });
    else {
      for await (const { name } of Deno.readDir(new URL(path, ROOT))) {
        paths.push(`${path}/${name}`);
      }
    }
  }
  return files.toSorted((a, b) => a.path < b.path ? -1 : 1);
}

/** The `deno.json` of the package. */
export function packageConfig() {
  const { name, version, license, exports, imports, compilerOptions } = config;
  return {
    name,
    version,
    license,
    exports,
    imports: {
      "@std/async": imports["@std/async"],
      "@std/cli": imports["@std/cli"],
    },
    compilerOptions,
  };
}

/** Writes the package into a folder, which must be empty or not there. */
export async function stage(folder: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  for await (const { name } of Deno.readDir(folder)) {
    throw new Error(`Cannot write the package: ${folder} contains ${name}`);
  }
  for (const { path } of await packageFiles()) {
    const slash = path.lastIndexOf("/");
    if (slash > 0) {
      await Deno.mkdir(`${folder}/${path.slice(0, slash)}`, {
        recursive: true,
      });
    }
    await Deno.copyFile(new URL(path, ROOT), `${folder}/${path}`);
  }
  await Deno.writeTextFile(
    `${folder}/deno.json`,
    JSON.stringify(packageConfig(), null, 2) + "\n",
  );
}

if (import.meta.main) {
  const [folder] = Deno.args;
  if (folder === undefined) {
    console.error("Where to? deno task package FOLDER");
    Deno.exit(2);
  }
  await stage(folder);
}
