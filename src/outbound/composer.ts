/**
 * From what the program wants to send to an entry of the queue: checked,
 * measured, and with its id where messages are acknowledged.
 *
 * @module
 */

import type { Redelivery } from "../config.ts";
import type { WSError } from "../errors.ts";
import { byteLength, type Message } from "../message.ts";
import { callbackError } from "../notifier.ts";
import { wrongKind } from "../rules.ts";
import { Entry } from "./entry.ts";
import { aborted } from "./refusals.ts";
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
   * @throws {TypeError} the message or an option is of the wrong kind
   * @throws {WSError} `ABORTED`; `CALLBACK`, reported too, when `redeliver.id`
   * gives no id: such a message could never be acknowledged
   */
  compose(data: Message, options?: SendOptions): Entry {
    if (typeof data !== "string" && !(data instanceof Uint8Array)) {
      throw wrongKind("data", "a string or a Uint8Array", data);
    }
    const bytes = byteLength(data);
    if (options === undefined) {
      return this.#id === undefined
        ? new Entry(data, bytes)
        : new Entry(data, bytes, { id: this.idOf(data) });
    }
    checkSendOptions(options);
    const { ttl = Infinity, key, signal } = options;
    if (signal?.aborted) throw aborted(signal.reason);
    const expires = ttl === Infinity ? ttl : this.#now() + ttl;
    return new Entry(data, bytes, {
      expires,
      key,
      signal,
      id: this.idOf(data),
    });
  }

  /**
   * What the server will acknowledge the message by, where it does.
   * @throws {WSError} `CALLBACK`
   */
  idOf(data: Message): string | number | undefined {
    if (this.#id === undefined) return undefined;
    try {
      const id = this.#id(data);
      if (typeof id === "string" || Number.isFinite(id)) return id;
      throw wrongKind("redeliver.id()", "a string or a number", id);
    } catch (cause) {
      const error = callbackError("redeliver.id", cause);
      this.#onError(error);
      throw error;
    }
  }
}
