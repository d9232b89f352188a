/**
 * A server from its start to its end, which a signal, a time limit or a typed
 * command decides; and the notices about its clients.
 *
 * @module
 */

import type { Peer } from "../../server/peer.ts";
import type { WebSocketServer } from "../../server/server.ts";
import type { Flags } from "../args/flags.ts";
import { type Address, showAddress, UsageError } from "../args/values.ts";
import { type EndSignal, type ExitStatus, Signals } from "../exit_status.ts";
import { escapeLine, showClose } from "../format.ts";
import type { Notices } from "../notices.ts";
import { after } from "../run/timers.ts";

/** Ends a server, and knows when it ends by itself. */
export interface ServerControl {
  readonly end: (status: ExitStatus) => void;
  /** Acts as if the signal came; the second one ends the program at once. */
  readonly raise: (signal: EndSignal) => void;
  /** Ends it at this signal; without one, because its time is up. */
  readonly interrupt: (signal: EndSignal | undefined) => void;
  /** When its time is up (`performance.now()`). */
  readonly deadline: number;
  /** Aborts once it is decided how it ends. */
  readonly over: AbortSignal;
}

/**
 * Starts a server, and closes it at a signal, when its time is up, or when the
 * control says so.
 *
 * @param beforeSecond called before a second signal ends the program
 * @throws {UsageError} an address or a certificate that cannot be used
 */
export async function serveUntilEnd(
  { timeout, for: duration }: Pick<Flags, "timeout" | "for">,
  address: Address,
  start: (control: ServerControl) => WebSocketServer | Promise<WebSocketServer>,
  beforeSecond?: () => void,
): Promise<ExitStatus> {
  const ended = Promise.withResolvers<ExitStatus>();
  const over = new AbortController();
  const end = (status: ExitStatus) => {
    ended.resolve(status);
    over.abort();
  };
  using signals = new Signals(end, beforeSecond);
  const timeLimit = timeout ?? Infinity;
  const plannedEnd = duration ?? Infinity;
  const control: ServerControl = {
    end,
    raise: (signal) => signals.raise(signal),
    interrupt: (signal) => end(signal ?? (timeLimit <= plannedEnd ? 124 : 0)),
    deadline: performance.now() + Math.min(timeLimit, plannedEnd),
    over: over.signal,
  };
  await using _server = await listening(address, () => start(control));
  after(timeout, over.signal, () => end(124));
  after(duration, over.signal, () => end(0));
  return await ended.promise;
}

async function listening(
  address: Address,
  start: () => WebSocketServer | Promise<WebSocketServer>,
): Promise<WebSocketServer> {
  try {
    return await start();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const { message } = error;
    if (isOfAddress(error)) {
      const at = showAddress(address);
      throw new UsageError(`cannot listen on ${at}: ${message}`);
    }
    if (error instanceof Deno.errors.InvalidData) {
      throw new UsageError(`--cert and --key cannot be used: ${message}`);
    }
    throw error;
  }
}

/** `Deno.listen` throws classes of its own, `node:net` has codes. */
function isOfAddress(error: Error): boolean {
  // For a name that does not resolve there is neither.
  return error.message.startsWith("failed to lookup address") ||
    error instanceof Deno.errors.AddrInUse ||
    error instanceof Deno.errors.AddrNotAvailable ||
    error instanceof Deno.errors.PermissionDenied ||
    "code" in error &&
      /^(EADDRINUSE|EADDRNOTAVAIL|EACCES|EINVAL)$/.test(String(error.code));
}

/** Prints when a client connects, and when its connection closes. */
export function reportClient(peer: Peer, notices: Notices): void {
  const { remote, path } = peer.request;
  const from = showAddress(remote);
  const protocol = peer.protocol === "" ? "" : ` (${peer.protocol})`;
  const start = performance.now();
  notices.good(
    `#${peer.id} ${from} ${escapeLine(path)}: connected${protocol}`,
  );
  peer.closed.then(({ code, reason, error }) => {
    const how = showClose(code, reason, performance.now() - start);
    const why = error instanceof Error ? `: ${escapeLine(error.message)}` : "";
    notices.good(`#${peer.id} ${from}: ${how}${why}`);
  });
}
