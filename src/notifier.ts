/**
 * Calls the program's callbacks so that none can break the client: an exception,
 * or the rejection of a returned promise, is reported to `onError`, or with
 * `console.error` when there is no `onError`.
 *
 * @module
 */

import type {
  ClientState,
  DisconnectInfo,
  DropReason,
  Gap,
  RetryInfo,
  Session,
  WSCallbacks,
} from "./callbacks.ts";
import { callbackError, type WSError, type WSErrorCode } from "./errors.ts";
import type { Message } from "./message.ts";
import { callable, onlyKnownKeys } from "./rules.ts";

const NAMES = [
  "onMessage",
  "onConnect",
  "onDisconnect",
  "onError",
  "onRetry",
  "onDrop",
  "onGap",
  "onStateChange",
] as const satisfies readonly (keyof WSCallbacks)[];

/** The callbacks of one client, guarded. */
export class Notifier {
  readonly #callbacks: WSCallbacks;
  /** Made for the first one. */
  #failures: Record<WSErrorCode, number> | undefined;

  /**
   * Checks the callbacks.
   * @throws {TypeError} an unknown name, or not a function
   */
  constructor(callbacks: WSCallbacks) {
    onlyKnownKeys("WSCallbacks", callbacks, NAMES);
    for (const name of NAMES) {
      if (callbacks[name] !== undefined) callable(name, callbacks[name]);
    }
    this.#callbacks = callbacks;
  }

  /** How often each kind of error was reported. */
  get failures(): Readonly<Record<WSErrorCode, number>> {
    return this.#failures ?? noFailures();
  }

  /** Reports an error. */
  error(error: WSError): void {
    const failures = this.#failures ??= noFailures();
    failures[error.code]++;
    const { onError } = this.#callbacks;
    if (onError === undefined) {
      // An error of a connection also shows in onDisconnect, onRetry and `closed`.
      if (error.code === "CALLBACK") print(error);
      return;
    }
    const failed = (cause: unknown) => {
      failures.CALLBACK++;
      print(callbackError("onError", cause));
    };
    try {
      const result = onError.call(this.#callbacks, error);
      if (isThenable(result)) result.then(undefined, failed);
    } catch (cause) {
      failed(cause);
    }
  }

  /** Whether there is a connect hook by now. */
  get hasConnectHook(): boolean {
    return this.#callbacks.onConnect !== undefined;
  }

  /** Calls the connect hook, unguarded: an exception ends the connection. */
  connect(session: Session): unknown {
    return this.#callbacks.onConnect?.(session);
  }

  /** As the others below, without a closure for each message. */
  message(data: Message): void {
    try {
      const result = this.#callbacks.onMessage?.(data);
      if (result !== undefined) this.#watch("onMessage", result);
    } catch (cause) {
      this.#thrown("onMessage", cause);
    }
  }

  disconnect(info: DisconnectInfo): void {
    this.#call("onDisconnect", () => this.#callbacks.onDisconnect?.(info));
  }

  retry(info: RetryInfo): void {
    this.#call("onRetry", () => this.#callbacks.onRetry?.(info));
  }

  drop(data: Message, reason: DropReason): void {
    this.#call("onDrop", () => this.#callbacks.onDrop?.(data, reason));
  }

  gap(gap: Gap): void {
    this.#call("onGap", () => this.#callbacks.onGap?.(gap));
  }

  stateChange(state: ClientState, previous: ClientState): void {
    this.#call(
      "onStateChange",
      () => this.#callbacks.onStateChange?.(state, previous),
    );
  }

  #call(name: string, callback: () => unknown): void {
    try {
      this.#watch(name, callback());
    } catch (cause) {
      this.#thrown(name, cause);
    }
  }

  #watch(name: string, result: unknown): void {
    if (!isThenable(result)) return;
    result.then(undefined, (cause) => this.#thrown(name, cause));
  }

  #thrown(name: string, cause: unknown): void {
    this.error(callbackError(name, cause));
  }
}

/** A program can throw what throws again when it is printed. */
function print(error: WSError): void {
  try {
    console.error(error);
  } catch {
    console.error(`${error.name}: ${error.message}`);
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value &&
    typeof value.then === "function";
}

function noFailures(): Record<WSErrorCode, number> {
  return {
    CONNECT: 0,
    DNS: 0,
    TIMEOUT: 0,
    TLS: 0,
    HTTP_STATUS: 0,
    REDIRECT: 0,
    HANDSHAKE: 0,
    PERMISSION: 0,
    CLOSED: 0,
    PROTOCOL: 0,
    HEARTBEAT: 0,
    SLOW_CONSUMER: 0,
    QUEUE_FULL: 0,
    TOO_LARGE: 0,
    EXPIRED: 0,
    ABORTED: 0,
    SPOOL: 0,
    RETRIES_EXHAUSTED: 0,
    STOPPED: 0,
    CALLBACK: 0,
  };
}
