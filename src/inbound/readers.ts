/**
 * All readers of a client: each gets every message from the moment it was made,
 * at its own pace, through a buffer of its own.
 *
 * @module
 */

import { abortable } from "@std/async/abortable";
import type { Gap } from "../callbacks.ts";
import type { ReceiveOverflow } from "../config.ts";
import { WSError } from "../errors.ts";
import type { Message } from "../message.ts";
import { checkReceiveOverflow } from "../resolve_config.ts";
import { COUNT, number, onlyKnownKeys, wrongKind } from "../rules.ts";
import { Inbox, type InboxOptions } from "./inbox.ts";

/** How `messages()` reads; what is left out is as in the client's config. */
export interface ReadOptions {
  /** Ends the reader at once; what is buffered is forgotten. */
  readonly signal?: AbortSignal;
  /**
   * Messages its buffer holds.
   * @default `receiveBufferMaxSize`
   */
  readonly bufferMaxSize?: number;
  /**
   * Bytes its buffer holds (texts as UTF-16 code units).
   * @default `receiveBufferMaxBytes`
   */
  readonly bufferMaxBytes?: number;
  /**
   * What to do when its buffer is full. With `conflate` it can be full of keys;
   * then the oldest is dropped. What `conflate` throws is reported (`CALLBACK`),
   * and its message is kept beside the others.
   * @default `receiveOverflow`
   */
  readonly overflow?: ReceiveOverflow;
}

/** What {@linkcode Readers} tells its client. */
export interface ReadersHooks {
  /**
   * A reader with `"disconnect"` could not take a message: drop the link that
   * brought it. Called again for each further message that does not fit.
   */
  onSlow(error: WSError): void;
  /** Messages were dropped. */
  onGap(gap: Gap): void;
  /** A function of the program threw. */
  onError(error: WSError): void;
  /**
   * The time, in milliseconds since the epoch.
   * @default Date.now
   */
  now?(): number;
}

const KEYS = ["signal", "bufferMaxSize", "bufferMaxBytes", "overflow"];

/** The readers of one client. */
export class Readers {
  readonly #defaults: InboxOptions;
  readonly #hooks: ReadersHooks;
  /** Never changed in place: a callback may end a reader during a delivery. */
  #inboxes: readonly Inbox[] = [];
  #end: { readonly error: WSError | undefined } | undefined;
  readonly #slow = new Set<Inbox>();
  #drained: PromiseWithResolvers<void> | undefined;
  #missed = 0;
  #missedSince = 0;

  constructor(defaults: InboxOptions, hooks: ReadersHooks) {
    this.#defaults = defaults;
    this.#hooks = hooks;
  }

  /** How many readers there are. */
  get size(): number {
    return this.#inboxes.length;
  }

  /**
   * Makes a reader, which gets what is delivered from now on.
   * @throws {TypeError} an option of the wrong kind, an unknown option
   * @throws {RangeError} a bound that is no whole number from 1 on
   */
  add(options: ReadOptions = {}): AsyncIterableIterator<Message, undefined> {
    const { signal, ...bounds } = this.#check(options);
    const stop = () => void inbox.return();
    const inbox = new Inbox(bounds, {
      onOverflow: () => this.#overflowed(inbox, bounds),
      onDrained: () => this.#drain(inbox),
      onHole: (hole) => {
        const cause = slowConsumer(bounds);
        this.#hooks.onGap({ ...hole, cause, attempts: 0 });
      },
      onError: (error) => this.#hooks.onError(error),
      onEnd: () => {
        signal?.removeEventListener("abort", stop);
        this.#inboxes = this.#inboxes.filter((other) => other !== inbox);
      },
      now: () => this.#now(),
    });
    if (signal?.aborted) {
      stop();
    } else if (this.#end !== undefined) {
      inbox.end(this.#end.error);
    } else {
      signal?.addEventListener("abort", stop);
      this.#inboxes = [...this.#inboxes, inbox];
    }
    return inbox;
  }

  /** Hands a message to every reader; without readers nothing is done. */
  deliver(message: Message): void {
    for (const inbox of this.#inboxes) inbox.push(message);
  }

  /** Ends all readers, after what each has buffered; later ones end at once. */
  end(error?: WSError): void {
    if (this.#end !== undefined) return;
    this.#end = { error };
    for (const inbox of this.#inboxes) inbox.end(error);
    if (this.#missed > 0) {
      const { from, to, count } = this.#takeMissed();
      const cause = slowConsumer(this.#defaults);
      this.#hooks.onGap({ from, to, cause, attempts: 0, count });
    }
  }

  /**
   * Waits until every reader that was too slow has drained to half, or ended.
   * Rejects with the signal's reason.
   */
  async drained(signal?: AbortSignal): Promise<void> {
    if (this.#slow.size === 0) return;
    this.#drained ??= Promise.withResolvers();
    const { promise } = this.#drained;
    await (signal === undefined ? promise : abortable(promise, signal));
  }

  /**
   * The gap of an outage, with what did not fit into the buffers of readers
   * that were too slow: one outage is one gap, whoever caused it.
   */
  counted(outage: Gap): Gap {
    if (this.#missed === 0) return outage;
    const { from, count } = this.#takeMissed();
    return { ...outage, from: Math.min(from, outage.from), count };
  }

  #overflowed(inbox: Inbox, bounds: InboxOptions): void {
    if (this.#missed++ === 0) this.#missedSince = this.#now();
    this.#slow.add(inbox);
    this.#hooks.onSlow(slowConsumer(bounds));
  }

  #drain(inbox: Inbox): void {
    this.#slow.delete(inbox);
    if (this.#slow.size > 0) return;
    this.#drained?.resolve();
    this.#drained = undefined;
  }

  #takeMissed(): { from: number; to: number; count: number } {
    const count = this.#missed;
    this.#missed = 0;
    return { from: this.#missedSince, to: this.#now(), count };
  }

  #now(): number {
    return this.#hooks.now?.() ?? Date.now();
  }

  #check(options: ReadOptions): InboxOptions & { signal?: AbortSignal } {
    onlyKnownKeys("messages()", options, KEYS);
    const { maxSize, maxBytes, overflow } = this.#defaults;
    const { signal, bufferMaxSize = maxSize, bufferMaxBytes = maxBytes } =
      options;
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw wrongKind("signal", "an AbortSignal", signal);
    }
    return {
      signal,
      maxSize: number("bufferMaxSize", bufferMaxSize, COUNT),
      maxBytes: number("bufferMaxBytes", bufferMaxBytes, COUNT),
      overflow: options.overflow === undefined
        ? overflow
        : checkReceiveOverflow("overflow", options.overflow),
    };
  }
}

function slowConsumer({ maxSize, maxBytes }: InboxOptions): WSError {
  return new WSError(
    "A reader fell too far behind: " +
      `its buffer holds at most ${maxSize} messages and ${maxBytes} bytes`,
    { code: "SLOW_CONSUMER", severity: "transient" },
  );
}
