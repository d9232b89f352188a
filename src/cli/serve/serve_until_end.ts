/**
 * The parts that all commands with a server share: what ends it, and the notices
 * about its clients.
 *
 * @module
 */

import type { Peer } from "../../server/peer.ts";
import type { WebSocketServer } from "../../server/server.ts";
import { type ExitStatus, Signals } from "../exit_status.ts";
import type { Flags } from "../args/flags.ts";
import { UsageError } from "../args/values.ts";
import { escapeLine, showDuration } from "../format.ts";
import type { Stderr } from "../notices.ts";
import { after } from "../run/timers.ts";

/**
 * Starts a server, and closes it at a signal, when its time is up, or when `end`
 * is called.
 *
 * @param beforeSecond called before a second signal ends the program
 * @throws {UsageError} an address that cannot be listened on
 */
export async function serveUntilEnd(
  { timeout, for: duration }: Pick<Flags, "timeout" | "for">,
  start: (
    end: (status: ExitStatus) => void,
  ) => WebSocketServer | Promise<WebSocketServer>,
  beforeSecond?: () => void,
): Promise<ExitStatus> {
  const ended = Promise.withResolvers<ExitStatus>();
  const over = new AbortController();
  using _ = new Signals(ended.resolve, beforeSecond);
  await using _server = await listening(() => start(ended.resolve));
  after(timeout, over.signal, () => ended.resolve(124));
  after(duration, over.signal, () => ended.resolve(0));
  const status = await ended.promise;
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

/** Prints when a client connects, and when its connection closes. */
export function reportClient(peer: Peer, notices: Stderr): void {
  const { remote, path } = peer.request;
  const from = `${remote.hostname}:${remote.port}`;
  const protocol = peer.protocol === "" ? "" : ` (${peer.protocol})`;
  const start = performance.now();
  notices.good(
    `#${peer.id} ${from} ${escapeLine(path)}: connected${protocol}`,
  );
  peer.closed.then(({ code, reason }) => {
    const why = reason === "" ? "" : ` "${escapeLine(reason)}"`;
    const time = showDuration(performance.now() - start);
    notices.good(`#${peer.id} ${from}: closed, ${code}${why}, after ${time}`);
  });
}
