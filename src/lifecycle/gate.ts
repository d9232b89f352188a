/**
 * The gate: what `onConnect` does with a new connection before the queue may
 * use it. Here a program authenticates and subscribes again.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { AsyncLocalStorage } from "node:async_hooks";
import type { Session } from "../callbacks.ts";
import { WSError } from "../errors.ts";
import { handled, rejected } from "../handled.ts";
import { callbackError } from "../notifier.ts";
import type { Link } from "./link.ts";

/** What a gate needs to know. */
export interface GateOptions {
  onConnect(session: Session): unknown;
  readonly reconnected: boolean;
  readonly attempt: number;
  /** How long `onConnect` may take, in milliseconds. */
  readonly timeout: number;
  /** Whose gate it is, for {@linkcode isInsideGate}. */
  readonly owner: object;
  /** Told what `onConnect` throws when its link has ended, or is being closed. */
  readonly onError: (error: WSError) => void;
}

interface Gate {
  readonly owner: object;
  pending: boolean;
  /** The gate of another client, inside which this one began. */
  readonly outer: Gate | undefined;
}

/** Who is in which gate, across awaits. */
const context = new AsyncLocalStorage<Gate>();

/** Whether the caller runs inside a pending `onConnect` of that owner. */
export function isInsideGate(owner: object): boolean {
  let gate = context.getStore();
  while (gate !== undefined) {
    if (gate.pending && gate.owner === owner) return true;
    gate = gate.outer;
  }
  return false;
}

/**
 * Runs `onConnect` on a new link. Resolves when the link may be used; what
 * goes wrong ends the link, so the error is found there.
 */
export async function passGate(
  link: Link,
  options: GateOptions,
): Promise<void> {
  const { onConnect, reconnected, attempt, timeout, owner } = options;
  const gate: Gate = { owner, pending: true, outer: context.getStore() };
  const session: Session = {
    url: link.url,
    protocol: link.protocol,
    reconnected,
    attempt,
    send: (data) => {
      if (!gate.pending) throw gateIsOver("send");
      link.sendDirectly(data);
    },
    receive: () =>
      gate.pending ? handled(link.takeNext()) : rejected(gateIsOver("receive")),
  };
  const thrown = (cause: unknown) => {
    const isOurs = cause instanceof WSError;
    const error = isOurs ? cause : callbackError("onConnect", cause);
    // The link's own error, which send() or receive() threw, is known already.
    if ((link.isOver || link.isClosing) && !isOurs) options.onError(error);
    link.fail(error);
    return link.over;
  };
  const done = new AbortController();
  delay(timeout, { signal: done.signal })
    .then(() => link.fail(timedOut(timeout)), () => {});
  try {
    const work = context.run(gate, async () => await onConnect(session));
    await Promise.race([work.catch(thrown), link.over]);
  } finally {
    gate.pending = false;
    done.abort();
    link.endTaking(gateIsOver("receive"));
  }
}

function gateIsOver(method: string): TypeError {
  return new TypeError(
    `Cannot use session.${method}() as onConnect has settled: ` +
      "use the client instead",
  );
}

function timedOut(timeout: number): WSError {
  return new WSError(`onConnect did not settle within ${timeout} ms`, {
    code: "TIMEOUT",
    severity: "transient",
  });
}
