/**
 * What the client costs for each message that comes in, against the raw socket
 * of the runtime.
 *
 * The ways to receive take turns, each time in a process of its own, so that
 * what else the machine does meets all alike. Time runs from the first message
 * to the last: by the clock, and by what the process had of the processor, which
 * depends less on what else runs. The server is this process: it writes frames
 * made beforehand, as fast as they are read.
 *
 * ```sh
 * deno task bench receiving
 * ```
 *
 * @module
 */

import { cpuUsage } from "node:process";
import { connect, type Message } from "../mod.ts";
import { TcpPeer, upgrade } from "../tests/support/tcp_peer.ts";
import { measure, median, printTable } from "./harness.ts";

/** How often each way has its turn. */
const ROUNDS = 7;

interface Load {
  readonly name: string;
  readonly binary: boolean;
  readonly size: number;
  readonly count: number;
}

const LOADS: readonly Load[] = [
  { name: "64 B text", binary: false, size: 64, count: 1_000_000 },
  { name: "1 KiB text", binary: false, size: 1024, count: 400_000 },
  { name: "16 KiB binary", binary: true, size: 16 * 1024, count: 40_000 },
];

/** A raw iterator is the least that `for await` can cost. */
const WAYS = ["raw socket", "onMessage", "raw iterator", "for await"] as const;
type Way = typeof WAYS[number];

/** What one process found. */
interface Cost {
  readonly perSecond: number;
  /** Processor time for a message, in microseconds. */
  readonly processor: number;
}

/** Counts messages, looks at each, and tells what they cost. */
class Count {
  readonly done: Promise<Cost>;
  readonly #resolve: (cost: Cost) => void;
  readonly #count: number;
  #seen = 0;
  #size = 0;
  #begun = 0;
  #processor = cpuUsage();

  constructor(count: number) {
    const { promise, resolve } = Promise.withResolvers<Cost>();
    this.#count = count;
    this.done = promise;
    this.#resolve = resolve;
  }

  /** Whether it was the last one. */
  add(data: Message): boolean {
    this.#size += data.length;
    if (++this.#seen === 1) {
      this.#begun = performance.now();
      this.#processor = cpuUsage();
    }
    if (this.#seen < this.#count) return false;
    const seconds = (performance.now() - this.#begun) / 1000;
    const { user, system } = cpuUsage(this.#processor);
    this.#resolve({
      perSecond: this.#count / seconds,
      processor: (user + system) / this.#count,
    });
    return true;
  }
}

/** Opens the socket of the runtime, and looks at messages as the client does. */
function openRaw(url: string, receive: (data: Message) => void): void {
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  socket.onmessage = ({ data }) =>
    receive(typeof data === "string" ? data : new Uint8Array(data));
}

/** Without bounds, errors and an end. */
function iterateRaw(url: string): AsyncIterable<Message> {
  const waiting: Message[] = [];
  let taker: ((result: IteratorResult<Message>) => void) | undefined;
  openRaw(url, (value) => {
    if (taker === undefined) return void waiting.push(value);
    const resolve = taker;
    taker = undefined;
    resolve({ value, done: false });
  });
  const iterator: AsyncIterator<Message> = {
    next() {
      const value = waiting.shift();
      return new Promise((resolve) => {
        if (value === undefined) taker = resolve;
        else resolve({ value, done: false });
      });
    },
  };
  return { [Symbol.asyncIterator]: () => iterator };
}

async function receive(way: Way, url: string, total: number): Promise<Cost> {
  const count = new Count(total);
  switch (way) {
    case "raw socket":
      openRaw(url, (data) => count.add(data));
      break;
    case "onMessage":
      await connect(url, {}, { onMessage: (data) => count.add(data) });
      break;
    case "raw iterator":
      for await (const data of iterateRaw(url)) {
        if (count.add(data)) break;
      }
      break;
    case "for await":
      for await (const data of await connect(url)) {
        if (count.add(data)) break;
      }
      break;
    default:
      way satisfies never;
  }
  return await count.done;
}

/** Frames as a server sends them (RFC 6455, section 5.2), `count` in a row. */
function frames({ binary, size }: Load, count: number): Uint8Array {
  const header = size < 126 ? [size] : [126, size >> 8, size & 0xff];
  const frame = new Uint8Array(1 + header.length + size).fill(0x61);
  frame.set([binary ? 0x82 : 0x81, ...header]);
  const all = new Uint8Array(frame.length * count);
  for (let i = 0; i < count; i++) all.set(frame, i * frame.length);
  return all;
}

/** What the load costs one process. */
async function run(load: Load, way: Way): Promise<Cost> {
  const batch = Math.min(load.count, Math.ceil(256 * 1024 / load.size));
  const bytes = frames(load, batch);
  await using server = new TcpPeer(upgrade({
    then: async (exchange) => {
      for (let sent = 0; sent < load.count; sent += batch) {
        await exchange.write(bytes);
      }
      await exchange.gone();
    },
  }));
  const script = new URL(import.meta.url);
  // It is this very script that prints it.
  return await measure(
    script,
    ...["receive", way, server.url, load.count],
  ) as Cost;
}

async function compare(load: Load): Promise<(string | number)[][]> {
  const costs = new Map<Way, Cost[]>(WAYS.map((way) => [way, []]));
  for (let round = 0; round < ROUNDS; round++) {
    // Each round begins with another, so that nobody is always the first.
    for (let turn = 0; turn < WAYS.length; turn++) {
      const way = WAYS[(round + turn) % WAYS.length] ?? WAYS[0];
      costs.get(way)?.push(await run(load, way));
    }
  }
  const raw = costs.get(WAYS[0]) ?? [];
  const ratio = (own: Cost[], field: keyof Cost) =>
    median(
      own.map((cost, round) => cost[field] / (raw[round]?.[field] ?? NaN)),
    );
  return [...costs].map(([way, own]) => [
    load.name,
    way,
    median(own.map(({ perSecond }) => perSecond)),
    percent(ratio(own, "perSecond")),
    median(own.map(({ processor }) => processor)),
    percent(ratio(own, "processor")),
  ]);
}

function percent(ratio: number): string {
  return `${(100 * ratio).toFixed(0)} %`;
}

async function main(): Promise<void> {
  const rows = [];
  for (const load of LOADS) rows.push(...await compare(load));
  printTable({
    title: `Receiving: medians of ${ROUNDS} rounds; ratios are within a round`,
    columns: [
      ...["load", "way", "messages/s", "of raw"],
      ...["processor us/message", "of raw"],
    ],
    rows,
  });
}

const [command, way, url = "", count] = Deno.args;
if (command === "receive") {
  const known = WAYS.find((name) => name === way);
  if (known === undefined) throw new Error(`there is no way ${way}`);
  console.log(JSON.stringify(await receive(known, url, Number(count))));
} else {
  await main();
}
