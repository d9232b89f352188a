/**
 * Make before break: before a connection is so old that the server would cut
 * it, another one is opened and passes its gate.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { WSError } from "../errors.ts";
import { backoff, type BackoffOptions } from "./backoff.ts";
import type { Link, LinkEnd } from "./link.ts";

/** How to come by a successor. */
export interface RotationOptions {
  readonly config: BackoffOptions & {
    /** In milliseconds; due at 0.9 to 1.0 of it, so that a fleet spreads. */
    readonly maxConnectionAge: number;
  };
  /** Uniform in [0, 1). */
  readonly chance: () => number;
  /** The client stops. */
  readonly stop: AbortSignal;
  readonly dial: (signal: AbortSignal) => Promise<Link>;
  /** Runs the gate; the link is over if it did not pass. */
  readonly pass: (link: Link) => Promise<void>;
  /** A try failed; `end` is there if a connection had come about. */
  readonly onFailed: (
    error: WSError | undefined,
    end: LinkEnd | undefined,
  ) => void;
}

/**
 * Waits until the link is old, then tries until a successor has passed its
 * gate; `undefined` when the old link ended first, or the client stopped.
 */
export async function findSuccessor(
  old: Link,
  options: RotationOptions,
): Promise<Link | undefined> {
  const { config, chance, stop, onFailed } = options;
  const over = new AbortController();
  old.over.then(() => over.abort());
  const signal = AbortSignal.any([stop, over.signal]);
  let wait = config.maxConnectionAge * (0.9 + 0.1 * chance());
  for (let round = 0; !signal.aborted; round++) {
    try {
      await delay(wait, { signal });
      const link = await openAnother(signal, options);
      if (!link.isOver) return link;
      const end = await link.over;
      onFailed(end.error, end);
    } catch (error) {
      if (signal.aborted) return undefined;
      if (!(error instanceof WSError)) throw error;
      onFailed(error, undefined);
    }
    wait = backoff(config, round, chance());
  }
  return undefined;
}

async function openAnother(
  signal: AbortSignal,
  { dial, pass }: RotationOptions,
): Promise<Link> {
  const link = await dial(signal);
  const drop = () => link.drop();
  if (signal.aborted) {
    drop(); // nobody has heard of it, so nobody hears of its end
    throw signal.reason;
  }
  signal.addEventListener("abort", drop);
  await pass(link);
  signal.removeEventListener("abort", drop);
  return link;
}
