/**
 * The connect hook: what `onConnect` does with a new connection before the queue
 * may use it. Here a program authenticates and subscribes again.
 *
 * A rejection of the hook is never lost: it wins over a close of the connection
 * that arrives at the same time. So when the connection ends first, the hook
 * gets a moment to settle; its pending `receive()` rejects with the connection's
 * error.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { AsyncLocalStorage } from "node:async_hooks";
import type { Session } from "../callbacks.ts";
import type { Connection } from "../connection/connection.ts";
import { callbackError, WSError } from "../errors.ts";
import { handled, rejected } from "../handled.ts";
import { checkHeartbeatTimes } from "../method_options.ts";
import type { ResolvedConfig } from "../resolve_config.ts";
import { hookTimeout } from "../transport/classify.ts";

/** What a hook is called with. */
export interface HookOptions {
  readonly call: (session: Session) => unknown;
  readonly cause: Session["cause"];
  readonly attempt: number;
  /**
   * The hook may take `connectTimeout`, and `closeTimeout` after the connection
   * has ended.
   */
  readonly config: Pick<
    ResolvedConfig,
    "connectTimeout" | "closeTimeout" | "transport" | "ping"
  >;
  /** Whose hook it is, for {@linkcode findPendingHook}. */
  readonly owner: object;
  /** Once it aborts the hook is not waited for. */
  readonly signal: AbortSignal;
  /** What the hook throws when nobody waits for it any more. */
  readonly onLateError: (error: WSError) => void;
}

/** What became of a hook. */
export type HookResult =
  | { readonly kind: "passed" }
  | { readonly kind: "rejected"; readonly error: WSError }
  /** The connection has ended, or is about to. */
  | { readonly kind: "closed" };

/** A hook that runs. */
export interface PendingHook {
  readonly owner: object;
  readonly connection: Connection;
  isPending: boolean;
  /** Why its session cannot be used, if nobody waits for the hook any more. */
  goneError: WSError | undefined;
  /** The hook of another client, inside which this one began. */
  readonly outer: PendingHook | undefined;
}

/** Which hook a call comes from, across awaits. */
const context = new AsyncLocalStorage<PendingHook>();

/** The pending hook of that owner inside which the caller runs. */
export function findPendingHook(owner: object): PendingHook | undefined {
  let hook = context.getStore();
  while (hook !== undefined) {
    if (hook.isPending && hook.owner === owner) return hook;
    hook = hook.outer;
  }
  return undefined;
}

const PASSED: HookResult = Object.freeze({ kind: "passed" });
const CLOSED: HookResult = Object.freeze({ kind: "closed" });

/** Runs the hook on a new connection. */
export async function runConnectHook(
  connection: Connection,
  options: HookOptions,
): Promise<HookResult> {
  const { call, owner, signal, onLateError } = options;
  const { connectTimeout: timeout, closeTimeout: grace } = options.config;
  const hook: PendingHook = {
    owner,
    connection,
    isPending: true,
    goneError: undefined,
    outer: context.getStore(),
  };
  let isAwaited = true;
  const work = context.run(
    hook,
    async () => await call(sessionOf(hook, options)),
  )
    .then(() => PASSED, (cause): HookResult => {
      // What send() or receive() threw is the connection's own error.
      if (cause === connection.goneError) return CLOSED;
      const error = cause instanceof WSError
        ? cause
        : callbackError("onConnect", cause);
      if (!isAwaited) onLateError(error);
      return { kind: "rejected", error };
    });
  const done = new AbortController();
  const stop = () => done.abort();
  signal.addEventListener("abort", stop);
  // The hook itself may have stopped the client before its first await.
  if (signal.aborted) stop();
  const limit = after(timeout, done.signal, () => {
    connection.fail(hookTimeout(timeout, connection.url));
    return CLOSED;
  });
  const ended = connection.closed.then(() =>
    after(grace, done.signal, () => CLOSED)
  );
  try {
    const result = await Promise.race([work, limit, ended]);
    if (result.kind === "closed") hook.goneError = connection.goneError;
    return result;
  } finally {
    isAwaited = false;
    hook.isPending = false;
    done.abort();
    signal.removeEventListener("abort", stop);
    connection.endReads(unusable(hook, "receive"));
  }
}

/** Resolves after a time, or at once when the signal aborts. */
async function after(
  ms: number,
  signal: AbortSignal,
  then: () => HookResult,
): Promise<HookResult> {
  try {
    await delay(ms, { signal });
  } catch {
    return CLOSED; // nobody waits for the hook any more
  }
  return then();
}

function sessionOf(
  hook: PendingHook,
  { cause, attempt, config }: HookOptions,
): Session {
  const { connection } = hook;
  return {
    url: connection.url,
    protocol: connection.protocol,
    response: connection.response,
    cause,
    reconnected: cause !== "start",
    attempt,
    send(data) {
      if (!hook.isPending) throw unusable(hook, "send");
      connection.sendDirectly(data);
    },
    receive: () =>
      hook.isPending
        ? handled(connection.read())
        : rejected(unusable(hook, "receive")),
    setHeartbeat(times) {
      connection.setHeartbeat(checkHeartbeatTimes(times, config));
    },
  };
}

function unusable({ goneError }: PendingHook, method: string): Error {
  return goneError ?? new TypeError(
    `Cannot use session.${method}() as onConnect has settled: ` +
      "use the client instead",
  );
}
