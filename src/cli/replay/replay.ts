/**
 * `ws-stream replay FILE [URL]`: sends a recording, to a server or to each client
 * that connects.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import type { Message } from "../../../mod.ts";
import { type Peer, PeerClosedError } from "../../server/peer.ts";
import { serve } from "../../server/server.ts";
import { clientConfig, clientNeeds, proxyHint } from "../args/client_config.ts";
import { unreadable } from "../args/flag_files.ts";
import { ClientRun } from "../run/client_run.ts";
import type { Flags, Invocation } from "../args/flags.ts";
import type { ExitStatus } from "../exit_status.ts";
import { printSummary } from "../run/run_result.ts";
import { type Address, UsageError, webSocketUrl } from "../args/values.ts";
import { connectSteps } from "../run/input.ts";
import { sentences } from "../run/connection_events.ts";
import { traceRequest } from "../run/trace.ts";
import { type Stderr, stderrNotices } from "../notices.ts";
import { listenNeed, type Need, requirePermissions } from "../permissions.ts";
import { reportClient, serveUntilEnd } from "../serve/server_run.ts";
import { type Entry, readRecording } from "./record.ts";

/** The FILE that stands for stdin. */
const STDIN = "-";

/** Runs the command. */
export async function run(
  { flags, operands }: Invocation,
): Promise<ExitStatus> {
  const [path, url, ...more] = operands;
  const { serve: address } = flags;
  const targets = Number(url !== undefined) + Number(address !== undefined);
  if (path === undefined || more.length > 0 || targets !== 1) {
    throw new UsageError("replay takes a FILE, and a URL or --serve ADDR");
  }
  const isStdin = path === STDIN;
  if (isStdin && (flags.loop || address !== undefined)) {
    throw new UsageError("--loop and --serve need a FILE that is not stdin");
  }
  const read: Need[] = isStdin ? [] : [{ kind: "read", path }];
  const notices = stderrNotices(flags);
  if (address !== undefined) {
    requirePermissions([...read, listenNeed(address)]);
    checkFile(path);
    return await asServer(path, address, flags, notices);
  }
  const target = webSocketUrl(url ?? "");
  requirePermissions([...read, ...clientNeeds(flags, [target])]);
  checkFile(path);
  return await asClient(path, target, flags, notices);
}

async function asClient(
  path: string,
  url: string,
  flags: Flags,
  notices: Stderr,
): Promise<ExitStatus> {
  const run = new ClientRun({
    config: clientConfig(flags, [url]),
    events: sentences(notices, proxyHint(flags, [url])),
    deliver: () => {},
    steps: connectSteps(flags),
    timeout: flags.timeout,
    duration: flags.for,
    begin: async (run) => {
      try {
        await run.opened;
        await playFile(path, flags, {
          signal: run.over,
          send: (data) => run.client.send(data),
          flush: () => run.client.flush(),
        });
        await run.client.flush();
        run.end({ kind: "done" });
      } catch (error) {
        // The end of the client has ended the run already.
        if (run.isOver || run.client.state === "closed") return;
        if (!(error instanceof Error)) throw error;
        run.end({ kind: "failed", error, code: 2 });
      }
    },
  });
  traceRequest(flags, [url], notices);
  const result = await run.run();
  printSummary(result, notices);
  return result.status;
}

async function asServer(
  path: string,
  address: Address,
  flags: Flags,
  notices: Stderr,
): Promise<ExitStatus> {
  return await serveUntilEnd(flags, address, () => {
    const server = serve({
      ...address,
      onPeer: (peer) => {
        reportClient(peer, notices);
        return playTo(peer, path, flags);
      },
      onError: (error) =>
        notices.trouble(error instanceof Error ? error.message : String(error)),
    });
    notices.good(`replaying ${path} on ${server.url}`);
    return server;
  });
}

async function playTo(peer: Peer, path: string, flags: Flags): Promise<void> {
  peer.onmessage = () => {};
  const closed = new AbortController();
  peer.closed.then(() => closed.abort());
  try {
    await playFile(path, flags, {
      signal: closed.signal,
      send: (data) => peer.send(data),
      flush: () => peer.flush(),
    });
    await peer.close();
  } catch (error) {
    if (closed.signal.aborted || error instanceof PeerClosedError) return;
    throw error;
  }
}

async function playFile(
  path: string,
  { speed, loop }: Flags,
  options: Omit<PlayOptions, "speed">,
): Promise<void> {
  do {
    using file = path === STDIN ? undefined : await Deno.open(path);
    const entries = file === undefined
      ? readRecording(Deno.stdin, "stdin")
      : readRecording(file, path);
    const count = await play(entries, { speed, ...options });
    // An empty recording would loop without a pause.
    if (count === 0) return;
  } while (loop && !options.signal.aborted);
}

/** Reports a wrong name before anything starts. */
function checkFile(path: string): void {
  if (path === STDIN) return;
  try {
    using file = Deno.openSync(path);
    if (file.statSync().isDirectory) throw new TypeError("it is a folder");
  } catch (error) {
    throw unreadable("the recording", path, error);
  }
}

/** How to play. */
export interface PlayOptions {
  /** How many times as fast; `Infinity` for as fast as it can be taken. */
  readonly speed: number;
  readonly signal: AbortSignal;
  /** Takes a message; the next one waits for it. */
  readonly send: (data: Message) => Promise<void> | void;
  /** Settles when all that was sent is on the network. */
  readonly flush: () => Promise<unknown>;
}

/**
 * Plays a recording from its first message on. Each message has its own time
 * from there, so that no delay adds up. Gives their number.
 */
export async function play(
  entries: AsyncIterable<Entry>,
  { speed, signal, send, flush }: PlayOptions,
): Promise<number> {
  let count = 0;
  let start: { readonly at: number; readonly now: number } | undefined;
  for await (const { at, data } of entries) {
    if (start !== undefined) {
      const due = start.now + (at - start.at) / speed;
      const wait = due - performance.now();
      if (wait > 0) await delay(wait, { signal });
    }
    if (signal.aborted) return count;
    await send(data);
    count++;
    if (start === undefined) {
      // The first one warms everything up, and takes longer than any other.
      await flush();
      start = { at, now: performance.now() };
    }
  }
  return count;
}
