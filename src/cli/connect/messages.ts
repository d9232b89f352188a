/**
 * The way of a message before `connect` prints it, in a pipe and on a terminal:
 * `--decompress`, `--grep`, `-vv`.
 *
 * @module
 */

import type { Message, WSConfig } from "../../../mod.ts";
import { clientConfig } from "../args/client_config.ts";
import type { Flags } from "../args/flags.ts";
import { matches } from "../args/values.ts";
import type { Notices } from "../notices.ts";
import type { Source } from "../run/connection_events.ts";
import { traceMessage } from "../run/trace.ts";

/** Prints the messages that `--grep` asks for; false: it is not printed. */
export function filtered(
  { grep, verbose }: Flags,
  print: (data: Message, url: string) => void,
  notices: Notices,
): (data: Message, source: Source) => unknown {
  const isTraced = verbose > 1;
  if (grep === undefined && !isTraced) {
    return (data, { url }) => print(data, url);
  }
  return (data, { url }) => {
    if (isTraced) traceMessage("<", data, notices);
    if (grep !== undefined && !matches(grep, data)) return false;
    print(data, url);
    return true;
  };
}

/** The configuration of a client of `connect`. */
export async function connectConfig(
  flags: Flags,
  urls: readonly string[],
): Promise<WSConfig> {
  return {
    ...clientConfig(flags, urls),
    ...flags.once ? { reconnect: false } : {},
    decode: flags.decompress === undefined
      ? undefined
      : await decompressor(flags.decompress),
  };
}

/** Binary messages as they were before they were compressed. */
async function decompressor(
  form: "gzip" | "deflate",
): Promise<(data: Message) => Message> {
  const { gunzipSync, inflateRawSync, inflateSync } = await import("node:zlib");
  const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const inflate = (data: Uint8Array) =>
    form === "gzip"
      ? gunzipSync(data)
      // Some exchanges mean zlib by deflate, some the bare format.
      : hasZlibHeader(data)
      ? inflateSync(data)
      : inflateRawSync(data);
  return (data) => {
    if (typeof data === "string") return data;
    const bytes = new Uint8Array(inflate(data));
    try {
      return utf8.decode(bytes);
    } catch {
      return bytes;
    }
  };
}

/** RFC 1950, section 2.2. */
function hasZlibHeader([first = 0, second = 0]: Uint8Array): boolean {
  return (first & 0x0f) === 8 && (first * 256 + second) % 31 === 0;
}
