/**
 * From what the program wants to send to an entry of the queue: checked,
 * measured, and with its id where messages are acknowledged.
 *
 * @module
 */

import type { Redelivery } from "../config.ts";
import { WSError } from "../errors.ts";
import { byteLength, type Message } from "../message.ts";
import { callbackError } from "../notifier.ts";
import { wrongKind } from "../rules.ts";
import { Entry } from "./entry.ts";
import { aborted } from "./refusals.ts";
import type { Stored } from "./spool.ts";
import { checkSendOptions, type SendOptions } from "./send_options.ts";

/** Makes entries. */
export class Composer {
  readonly #id: ((data: Message) => string | number) | undefined;
  readonly #now: () => number;
  readonly #onError: (error: WSError) => void;

  constructor(
    redeliver: Redelivery,
    now: () => number,
    onError: (error: WSError) => void,
  ) {
    this.#id = typeof redeliver === "string" ? undefined : redeliver.id;
    this.#now = now;
    this.#onError = onError;
  }

  /**
   * @throws {TypeError | RangeError} a wrong message or option
   * @throws {WSError} `ABORTED`; `CALLBACK`, reported too, when `redeliver.id`
   * gives no id: such a message could never be acknowledged
   */
  compose(data: Message, options?: SendOptions): Entry {
    if (typeof data !== "string" && !(data instanceof Uint8Array)) {
      throw wrongKind("data", "a string or a Uint8Array", data);
    }
    const bytes = byteLength(data);
    if (options === undefined && this.#id === undefined) {
      return new Entry(data, bytes);
    }
    if (options !== undefined) checkSendOptions(options);
    const { ttl = Infinity, key, signal } = options ?? {};
    if (signal?.aborted) throw aborted(signal.reason);
    const id = this.#idOf(data);
    if (id instanceof WSError) throw id;
    const expires = ttl === Infinity ? ttl : this.#now() + ttl;
    return new Entry(data, bytes, { expires, key, signal, id });
  }

  /**
   * The entry of a message from the spool. Where `redeliver.id` gives no id,
   * which is reported, it has none, and is sent without waiting for the server.
   */
  restore({ row, data, expires, key }: Stored): Entry {
    const id = this.#idOf(data);
    const entry = new Entry(data, byteLength(data), {
      expires,
      key,
      id: id instanceof WSError ? undefined : id,
    });
    entry.row = row;
    return entry;
  }

  /** What the server will acknowledge the message by, where it does. */
  #idOf(data: Message): string | number | WSError | undefined {
    if (this.#id === undefined) return undefined;
    try {
      const id = this.#id(data);
      if (typeof id === "string" || Number.isFinite(id)) return id;
      throw wrongKind("redeliver.id()", "a string or a number", id);
    } catch (cause) {
      const error = callbackError("redeliver.id", cause);
      this.#onError(error);
      return error;
    }
  }
}
