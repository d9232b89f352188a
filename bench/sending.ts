/**
 * How fast messages go out, and how much memory that takes: the raw socket of
 * the runtime in a plain loop and paced by hand, our client over both
 * transports, and other clients.
 *
 * The clients take turns, each time in a process of its own. Time runs from the
 * first message of a burst to the answer of the server, which comes when it has
 * got the bytes of all of them: by the clock, and by what the process had of
 * the processor, which depends less on what else runs. Memory is the highest
 * that the process had, code and all.
 *
 * ```sh
 * deno task bench sending
 * ```
 *
 * @module
 */

import { Clients, inTurns, ratio, type Result, shareOf } from "./clients.ts";
import { type Load, startFeeder } from "./feeder.ts";
import { median, printTable } from "./harness.ts";

/** How often each client has its turn. */
const ROUNDS = 5;

const LOADS: readonly Load[] = [
  { name: "64 B", size: 64, count: 200_000 },
  { name: "1 KiB", size: 1024, count: 100_000 },
  { name: "16 KiB", size: 16 * 1024, count: 10_000 },
];

const NAMES = [
  "native",
  "native, paced",
  "ws-stream, send",
  "ws-stream, trySend",
  "ws-stream tcp, send",
  "ws-stream tcp, trySend",
  "reconnecting-websocket",
  "partysocket",
  "npm ws",
  "websockets",
  "aiohttp",
  "Beast",
];

async function compare(clients: Clients, load: Load): Promise<void> {
  const names = clients.available(NAMES);
  const results = await inTurns(names, ROUNDS, async (name) => {
    const own = shareOf(name, load);
    await using server = startFeeder("count", own);
    return await clients.bursts(name, "send", server.url, own);
  });
  const speeds = (name: string) =>
    results.get(name)?.map(({ perSecond }) => perSecond);
  printTable({
    title: `Sending ${load.name}: medians of ${ROUNDS} rounds`,
    columns: [
      ...["client", "messages/s", "x native", "x paced", "x Beast"],
      ...["us/message", "highest RSS, MB"],
    ],
    rows: [...results].map(([name, own]) => [
      name,
      typical(own, "perSecond"),
      ratio(speeds(name) ?? [], speeds("native")),
      ratio(speeds(name) ?? [], speeds("native, paced")),
      ratio(speeds(name) ?? [], speeds("Beast")),
      typical(own, "processor"),
      Math.max(...own.map(({ rss }) => rss)) / 1e6,
    ]),
    notes: ["native: a plain loop; Beast: one write a message"],
  });
}

function typical(results: readonly Result[], field: keyof Result): number {
  return median(results.map((result) => result[field]));
}

async function main(): Promise<void> {
  const clients = await Clients.prepare();
  for (const load of LOADS) await compare(clients, load);
  console.log(`\n${clients.notes.join("\n")}`);
}

if (import.meta.main) await main();
