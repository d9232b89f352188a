/**
 * What the client costs for each message that comes in, against the raw socket
 * of the runtime.
 *
 * The ways to receive share a process and take turns, each with a connection of
 * its own: the server sends a burst of messages to one, then to the next. So
 * they meet the same compiler, the same heap and the same machine, and the ratio
 * of neighbours says more than either number. Time runs from the first message
 * of a burst to the last: by the clock, and by what the process had of the
 * processor, which depends less on what else runs. The server is another
 * process: it writes frames made beforehand, as fast as they are read.
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

/** How many processes measure, one after another. */
const PROCESSES = 5;
/** How many bursts each way gets in a process. */
const BURSTS = 24;
/** So many more come before them, until the code is compiled. */
const WARM_UP = 4;

interface Load {
  readonly name: string;
  readonly binary: boolean;
  readonly size: number;
  /** The messages of a burst. */
  readonly burst: number;
}

const LOADS: readonly Load[] = [
  { name: "64 B text", binary: false, size: 64, burst: 80_000 },
  { name: "1 KiB text", binary: false, size: 1024, burst: 32_000 },
  { name: "16 KiB binary", binary: true, size: 16 * 1024, burst: 4_000 },
];

type Receive = (data: Message) => void;

/** Opens a connection; what it gives asks the server for a burst. */
type Open = (url: string, receive: Receive) => Promise<() => void>;

/** The first is what the others are compared to. */
const WAYS: Readonly<Record<string, Open>> = {
  "raw socket": openRaw,
  "onMessage": async (url, receive) => {
    const client = await connect(url, {}, { onMessage: receive });
    return () => void client.trySend("more");
  },
  // The least that `for await` can cost.
  "raw iterator": async (url, receive) => {
    const { messages, add } = withoutBounds();
    const ask = await openRaw(url, add);
    deliver(messages, receive);
    return ask;
  },
  "for await": async (url, receive) => {
    const client = await connect(url);
    deliver(client, receive);
    return () => void client.trySend("more");
  },
};

/** The socket of the runtime; messages look as those of the client. */
async function openRaw(url: string, receive: Receive): Promise<() => void> {
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  socket.onmessage = ({ data }) =>
    receive(typeof data === "string" ? data : new Uint8Array(data));
  await new Promise((resolve) => socket.onopen = resolve);
  return () => socket.send("more");
}

async function deliver(
  messages: AsyncIterable<Message>,
  receive: Receive,
): Promise<void> {
  for await (const data of messages) receive(data);
}

/** An iterator without bounds, errors and an end. */
function withoutBounds() {
  const waiting: Message[] = [];
  let taker: ((result: IteratorResult<Message>) => void) | undefined;
  function add(value: Message): void {
    if (taker === undefined) return void waiting.push(value);
    const resolve = taker;
    taker = undefined;
    resolve({ value, done: false });
  }
  const iterator: AsyncIterator<Message> = {
    next() {
      const value = waiting.shift();
      return new Promise((resolve) => {
        if (value === undefined) taker = resolve;
        else resolve({ value, done: false });
      });
    },
  };
  return { messages: { [Symbol.asyncIterator]: () => iterator }, add };
}

/** What a message cost in one burst, in microseconds. */
interface Cost {
  readonly clock: number;
  readonly processor: number;
}

/** Counts the messages of one burst after another, and looks at each. */
class Burst {
  readonly #size: number;
  #cost = Promise.withResolvers<Cost>();
  #seen = 0;
  #length = 0;
  #begun = 0;
  #processor = cpuUsage();

  /** A burst has `size` messages. */
  constructor(size: number) {
    this.#size = size;
  }

  /** What the coming burst will have cost. */
  get cost(): Promise<Cost> {
    return this.#cost.promise;
  }

  readonly add: Receive = (data) => {
    this.#length += data.length;
    if (++this.#seen === 1) {
      this.#begun = performance.now();
      this.#processor = cpuUsage();
    }
    if (this.#seen === this.#size) this.#end();
  };

  #end(): void {
    const ms = performance.now() - this.#begun;
    const { user, system } = cpuUsage(this.#processor);
    this.#seen = 0;
    const { resolve } = this.#cost;
    this.#cost = Promise.withResolvers();
    resolve({
      clock: 1000 * ms / this.#size,
      processor: (user + system) / this.#size,
    });
  }
}

/** The costs of each way, burst by burst. */
type Costs = Record<string, Cost[]>;

async function receive(url: string, size: number): Promise<Costs> {
  const ways = [];
  for (const [name, open] of Object.entries(WAYS)) {
    const burst = new Burst(size);
    ways.push({ name, burst, ask: await open(url, burst.add) });
  }
  const costs: Costs = {};
  for (let round = -WARM_UP; round < BURSTS; round++) {
    // There and back, so that nobody always follows the same one.
    for (const { name, burst, ask } of ways.reverse()) {
      const { cost } = burst;
      ask();
      const measured = await cost;
      if (round >= 0) (costs[name] ??= []).push(measured);
    }
  }
  return costs;
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

/** What the load costs in one process. */
async function run(load: Load): Promise<Costs> {
  const batch = 250;
  const bytes = frames(load, batch);
  await using server = new TcpPeer(upgrade({
    then: async ({ conn, write }) => {
      // Whatever comes in asks for a burst.
      while (await conn.read(new Uint8Array(64)) !== null) {
        for (let i = 0; i < load.burst; i += batch) await write(bytes);
      }
    },
  }));
  const script = new URL(import.meta.url);
  // It is this very script that prints it.
  return await measure(script, "receive", server.url, load.burst) as Costs;
}

async function compare(load: Load): Promise<(string | number)[][]> {
  const processes: Costs[] = [];
  while (processes.length < PROCESSES) processes.push(await run(load));
  const [first = ""] = Object.keys(WAYS);
  return Object.keys(WAYS).map((way) => {
    const all = processes.flatMap((costs) => costs[way] ?? []);
    return [
      load.name,
      way,
      1e6 / median(all.map(({ clock }) => clock)),
      ratios(processes, first, way, "clock", (own, raw) => raw / own),
      median(all.map(({ processor }) => processor)),
      ratios(processes, first, way, "processor", (own, raw) => own / raw),
    ];
  });
}

/** The median over processes of the medians over pairs, and their range. */
function ratios(
  processes: readonly Costs[],
  first: string,
  way: string,
  field: keyof Cost,
  ratio: (own: number, raw: number) => number,
): string {
  const medians = processes.map((costs) => {
    const raw = costs[first] ?? [];
    const own = costs[way] ?? [];
    return median(
      own.map((cost, i) => ratio(cost[field], raw[i]?.[field] ?? NaN)),
    );
  });
  const [least, middle, most] = [
    Math.min(...medians),
    median(medians),
    Math.max(...medians),
  ].map((value) => (100 * value).toFixed(0));
  return `${middle} % (${least} to ${most})`;
}

async function main(): Promise<void> {
  const rows = [];
  for (const load of LOADS) rows.push(...await compare(load));
  printTable({
    title: "Receiving, in turns",
    columns: [
      ...["load", "way", "messages/s", "of raw"],
      ...["processor us/message", "of raw"],
    ],
    rows,
    notes: [
      `the median of ${PROCESSES} processes, and their range; each is the ` +
      `median of ${BURSTS} pairs`,
    ],
  });
}

const [command, url = "", size] = Deno.args;
if (command === "receive") {
  console.log(JSON.stringify(await receive(url, Number(size))));
} else {
  await main();
}
