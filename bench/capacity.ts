/**
 * What one process carries: many connections with a feed on each. For each
 * number of connections the rate is raised; the table has the rates at which
 * every message was received, what they took of a processor, and the memory.
 *
 * Server and client run in a process of their own each, on the same machine, so
 * that on two cores neither takes from the other.
 *
 * ```sh
 * deno task bench capacity
 * ```
 *
 * @module
 */

import { cpuUsage } from "node:process";
import { WebSocketStreamClient, type WSError } from "../mod.ts";
import { serve } from "../src/server/server.ts";
import { measure, openFilesLimit, printTable, startScript } from "./harness.ts";

const TRANSPORTS = ["native", "tcp"] as const;
type Transport = typeof TRANSPORTS[number];

/** Connections, and the messages a second on all of them together. */
const LOADS = [
  { connections: 100, rates: [10_000, 100_000, 300_000] },
  { connections: 1_000, rates: [10_000, 100_000] },
  { connections: 5_000, rates: [10_000, 20_000] },
];

/** A quote: about 100 bytes of JSON. */
const QUOTE = JSON.stringify({
  symbol: "BTC-USD",
  bid: "67012.35",
  ask: "67012.36",
  sequence: 123456789,
  time: 1790000000000,
}).padEnd(100);

/** Between two rounds of the server, ms. */
const ROUND = 10;
/** How long it is measured, ms. */
const MEASURED = 3_000;
/** Opened at the same time. */
const BATCH = 50;
/** Files of a process besides its connections. */
const OTHER_FILES = 100;

interface Capacity {
  /** Messages received each second. */
  readonly rate: number;
  /** Share of one processor. */
  readonly processor: number;
  /** Resident memory of the process, MiB. */
  readonly memory: number;
}

async function main(): Promise<void> {
  const self = new URL(import.meta.url);
  const limit = await openFilesLimit() - OTHER_FILES;
  const rows: (string | number)[][] = [];
  for (const { connections, rates } of LOADS) {
    if (connections > limit) continue;
    for (const rate of rates) {
      for (const transport of TRANSPORTS) {
        await using server = await startScript(self, "serve", rate);
        const url = String(server.first);
        const capacity = asCapacity(
          await measure(self, transport, url, connections),
        );
        rows.push([
          transport,
          connections,
          rate,
          capacity.rate,
          100 * capacity.processor,
          capacity.memory,
        ]);
      }
    }
  }
  printTable({
    title: "What one process carries: messages of 100 bytes by onMessage",
    columns: [
      "transport",
      "connections",
      "sent/s",
      "received/s",
      "% of a core",
      "RSS, MiB",
    ],
    rows,
    notes: [
      "the rate is that of all connections together; where fewer were received " +
      "than sent, the client (or the server beside it) was at its limit",
    ],
  });
}

/** Sends so many messages a second, the peers taking turns. */
async function feed(rate: number): Promise<never> {
  await using server = serve({
    onPeer: (peer) => {
      peer.onmessage = () => {};
    },
  });
  console.log(JSON.stringify(server.url));
  let next = 0;
  let credit = 0;
  for (let last = performance.now();;) {
    await new Promise((resolve) => setTimeout(resolve, ROUND));
    const now = performance.now();
    credit = Math.min(credit + rate * (now - last) / 1000, rate / 10);
    last = now;
    const peers = [...server.peers];
    for (; credit >= 1 && peers.length > 0; credit--) {
      const peer = peers[next++ % peers.length];
      // A client that does not keep up shows by what it receives.
      if (peer?.state === "open" && peer.bufferedAmount < 65_536) {
        peer.send(QUOTE);
      }
    }
  }
}

async function receive(
  transport: Transport,
  url: string,
  connections: number,
): Promise<Capacity> {
  let received = 0;
  const callbacks = {
    onMessage: () => received++,
    onError: (error: WSError) =>
      console.error(`${transport}: ${error.message}`),
  };
  const clients: WebSocketStreamClient[] = [];
  while (clients.length < connections) {
    const count = Math.min(BATCH, connections - clients.length);
    clients.push(
      ...await Promise.all(Array.from({ length: count }, async () => {
        const client = new WebSocketStreamClient(
          { url, transport, idleTimeout: 60_000 },
          callbacks,
        );
        await client.start();
        return client;
      })),
    );
  }
  await new Promise((resolve) => setTimeout(resolve, MEASURED / 3));
  const before = { received, time: performance.now(), usage: cpuUsage() };
  await new Promise((resolve) => setTimeout(resolve, MEASURED));
  const seconds = (performance.now() - before.time) / 1000;
  const { user, system } = cpuUsage(before.usage);
  if (clients.some(({ state }) => state !== "open")) {
    throw new Error("a connection was lost");
  }
  return {
    rate: (received - before.received) / seconds,
    processor: (user + system) / 1e6 / seconds,
    memory: Deno.memoryUsage().rss / 1024 ** 2,
  };
}

function asCapacity(value: unknown): Capacity {
  const part = (name: keyof Capacity) => {
    const number: unknown = Object(value)[name];
    if (typeof number === "number") return number;
    throw new TypeError(`This is no capacity: ${JSON.stringify(value)}`);
  };
  return {
    rate: part("rate"),
    processor: part("processor"),
    memory: part("memory"),
  };
}

if (import.meta.main) {
  const [mode, target = "", count] = Deno.args;
  const transport = TRANSPORTS.find((name) => name === mode);
  if (mode === "serve") await feed(Number(target));
  else if (transport !== undefined) {
    const capacity = await receive(transport, target, Number(count));
    console.log(JSON.stringify(capacity));
  } else await main();
}
