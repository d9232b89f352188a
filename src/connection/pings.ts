/**
 * The messages of the application heartbeat: pings of ours and their pongs,
 * pings of the server and our answers.
 *
 * @module
 */

import type { PingConfig } from "../config.ts";
import type { WSError } from "../errors.ts";
import type { Message } from "../message.ts";
import { callbackError } from "../notifier.ts";
import { wrongKind } from "../rules.ts";

/** What {@linkcode Pings} works with. */
export interface PingsHooks {
  /** Sends ahead of the queue. */
  send(data: Message): void;
  /** A pong came, so many milliseconds after its ping. */
  onRtt(ms: number): void;
  /** A function of the program threw; it goes no further. */
  onError(error: WSError): void;
  /** As `performance.now`. */
  monotonic(): number;
}

/** The heartbeat's messages on one connection. */
export class Pings {
  /**
   * Whether a message belongs to the heartbeat and is not to be delivered.
   * Undefined when there is nothing to look for, so that nothing is done for
   * each message.
   */
  readonly intercept: ((data: Message) => boolean) | undefined;
  readonly #config: PingConfig;
  readonly #hooks: PingsHooks;
  /** When the oldest ping was sent that is not answered yet. */
  #awaited: number | undefined;

  constructor(config: PingConfig, hooks: PingsHooks) {
    this.#config = config;
    this.#hooks = hooks;
    if (config.isPong !== undefined || config.answer !== undefined) {
      this.intercept = (data) => this.#isPong(data) || this.#answers(data);
    }
  }

  /** Sends a ping; false when the program's `message` gave none. */
  send(): boolean {
    const message = this.#message();
    if (message === undefined) return false;
    this.#awaited ??= this.#hooks.monotonic();
    this.#hooks.send(message);
    return true;
  }

  #message(): Message | undefined {
    const { message } = this.#config;
    if (typeof message !== "function") return message;
    return this.#guarded("ping.message", () => checkMessage(message()));
  }

  #isPong(data: Message): boolean {
    const { isPong } = this.#config;
    if (isPong === undefined) return false;
    if (this.#guarded("ping.isPong", () => isPong(data)) !== true) return false;
    if (this.#awaited !== undefined) {
      this.#hooks.onRtt(this.#hooks.monotonic() - this.#awaited);
      // One pong settles all: a ping that the server ignored would otherwise
      // shift the times of all later ones.
      this.#awaited = undefined;
    }
    return true;
  }

  #answers(data: Message): boolean {
    const { answer } = this.#config;
    if (answer === undefined) return false;
    const reply = this.#guarded("ping.answer", () => {
      const reply = answer(data);
      return reply === undefined ? undefined : checkMessage(reply);
    });
    if (reply === undefined) return false;
    this.#hooks.send(reply);
    return true;
  }

  #guarded<T>(name: string, call: () => T): T | undefined {
    try {
      return call();
    } catch (cause) {
      this.#hooks.onError(callbackError(name, cause));
      return undefined;
    }
  }
}

function checkMessage(value: unknown): Message {
  if (typeof value === "string" || value instanceof Uint8Array) return value;
  throw wrongKind("ping", "a function that returns a message", value);
}
