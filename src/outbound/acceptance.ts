/**
 * What the caller of `send` and `trySend` gets, from what becomes of the
 * message.
 *
 * @module
 */

import { WSError } from "../errors.ts";
import { handled, rejected } from "../handled.ts";
import type { Message } from "../message.ts";
import type { Backlog } from "./backlog.ts";
import type { Composer } from "./composer.ts";
import type { Entry } from "./entry.ts";
import type { OutboundHooks, OutboundOptions } from "./outbound_options.ts";
import { queueFull, tooLarge } from "./refusals.ts";
import type { SendOptions } from "./send_options.ts";

/** What the sender gets whose message was accepted at once: the same always. */
const ACCEPTED = Promise.resolve();

/** The counter at which messages are handed in. */
export class Acceptance {
  readonly #options: OutboundOptions;
  readonly #mayWait: OutboundHooks["mayWait"];
  readonly #composer: Composer;
  readonly #backlog: Backlog;

  constructor(
    options: OutboundOptions,
    mayWait: OutboundHooks["mayWait"],
    composer: Composer,
    backlog: Backlog,
  ) {
    this.#options = options;
    this.#mayWait = mayWait;
    this.#composer = composer;
    this.#backlog = backlog;
  }

  /** Resolves when the message is accepted, or dropped by the policy. */
  send(data: Message, options?: SendOptions): Promise<void> {
    if (options === undefined && this.#backlog.offerExpress(data)) {
      return ACCEPTED;
    }
    try {
      return this.#offer(this.#composer.compose(data, options));
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * Whether the message is accepted at once.
   * @throws {TypeError | RangeError} a wrong message or option
   */
  trySend(data: Message, options?: SendOptions): boolean {
    if (options === undefined && this.#backlog.offerExpress(data)) return true;
    try {
      const entry = this.#composer.compose(data, options);
      return this.#backlog.offer(entry) === "accepted";
    } catch (error) {
      if (error instanceof WSError) return false;
      throw error;
    }
  }

  #offer(entry: Entry): Promise<void> {
    // With a spool the sender waits for the disk.
    if (this.#options.spool !== undefined) {
      entry.sender = Promise.withResolvers();
      handled(entry.sender.promise);
    }
    const accepted = entry.sender?.promise ?? ACCEPTED;
    const verdict = this.#backlog.offer(entry);
    switch (verdict) {
      case "accepted":
        return accepted;
      case "dropped":
        return ACCEPTED;
      case "too large":
        throw tooLarge(entry.bytes, this.#options.sendQueueMaxBytes);
      case "refused":
        return this.#wait(entry);
      default:
        return verdict satisfies never;
    }
  }

  #wait(entry: Entry): Promise<void> {
    const backlog = this.#backlog;
    if (this.#options.overflow === "reject" && backlog.isOpen) {
      throw queueFull(backlog.count, backlog.bytes);
    }
    const refusal = this.#mayWait();
    if (refusal !== undefined) throw refusal;
    return handled(backlog.wait(entry));
  }
}
