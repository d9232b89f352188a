/**
 * `ws-stream serve [ADDR]`: a server to test a client against, which may break
 * its connections on purpose.
 *
 * @module
 */

import { isIP } from "node:net";
import type { Message } from "../../../mod.ts";
import { broadcast, echo, feed } from "../../server/behaviours.ts";
import {
  type Chaos,
  ChaosError,
  type Fault,
  parseChaos,
  type RefuseFault,
} from "../../server/chaos.ts";
import type { Peer } from "../../server/peer.ts";
import { serve as listen, serveWithResets } from "../../server/server.ts";
import { clientNeeds, tlsOf } from "../args/client_config.ts";
import type { Flags, Invocation } from "../args/flags.ts";
import { address, UsageError } from "../args/values.ts";
import type { ExitStatus } from "../exit_status.ts";
import {
  escapeLine,
  isDumbTerminal,
  styleOf,
  terminalWidth,
} from "../format.ts";
import { type Stderr, stderrNotices } from "../notices.ts";
import { displayMessage } from "../output/display.ts";
import { listenNeed, requirePermissions } from "../permissions.ts";
import { openConsole } from "./console.ts";
import { reportClient, serveUntilEnd } from "./server_run.ts";

const DEFAULT_ADDRESS = "127.0.0.1:8080";

/** How many messages --feed sends a second. */
const DEFAULT_RATE = 10;

/** Runs the command. */
export async function run(
  { flags, operands }: Invocation,
): Promise<ExitStatus> {
  const [given = DEFAULT_ADDRESS, ...more] = operands;
  if (more.length > 0) throw new UsageError("serve takes one address");
  const at = address(given);
  if (flags.seed !== undefined && flags.chaos === undefined) {
    throw new UsageError("--seed needs --chaos");
  }
  if (flags.rate !== undefined && !flags.feed) {
    throw new UsageError("--rate needs --feed");
  }
  const seed = flags.seed ?? Math.floor(Math.random() * 2 ** 31);
  const chaos = chaosOf(flags.chaos, seed);
  requirePermissions([listenNeed(at), ...clientNeeds(flags, [])]);
  const behave = behaviour(flags);
  const { cert, key } = tlsOf(flags) ?? {};
  const listenAs = resets(chaos, at.hostname) ? serveWithResets : listen;
  // Only where somebody can type is there a prompt.
  const isTerminal = Deno.stdin.isTerminal() && Deno.stdout.isTerminal() &&
    Deno.stderr.isTerminal() && !isDumbTerminal();
  using console = isTerminal ? openConsole(flags) : undefined;
  const notices = console?.notices ?? stderrNotices(flags);
  const status = await serveUntilEnd(
    flags,
    at,
    async (control) => {
      const server = await listenAs({
        ...at,
        tls: cert === undefined || key === undefined
          ? undefined
          : { cert, key },
        subprotocols: flags.subprotocol,
        compression: flags.compress,
        chaos,
        onFault: (fault, id) =>
          notices.trouble(`#${id} chaos: ${faultText(fault)}`),
        onPeer: (peer) => {
          reportClient(peer, notices);
          const behaving = behave.start(peer);
          if (flags.verbose) showMessages(peer, notices, control.over);
          return behaving;
        },
        onError: (error) => notices.trouble(escapeLine(String(error))),
      });
      const faults = chaos === undefined ? "" : ` with chaos, --seed ${seed}`;
      notices.good(`listening on ${server.url}: ${behave.name}${faults}`);
      console?.start(server, control);
      return server;
    },
    () => console?.[Symbol.dispose](),
  );
  await console?.finish();
  return status;
}

function chaosOf(spec: string | undefined, seed: number): Chaos | undefined {
  if (spec === undefined) return undefined;
  try {
    return parseChaos(spec, seed);
  } catch (error) {
    if (!(error instanceof ChaosError)) throw error;
    throw new UsageError(
      `--chaos must ${error.rule}: got ${JSON.stringify(spec)}`,
    );
  }
}

/** As --chaos takes it. */
function faultText(fault: Fault | RefuseFault): string {
  switch (fault.kind) {
    case "drop":
    case "reset":
    case "half-open":
      return fault.kind;
    case "close":
      return `close=${fault.code}`;
    case "refuse":
      return `refuse=${fault.status}`;
    default:
      return fault satisfies never;
  }
}

/**
 * Whether to listen so that a reset is a true one: it makes a server slower, so
 * only a server that needs it does. `node:net` listens on a name with the
 * permission of the address behind it, which the user was not told to give.
 */
function resets(chaos: Chaos | undefined, hostname: string): boolean {
  return isIP(hostname) !== 0 && chaos !== undefined &&
    chaos.items.some((item) =>
      item.kind === "fault" && item.fault.kind === "reset"
    );
}

interface Behaviour {
  readonly name: string;
  readonly start: (peer: Peer) => void | Promise<void>;
}

/** Each client gets a feed, an answer to its messages, or both. */
function behaviour(flags: Flags): Behaviour {
  if (flags.echo && flags.broadcast) {
    throw new UsageError("--echo and --broadcast cannot be used together");
  }
  const answers: Behaviour = flags.broadcast
    ? { name: "broadcast", start: broadcast() }
    : { name: "echo", start: echo };
  if (!flags.feed) return answers;
  const { rate = DEFAULT_RATE } = flags;
  const feeds = { name: `feed, ${rate}/s`, start: feed({ rate }) };
  if (!flags.echo && !flags.broadcast) return feeds;
  return {
    name: `${feeds.name}, and ${answers.name}`,
    start: (peer) => {
      const feeding = feeds.start(peer);
      answers.start(peer);
      return feeding;
    },
  };
}

/** How much of a message is shown, in characters. */
const SHOWN = 1_000;

/** Prints a client's messages before they are answered. */
function showMessages(
  peer: Peer,
  notices: Stderr,
  over: AbortSignal,
): void {
  const answer = peer.onmessage;
  peer.onmessage = (data) => {
    if (over.aborted) return answer?.(data);
    const head = `#${peer.id} <`;
    const line = messageLine(data, width() - head.length - 1);
    notices.line(`${notices.style.bold(head)} ${line}`);
    return answer?.(data);
  };
}

/** A line of stderr may be of any length where it is no terminal. */
function width(): number {
  return Deno.stderr.isTerminal() ? terminalWidth() : Infinity;
}

function messageLine(data: Message, width: number): string {
  if (typeof data !== "string") {
    const style = styleOf(false);
    const options = { style, width, binary: undefined, raw: true };
    return displayMessage(data, options);
  }
  const text = escapeLine(data.slice(0, SHOWN));
  return data.length > SHOWN ? `${text}… (${data.length} characters)` : text;
}
