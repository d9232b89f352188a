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
import { type ExitStatus, Signals } from "../exit_status.ts";
import { blockingSink } from "../stdio.ts";
import { UsageError } from "../args/values.ts";
import { requirePermissions } from "../permissions.ts";
import {
  isDumbTerminal,
  styleOf,
  terminalWidth,
  wantsColor,
} from "../format.ts";
import { DemoClient } from "./demo_client.ts";
import { demoExitCode, DemoScreen, type Tally } from "./demo_screen.ts";
import { type DemoFault, DemoServer } from "./demo_server.ts";

/** When the connection breaks, in milliseconds from the start of part two. */
const FAULTS: readonly (readonly [at: number, fault: DemoFault])[] = [
  [700, "drop"],
  [1_700, "reset"],
  [2_700, "refuse"],
  [4_200, "close"],
  [5_200, "half-open"],
];

/** How long messages flow, in milliseconds. */
const DURATION = 6_500;

/** From one message to the next, each way, in milliseconds. */
const PACE = 5;

/** How long the last messages may take, in milliseconds. */
const SETTLE = 2_000;

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

/** The smallest program there is, and what it prints. */
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
  const end = Promise.withResolvers<ExitStatus>();
  using _ = new Signals(end.resolve, () => screen.finish());
  await using server = new DemoServer();
  const client = new DemoClient(server.url, {
    onBroken: ({ error }) => {
      // The other faults were just announced.
      if (error?.code === "HEARTBEAT") screen.noticed("no answer to its ping");
    },
    onRetry: (reason) => screen.refused(reason),
    onBack: (gap) => screen.back(gap.to - gap.from),
  });
  screen.begin();
  await client.start();
  screen.connected();
  const start = performance.now();
  const status = () =>
    screen.status(
      tally(server, client),
      (performance.now() - start) / DURATION,
    );
  const timers = [
    setInterval(() => (client.send(), server.produce()), PACE),
    setInterval(status, 100),
    ...FAULTS.map(([at, fault]) =>
      setTimeout(() => (screen.fault(fault), server.break(fault)), at)
    ),
  ];
  const interrupted = await Promise.race([end.promise, delay(DURATION)]);
  timers.forEach(clearInterval);
  await client.flush(SETTLE);
  await caughtUp(server, client);
  await client.stop();
  const result = tally(server, client);
  screen.summary(result);
  return interrupted ?? demoExitCode(result, FAULTS.length);
}

/** Waits until the client has received everything, within its time. */
async function caughtUp(server: DemoServer, client: DemoClient): Promise<void> {
  const deadline = performance.now() + SETTLE;
  while (client.received < server.produced && performance.now() < deadline) {
    await delay(10);
  }
}

function tally(server: DemoServer, client: DemoClient): Tally {
  const { connects, downtime } = client.stats;
  return {
    up: {
      sent: client.sent,
      received: server.received,
      repeated: server.repeated,
    },
    down: {
      sent: server.produced,
      received: client.received,
      repeated: client.repeated,
    },
    reconnects: connects - 1,
    downtime,
  };
}
