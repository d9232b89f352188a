/**
 * One client through thousands of connections, each ended in another way: its
 * heap and its open files must not grow. The server runs in another process.
 *
 * `soak.ts [CONNECTIONS]` prints a table, `soak.ts measure URL CONNECTIONS` one
 * line of JSON.
 *
 * @module
 */

import { WebSocketStreamClient } from "../mod.ts";
import { serve } from "../src/server/server.ts";
import type { Peer } from "../src/server/peer.ts";
import { collectGarbage, measure, printTable, startScript } from "./harness.ts";

/** What was seen after each part of the way. */
export interface Sample {
  readonly connections: number;
  /** Bytes, after garbage collection. */
  readonly heap: number;
  /** Bytes, of the process. */
  readonly rss: number;
  readonly files: number;
}

/** How a soak went. */
export interface Soak {
  readonly seconds: number;
  /** The first one after the warm-up. */
  readonly samples: readonly Sample[];
}

const CONNECTIONS = 10_000;
const SAMPLES = 10;

/** What the server does with a connection, by its number. */
const ENDINGS: readonly ((peer: Peer) => unknown)[] = [
  (peer) => peer.close(1000),
  (peer) => peer.close(1011, "on purpose"),
  (peer) => peer.drop(),
  (peer) => peer.reset(),
  // The client's messages first.
  async (peer) => {
    await peer.receive();
    await peer.drop();
  },
];

/**
 * How often the client is told to call `reconnect()`, ms. It dials once a second
 * at most, so a shorter interval would only make the soak wait.
 */
const RECONNECT_INTERVAL = 1_100;

/** After each round of endings: refusals, of an attempt and its diagnosis. */
const REFUSALS = 2;

function startServer(): string {
  let handshakes = 0;
  let lastReconnect = -Infinity;
  const { url } = serve({
    accept: () => {
      const turn = handshakes++ % (ENDINGS.length + REFUSALS);
      return turn < ENDINGS.length ? undefined : { status: 503 };
    },
    onPeer: async (peer) => {
      if (performance.now() >= lastReconnect + RECONNECT_INTERVAL) {
        lastReconnect = performance.now();
        return peer.send("reconnect");
      }
      await ENDINGS[peer.id % (ENDINGS.length + REFUSALS)]?.(peer);
    },
  });
  return url;
}

/** Runs a client through so many connections, and samples on the way. */
export async function soak(url: string, connections: number): Promise<Soak> {
  const start = performance.now();
  const samples: Sample[] = [];
  const done = Promise.withResolvers<void>();
  const client = new WebSocketStreamClient({
    url,
    initialBackoff: 1,
    maxBackoff: 1,
    overflow: "drop-oldest",
    sendQueueMaxSize: 10,
  }, {
    onConnect: (session) => {
      session.send("from the gate");
      client.trySend("from the queue");
      const { connects } = client.stats;
      if (connects < connections / SAMPLES * (samples.length + 1)) return;
      samples.push(sample(connects));
      if (samples.length === SAMPLES) done.resolve();
    },
    onMessage: (data) => {
      if (data === "reconnect") client.reconnect();
    },
  });
  await client.start();
  await done.promise;
  await client.stop({ drain: 0 });
  return { seconds: (performance.now() - start) / 1000, samples };
}

function sample(connections: number): Sample {
  collectGarbage();
  collectGarbage(); // What the finalizers of the first have let go.
  const { heapUsed, rss } = Deno.memoryUsage();
  return { connections, heap: heapUsed, rss, files: countFiles() };
}

/** Open file descriptors; 0 where the system does not tell. */
function countFiles(): number {
  if (Deno.build.os !== "linux") return 0;
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

/** Bytes of heap for each connection: the slope of the line of best fit. */
export function heapPerConnection(samples: readonly Sample[]): number {
  const mean = (values: number[]) =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const x = mean(samples.map(({ connections }) => connections));
  const y = mean(samples.map(({ heap }) => heap));
  const [covariance, variance] = [
    mean(
      samples.map(({ connections, heap }) => (connections - x) * (heap - y)),
    ),
    mean(samples.map(({ connections }) => (connections - x) ** 2)),
  ];
  return covariance / variance;
}

/** A soak in a process of its own, with the server in another one. */
export async function runSoak(connections: number): Promise<Soak> {
  const self = new URL(import.meta.url);
  await using server = await startScript(self, "serve");
  const url = String(server.first);
  const result: unknown = await measure(self, "measure", url, connections);
  if (!isSoak(result)) {
    throw new TypeError(`No soak: ${JSON.stringify(result)}`);
  }
  return result;
}

function isSoak(value: unknown): value is Soak {
  return typeof value === "object" && value !== null && "samples" in value &&
    Array.isArray(value.samples) && value.samples.length === SAMPLES;
}

async function main(connections: number): Promise<void> {
  const { samples, seconds } = await runSoak(connections);
  printTable({
    title: `One client through ${connections} connections`,
    columns: ["connections", "heap, KiB", "RSS, MiB", "open files"],
    rows: samples.map(({ connections, heap, rss, files }) => [
      String(connections),
      heap / 1024,
      rss / 1024 ** 2,
      files,
    ]),
    notes: [
      `${seconds.toFixed(1)} s; the line of best fit grows by ` +
      `${heapPerConnection(samples).toFixed(1)} bytes of heap a connection`,
    ],
  });
}

if (import.meta.main) {
  const [role = String(CONNECTIONS), url = "", connections] = Deno.args;
  if (role === "serve") {
    console.log(JSON.stringify(startServer()));
  } else if (role === "measure") {
    console.log(JSON.stringify(await soak(url, Number(connections))));
  } else {
    await main(Number(role));
  }
}
