/**
 * The steps at the start of each connection: `--on-open` and `--await`. They run in
 * the connect hook, so that after a reconnect they come before everything queued.
 *
 * @module
 */

import type { Message, Session } from "../../../mod.ts";
import type { Flags } from "../args/flags.ts";
import { matches, type TextOrFile } from "../args/values.ts";
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
  { steps, binary }: Pick<Flags, "steps" | "binary">,
): ConnectSteps | undefined {
  if (steps.length === 0) return undefined;
  const toSend = (given: TextOrFile) => messageOf("--on-open", given, binary);
  // A message that cannot be read is an error before anything starts.
  steps.forEach((step) => step.kind === "send" && toSend(step.message));
  return async (session, deliver) => {
    for (const step of steps) {
      if (step.kind === "send") session.send(toSend(step.message));
      else await receiveUntil(step.pattern, session, deliver);
    }
  };
}

async function receiveUntil(
  pattern: RegExp,
  session: Session,
  deliver: (data: Message) => void,
): Promise<void> {
  for (;;) {
    const message = await session.receive();
    deliver(message);
    if (matches(pattern, message)) return;
  }
}
