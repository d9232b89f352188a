/**
 * When a connection is replaced, and how long the parts of that may take.
 *
 * @module
 */

import type { Connection, ConnectionEnd } from "../connection/connection.ts";
import type { ResolvedConfig } from "../resolve_config.ts";

/** How long a new connection must hold before it replaces the old one, in ms. */
export const ROTATION_HOLD = 100;
/**
 * How long the queue waits for the answer to a close while no message in the
 * old socket is unsent, in milliseconds.
 */
const ROTATION_CLOSE = 500;

/**
 * Waits until a connection is to be replaced, because of its age or because the
 * program wants it, or has ended.
 * @param setupTime how long the last set-up took, in milliseconds
 */
export function useUntilTooOld(
  connection: Connection,
  { maxConnectionAge, reconnect }: Pick<
    ResolvedConfig,
    "maxConnectionAge" | "reconnect"
  >,
  setupTime: number,
): Promise<ConnectionEnd | "replace"> {
  if (maxConnectionAge === 0 || !reconnect) return connection.use();
  const due = rotationAge(maxConnectionAge, setupTime, Math.random());
  const timer = setTimeout(
    () => connection.requestReplacement(),
    Math.max(0, connection.openedAt + due - performance.now()),
  );
  return connection.use().finally(() => clearTimeout(timer));
}

/**
 * At which age a connection is replaced, in milliseconds since its handshake:
 * early enough to finish before `maxConnectionAge`, and spread, so that the
 * clients of a fleet do not rotate together.
 * @param chance uniform in [0, 1)
 */
function rotationAge(
  maxConnectionAge: number,
  setupTime: number,
  chance: number,
): number {
  const spread = maxConnectionAge * (0.8 + 0.1 * chance);
  const lead = 2 * setupTime + 2 * ROTATION_HOLD;
  return Math.max(
    maxConnectionAge / 2,
    Math.min(spread, maxConnectionAge - lead),
  );
}

/**
 * How long the queue waits until the old connection has answered its close:
 * messages on two TCP connections may overtake each other.
 */
export function closeAnswerLimit(
  { closeTimeout }: Pick<ResolvedConfig, "closeTimeout">,
  hasUnflushed: boolean,
): number {
  return hasUnflushed ? closeTimeout : Math.min(ROTATION_CLOSE, closeTimeout);
}
