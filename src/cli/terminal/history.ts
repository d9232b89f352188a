/**
 * The lines that were typed in earlier runs. They are in a file that only its
 * owner can read: one line each, newlines and backslashes escaped.
 *
 * @module
 */

import { UsageError } from "../args/values.ts";
import {
  environmentVariable,
  fileNeeds,
  isGranted,
  requirePermissions,
} from "../permissions.ts";
import { HISTORY_SIZE, LineEditor } from "./line_editor.ts";

/**
 * An editor with the history of a file, if there is one.
 *
 * @param given the value of `--history`; empty for `--no-history`
 * @throws {UsageError} the given file cannot be used
 * @throws {MissingPermissionError} the given file must not be used
 */
export function openEditor(given: string | undefined): LineEditor {
  const path = given ?? defaultHistory();
  if (path === undefined || path === "") return new LineEditor();
  if (given !== undefined) requirePermissions(fileNeeds(given));
  try {
    if (given !== undefined) {
      // It must be one that can be written.
      Deno.openSync(path, { append: true, create: true, mode: 0o600 }).close();
    }
    return new LineEditor(readHistory(path), (line) => {
      try {
        appendHistory(path, line);
      } catch {
        // A full disk must not end the session.
      }
    });
  } catch (error) {
    if (given === undefined) return new LineEditor();
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(`--history cannot be kept in ${path}: ${why}`);
  }
}

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
function defaultHistory(): string | undefined {
  const isWindows = Deno.build.os === "windows";
  const home = environmentVariable(isWindows ? "USERPROFILE" : "HOME");
  if (home === undefined) return undefined;
  const path = `${home}/.ws-stream-history`;
  const mayUse = isGranted({ name: "read", path }) &&
    isGranted({ name: "write", path });
  return mayUse ? path : undefined;
}
