/**
 * `ws-stream demo`: no network needed. First the smallest program there is;
 * then numbered messages both ways while the connection breaks again and again.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { WebSocketStreamClient } from "../../../mod.ts";
import { echo } from "../../server/behaviours.ts";
import { serve } from "../../server/server.ts";
import type { Invocation } from "../args/flags.ts";
import { UsageError } from "../args/values.ts";
import { type ExitStatus, Signals } from "../exit_status.ts";
import {
  isDumbTerminal,
  showDuration,
  styleOf,
  terminalWidth,
  wantsColor,
} from "../format.ts";
import { requirePermissions } from "../permissions.ts";
import { blockingSink } from "../stdio.ts";
import { DemoScreen } from "./demo_screen.ts";
import {
  DemoClient,
  type DemoFault,
  DemoServer,
  lostOf,
  tallyOf,
} from "./demo_traffic.ts";

/** The faults, and when, in milliseconds from the start of part two. */
const FAULTS: readonly (readonly [at: number, DemoFault, text: string])[] = [
  [700, "drop", "the server hangs up without a word"],
  [1_700, "reset", "the connection is reset"],
  [2_700, "refuse", "the server restarts, and is not ready at once"],
  [4_200, "close", 'the server closes with 1011 "server restart"'],
  [5_200, "half-open", "the network goes silent: no data, no end"],
];

/** How long messages flow, in milliseconds. */
const DURATION = 6_500;

/** From one message to the next, each way, in milliseconds. */
const PACE = 5;

/** How long the last messages may take, in milliseconds. */
const LAST_WAIT = 2_000;

/** Runs the command. */
export async function run(
  { flags, operands }: Invocation,
): Promise<ExitStatus> {
  if (operands.length > 0) throw new UsageError("demo takes no operand");
  requirePermissions([{ kind: "net", host: "127.0.0.1" }]);
  const isTerminal = Deno.stdout.isTerminal();
  const screen = new DemoScreen({
    sink: flags.quiet ? { write: () => {} } : blockingSink(Deno.stdout),
    style: styleOf(wantsColor(flags.color, isTerminal)),
    live: isTerminal && !isDumbTerminal(),
    width: terminalWidth(),
  });
  await firstPart((line) => screen.line(line));
  return await secondPart(screen);
}

/** The smallest program there is, and its output. */
async function firstPart(print: (line: string) => void): Promise<void> {
  await using server = serve({ onPeer: echo });
  const answered = Promise.withResolvers<void>();
  const client = new WebSocketStreamClient({ url: server.url }, {
    onConnect: () => print("connected; sending a test message..."),
    onMessage: (data) => {
      print(`RX: ${data}`);
      answered.resolve();
    },
    onDisconnect: () => print("disconnected gracefully."),
  });
  await client.start();
  await client.sendText("hello from the ws-stream client");
  await Promise.race([answered.promise, client.closed]);
  await client.stop();
}

async function secondPart(screen: DemoScreen): Promise<ExitStatus> {
  const signalled = Promise.withResolvers<ExitStatus>();
  using _ = new Signals(signalled.resolve, () => screen.finish());
  await using server = new DemoServer();
  const demo: DemoClient = new DemoClient(server.url, {
    onDisconnect: ({ error }) => {
      // The other faults were just announced.
      if (error?.code !== "HEARTBEAT") return;
      screen.trouble("the client notices: no answer to its ping");
    },
    onRetry: ({ error: { status } }) => {
      if (status !== undefined) screen.trouble(`refused: HTTP ${status}`);
    },
    onGap: ({ from, to }) => {
      // An interrupted client ends its gap without a connection.
      if (demo.client.state === "closing") return;
      screen.good(`connected again after ${showDuration(to - from)}`);
    },
  });
  const { client } = demo;
  screen.begin();
  await client.start();
  screen.good("connected");
  const start = performance.now();
  const timers = [
    setInterval(() => (demo.send(), server.produce()), PACE),
    setInterval(() => {
      const progress = (performance.now() - start) / DURATION;
      screen.status(tallyOf(server, demo), progress);
    }, 100),
    ...FAULTS.map(([at, fault, text]) =>
      setTimeout(() => (screen.trouble(text), server.break(fault)), at)
    ),
  ];
  let interrupt = await Promise.race([signalled.promise, delay(DURATION)]);
  timers.forEach(clearInterval);
  interrupt ??= await Promise.race([
    signalled.promise,
    allReceived(server, demo),
  ]);
  await client.stop({ drain: 0 });
  const tally = tallyOf(server, demo);
  if (interrupt !== undefined) {
    screen.interrupted(tally);
    return interrupt;
  }
  screen.summary(tally);
  const isSurvived = tally.reconnects >= FAULTS.length;
  return lostOf(tally) === 0 && isSurvived ? 0 : 1;
}

/** Waits until both ends have everything, within the time. */
async function allReceived(
  server: DemoServer,
  { client, receipts }: DemoClient,
): Promise<void> {
  const deadline = performance.now() + LAST_WAIT;
  await client.flush(LAST_WAIT);
  while (
    receipts.received < server.produced && performance.now() < deadline
  ) {
    await delay(10);
  }
}
