/**
 * The files that flags name: secrets, certificates, messages.
 *
 * @module
 */

import { type TextOrFile, UsageError } from "./values.ts";

/**
 * The bytes of a file.
 * @throws {UsageError} when it cannot be read
 */
export function readFlagFile(
  flag: string,
  path: string,
): Uint8Array<ArrayBuffer> {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(`${flag} cannot be read from ${path}: ${why}`);
  }
}

/**
 * The text of a file without the newline at its end, which editors put there
 * and nobody means.
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
