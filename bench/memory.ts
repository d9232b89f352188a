/**
 * What idle connections cost: our client beside the raw socket. Server, ours
 * and raw each run in a process of their own.
 *
 * @module
 */

import { cpuUsage } from "node:process";
import { WebSocketStreamClient } from "../mod.ts";
import { serve } from "../src/server/server.ts";
import {
  collectGarbage,
  measure,
  median,
  openFilesLimit,
  printTable,
  startScript,
} from "./harness.ts";

/** What one connection costs. */
interface Cost {
  /** Bytes of the process. */
  readonly rss: number;
  /** Bytes of JavaScript's heap, after garbage collection. */
  readonly heap: number;
  /** Microseconds of a processor each second. */
  readonly processor: number;
}

/** Opens one connection that stays. */
type Open = (url: string) => Promise<unknown>;

const WANTED = 5000;
/** Opened before the first look: code and pools are there then. */
const WARM_UP = 100;
/** Opened at the same time. */
const BATCH = 50;
const RUNS = 3;
/** How long the processor is watched, ms. */
const WATCHED = 4000;
/** Files of a process besides its connections. */
const OTHER_FILES = 100;

const KINDS: Readonly<Record<string, Open>> = {
  raw: (url) =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(url);
      socket.onopen = () => resolve(socket);
      socket.onmessage = () => {};
      socket.onclose = () => {};
      socket.onerror = reject;
    }),
  ours: async (url) => {
    const client = new WebSocketStreamClient({ url }, { onMessage: () => {} });
    await client.start();
    return client;
  },
};

async function main(): Promise<void> {
  const self = new URL(import.meta.url);
  const limit = await openFilesLimit() - WARM_UP - OTHER_FILES;
  const connections = Math.min(WANTED, limit);
  await using server = await startScript(self, "serve");
  const costs: Record<string, Cost[]> = { raw: [], ours: [] };
  for (let run = 0; run < RUNS; run++) {
    for (const kind of Object.keys(costs)) {
      const cost = await measure(self, kind, String(server.first), connections);
      costs[kind]?.push(asCost(cost));
    }
  }
  const typical = (kind: string, part: keyof Cost) =>
    median((costs[kind] ?? []).map((cost) => cost[part]));
  const raw = typical("raw", "rss");
  printTable({
    title: `What each of ${connections} idle connections (ws://) costs`,
    columns: [
      "client",
      "RSS, KiB",
      "of raw",
      "JS heap, KiB",
      "processor, us/s",
    ],
    rows: Object.keys(costs).map((kind) => [
      kind,
      typical(kind, "rss") / 1024,
      typical(kind, "rss") / raw,
      typical(kind, "heap") / 1024,
      typical(kind, "processor"),
    ]),
    notes: [
      `median of ${RUNS} processes each; growth after the first ${WARM_UP}`,
      ...(connections < WANTED
        ? [`fewer than ${WANTED}: this machine allows no more open files`]
        : []),
    ],
  });
}

async function hold(open: Open, url: string, count: number): Promise<Cost> {
  const held = await openMany(open, url, WARM_UP);
  const before = await usage();
  held.push(...await openMany(open, url, count));
  const after = await usage();
  const processor = await idle();
  if (held.length !== WARM_UP + count) throw new Error("some are missing");
  return {
    rss: (after.rss - before.rss) / count,
    heap: (after.heapUsed - before.heapUsed) / count,
    processor: processor / held.length,
  };
}

async function openMany(open: Open, url: string, count: number) {
  const opened: unknown[] = [];
  while (opened.length < count) {
    const next = Math.min(BATCH, count - opened.length);
    const batch = Array.from({ length: next }, () => open(url));
    opened.push(...await Promise.all(batch));
  }
  return opened;
}

/** After what can be collected is collected. */
async function usage(): Promise<Deno.MemoryUsage> {
  for (let round = 0; round < 3; round++) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  return Deno.memoryUsage();
}

/** Microseconds of processor time in a second without work. */
async function idle(): Promise<number> {
  const before = cpuUsage();
  await new Promise((resolve) => setTimeout(resolve, WATCHED));
  const { user, system } = cpuUsage(before);
  return (user + system) / (WATCHED / 1000);
}

function asCost(value: unknown): Cost {
  if (
    typeof value === "object" && value !== null && "rss" in value &&
    "heap" in value && "processor" in value && typeof value.rss === "number" &&
    typeof value.heap === "number" && typeof value.processor === "number"
  ) {
    return { rss: value.rss, heap: value.heap, processor: value.processor };
  }
  throw new TypeError(`This is no cost: ${JSON.stringify(value)}`);
}

if (import.meta.main) {
  const [role, url = "", count] = Deno.args;
  const open = KINDS[role ?? ""];
  if (role === "serve") {
    console.log(JSON.stringify(serve({ onPeer: () => {} }).url));
  } else if (open !== undefined) {
    console.log(JSON.stringify(await hold(open, url, Number(count))));
  } else {
    await main();
  }
}
