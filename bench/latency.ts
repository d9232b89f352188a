/**
 * How long a message takes to an echo server and back, one at a time.
 *
 * The clients take turns, each time in a process of its own.
 *
 * ```sh
 * deno task bench latency
 * ```
 *
 * @module
 */

import { Clients, inTurns, ratio } from "./clients.ts";
import { type Load, startFeeder } from "./feeder.ts";
import { median, printTable } from "./harness.ts";

/** How often each client has its turn. */
const ROUNDS = 5;
/** Round trips before the measured ones, until the code is compiled. */
const WARM_UP = 50;

const LOADS: readonly Load[] = [
  { name: "64 B", size: 64, count: 2_000 },
  { name: "1 KiB", size: 1024, count: 2_000 },
  // The native socket takes 44 ms for each.
  { name: "4 KiB", size: 4 * 1024, count: 150 },
];

const NAMES = [
  "native",
  "ws-stream, onMessage",
  "ws-stream tcp, onMessage",
  "npm ws",
  "websockets",
  "aiohttp",
  "Beast",
];

interface Times {
  readonly p50: number;
  readonly p99: number;
}

async function measureTimes(
  clients: Clients,
  name: string,
  load: Load,
): Promise<Times> {
  await using server = startFeeder("echo", load);
  // It is our programs that print it.
  const { ms } = await clients.run(name, "echo", server.url, load) as {
    ms: number[];
  };
  const sorted = ms.slice(WARM_UP).toSorted((a, b) => a - b);
  const at = (part: number) => sorted[Math.floor(sorted.length * part)] ?? NaN;
  return { p50: at(0.5), p99: at(0.99) };
}

async function main(): Promise<void> {
  const clients = await Clients.prepare();
  const names = clients.available(NAMES);
  for (const load of LOADS) {
    const results = await inTurns(
      names,
      ROUNDS,
      (name) => measureTimes(clients, name, load),
    );
    const p50 = (name: string) => results.get(name)?.map(({ p50 }) => p50);
    printTable({
      title: `Echo of ${load.name}: medians of ${ROUNDS} rounds`,
      columns: ["client", "p50, us", "p99, us", "times as fast as native"],
      rows: [...results].map(([name, own]) => [
        name,
        1000 * median(own.map(({ p50 }) => p50)),
        1000 * median(own.map(({ p99 }) => p99)),
        ratio(p50("native") ?? [], p50(name)),
      ]),
    });
  }
  console.log(`\n${clients.notes.join("\n")}`);
}

if (import.meta.main) await main();
