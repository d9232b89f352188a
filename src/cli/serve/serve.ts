/**
 * `ws-stream serve [ADDR]`: a server to test a client against, and what may go
 * wrong with it.
 *
 * @module
 */

import { isIP } from "node:net";
import { broadcast, echo } from "../../server/behaviours.ts";
import { type Chaos, parseChaos } from "../../server/chaos.ts";
import { feed } from "../../server/behaviours.ts";
import type { Peer } from "../../server/peer.ts";
import {
  serve as listen,
  serveWithResets,
  type WebSocketServer,
} from "../../server/server.ts";
import type { Invocation } from "../commands.ts";
import type { ExitStatus } from "../exit_status.ts";
import { escapeLine } from "../format.ts";
import { readFlagText } from "../args/client_config.ts";
import { address, UsageError } from "../args/values.ts";
import type { Flags } from "../args/flags.ts";
import { type Stderr, stderrNotices } from "../notices.ts";
import { listenNeed, type Need, requirePermissions } from "../permissions.ts";
import { serveUntilEnd } from "./serve_until_end.ts";

const DEFAULT_ADDRESS = "127.0.0.1:8080";

/** Runs the command. */
export async function run(
  { flags, operands }: Invocation,
): Promise<ExitStatus> {
  const [given = DEFAULT_ADDRESS, ...more] = operands;
  if (more.length > 0) throw new UsageError("serve takes one address");
  const { hostname, port } = address(given);
  const seed = flags.seed ?? Math.floor(Math.random() * 2 ** 31);
  const chaos = chaosOf(flags.chaos, seed);
  requirePermissions([listenNeed(hostname, port), ...certificateNeeds(flags)]);
  const notices = stderrNotices(flags);
  const behave = behaviour(flags);
  const tls = tlsOf(flags);
  const listenAs = resets(chaos, hostname) ? serveWithResets : listen;
  const end = await serveUntilEnd(flags.timeout, () =>
    open(
      () =>
        listenAs({
          hostname,
          port,
          tls,
          subprotocols: flags.subprotocol,
          chaos,
          onPeer: (peer) => {
            report(peer, notices);
            return behave(peer);
          },
          onError: (error) => notices.trouble(escapeLine(String(error))),
        }),
      notices,
      chaos,
    ));
  return end;
}

function chaosOf(spec: string | undefined, seed: number): Chaos | undefined {
  if (spec === undefined) return undefined;
  try {
    return parseChaos(spec, seed);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new UsageError(`--chaos: ${error.message}`);
  }
}

/**
 * Whether to listen so that a reset is a true one: it makes a server slower, so
 * only who asks for it pays. `node:net` listens on a name with the permission
 * of what it resolves to, which nobody was told to give.
 */
function resets(chaos: Chaos | undefined, hostname: string): boolean {
  return isIP(hostname) !== 0 && chaos !== undefined &&
    chaos.items.some((item) =>
      item.kind === "fault" && item.fault.kind === "reset"
    );
}

function certificateNeeds({ cert, key }: Flags): Need[] {
  return [cert, key].filter((path) => path !== undefined)
    .map((path) => ({ kind: "read", path }));
}

function tlsOf({ cert, key }: Flags) {
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined) {
    throw new UsageError("--cert and --key need each other");
  }
  return {
    cert: readFlagText("--cert", cert),
    key: readFlagText("--key", key),
  };
}

/** What each peer gets: a feed, and besides it an answer to what it says. */
function behaviour(flags: Flags): (peer: Peer) => void | Promise<void> {
  if (flags.echo && flags.broadcast) {
    throw new UsageError("--echo and --broadcast exclude one another");
  }
  const answer = flags.broadcast
    ? broadcast()
    : flags.echo || !flags.feed
    ? echo
    : undefined;
  const speak = flags.feed ? feed({ rate: flags.rate }) : undefined;
  return (peer) => {
    const spoken = speak?.(peer);
    answer?.(peer);
    return spoken;
  };
}

async function open(
  start: () => WebSocketServer | Promise<WebSocketServer>,
  notices: Stderr,
  chaos: Chaos | undefined,
): Promise<WebSocketServer> {
  const server = await start();
  const what = chaos === undefined ? "" : ` with chaos, --seed ${chaos.seed}`;
  notices.good(`listening on ${server.url}${what}`);
  return server;
}

function report(peer: Peer, notices: Stderr): void {
  const { remote, path } = peer.request;
  const from = `${remote.hostname}:${remote.port}`;
  notices.good(`#${peer.id} ${from} ${escapeLine(path)}: connected`);
  peer.closed.then(({ code, reason }) => {
    const why = reason === "" ? "" : ` "${escapeLine(reason)}"`;
    notices.good(`#${peer.id} ${from}: gone, ${code}${why}`);
  });
}
