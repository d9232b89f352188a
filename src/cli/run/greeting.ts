/**
 * What each connection begins with: `--on-open` and `--await`, in the gate, so
 * that after a reconnect they come before anything that was queued.
 *
 * @module
 */

import type { Message, Session } from "../../../mod.ts";
import type { Flags } from "../flags/table.ts";
import { messageOf } from "../output/message_codec.ts";
import { matches } from "./message_match.ts";

/**
 * Greets a new connection.
 *
 * @param deliver takes what comes in meanwhile, which is payload too
 */
export type Greeting = (
  session: Session,
  deliver: (data: Message) => void,
) => Promise<void>;

/**
 * The greeting, if the flags ask for one. Files are read each time: a token
 * may have been renewed.
 * @throws {UsageError} a file that cannot be read
 * @throws {InputFormError} a message that is not in the form of `--binary`
 */
export function greetingOf(
  flags: Pick<Flags, "on-open" | "await" | "binary">,
): Greeting | undefined {
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
