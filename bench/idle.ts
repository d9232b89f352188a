/**
 * How much of a processor a client takes that has nothing to do: while its
 * connection is idle, and while the server has stopped reading with the queue
 * full.
 *
 * ```sh
 * deno task bench idle
 * ```
 *
 * @module
 */

import { cpuUsage } from "node:process";
import { connect, type TransportName } from "../mod.ts";
import { startFeeder, type Task } from "./feeder.ts";
import { measure, median, printTable } from "./harness.ts";

const RUNS = 3;
/** How long the processor is watched, ms. */
const WATCHED = 5_000;
/** How long a client gets to calm down before, ms. */
const CALM_DOWN = 1_000;

const LOAD = { name: "1 KiB", size: 1024, count: 1 };

/** Connects, and fills whatever there is to fill. */
type Prepare = (url: string, fill: boolean) => Promise<unknown>;

const CLIENTS: Readonly<Record<string, Prepare>> = {
  "native": async (url, fill) => {
    const socket = new WebSocket(url);
    await new Promise((resolve) => socket.onopen = resolve);
    const text = "x".repeat(LOAD.size);
    for (let i = 0; fill && i < 20_000; i++) socket.send(text);
    return socket;
  },
  "ws-stream": ours("native"),
  "ws-stream tcp": ours("tcp"),
};

function ours(transport: TransportName): Prepare {
  return async (url, fill) => {
    // A stalled connection is kept for as long as the processor is watched.
    const client = await connect(url, { transport, pingTimeout: 60_000 });
    const text = "x".repeat(LOAD.size);
    while (fill && client.stats.queued < 1_000) {
      if (!client.trySend(text)) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
    return client;
  };
}

/** The part of one processor in a span of time, in percent. */
async function watch(url: string, name: string, fill: boolean) {
  const kept = await CLIENTS[name]?.(url, fill);
  await new Promise((resolve) => setTimeout(resolve, CALM_DOWN));
  const before = cpuUsage();
  await new Promise((resolve) => setTimeout(resolve, WATCHED));
  const { user, system } = cpuUsage(before);
  if (kept === undefined) throw new TypeError(`There is no client ${name}`);
  return (user + system) / 1000 / WATCHED * 100;
}

async function main(): Promise<void> {
  const rows = [];
  for (const [task, what] of TASKS) {
    for (const name of Object.keys(CLIENTS)) {
      const shares: number[] = [];
      while (shares.length < RUNS) {
        await using server = startFeeder(task, LOAD);
        const script = new URL(import.meta.url);
        shares.push(Number(await measure(script, server.url, name, task)));
      }
      rows.push([what, name, median(shares), Math.max(...shares)]);
    }
  }
  printTable({
    title: `Idle: medians of ${RUNS} runs`,
    columns: ["connection", "client", "% of a core", "most"],
    rows,
  });
}

const TASKS: readonly (readonly [Task, string])[] = [
  ["burst", "idle"],
  ["stall", "server reads nothing"],
];

if (import.meta.main) {
  const [url, name = "", task] = Deno.args;
  if (url === undefined) await main();
  else {
    console.log(await watch(url, name, task === "stall"));
    Deno.exit();
  }
}
