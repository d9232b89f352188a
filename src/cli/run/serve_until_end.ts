/**
 * A server for as long as nobody ends it.
 *
 * @module
 */

import type { WebSocketServer } from "../../server/server.ts";
import type { Ending } from "../command.ts";
import { UsageError } from "../flags/values.ts";
import { Signals } from "./signals.ts";
import { after } from "./timers.ts";

/**
 * Starts a server, and closes it at a signal or after `timeout` ms.
 * @throws {UsageError} an address that cannot be listened on
 */
export async function serveUntilEnd(
  timeout: number | undefined,
  start: () => WebSocketServer,
): Promise<Ending> {
  const end = Promise.withResolvers<Ending>();
  const over = new AbortController();
  using _ = new Signals(end.resolve);
  await using _server = listening(start);
  after(timeout, over.signal, () => end.resolve(124));
  const ending = await end.promise;
  over.abort();
  return ending;
}

function listening(start: () => WebSocketServer): WebSocketServer {
  try {
    return start();
  } catch (error) {
    if (
      error instanceof Deno.errors.AddrInUse ||
      error instanceof Deno.errors.AddrNotAvailable ||
      error instanceof Deno.errors.PermissionDenied
    ) {
      throw new UsageError(`cannot listen there: ${error.message}`);
    }
    throw error;
  }
}
