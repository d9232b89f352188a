/**
 * A server for as long as nobody ends it.
 *
 * @module
 */

import type { WebSocketServer } from "../../server/server.ts";
import type { ExitStatus } from "../exit_status.ts";
import { UsageError } from "../args/values.ts";
import { Signals } from "../run/signals.ts";
import { after } from "../run/timers.ts";

/**
 * Starts a server, and closes it at a signal or after `timeout` ms.
 * @throws {UsageError} an address that cannot be listened on
 */
export async function serveUntilEnd(
  timeout: number | undefined,
  start: () => WebSocketServer | Promise<WebSocketServer>,
): Promise<ExitStatus> {
  const end = Promise.withResolvers<ExitStatus>();
  const over = new AbortController();
  using _ = new Signals(end.resolve);
  await using _server = await listening(start);
  after(timeout, over.signal, () => end.resolve(124));
  const status = await end.promise;
  over.abort();
  return status;
}

async function listening(
  start: () => WebSocketServer | Promise<WebSocketServer>,
): Promise<WebSocketServer> {
  try {
    return await start();
  } catch (error) {
    if (error instanceof Error && isOfAddress(error)) {
      throw new UsageError(`cannot listen there: ${error.message}`);
    }
    throw error;
  }
}

/** `Deno.listen` throws classes of its own, `node:net` has codes. */
function isOfAddress(error: Error): boolean {
  return error instanceof Deno.errors.AddrInUse ||
    error instanceof Deno.errors.AddrNotAvailable ||
    error instanceof Deno.errors.PermissionDenied ||
    "code" in error &&
      /^(EADDRINUSE|EADDRNOTAVAIL|EACCES|EINVAL)$/.test(String(error.code));
}
