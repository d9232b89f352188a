/**
 * What idle connections cost: our client over both transports beside the raw
 * socket, over ws:// and over wss://. The server and each client run in
 * processes of their own.
 *
 * V8's young generation grows while many connections are made, and shrinks again
 * by itself when the process has been idle for about a minute. So the memory is
 * looked at twice: right after connecting, and with that reserve given back.
 *
 * @module
 */

import { cpuUsage } from "node:process";
import { WebSocketStreamClient } from "../mod.ts";
import { serve } from "../src/server/server.ts";
import { certificates } from "../tests/support/certificates.ts";
import {
  collectGarbage,
  giveBackReserve,
  measure,
  median,
  openFilesLimit,
  printTable,
  startScript,
} from "./harness.ts";

/** What one connection costs. */
interface Cost {
  /** Bytes of the process, right after connecting. */
  readonly fresh: number;
  /** Bytes of the process, without V8's reserve. */
  readonly settled: number;
  /** Bytes of JavaScript's heap, after garbage collection. */
  readonly heap: number;
  /** Microseconds of a processor each second. */
  readonly processor: number;
}

/** Where to connect, and the certificate of who signed the server's. */
interface Server {
  readonly url: string;
  readonly ca?: string;
}

/** Opens one connection that stays. */
type Open = (server: Server) => Promise<unknown>;

/** How many of them; TLS handshakes take their time. */
const WANTED = { ws: 5000, wss: 3000 };
type Scheme = keyof typeof WANTED;

/**
 * Opened before the first look: what all of them share is there then, which is
 * some 5 MB of code that the compiler makes during the first thousand.
 */
const WARM_UP = 1000;
/** Opened at the same time. */
const BATCH = 50;
const RUNS = 3;
/** How long the processor is watched, ms. */
const WATCHED = 4000;
/** Files of a process besides its connections. */
const OTHER_FILES = 100;

/** Trusts one authority, for all raw sockets of a process. */
let trusting: Deno.HttpClient | undefined;

const KINDS: Readonly<Record<string, Open>> = {
  raw: ({ url, ca }) =>
    new Promise((resolve, reject) => {
      if (ca !== undefined) {
        trusting ??= Deno.createHttpClient({ caCerts: [ca], http2: false });
      }
      const socket = new WebSocket(url, { client: trusting });
      socket.onopen = () => resolve(socket);
      socket.onmessage = () => {};
      socket.onclose = () => {};
      socket.onerror = reject;
    }),
  "ws-stream": ours("native"),
  "ws-stream tcp": ours("tcp"),
};

function ours(transport: "native" | "tcp"): Open {
  return async ({ url, ca }) => {
    const tls = ca === undefined ? undefined : { caCerts: ca };
    const client = new WebSocketStreamClient(
      { url, transport, tls },
      { onMessage: () => {} },
    );
    await client.start();
    return client;
  };
}

async function main(): Promise<void> {
  await compare("ws");
  await compare("wss");
}

async function compare(scheme: Scheme): Promise<void> {
  const self = new URL(import.meta.url);
  const limit = await openFilesLimit() - WARM_UP - OTHER_FILES;
  const connections = Math.min(WANTED[scheme], limit);
  await using server = await startScript(self, "serve", scheme);
  trustMozillaAlone();
  const target = JSON.stringify(server.first);
  const costs: Record<string, Cost[]> = Object.fromEntries(
    Object.keys(KINDS).map((kind) => [kind, []]),
  );
  for (let run = 0; run < RUNS; run++) {
    for (const kind of Object.keys(costs)) {
      const cost = await measure(self, kind, target, connections);
      costs[kind]?.push(asCost(cost));
    }
  }
  const typical = (kind: string, part: keyof Cost) =>
    median((costs[kind] ?? []).map((cost) => cost[part]));
  const ofRaw = (kind: string, part: keyof Cost) =>
    typical(kind, part) / typical("raw", part);
  printTable({
    title: `What each of ${connections} idle connections (${scheme}://) costs`,
    columns: [
      "client",
      "RSS settled, KiB",
      "of raw",
      "RSS fresh, KiB",
      "of raw",
      "JS heap, KiB",
      "processor, us/s",
    ],
    rows: Object.keys(costs).map((kind) => [
      kind,
      typical(kind, "settled") / 1024,
      ofRaw(kind, "settled"),
      typical(kind, "fresh") / 1024,
      ofRaw(kind, "fresh"),
      typical(kind, "heap") / 1024,
      typical(kind, "processor"),
    ]),
    notes: [
      `median of ${RUNS} processes each; growth after the first ${WARM_UP}`,
      "fresh: right after connecting; settled: without the reserve of V8's " +
      "young generation, which it gives back after about a minute",
      ...(scheme === "wss"
        ? ["with Mozilla's roots; tcp takes 80 KiB more with a system's"]
        : []),
      ...(connections < WANTED[scheme]
        ? ["fewer than wanted: this machine allows no more open files"]
        : []),
    ],
  });
}

/**
 * Deno copies its roots for each TLS connection that is not an HTTP client's:
 * 10 KiB of Mozilla's, 80 more of those of a system. Both variables are for
 * the measured processes.
 */
function trustMozillaAlone(): void {
  Deno.env.set("DENO_TLS_CA_STORE", "mozilla");
  Deno.env.set("NODE_EXTRA_CA_CERTS", "");
}

async function hold(open: Open, server: Server, count: number): Promise<Cost> {
  const held = await openMany(open, server, WARM_UP);
  giveBackReserve();
  const before = await usage();
  held.push(...await openMany(open, server, count));
  const fresh = await usage();
  const processor = await idle();
  giveBackReserve();
  const settled = await usage();
  if (held.length !== WARM_UP + count) throw new Error("some are missing");
  return {
    fresh: (fresh.rss - before.rss) / count,
    settled: (settled.rss - before.rss) / count,
    heap: (fresh.heapUsed - before.heapUsed) / count,
    processor: processor / held.length,
  };
}

async function openMany(open: Open, server: Server, count: number) {
  const opened: unknown[] = [];
  while (opened.length < count) {
    const next = Math.min(BATCH, count - opened.length);
    const batch = Array.from({ length: next }, () => open(server));
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
  const part = (name: keyof Cost) => {
    const cost: unknown = Object(value)[name];
    if (typeof cost === "number") return cost;
    throw new TypeError(`This is no cost: ${JSON.stringify(value)}`);
  };
  return {
    fresh: part("fresh"),
    settled: part("settled"),
    heap: part("heap"),
    processor: part("processor"),
  };
}

/** Serves until it is killed. */
async function serveFor(scheme: string): Promise<Server> {
  if (scheme === "ws") return { url: serve({ onPeer: () => {} }).url };
  const { ca, good } = await certificates();
  return { url: serve({ tls: good, onPeer: () => {} }).url, ca };
}

if (import.meta.main) {
  const [role, argument = "", count] = Deno.args;
  const open = KINDS[role ?? ""];
  if (role === "serve") {
    console.log(JSON.stringify(await serveFor(argument)));
  } else if (open !== undefined) {
    const cost = await hold(open, JSON.parse(argument), Number(count));
    console.log(JSON.stringify(cost));
  } else {
    await main();
  }
}
