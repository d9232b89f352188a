/**
 * The files that flags name.
 *
 * @module
 */

import { type TextOrFile, UsageError } from "./values.ts";

/** The bytes of pipes, which can be read only once. */
const pipes = new Map<string, Uint8Array<ArrayBuffer>>();

/**
 * The bytes of a file; `-` is stdin. A file is read each time, because it may
 * have been renewed; a pipe, such as `<(pass show token)`, once.
 * @throws {UsageError} when it cannot be read
 */
export function readFlagFile(
  flag: string,
  path: string,
): Uint8Array<ArrayBuffer> {
  const known = pipes.get(path);
  if (known !== undefined) return known;
  try {
    const bytes = path === "-" ? readStdin() : Deno.readFileSync(path);
    if (path === "-" || !Deno.statSync(path).isFile) pipes.set(path, bytes);
    return bytes;
  } catch (error) {
    throw unreadable(flag, path, error);
  }
}

/** The error for a file that cannot be read. */
export function unreadable(
  name: string,
  path: string,
  error: unknown,
): UsageError {
  const text = error instanceof Error ? error.message : String(error);
  // Deno names its own call and the path once more.
  const why = text.replace(/: \w+ '.*'$/s, "");
  return new UsageError(`${name} cannot be read from ${path}: ${why}`);
}

function readStdin(): Uint8Array<ArrayBuffer> {
  let bytes = new Uint8Array(4096);
  for (let used = 0;;) {
    const length = Deno.stdin.readSync(bytes.subarray(used));
    if (length === null) return bytes.slice(0, used);
    used += length;
    if (used < bytes.length) continue;
    const larger = new Uint8Array(bytes.length * 2);
    larger.set(bytes);
    bytes = larger;
  }
}

/**
 * The text of a file without the newline that editors put at its end.
 * @throws {UsageError} when it cannot be read or is not UTF-8
 */
export function readFlagText(flag: string, path: string): string {
  const bytes = readFlagFile(flag, path);
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return text.replace(/\r?\n$/, "");
  } catch {
    throw new UsageError(`${flag} must be UTF-8 text: ${path} is not`);
  }
}

/** The text, or the text of the file. */
export function textOf(flag: string, given: TextOrFile): string {
  return "text" in given ? given.text : readFlagText(flag, given.file);
}
