/**
 * The way of stdin's messages into the client, and the wait for answers after
 * the last of them.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { type Message, WSError } from "../../../mod.ts";
import type { ClientRun } from "./client_run.ts";
import { type InputOptions, readMessages, type Source } from "./input.ts";
import type { Decode } from "../output/message_codec.ts";

/** What the sending of input depends on. */
export interface SendInputOptions extends InputOptions {
  readonly source: Source;
  readonly decode: Decode;
  /** How long to wait for answers, in milliseconds. */
  readonly linger: number;
}

/**
 * Sends the whole input, as fast as the queue takes it, and ends the run when
 * no answer has come for the time of `linger`. Input that ends without one
 * byte (`</dev/null`, a service without stdin) sends nothing and ends nothing.
 */
export async function sendInput(
  run: ClientRun,
  options: SendInputOptions,
): Promise<void> {
  const { client } = run;
  try {
    const sent = await sendAll(run, options);
    if (!sent || run.isOver) return;
    await client.flush();
    await quiet(run, options.linger);
    run.end({ kind: "done" });
  } catch (error) {
    // What ended the client ends the run too, with its own exit code.
    if (run.isOver || client.state === "closed") return;
    if (!(error instanceof Error)) throw error;
    run.end({ kind: "failed", error, code: 2 });
  }
}

async function sendAll(
  run: ClientRun,
  options: SendInputOptions,
): Promise<boolean> {
  const { client } = run;
  let sent = false;
  for await (const messages of readMessages(options.source, options)) {
    sent = true;
    for (const bytes of messages) {
      if (run.isOver) return sent;
      const data = options.decode(bytes);
      if (!client.trySend(data)) await send(run, data);
    }
  }
  return sent;
}

async function send(run: ClientRun, data: Message): Promise<void> {
  try {
    await run.client.send(data);
  } catch (error) {
    const isFull = error instanceof WSError && error.code === "QUEUE_FULL";
    if (!isFull) throw error;
    // `--overflow reject`: this message is lost, the next may fit.
    run.dropped("overflow");
  }
}

/** Waits until no message has come for so long. */
async function quiet(run: ClientRun, linger: number): Promise<void> {
  run.watchMessages();
  for (;;) {
    const rest = run.lastMessageAt + linger - performance.now();
    if (rest <= 0) return;
    await delay(rest, { signal: run.over });
  }
}
