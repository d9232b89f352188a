/**
 * Whether a message is the one that was waited for.
 *
 * @module
 */

import type { Message } from "../../../mod.ts";

const utf8 = new TextDecoder();

/** Whether a message matches; of a binary one, its bytes read as UTF-8. */
export function matches(pattern: RegExp, data: Message): boolean {
  return pattern.test(typeof data === "string" ? data : utf8.decode(data));
}
