/**
 * `connect` on a terminal: what is typed is sent, what comes is printed above
 * the prompt, and a few commands begin with a slash.
 *
 * @module
 */

import type { Message } from "../../../mod.ts";
import type { ClientRun } from "../run/client_run.ts";
import type { EditorEvent } from "./line_editor.ts";
import { type Decode, InputFormatError } from "../output/message_codec.ts";
import { showDuration } from "../format.ts";
import type { Style } from "../style.ts";
import { statsLine } from "../run/summary.ts";

/** What a conversation is led with. */
export interface ConversationParts {
  /** Prints a line above the prompt. */
  readonly print: (line: string) => void;
  readonly style: Style;
  readonly decode: Decode;
  /** What `/ping` sends. */
  readonly pingMessage: () => Message;
}

const HELP = [
  "/ping             time to the next answer",
  "/stats            numbers of this run",
  "/reconnect        drop the connection and dial at once",
  "/close [CODE [REASON]]",
  "                  close and leave; so does Ctrl-D",
  "//TEXT            send /TEXT",
];

/** Carries out what is typed. */
export class Conversation {
  readonly #parts: ConversationParts;
  readonly #run: ClientRun;
  readonly #encoder = new TextEncoder();
  #pingedAt: number | undefined;

  constructor(run: ClientRun, parts: ConversationParts) {
    this.#run = run;
    this.#parts = parts;
  }

  /** A message has come: perhaps the answer to `/ping`. */
  answered(): void {
    if (this.#pingedAt === undefined) return;
    const rtt = performance.now() - this.#pingedAt;
    this.#pingedAt = undefined;
    this.#say(`answered after ${showDuration(rtt)}`);
  }

  /** What came of the keys. */
  onEvent(event: EditorEvent): void {
    switch (event.kind) {
      case "line":
        return this.#onLine(event.text);
      case "end":
        return this.#run.end({ kind: "done" });
      case "interrupt":
        return this.#run.end({ kind: "signal", signal: "SIGINT" });
      case "clear-screen":
        return;
      default:
        return event satisfies never;
    }
  }

  #onLine(line: string): void {
    if (line.startsWith("//")) return this.#send(line.slice(1));
    if (!line.startsWith("/")) return this.#send(line);
    const [command, ...rest] = line.split(" ");
    switch (command) {
      case "/ping":
        return this.#ping();
      case "/stats":
        return this.#say(
          statsLine(this.#run.client.stats, this.#run.client.state),
        );
      case "/reconnect":
        return this.#run.client.reconnect();
      case "/close":
      case "/quit":
        return this.#close(rest);
      case "/help":
        return HELP.forEach((text) => this.#say(text));
      default:
        return this.#complain(
          `there is no ${command}; /help lists all, //TEXT sends /TEXT`,
        );
    }
  }

  #send(text: string): void {
    try {
      this.#offer(this.#parts.decode(this.#encoder.encode(text)));
    } catch (error) {
      if (!(error instanceof InputFormatError)) throw error;
      this.#complain(error.message);
    }
  }

  /** A person must be told at once what a program can wait for. */
  #offer(message: Message): boolean {
    const accepted = this.#run.client.trySend(message);
    if (!accepted) this.#complain("not sent: the queue is full");
    return accepted;
  }

  #ping(): void {
    const now = performance.now();
    if (this.#offer(this.#parts.pingMessage())) this.#pingedAt = now;
  }

  #close([digits, ...words]: readonly string[]): void {
    const code = digits === undefined ? 1000 : Number(digits);
    const reason = words.join(" ");
    // RFC 6455, section 7.4.2: what an application may send.
    const isOwn = Number.isInteger(code) && code >= 3000 && code <= 4999;
    if (code !== 1000 && !isOwn) {
      return this.#complain("a close code is 1000 or 3000 to 4999");
    }
    if (this.#encoder.encode(reason).length > 123) {
      return this.#complain("a reason has at most 123 bytes");
    }
    this.#run.end({ kind: "done", close: { code, reason } });
  }

  #say(text: string): void {
    this.#parts.print(this.#parts.style.dim(text));
  }

  #complain(text: string): void {
    this.#parts.print(this.#parts.style.yellow(text));
  }
}
