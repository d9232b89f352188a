/**
 * How fast messages come in: the raw socket of the runtime, our client over
 * both transports, and other clients.
 *
 * The clients take turns, each time in a process of its own. The server sends
 * bursts of frames made beforehand, as fast as they are read; time runs from
 * the first message of a burst to the last: by the clock, and by what the
 * process had of the processor, which depends less on what else runs. Ratios
 * are within a round, so that the machine's moods count for both.
 *
 * ```sh
 * deno task bench receiving
 * ```
 *
 * @module
 */

import { certificates } from "../tests/support/certificates.ts";
import { Clients, inTurns, ratio, type Result, shareOf } from "./clients.ts";
import { type Load, startFeeder } from "./feeder.ts";
import { median, printTable } from "./harness.ts";

/** How often each client has its turn. */
const ROUNDS = 5;

const KIB = 1024;

const LOADS: readonly (Load & { readonly tls?: boolean })[] = [
  { name: "64 B text", size: 64, count: 200_000 },
  { name: "256 B text", size: 256, count: 120_000 },
  { name: "1 KiB text", size: KIB, count: 50_000 },
  { name: "16 KiB text", size: 16 * KIB, count: 5_000 },
  { name: "16 KiB binary", size: 16 * KIB, count: 5_000, binary: true },
  { name: "64 B text, TLS", size: 64, count: 200_000, tls: true },
];

const NAMES = [
  "native",
  "ws-stream, onMessage",
  "ws-stream tcp, onMessage",
  "native, for await",
  "ws-stream, for await",
  "ws-stream tcp, for await",
  "ws-stream tcp, readable",
  "npm ws",
  "websockets",
  "aiohttp",
  "Beast",
];

/** Those that trust the server's certificate. */
const OVER_TLS = NAMES.slice(0, 7);

async function compare(
  clients: Clients,
  load: typeof LOADS[number],
): Promise<void> {
  const { ca, good } = await certificates();
  const caFile = await Deno.makeTempFile({ suffix: ".pem" });
  await Deno.writeTextFile(caFile, ca);
  const names = clients.available(load.tls ? OVER_TLS : NAMES);
  const results = await inTurns(names, ROUNDS, async (name) => {
    const own = shareOf(name, load);
    await using server = startFeeder("burst", own, load.tls ? good : undefined);
    const file = load.tls ? caFile : undefined;
    return await clients.bursts(name, "receive", server.url, own, file);
  });
  await Deno.remove(caFile);
  const speeds = (name: string) =>
    results.get(name)?.map(({ perSecond }) => perSecond);
  printTable({
    title: `Receiving ${load.name}: medians of ${ROUNDS} rounds`,
    columns: [
      ...["client", "messages/s", "x native", "x Beast"],
      ...["us/message", "RSS, MB"],
    ],
    rows: [...results].map(([name, own]) => [
      name,
      typical(own, "perSecond"),
      ratio(speeds(name) ?? [], speeds("native")),
      ratio(speeds(name) ?? [], speeds("Beast")),
      typical(own, "processor"),
      typical(own, "rss") / 1e6,
    ]),
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
