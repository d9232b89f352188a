/**
 * The program for all platforms, into `dist`, with checksums and with a list of
 * what is inside (SBOM).
 *
 * ```sh
 * deno task compile:all
 * ```
 *
 * @module
 */

import config from "../deno.json" with { type: "json" };
import { sbom } from "./sbom.ts";

/** The platforms that `deno compile` knows. */
export const TARGETS = [
  "x86_64-unknown-linux-gnu",
  "aarch64-unknown-linux-gnu",
  "x86_64-apple-darwin",
  "aarch64-apple-darwin",
  "x86_64-pc-windows-msvc",
] as const;

/** The name of a platform's program. */
export function binaryName(target: string): string {
  return `ws-stream-${target}${target.includes("windows") ? ".exe" : ""}`;
}

/** As `sha256sum` writes and checks it: one line a file, sorted by name. */
export async function checksums(folder: string): Promise<string> {
  const lines: string[] = [];
  for await (const { name, isFile } of Deno.readDir(folder)) {
    if (!isFile || name === "SHA256SUMS") continue;
    const bytes = await Deno.readFile(`${folder}/${name}`);
    const digest = await crypto.subtle.digest("SHA-256", bytes);
    const hex = [...new Uint8Array(digest)]
      .map((byte) => byte.toString(16).padStart(2, "0"))
      .join("");
    lines.push(`${hex}  ${name}\n`);
  }
  return lines.toSorted((a, b) => a.slice(66) < b.slice(66) ? -1 : 1).join("");
}

/** What `deno task compile` gives to Deno, for a program of another name. */
export function compileArgs(
  output: string,
  more: readonly string[] = [],
): string[] {
  const [, compile = "", ...words] = config.tasks.compile.command.split(" ");
  const rest = words.map((word) => word === "ws-stream" ? output : word);
  return [compile, ...more, ...rest];
}

async function compile(target: string, folder: string): Promise<void> {
  const program = `${folder}/${binaryName(target)}`;
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: compileArgs(program, ["--target", target]),
  }).spawn().status;
  if (!success) throw new Error(`Cannot compile for ${target}`);
}

if (import.meta.main) {
  const folder = "dist";
  await Deno.mkdir(folder, { recursive: true });
  for (const target of TARGETS) await compile(target, folder);
  await Deno.writeTextFile(
    `${folder}/ws-stream.cdx.json`,
    JSON.stringify(await sbom(), null, 2) + "\n",
  );
  await Deno.writeTextFile(`${folder}/SHA256SUMS`, await checksums(folder));
}
