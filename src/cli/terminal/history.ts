/**
 * The lines of earlier runs, in a file that only its owner can read: one line
 * each, newlines and backslashes escaped.
 *
 * @module
 */

import { HISTORY_SIZE } from "./line_editor.ts";

/** The latest lines of the file; none if it does not exist. */
export function readHistory(path: string): string[] {
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  const lines = text.split("\n").filter((line) => line !== "");
  if (lines.length > 2 * HISTORY_SIZE) {
    lines.splice(0, lines.length - HISTORY_SIZE);
    Deno.writeTextFileSync(path, `${lines.join("\n")}\n`, { mode: 0o600 });
  }
  return lines.slice(-HISTORY_SIZE).map((line) =>
    line.replace(/\\(n|\\)/g, (_, escape) => escape === "n" ? "\n" : "\\")
  );
}

/** Adds a line to the file. */
export function appendHistory(path: string, line: string): void {
  const escaped = line.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
  Deno.writeTextFileSync(path, `${escaped}\n`, { append: true, mode: 0o600 });
}

/**
 * The history file without `--history`; undefined without the permission to read
 * and write it, so that the history is no reason to ask for one.
 */
export function defaultHistory(): string | undefined {
  const variable = Deno.build.os === "windows" ? "USERPROFILE" : "HOME";
  if (!isGranted({ name: "env", variable })) return undefined;
  const home = Deno.env.get(variable);
  if (home === undefined || home === "") return undefined;
  const path = `${home}/.ws-stream-history`;
  const mayUse = isGranted({ name: "read", path }) &&
    isGranted({ name: "write", path });
  return mayUse ? path : undefined;
}

function isGranted(descriptor: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(descriptor).state === "granted";
}
