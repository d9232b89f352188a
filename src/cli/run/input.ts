/**
 * Input: stdin, cut into messages that are sent as fast as the queue takes them.
 * Memory is bounded: one chunk is read at a time.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { type Message, WSError } from "../../../mod.ts";
import type { Decode } from "../output/message_codec.ts";
import type { ClientRun } from "./client_run.ts";

/** What is read from, as `Deno.stdin`. */
export interface Source {
  read(buffer: Uint8Array): Promise<number | null>;
}

const CHUNK = 64 * 1024;

/** How stdin is cut. */
export interface InputOptions {
  /** What ends a message; without bytes each chunk is one as it comes. */
  readonly delimiter: Uint8Array;
  /** The most bytes of a message. */
  readonly maxBytes: number;
}

/** A message of stdin's is longer than the queue can hold. */
export class InputTooLongError extends Error {
  override readonly name = "InputTooLongError";

  /** @param maxBytes the limit */
  constructor(maxBytes: number) {
    super(`a message on stdin is longer than ${maxBytes} bytes`);
  }
}

/**
 * The messages of a source, those of one chunk at a time, without their
 * delimiters. A last one without a delimiter counts too. The bytes are valid
 * until the next step of the iteration.
 * @throws {InputTooLongError} a message of more than `maxBytes`
 */
export async function* readMessages(
  source: Source,
  { delimiter, maxBytes }: InputOptions,
): AsyncGenerator<readonly Uint8Array[]> {
  let buffer = new Uint8Array(CHUNK);
  let used = 0;
  for (;;) {
    const length = await source.read(buffer.subarray(used));
    if (length === null) break;
    const from = Math.max(0, used - delimiter.length + 1);
    used += length;
    const bytes = buffer.subarray(0, used);
    const { messages, end } = delimiter.length === 0
      ? { messages: [bytes], end: used }
      : cut(bytes, delimiter, from, maxBytes);
    if (messages.length > 0) yield messages;
    buffer.copyWithin(0, end, used);
    used -= end;
    if (used > maxBytes) throw new InputTooLongError(maxBytes);
    if (used > buffer.length / 2) buffer = doubled(buffer);
  }
  if (used > 0) yield [buffer.subarray(0, used)];
}

function doubled(buffer: Uint8Array): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(buffer.length * 2);
  larger.set(buffer);
  return larger;
}

/**
 * The messages that are complete, up to one that is too long, and where the
 * last of them ends.
 */
function cut(
  bytes: Uint8Array,
  delimiter: Uint8Array,
  from: number,
  maxBytes: number,
) {
  const messages: Uint8Array[] = [];
  let end = 0;
  let at = indexOf(bytes, delimiter, from);
  while (at >= 0 && at - end <= maxBytes) {
    messages.push(bytes.subarray(end, at));
    end = at + delimiter.length;
    at = indexOf(bytes, delimiter, end);
  }
  return { messages, end };
}

function indexOf(bytes: Uint8Array, part: Uint8Array, from: number): number {
  const [first = 0] = part;
  for (let at = from;;) {
    at = bytes.indexOf(first, at);
    if (at < 0 || part.length === 1) return at;
    if (part.every((byte, i) => bytes[at + i] === byte)) return at;
    at++;
  }
}

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
