/**
 * The connect hook: what `onConnect` does with a new connection before the queue
 * may use it. Here a program authenticates and subscribes again.
 *
 * A rejection of the hook is never lost: it wins over a close of the connection
 * that arrives at the same time. So when the connection ends first, the hook,
 * whose pending `receive()` rejects with the connection's error, gets a turn of
 * the event loop to settle. A later rejection is reported separately.
 *
 * @module
 */

import type { AsyncLocalStorage } from "node:async_hooks";
import type { Session } from "../callbacks.ts";
import type { Connection } from "../connection/connection.ts";
import { callbackError, WSError } from "../errors.ts";
import { handled, rejected } from "../handled.ts";
import { checkHeartbeatTimes } from "../method_options.ts";
import type { ResolvedConfig } from "../resolve_config.ts";
import { hookTimeout } from "../transport/classify.ts";
import { nextTurn } from "../turns.ts";

/** How a hook is called. */
export interface HookOptions {
  readonly call: (session: Session) => unknown;
  readonly cause: Session["cause"];
  readonly attempt: number;
  /** How long the hook may take, in milliseconds. */
  readonly timeout: number;
  readonly config: Pick<ResolvedConfig, "transport" | "ping">;
  /** Whose hook it is, for {@linkcode findPendingHook}. */
  readonly owner: object;
  /** When it aborts, the hook is no longer awaited. */
  readonly signal: AbortSignal;
  /**
   * The connection has ended before the hook has settled; `settled` resolves
   * when it has.
   */
  readonly onAbandoned: (settled: Promise<unknown>) => void;
  /** A rejection of a hook that is no longer awaited. */
  readonly onLateError: (error: WSError) => void;
}

/** The result of a hook: it passed, its rejection, or its connection ended. */
export type HookResult = "passed" | WSError | "closed";

/** A hook that runs. */
export interface PendingHook {
  readonly owner: object;
  readonly connection: Connection;
  isPending: boolean;
  /** Why its session cannot be used, if the hook is no longer awaited. */
  closedError: WSError | undefined;
  /** The hook of another client, inside which this one began. */
  readonly outer: PendingHook | undefined;
}

/** Which hook a call comes from, across awaits; see {@linkcode loadContext}. */
let context: AsyncLocalStorage<PendingHook> | undefined;

/**
 * Makes the storage of pending hooks, once: its code is not loaded with this
 * module, because the first dial would wait for it (see turns.ts).
 */
export async function loadContext(): Promise<AsyncLocalStorage<PendingHook>> {
  if (context === undefined) {
    const { AsyncLocalStorage } = await import("node:async_hooks");
    context ??= new AsyncLocalStorage();
  }
  return context;
}

/** The pending hook of that owner inside which the caller runs. */
export function findPendingHook(owner: object): PendingHook | undefined {
  let hook = context?.getStore();
  while (hook !== undefined) {
    if (hook.isPending && hook.owner === owner) return hook;
    hook = hook.outer;
  }
  return undefined;
}

/** Runs the hook on a new connection. */
export async function runConnectHook(
  connection: Connection,
  options: HookOptions,
): Promise<HookResult> {
  const { call, timeout, owner, signal, onAbandoned, onLateError } = options;
  const storage = context ?? await loadContext();
  const hook: PendingHook = {
    owner,
    connection,
    isPending: true,
    closedError: undefined,
    outer: storage.getStore(),
  };
  const work = storage.run(
    hook,
    async () => await call(sessionOf(hook, options)),
  )
    .then((): HookResult => "passed", (cause) => {
      // The connection's own error, thrown by send() or receive().
      if (cause === connection.closedError) return "closed";
      const error = cause instanceof WSError
        ? cause
        : callbackError("onConnect", cause);
      if (!hook.isPending) onLateError(error);
      return error;
    });
  const given = Promise.withResolvers<HookResult>();
  const giveUp = () => {
    hook.isPending = false;
    given.resolve("closed");
  };
  signal.addEventListener("abort", giveUp);
  // The hook itself may have stopped the client before its first await.
  if (signal.aborted) giveUp();
  const timer = setTimeout(
    () => {
      connection.fail(hookTimeout(timeout, connection.url));
      giveUp();
    },
    timeout,
  );
  connection.closed.then(() =>
    nextTurn(() => {
      if (hook.isPending) onAbandoned(work);
      giveUp();
    })
  );
  try {
    const result = await Promise.race([work, given.promise]);
    if (result === "closed") hook.closedError = connection.closedError;
    return result;
  } finally {
    hook.isPending = false;
    clearTimeout(timer);
    signal.removeEventListener("abort", giveUp);
    connection.endReads(unusable(hook, "receive"));
  }
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

function unusable({ closedError }: PendingHook, method: string): Error {
  return closedError ?? new TypeError(
    `Cannot use session.${method}() as onConnect has settled: ` +
      "use the client instead",
  );
}
