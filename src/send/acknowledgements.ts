/**
 * The ids by which the server acknowledges messages (`redeliver: { id, ... }`).
 *
 * - An acknowledgement may come in any order, more than once, for what was
 *   never sent, before a message is sent, and after its connection has ended.
 * - If several messages have the same id, each acknowledgement is for the first
 *   one in the queue: a duplicate is better than a loss.
 *
 * @module
 */

import type { AcknowledgedRedelivery } from "../config.ts";
import { callbackError, type WSError } from "../errors.ts";
import { isPromise } from "../handled.ts";
import type { Message } from "../message.ts";
import { wrongSecret } from "../rules.ts";
import type { Item } from "./item.ts";

/** The id of a message, as the program gives it. */
export type MessageId = string | number;

/** The messages that an acknowledgement may concern. */
export class Acknowledgements {
  readonly #redeliver: AcknowledgedRedelivery;
  /** In the order of the queue; a list where messages share an id. */
  readonly #byId = new Map<MessageId, Item | Item[]>();

  constructor(redeliver: AcknowledgedRedelivery) {
    this.#redeliver = redeliver;
  }

  /** The id of an outgoing message; the error, if the program gives none. */
  idOf(data: Message): MessageId | WSError {
    try {
      const id = this.#redeliver.id(data);
      if (typeof id === "string" || Number.isFinite(id)) return id;
      isPromise(id); // of an async function: it must not end the program
      throw wrongSecret("redeliver.id()", "a string or a finite number", id);
    } catch (cause) {
      return callbackError("redeliver.id", cause);
    }
  }

  /** What an inbound message acknowledges; the error, if the program throws. */
  acknowledgedBy(data: Message): readonly MessageId[] | WSError {
    try {
      const ids = this.#redeliver.acknowledged(data);
      if (ids === undefined) return [];
      isPromise(ids); // of an async function: it must not end the program
      return typeof ids === "object" ? [...ids] : [ids];
    } catch (cause) {
      // Not a list, too, is an error of the callback.
      return callbackError("redeliver.acknowledged", cause);
    }
  }

  /** The item is in the queue. */
  add(item: Item): void {
    if (item.id === undefined) return;
    const same = this.#byId.get(item.id);
    if (same === undefined) {
      this.#byId.set(item.id, item);
    } else if (Array.isArray(same)) {
      insert(same, item);
    } else {
      const both = [same];
      insert(both, item);
      this.#byId.set(item.id, both);
    }
  }

  /** The item is not in the queue any more. */
  remove(item: Item): void {
    if (item.id === undefined) return;
    const same = this.#byId.get(item.id);
    if (same === item) this.#byId.delete(item.id);
    if (!Array.isArray(same)) return;
    const index = same.indexOf(item);
    if (index >= 0) same.splice(index, 1);
    if (same.length === 0) this.#byId.delete(item.id);
  }

  /** The item that an acknowledgement of this id is for. */
  find(id: MessageId): Item | undefined {
    const same = this.#byId.get(id);
    return Array.isArray(same) ? same[0] : same;
  }
}

/** One that replaced another may come before some that are older. */
function insert(items: Item[], item: Item): void {
  let index = items.length;
  while ((items[index - 1]?.sequence ?? -Infinity) > item.sequence) index--;
  items.splice(index, 0, item);
}
