/**
 * The steps at the start of each connection: `--on-open` and `--await`. They run in
 * the connect hook, so that after a reconnect they come before everything queued.
 *
 * @module
 */

import type { Message, Session } from "../../../mod.ts";
import type { Flags } from "../args/flags.ts";
import { messageOf } from "../output/message_codec.ts";

/**
 * Greets a new connection.
 *
 * @param deliver takes what comes in meanwhile, which is payload too
 */
export type ConnectSteps = (
  session: Session,
  deliver: (data: Message) => void,
) => Promise<void>;

/**
 * The greeting, if the flags ask for one. Files are read each time: a token
 * may have been renewed.
 * @throws {UsageError} a file that cannot be read
 * @throws {InputFormatError} a message that is not in the form of `--binary`
 */
export function connectSteps(
  flags: Pick<Flags, "on-open" | "await" | "binary">,
): ConnectSteps | undefined {
  const { "on-open": onOpen, await: pattern, binary } = flags;
  if (onOpen.length === 0 && pattern === undefined) return undefined;
  const messages = () =>
    onOpen.map((given) => messageOf("--on-open", given, binary));
  messages(); // what is wrong with them is told before anything starts
  return async (session, deliver) => {
    for (const message of messages()) session.send(message);
    if (pattern === undefined) return;
    for (;;) {
      const message = await session.receive();
      deliver(message);
      if (matches(pattern, message)) return;
    }
  };
}

const utf8 = new TextDecoder();

/** Whether a message matches; of a binary one, its bytes read as UTF-8. */
export function matches(pattern: RegExp, data: Message): boolean {
  return pattern.test(typeof data === "string" ? data : utf8.decode(data));
}
