/**
 * Messages as bytes of stdin and stdout: what `--binary` says.
 *
 * @module
 */

import type { Message } from "../../../mod.ts";
import { type TextOrFile, UsageError } from "../args/values.ts";
import { readFlagFile, readFlagText } from "../args/client_config.ts";

/** How binary messages are written; undefined: input is text. */
export type BinaryForm = "raw" | "base64" | "hex" | undefined;

/** Input that does not have the form it should have. */
export class InputFormatError extends UsageError {
  override readonly name = "InputFormatError";
}

/** Gives the message that bytes of the input stand for. */
export type Decode = (bytes: Uint8Array) => Message;

/** The reader of input in one form. */
export function decoderOf(form: BinaryForm): Decode {
  const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const text = (bytes: Uint8Array, rule: string) => {
    try {
      return utf8.decode(bytes);
    } catch {
      throw new InputFormatError(`the input must be ${rule}`);
    }
  };
  switch (form) {
    case undefined:
      return (bytes) => text(bytes, "UTF-8 text (--binary is for other bytes)");
    case "raw":
      return (bytes) => bytes;
    case "base64":
      return (bytes) => decodeText("base64", text(bytes, "base64"));
    case "hex":
      return (bytes) => decodeText("hex", text(bytes, "hex"));
    default:
      return form satisfies never;
  }
}

function decodeText(form: "base64" | "hex", text: string): Uint8Array {
  try {
    return form === "hex"
      ? Uint8Array.fromHex(text.replaceAll(/\s/g, ""))
      : Uint8Array.fromBase64(text);
  } catch {
    throw new InputFormatError(
      `the input must be ${form}: got ${JSON.stringify(text.slice(0, 40))}`,
    );
  }
}

/** A binary message as a line of text. */
export function encodeText(form: "base64" | "hex", bytes: Uint8Array): string {
  return form === "hex" ? bytes.toHex() : bytes.toBase64();
}

/**
 * The message that a flag gives, in the form of the input.
 * @throws {UsageError} a file that cannot be read
 * @throws {InputFormatError} not in that form
 */
export function messageOf(
  flag: string,
  given: TextOrFile,
  form: BinaryForm,
): Message {
  if (form === "raw" && "file" in given) return readFlagFile(flag, given.file);
  const text = "text" in given ? given.text : readFlagText(flag, given.file);
  return form === undefined
    ? text
    : decoderOf(form)(new TextEncoder().encode(text));
}
