import { ProtocolError } from "./frames.ts";

// A byte order mark is part of the text like any other character.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The text of a payload.
 *
 * @throws {ProtocolError} 1007, when it is not valid UTF-8 (RFC 6455, 8.1).
 */
export function decodeText(bytes: Uint8Array<ArrayBuffer>): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new ProtocolError(1007, "a text is not valid UTF-8");
  }
}
