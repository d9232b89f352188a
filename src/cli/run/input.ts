/**
 * The messages that a run sends: the steps at the start of each connection
 * (`--on-open`, `--await`), and then stdin, as fast as the queue takes it.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import {
  type Message,
  type Session,
  type WebSocketStreamClient,
  WSError,
} from "../../../mod.ts";
import { readFlagFile, textOf } from "../args/flag_files.ts";
import type { Flags } from "../args/flags.ts";
import { matches, type TextOrFile, UsageError } from "../args/values.ts";
import type { ClientRun } from "./client_run.ts";
import {
  type InputOptions,
  InputTooLongError,
  type Reader,
  readMessages,
} from "./read_messages.ts";

/** The options and parts that sending input depends on. */
export interface SendInputOptions extends InputOptions {
  readonly source: Reader;
  readonly decode: Decode;
  /** How long to wait for answers, in milliseconds. */
  readonly linger: number;
  /** Wait for an answer even if the input is empty. */
  readonly once: boolean;
  /** Called with each message. */
  readonly onSend?: (data: Message) => void;
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
  try {
    const sent = await sendAll(run, options);
    if (run.isOver || !sent && !options.once) return;
    await run.opened;
    await flush(run);
    await quiet(run, options.linger);
    if (hasEnded(run)) return;
    const error = await endError(run);
    run.end(
      error === undefined ? { kind: "input-over" } : { kind: "ended", error },
    );
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    // Messages before a bad one are sent.
    if (isBadInput(error)) await flush(run);
    if (hasEnded(run)) return;
    run.end({ kind: "failed", error, code: 2 });
  }
}

/** The error that ended the clients ends the run too, with its exit code. */
function hasEnded({ isOver, clients }: ClientRun): boolean {
  return isOver || clients.every(({ state }) => state === "closed");
}

function isBadInput(error: Error): boolean {
  return error instanceof InputFormatError ||
    error instanceof InputTooLongError;
}

async function flush(run: ClientRun): Promise<void> {
  await Promise.all(run.clients.map(async (client) => {
    try {
      await client.flush();
    } catch (error) {
      // With `--merge` the messages of the other clients still leave.
      if (client.state !== "closed") throw error;
    }
  }));
}

/**
 * The error that has ended one of the clients, or one of the connections: the
 * server may not have read the messages that were sent on it.
 */
async function endError(run: ClientRun): Promise<WSError | undefined> {
  const closed = run.clients.filter(({ state }) => state === "closed");
  const errors = await Promise.all(closed.map((client) => client.closed));
  return errors.find((error) => error !== undefined) ?? run.loss;
}

async function sendAll(
  run: ClientRun,
  options: SendInputOptions,
): Promise<boolean> {
  let sent = false;
  let count = 0;
  const input = readMessages(options.source, {
    ...options,
    onPart: (hasPart) => run.readPart(hasPart),
  });
  for await (const messages of input) {
    sent = true;
    run.read(messages.length);
    for (const bytes of messages) {
      if (run.isOver) return sent;
      const data = decode(bytes, ++count, options);
      options.onSend?.(data);
      for (const client of run.clients) {
        if (client.trySend(data)) run.accepted(client);
        else await send(run, client, data);
      }
    }
  }
  return sent;
}

/** @throws {InputFormatError} with the place in the input */
function decode(
  bytes: Uint8Array,
  number: number,
  { decode, isLines }: SendInputOptions,
): Message {
  try {
    return decode(bytes);
  } catch (error) {
    if (!(error instanceof InputFormatError)) throw error;
    const place = `${isLines ? "line" : "message"} ${number} of stdin`;
    throw new InputFormatError(error.rule, place);
  }
}

async function send(
  run: ClientRun,
  client: WebSocketStreamClient,
  data: Message,
): Promise<void> {
  const skipWait = run.skipWait(client);
  // A signal for this wait alone: accepted messages must stay in the queue.
  const wait = new AbortController();
  const abort = () => wait.abort();
  skipWait?.addEventListener("abort", abort);
  if (skipWait?.aborted) abort();
  try {
    await client.send(data, { signal: wait.signal });
  } catch (error) {
    // With `--merge` the other clients still get the input.
    if (client.state === "closed") return;
    // `--overflow reject`, or `--merge` and no connection: this message is
    // lost, the next may fit.
    if (!isRefusal(error)) throw error;
    run.refused(client);
  } finally {
    skipWait?.removeEventListener("abort", abort);
  }
  run.accepted(client);
}

function isRefusal(error: unknown): boolean {
  return error instanceof WSError &&
    (error.code === "QUEUE_FULL" || error.code === "ABORTED");
}

/** Waits until no message has come for `linger` milliseconds. */
async function quiet(run: ClientRun, linger: number): Promise<void> {
  run.watchMessages();
  for (;;) {
    const rest = run.lastMessageAt + linger - performance.now();
    if (rest <= 0) return;
    await delay(rest, { signal: run.over });
  }
}

/**
 * Makes the first steps on a new connection.
 *
 * @param deliver takes the messages that arrive meanwhile, which are payload
 * too
 */
export type ConnectSteps = (
  session: Session,
  deliver: (data: Message) => void,
) => Promise<void>;

/**
 * The steps, if the flags ask for some. Files are read each time: a token may
 * have been renewed.
 * @throws {UsageError} a file that cannot be read, or a message that is not in
 * the form of `--binary`
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

/** How binary messages are written; undefined: input is text. */
export type BinaryForm = "raw" | "base64" | "hex" | undefined;

/** Input that does not have the form it should have. */
export class InputFormatError extends UsageError {
  override readonly name = "InputFormatError";
  /** The rule that was broken. */
  readonly rule: string;

  /** @param place which part of the input it is */
  constructor(rule: string, place = "the input") {
    super(`${place} ${rule}`);
    this.rule = rule;
  }
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
      throw new InputFormatError(`must be ${rule}`);
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
      `must be ${form}: got ${JSON.stringify(text.slice(0, 40))}`,
    );
  }
}

/**
 * The message that a flag gives, in the form of the input.
 * @throws {UsageError} a file that cannot be read, or a message not in that form
 */
export function messageOf(
  flag: string,
  given: TextOrFile,
  form: BinaryForm,
): Message {
  if (form === "raw" && "file" in given) return readFlagFile(flag, given.file);
  const text = textOf(flag, given);
  if (form === undefined) return text;
  try {
    return decoderOf(form)(new TextEncoder().encode(text));
  } catch (error) {
    if (!(error instanceof InputFormatError)) throw error;
    // Not shown: it may be a secret.
    throw new UsageError(`${flag} must be ${form}, as --binary says`);
  }
}
