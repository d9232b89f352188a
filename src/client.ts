/**
 * The public class: one client's life, from `start()` to its end, and what a
 * program may ask of it. It holds no policy; the parts are wired in `engine.ts`.
 *
 * @module
 */

import type { ClientState, WSCallbacks } from "./callbacks.ts";
import { notA, served, stopped } from "./client_errors.ts";
import type { WSConfig } from "./config.ts";
import { Engine } from "./engine.ts";
import type { WSError } from "./errors.ts";
import { handled, rejected } from "./handled.ts";
import type { ReadOptions } from "./inbound/readers.ts";
import { readableFrom, writableTo } from "./inbound/streams.ts";
import type { Message } from "./message.ts";
import type { SendOptions } from "./outbound/outbound.ts";
import { resolveConfig, type ResolvedConfig } from "./resolve_config.ts";
import { DURATION, number } from "./rules.ts";
import type { WSStats } from "./stats.ts";
import {
  resolveStopOptions,
  type StopOptions,
  type StopResult,
} from "./stop_options.ts";

/**
 * A WebSocket client that connects once and stays connected.
 *
 * @example
 * ```ts
 * import { WebSocketStreamClient } from "@ws-stream/client";
 *
 * const client = new WebSocketStreamClient({ url: "wss://example.com/feed" }, {
 *   onMessage: (data) => console.log("RX:", data),
 * });
 * ```
 */
export class WebSocketStreamClient
  implements AsyncIterable<Message>, AsyncDisposable {
  readonly #config: ResolvedConfig;
  readonly #engine: Engine;
  /** For who called `start()`, until it is open or over. */
  #opening: PromiseWithResolvers<void> | undefined;
  /** Made for the first who asks. */
  #closed: PromiseWithResolvers<WSError | undefined> | undefined;
  #state: ClientState = "idle";
  #stopped: Promise<StopResult> | undefined;
  #over: WSError | undefined;
  #readable: ReadableStream<Message> | undefined;
  #writable: WritableStream<Message> | undefined;

  /**
   * Checks everything and connects nothing.
   * @throws {TypeError} a value of the wrong kind, an unknown key
   * @throws {RangeError} a number outside its limits
   */
  constructor(config: WSConfig, callbacks: WSCallbacks = {}) {
    this.#config = resolveConfig(config);
    this.#engine = new Engine(
      this.#config,
      callbacks,
      this,
      (state, error) =>
        state === "closed" ? this.#end(error) : this.#follow(state),
    );
    if (this.#config.signal !== undefined) this.#obey(this.#config.signal);
  }

  // Life -------------------------------------------------------------------------

  /**
   * Connects. Resolves at the first open, once `onConnect` has settled.
   * @throws {WSError} a fatal error, or `STOPPED`
   * @throws {TypeError} called before
   */
  start(): Promise<void> {
    if (this.#stopped !== undefined || this.#state === "closed") {
      return rejected(this.#whyOver());
    }
    if (this.#state !== "idle") {
      return rejected(
        new TypeError(
          "Cannot start the client as it was started before: " +
            `current state is ${this.#state}`,
        ),
      );
    }
    const { promise } = this.#opening = Promise.withResolvers();
    this.#enter("connecting");
    this.#engine.run();
    return handled(promise);
  }

  /**
   * Sends what is queued for at most `drain` ms, closes, and ends the client.
   * Never rejects; all calls share one promise.
   * @throws {TypeError} at once, for a wrong option
   * @throws {RangeError} at once, for a wrong close code, reason or duration
   */
  stop(options: StopOptions = {}): Promise<StopResult> {
    const { code, reason, drain } = resolveStopOptions(
      options,
      this.#config.closeTimeout,
    );
    if (this.#stopped === undefined) {
      // Set first: a callback on the way may call stop() as well.
      const { promise, resolve } = Promise.withResolvers<StopResult>();
      this.#stopped = promise;
      this.#stop(code, reason, drain).then(resolve);
    }
    return this.#stopped;
  }

  /** Drops this connection, or cuts the wait short, and dials at once. */
  reconnect(): void {
    if (this.#stopped === undefined) this.#engine.supervisor.reconnect();
  }

  /** Stops the client: for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  // Sending ------------------------------------------------------------------------

  /**
   * Sends a text or a binary message. Resolves when it is accepted, which may
   * wait while the queue is full.
   * @throws {WSError} `QUEUE_FULL`, `TOO_LARGE`, `EXPIRED`, `ABORTED`, `SPOOL`,
   * or what ended the client
   * @throws {TypeError | RangeError} a wrong message or option
   */
  send(data: Message, options?: SendOptions): Promise<void> {
    if (this.#stopped !== undefined) return rejected(this.#whyOver());
    return this.#engine.outbound.send(data, options);
  }

  /** As {@linkcode WebSocketStreamClient.send}, for a text. */
  sendText(data: string, options?: SendOptions): Promise<void> {
    if (typeof data !== "string") return rejected(notA("text", data));
    return this.send(data, options);
  }

  /** As {@linkcode WebSocketStreamClient.send}, for a binary message. */
  sendBinary(data: Uint8Array, options?: SendOptions): Promise<void> {
    if (!(data instanceof Uint8Array)) return rejected(notA("binary", data));
    return this.send(data, options);
  }

  /** As `send`, if it is accepted at once; `false` when it is not. */
  trySend(data: Message, options?: SendOptions): boolean {
    if (this.#stopped !== undefined) return false;
    return this.#engine.outbound.trySend(data, options);
  }

  /**
   * Waits until all that was accepted before is on the network, or is
   * acknowledged if messages are; `false` when `ms` ran out, or some was lost.
   * @throws {WSError} what ended the client before; `QUEUE_FULL` in `onConnect`
   * @throws {RangeError} at once, for a wrong `ms`
   */
  flush(ms?: number): Promise<boolean> {
    if (ms !== undefined) number("ms", ms, { ...DURATION, infinity: true });
    return this.#engine.outbound.flush(ms);
  }

  /** A stream into the queue; the same one each time. */
  get writable(): WritableStream<Message> {
    return this.#writable ??= writableTo(this);
  }

  // Receiving ------------------------------------------------------------------------

  /**
   * A reader of its own of all that comes in from this call on. It ends when
   * the client stops and throws the error that ended it, in both cases after
   * what was buffered.
   * @throws {TypeError} an option of the wrong kind
   * @throws {RangeError} a bound that is no whole number from 1 on
   */
  messages(
    options?: ReadOptions,
  ): AsyncIterableIterator<Message, undefined> {
    return this.#engine.readers.add(options);
  }

  /** As {@linkcode WebSocketStreamClient.messages} without options. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Message, undefined> {
    return this.messages();
  }

  /** A stream of what comes in from the first touch on; the same one each time. */
  get readable(): ReadableStream<Message> {
    return this.#readable ??= readableFrom(this.messages());
  }

  // Looking ----------------------------------------------------------------------------

  /** Where the client is in its life. */
  get state(): ClientState {
    return this.#state;
  }

  /** The URL of the connection, after redirects; `undefined` without one. */
  get url(): string | undefined {
    return this.#engine.supervisor.link?.url;
  }

  /** The subprotocol of the connection; `undefined` without one. */
  get protocol(): string | undefined {
    return this.#engine.supervisor.link?.protocol;
  }

  /** What the client has done so far. */
  get stats(): WSStats {
    return this.#engine.stats();
  }

  /**
   * Settles when the client has ended: with the error that ended it, or with
   * `undefined` after `stop()`. Never rejects.
   */
  get closed(): Promise<WSError | undefined> {
    return this.#settled.promise;
  }

  // Ending -----------------------------------------------------------------------------

  get #settled(): PromiseWithResolvers<WSError | undefined> {
    return this.#closed ??= Promise.withResolvers();
  }

  async #stop(
    code: number,
    reason: string,
    drain: number,
  ): Promise<StopResult> {
    const state = this.#state;
    if (state !== "closed") this.#enter("closing");
    if (state === "idle") {
      this.#end(undefined);
    } else if (state !== "closed") {
      await Promise.race([this.#engine.drain(drain), this.closed]);
      this.#engine.supervisor.stop(code, reason);
    }
    await this.closed;
    return this.#engine.outbound.end(this.#whyOver());
  }

  #obey(signal: AbortSignal): void {
    const abort = () => {
      this.stop({ drain: 0 });
      // A stop() that came before may be draining still.
      this.#engine.supervisor.stop(1000, "");
    };
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort);
    this.closed.then(() => signal.removeEventListener("abort", abort));
  }

  #follow(state: ClientState): void {
    if (this.#stopped !== undefined) return;
    this.#enter(state);
    if (state !== "open") return;
    this.#opening?.resolve();
    this.#opening = undefined;
  }

  #enter(state: ClientState): void {
    const previous = this.#state;
    if (previous === state) return;
    this.#state = state;
    this.#engine.notifier.stateChange(state, previous);
  }

  #end(error: WSError | undefined): void {
    if (this.#state === "closed") return;
    const isStopped = this.#stopped !== undefined;
    const reason = error ?? (isStopped ? this.#whyOver() : served());
    this.#over = reason;
    this.#enter("closed");
    this.#opening?.reject(reason);
    this.#opening = undefined;
    this.#engine.outbound.end(reason);
    this.#engine.readers.end(error);
    this.#settled.resolve(error);
  }

  /** What who comes after the end, or after `stop()`, is told. */
  #whyOver(): WSError {
    return this.#over ?? stopped(this.#config.signal?.reason);
  }
}
