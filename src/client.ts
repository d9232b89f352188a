/**
 * The public class and `connect()`. Makes the parts of a client and connects
 * them; contains no policies.
 *
 * ```text
 * inbound:  connection -> acknowledgements -> onMessage -> readers
 *                      \-> or session.receive() in the connect hook
 * outbound: sender (queue) -> connection
 * life:     reconnect loop -> one connection after another
 * ```
 *
 * @module
 */

import type { ClientState, Gap, WSCallbacks } from "./callbacks.ts";
import type { WSConfig } from "./config.ts";
import { WSError } from "./errors.ts";
import { handled, rejected } from "./handled.ts";
import type { Message } from "./message.ts";
import {
  checkFlushLimit,
  checkStartOptions,
  type ReadOptions,
  type ReconnectOptions,
  resolveReconnectOptions,
  resolveStopOptions,
  type SendOptions,
  type StartOptions,
  type StopOptions,
  type StopResult,
} from "./method_options.ts";
import { Notifier } from "./notifier.ts";
import { Readers, type ReadersHost } from "./receive/readers.ts";
import { WritableSide } from "./receive/streams.ts";
import { findPendingHook } from "./reconnect/connect_hook.ts";
import { type LoopHost, ReconnectLoop } from "./reconnect/reconnect_loop.ts";
import { resolveConfig, type ResolvedConfig } from "./resolve_config.ts";
import { kindOf, object } from "./rules.ts";
import { Sender, type SenderHooks } from "./send/sender.ts";
import { ConnectionLog, type WSStats } from "./stats.ts";
import { NativeTransport } from "./transport/native/native_transport.ts";
import type { Transport } from "./transport/transport.ts";

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
  readonly #parts: ClientParts;
  /** The promise of `start()`, until the client is open or closed. */
  #opening: PromiseWithResolvers<void> | undefined;
  /** Made at the first use. */
  #closed: PromiseWithResolvers<WSError | undefined> | undefined;
  #state: ClientState = "idle";
  #stopped: Promise<StopResult> | undefined;
  /** The error of calls after the client has ended. */
  #endReason: WSError | undefined;
  #endError: WSError | undefined;
  #writable: WritableSide | undefined;

  /**
   * Checks the options; does not connect.
   * @throws {TypeError} a value of the wrong kind, an unknown key, a key that the
   * transport does not have
   * @throws {RangeError} a number outside its limits
   */
  constructor(config: WSConfig, callbacks: WSCallbacks = {}) {
    const resolved = resolveConfig(config);
    this.#parts = new ClientParts(resolved, callbacks, this, (state, error) => {
      if (state === "closed") this.#finish(error);
      else this.#follow(state);
    });
    const { signal } = resolved;
    if (signal !== undefined) this.#stopWith(signal);
  }

  // Life -------------------------------------------------------------------------

  /**
   * Connects. Resolves at the first open, once `onConnect` has settled.
   * `signal` and `timeout` bound the first open only; then the client ends.
   * @throws {WSError} a fatal error, `TIMEOUT`, or `STOPPED`
   * @throws {TypeError} called before; a wrong option
   * @throws {RangeError} a wrong timeout
   */
  start(options: StartOptions = {}): Promise<void> {
    const { signal, timeout } = checkStartOptions(options);
    if (this.#state === "closed" || this.#stopped !== undefined) {
      return rejected(this.#whyEnded());
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
    const isAborted = signal?.aborted || this.#parts.config.signal?.aborted;
    if (isAborted) {
      this.#abort(signal?.aborted ? signal.reason : undefined);
      return handled(promise);
    }
    this.#enter("connecting");
    this.#parts.run();
    this.#boundOpening(promise, signal, timeout);
    return handled(promise);
  }

  /**
   * Sends queued messages for at most `drain` milliseconds, closes the
   * connection, and ends the client. Never rejects; all calls share one
   * promise.
   * @throws {TypeError} at once, for a wrong option
   * @throws {RangeError} at once, for a wrong close code, reason or duration
   */
  stop(options: StopOptions = {}): Promise<StopResult> {
    const { code, reason, drain } = resolveStopOptions(
      options,
      this.#parts.config.closeTimeout,
    );
    if (this.#stopped === undefined) {
      // Set first: a callback may call stop() meanwhile.
      const { promise, resolve } = Promise.withResolvers<StopResult>();
      this.#stopped = promise;
      this.#stop(code, reason, drain).then(resolve);
    }
    return this.#stopped;
  }

  /**
   * Ends the current connection, attempt or wait, and makes a new attempt at
   * once, but not more than one a second. With `graceful` the open connection
   * is replaced as at `maxConnectionAge`: the new one is opened first.
   * @throws {TypeError | RangeError} a wrong option
   */
  reconnect(options: ReconnectOptions = {}): void {
    const { graceful, code, reason } = resolveReconnectOptions(options);
    if (this.#stopped !== undefined) return;
    const isGiven = options.code !== undefined || options.reason !== undefined;
    this.#parts.loop.reconnect(
      graceful,
      isGiven ? { code, reason } : undefined,
    );
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
   * or the error that ended the client
   * @throws {TypeError | RangeError} a wrong message or option
   */
  send(data: Message, options?: SendOptions): Promise<void> {
    if (this.#stopped !== undefined) return rejected(this.#whyEnded());
    return this.#parts.sender.send(data, options, this.#parts.hookTarget);
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

  /**
   * As `send`, if the message can be accepted at once; `false` if it was not.
   * @throws {TypeError | RangeError} a wrong message or option
   *
   * @example
   * ```ts
   * import { connect } from "@ws-stream/client";
   *
   * const client = await connect("wss://example.com");
   * if (!client.trySend("a quote that is worthless later")) {
   *   console.warn("the queue is full");
   * }
   * ```
   */
  trySend(data: Message, options?: SendOptions): boolean {
    if (this.#stopped !== undefined) return false;
    return this.#parts.sender.trySend(data, options, this.#parts.hookTarget);
  }

  /**
   * Waits until every message accepted before this call has left the socket or,
   * with acknowledgements, is acknowledged; `false` if `ms` ran out, or one of
   * them was dropped or lost meanwhile. For a message that a newer one with the
   * same key has replaced, it waits for that one.
   * @throws {WSError} the error that ended the client; `QUEUE_FULL` in
   * `onConnect`
   * @throws {TypeError | RangeError} at once, for a wrong `ms`
   *
   * @example
   * ```ts
   * import { connect } from "@ws-stream/client";
   *
   * const client = await connect("wss://example.com");
   * await client.sendText("the last one");
   * if (!await client.flush(5_000)) console.warn("not everything was sent");
   * ```
   */
  flush(ms?: number): Promise<boolean> {
    return this.#parts.sender.flush(checkFlushLimit(ms));
  }

  /**
   * Drops all messages that wait to be written to a socket, and returns their
   * number; each is reported to `onDrop` (`"cleared"`).
   */
  clearQueue(): number {
    return this.#parts.sender.clearQueue();
  }

  /**
   * A stream into the queue: the same one until it is closed, aborted or has
   * failed, then a new one. Its backpressure is that of the queue. Aborting it
   * does not take back accepted messages. Closing it waits as `flush()` does,
   * and does not stop the client.
   *
   * @example
   * ```ts
   * import { connect } from "@ws-stream/client";
   *
   * const client = await connect("wss://example.com/upload");
   * await Deno.stdin.readable
   *   .pipeThrough(new TextDecoderStream())
   *   .pipeTo(client.writable);
   * await client.stop();
   * ```
   */
  get writable(): WritableStream<Message> {
    return this.#writableSide.stream;
  }

  // Receiving ------------------------------------------------------------------------

  /**
   * A reader of all messages that arrive after this call. It ends when the
   * client is stopped, and throws the error that ended the client; in both
   * cases after the buffered messages.
   * @throws {TypeError} an option of the wrong kind
   * @throws {RangeError} a bound that is not a whole number from 1
   *
   * @example
   * ```ts
   * import { connect } from "@ws-stream/client";
   *
   * const client = await connect("wss://example.com");
   * for await (const message of client.messages({ overflow: "drop-oldest" })) {
   *   console.log(message);
   * }
   * ```
   */
  messages(
    options?: ReadOptions,
  ): AsyncIterableIterator<Message, undefined> {
    return this.#parts.readers.add(options);
  }

  /** As {@linkcode WebSocketStreamClient.messages} without options. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Message, undefined> {
    return this.messages();
  }

  /**
   * A stream of the messages that arrive after its first read; the same one
   * each time.
   */
  get readable(): ReadableStream<Message> {
    return this.#parts.readers.readable;
  }

  // Looking ----------------------------------------------------------------------------

  /** The state of the client. */
  get state(): ClientState {
    return this.#state;
  }

  /** The URL of the connection, after redirects; `undefined` without one. */
  get url(): string | undefined {
    return this.#parts.loop.connection?.url;
  }

  /** The subprotocol of the connection; `undefined` without one. */
  get protocol(): string | undefined {
    return this.#parts.loop.connection?.protocol;
  }

  /** What the client has done so far. */
  get stats(): WSStats {
    return this.#parts.stats();
  }

  /**
   * Settles when the client has ended: with the error that ended it, or with
   * `undefined` after `stop()`. Never rejects.
   *
   * @example
   * ```ts
   * import { connect } from "@ws-stream/client";
   *
   * const client = await connect("wss://example.com", {}, {
   *   onMessage: (data) => console.log(data),
   * });
   * const error = await client.closed;
   * if (error !== undefined) console.error(error.code, error.message);
   * ```
   */
  get closed(): Promise<WSError | undefined> {
    if (this.#closed === undefined) {
      this.#closed = Promise.withResolvers();
      if (this.#state === "closed") this.#closed.resolve(this.#endError);
    }
    return this.#closed.promise;
  }

  // Ending -----------------------------------------------------------------------------

  get #writableSide(): WritableSide {
    if (this.#writable === undefined) {
      this.#writable = new WritableSide({
        send: (message, options) => this.send(message, options),
        flush: () => this.flush(),
        onError: (error) => this.#parts.notifier.error(error),
      });
      if (this.#state === "closed") this.#writable.end(this.#whyEnded());
    }
    return this.#writable;
  }

  async #stop(
    code: number,
    reason: string,
    drain: number,
  ): Promise<StopResult> {
    const state = this.#state;
    if (state !== "closed") this.#enter("closing");
    if (state === "idle") {
      this.#finish(undefined);
    } else if (state !== "closed") {
      // The queue waits for the connect hook, which may wait for this call.
      const ms = this.#parts.hookTarget === undefined ? drain : 0;
      const drained = this.#parts.sender.drain(ms);
      // Without a wait the loop stops within this call: after the callback that
      // made it, no other attempt is reported.
      if (drained !== undefined) await Promise.race([drained, this.closed]);
      this.#parts.loop.stop(code, reason);
    }
    await this.closed;
    const result = this.#parts.sender.end(this.#whyEnded());
    const { closed } = this.#parts.sender;
    // Without a spool stop() settles together with the client.
    if (closed !== undefined) await closed;
    return result;
  }

  #stopWith(signal: AbortSignal): void {
    const abort = () => this.#abort(undefined);
    // Not in the constructor: callbacks must not run before the program has the
    // client.
    if (signal.aborted) return queueMicrotask(abort);
    signal.addEventListener("abort", abort);
    this.closed.then(() => signal.removeEventListener("abort", abort));
  }

  /** Stops at once: queued messages are not sent. */
  #abort(reason: unknown): void {
    if (reason !== undefined) this.#endReason ??= stopped(reason);
    const { loop } = this.#parts;
    const isClosing = loop.isEnding;
    this.stop({ drain: 0 });
    // An earlier stop() ends, whether it drains or waits for the server.
    if (isClosing) loop.terminate();
    else loop.stop(1000, "");
  }

  #boundOpening(
    opening: Promise<void>,
    signal: AbortSignal | undefined,
    timeout: number | undefined,
  ): void {
    if (signal === undefined && timeout === undefined) return;
    const abort = () => this.#abort(signal?.reason);
    signal?.addEventListener("abort", abort);
    const timer = timeout === undefined ? undefined : setTimeout(
      () => {
        const { loop } = this.#parts;
        loop.fail(notOpenWithin(timeout, loop.lastError));
      },
      timeout,
    );
    const release = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    };
    opening.then(release, release);
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
    this.#parts.notifier.stateChange(state, previous);
  }

  #finish(error: WSError | undefined): void {
    if (this.#state === "closed") return;
    this.#endError = error;
    const isStopped = this.#stopped !== undefined;
    const reason = error ?? (isStopped ? this.#whyEnded() : serverClosed());
    this.#endReason = reason;
    // First: new messages are refused, and unsent ones are reported.
    this.#parts.sender.end(reason);
    // Before "closed": the gap of a reader that dropped messages is reported.
    this.#parts.readers.end(error);
    this.#enter("closed");
    this.#opening?.reject(reason);
    this.#opening = undefined;
    this.#writable?.end(reason);
    this.#closed?.resolve(error);
  }

  /** The error of calls after the client has ended, or after `stop()`. */
  #whyEnded(): WSError {
    return this.#endReason ?? stopped(this.#parts.config.signal?.reason);
  }
}

/**
 * Makes a client and starts it: for `await using`, which stops it at the end of
 * the scope. `signal` and `timeout` bound the first open only.
 * @throws {WSError} a fatal error, `TIMEOUT`, or `STOPPED`
 * @throws {TypeError} a value of the wrong kind, an unknown key
 * @throws {RangeError} a number outside its limits
 * @example
 * ```ts
 * import { connect } from "@ws-stream/client";
 *
 * async function main() {
 *   await using feed = await connect("wss://example.com/feed");
 *   for await (const message of feed) console.log(message);
 * }
 * ```
 */
export function connect(
  url: WSConfig["url"],
  config: Omit<WSConfig, "url"> = {},
  callbacks: WSCallbacks = {},
  options: StartOptions = {},
): Promise<WebSocketStreamClient> {
  return handled((async () => {
    // A spread would take null for no options.
    const checked = object("WSConfig", config);
    const client = new WebSocketStreamClient({ ...checked, url }, callbacks);
    await client.start(options);
    return client;
  })());
}

/**
 * The parts of one client. They call this object: with closures for each of
 * them an idle client would take a fifth more memory.
 */
class ClientParts implements LoopHost, SenderHooks, ReadersHost {
  readonly config: ResolvedConfig;
  readonly owner: object;
  readonly notifier: Notifier;
  readonly log = new ConnectionLog();
  readonly sender: Sender;
  readonly loop: ReconnectLoop;
  readonly onState: (state: ClientState, error?: WSError) => void;
  /** Made for the first reader: most of many thousand clients have none. */
  #readers: Readers | undefined;

  constructor(
    config: ResolvedConfig,
    callbacks: WSCallbacks,
    owner: object,
    onState: (state: ClientState, error?: WSError) => void,
  ) {
    this.config = config;
    this.owner = owner;
    this.onState = onState;
    this.notifier = new Notifier(callbacks);
    this.sender = new Sender(config, this);
    this.loop = new ReconnectLoop(this);
  }

  get readers(): Readers {
    return this.#readers ??= new Readers(this.config, this);
  }

  /** Opens the spool, if there is one, and connects. */
  run(): void {
    if (this.config.spool === undefined) this.loop.run();
    else {
      this.sender.open().then(
        () => this.loop.run(),
        (cause) => this.onEnd(this.onBug(cause)),
      );
    }
  }

  stats(): WSStats {
    const { log } = this;
    return {
      ...this.sender.stats,
      messagesReceived: log.messages,
      bytesReceived: log.bytes,
      connects: log.connects,
      disconnects: log.disconnects,
      retries: log.retries,
      rotations: log.rotations,
      failures: { ...this.notifier.failures },
      rtt: log.rtt,
      connectedSince: log.connectedSince,
      lastMessageAt: this.loop.lastMessageAt,
      downtime: log.downtime(performance.now()),
    };
  }

  // The connect hook ---------------------------------------------------------------

  /** The connection that the caller's connect hook sets up, if it runs in one. */
  get hookTarget(): object | undefined {
    return this.loop.isInHook
      ? findPendingHook(this.owner)?.connection
      : undefined;
  }

  refuseToWait(): WSError | undefined {
    return this.hookTarget === undefined ? undefined : waitsForItself();
  }

  // Called by the reconnect loop ---------------------------------------------------

  async makeTransport(): Promise<Transport> {
    if (this.config.transport === "native") {
      return new NativeTransport(this.config);
    }
    const { TcpTransport } = await import("./transport/tcp/tcp_transport.ts");
    return new TcpTransport(this.config);
  }

  async readersDrained(signal: AbortSignal): Promise<void> {
    await this.#readers?.drained(signal);
  }

  onOutageEnd(outage: Gap): void {
    const dropped = this.#readers?.takeDropped();
    if (dropped === undefined) return this.notifier.gap(outage);
    const from = Math.min(dropped.from, outage.from);
    this.notifier.gap({ ...outage, from, count: dropped.count });
  }

  onEnd(error: WSError | undefined): void {
    this.onState("closed", error);
  }

  onBug(cause: unknown): WSError {
    const error = cause instanceof WSError ? cause : internalError(cause);
    this.notifier.error(error);
    return error;
  }

  // Called by the readers -----------------------------------------------------------

  get awaitsAcknowledgements(): boolean {
    return this.sender.awaitsAcknowledgements;
  }

  // Called by connections ------------------------------------------------------------

  get isReadingPaused(): boolean {
    return this.#readers?.isPaused === true;
  }

  get hasUnread(): boolean {
    return this.#readers?.hasUnread === true;
  }

  /** In this order: acknowledgements, the callback, the readers. */
  deliver(data: Message): void {
    this.sender.acknowledge(data);
    const readers = this.#readers;
    if (readers === undefined) return this.notifier.message(data);
    // A reader that is made in the callback begins with the next message.
    const { current } = readers;
    this.notifier.message(data);
    readers.deliver(data, current);
  }
}

/** The program stopped the client. */
function stopped(cause?: unknown): WSError {
  return new WSError("The client was stopped", {
    code: "STOPPED",
    severity: "fatal",
    cause,
  });
}

/** The server closed normally, and the client does not reconnect. */
function serverClosed(): WSError {
  return new WSError(
    "The server closed the connection and 'reconnect' is off",
    { code: "STOPPED", severity: "fatal" },
  );
}

function notOpenWithin(ms: number, last: WSError | undefined): WSError {
  const why = last === undefined ? "" : `; the last error: ${last.message}`;
  return new WSError(
    `The client was not open within ${ms} ms of start()${why}`,
    { code: "TIMEOUT", severity: "fatal", cause: last, url: last?.url },
  );
}

/** Waiting for the queue inside the connect hook that the queue waits for. */
function waitsForItself(): WSError {
  return new WSError(
    "Cannot wait for the queue inside onConnect as the queue waits for " +
      "onConnect: use session.send()",
    { code: "QUEUE_FULL", severity: "transient" },
  );
}

function notA(kind: "text" | "binary", value: unknown): TypeError {
  const rule = kind === "text" ? "a string" : "a Uint8Array";
  return new TypeError(
    `Cannot send as ${kind} what is not ${rule}: ` +
      `current value is ${kindOf(value)}`,
  );
}

/** A part of the client threw that must not throw. */
function internalError(cause: unknown): WSError {
  return new WSError(`The client failed: ${String(cause)}`, {
    code: "CONNECT",
    severity: "fatal",
    cause,
  });
}
