/**
 * How fast messages go out, and how much memory that takes: our client against
 * the socket of the runtime, in a plain loop and paced by hand, and against
 * other clients.
 *
 * The contenders take turns, each time in a process of its own. Time runs from
 * the first message to the answer of the server, which comes when it has got
 * the bytes of all of them: by the clock, and by what the process had of the
 * processor, which depends less on what else runs. The server is this process:
 * it counts bytes and looks at none. Memory is the highest that the process
 * had, code and all.
 *
 * ```sh
 * deno task bench sending
 * ```
 *
 * @module
 */

import { cpuUsage } from "node:process";
import { setImmediate } from "node:timers";
import PartySocket from "partysocket/ws";
import reconnectingWebSocket from "reconnecting-websocket";
import { connect } from "../mod.ts";
import {
  type TcpExchange,
  TcpPeer,
  upgrade,
} from "../tests/support/tcp_peer.ts";
import { measure, median, printTable } from "./harness.ts";

// Its types are those of another build: what Deno loads is the class itself.
const ReconnectingWebSocket =
  reconnectingWebSocket as unknown as typeof reconnectingWebSocket.default;

/** How often each contender has its turn. */
const ROUNDS = 9;

interface Load {
  readonly name: string;
  readonly size: number;
  readonly count: number;
}

const LOADS: readonly Load[] = [
  { name: "64 B", size: 64, count: 300_000 },
  { name: "1 KiB", size: 1024, count: 200_000 },
  { name: "64 KiB", size: 64 * 1024, count: 5_000 },
];

/** Connects; what it gives sends all, and waits for the server's answer. */
type Contender = (url: string, texts: Texts) => Promise<() => Promise<unknown>>;

/** The texts to send: a few, again and again. */
class Texts {
  readonly count: number;
  readonly #texts: readonly string[];

  constructor({ size, count }: Pick<Load, "size" | "count">) {
    this.count = count;
    this.#texts = Array.from(
      { length: 64 },
      (_, i) => JSON.stringify({ i }).padEnd(size, "x"),
    );
  }

  at(index: number): string {
    return this.#texts[index & 63] ?? "";
  }
}

/** The first two are what the others are compared to. */
const CONTENDERS: Readonly<Record<string, Contender>> = {
  "plain loop": (url, texts) => plainLoop(new WebSocket(url), texts),
  "paced by hand": async (url, texts) => {
    const socket = new WebSocket(url);
    await opened(socket);
    return async () => {
      const answer = answered(socket);
      for (let i = 0; i < texts.count;) {
        while (i < texts.count && socket.bufferedAmount < 64 * 1024) {
          for (let run = 0; run < 32 && i < texts.count; run++) {
            socket.send(texts.at(i++));
          }
        }
        do await turn(); while (socket.bufferedAmount > 32 * 1024);
      }
      await answer;
    };
  },
  "ws-stream send": async (url, texts) => {
    const { client, answer } = await ours(url);
    return async () => {
      for (let i = 0; i < texts.count; i++) await client.send(texts.at(i));
      await answer;
    };
  },
  "ws-stream trySend": async (url, texts) => {
    const { client, answer } = await ours(url);
    return async () => {
      for (let i = 0; i < texts.count; i++) {
        if (!client.trySend(texts.at(i))) await client.send(texts.at(i));
      }
      await answer;
    };
  },
  "reconnecting-websocket": (url, texts) =>
    plainLoop(new ReconnectingWebSocket(url), texts),
  "partysocket": (url, texts) => plainLoop(new PartySocket(url), texts),
};

/** Runs under Node.js, where there is one. */
const NODE_WS = "npm ws, Node.js";

/** What a socket of the runtime and its replacements have in common. */
interface SocketLike {
  onopen: unknown;
  onmessage: unknown;
  send(text: string): void;
}

async function plainLoop(
  socket: SocketLike,
  texts: Texts,
): Promise<() => Promise<unknown>> {
  await opened(socket);
  return () => {
    const answer = answered(socket);
    for (let i = 0; i < texts.count; i++) socket.send(texts.at(i));
    return answer;
  };
}

async function ours(url: string) {
  const { promise: answer, resolve } = Promise.withResolvers<void>();
  const client = await connect(url, {}, { onMessage: () => resolve() });
  return { client, answer };
}

function opened(socket: SocketLike): Promise<unknown> {
  return new Promise((resolve) => socket.onopen = resolve);
}

function answered(socket: SocketLike): Promise<unknown> {
  return new Promise((resolve) => socket.onmessage = resolve);
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** What one process found. */
interface Result {
  readonly perSecond: number;
  /** Processor time for a message, in microseconds. */
  readonly processor: number;
  /** In bytes. */
  readonly rss: number;
}

async function measureHere(
  contender: Contender,
  url: string,
  texts: Texts,
): Promise<Result> {
  const send = await contender(url, texts);
  const begun = performance.now();
  const before = cpuUsage();
  await send();
  const seconds = (performance.now() - begun) / 1000;
  const { user, system } = cpuUsage(before);
  return {
    perSecond: texts.count / seconds,
    processor: (user + system) / texts.count,
    rss: highestRss(),
  };
}

function highestRss(): number {
  if (Deno.build.os !== "linux") return Deno.memoryUsage().rss;
  const status = Deno.readTextFileSync("/proc/self/status");
  return Number(/^VmHWM:\s*(\d+)/m.exec(status)?.[1]) * 1024;
}

/** Counts bytes, and answers when all of the messages must be there. */
async function count({ conn, write }: TcpExchange, load: Load): Promise<void> {
  const header = load.size < 126 ? 6 : load.size < 65_536 ? 8 : 14;
  let missing = load.count * (header + load.size);
  const buffer = new Uint8Array(256 * 1024);
  while (missing > 0) {
    const read = await conn.read(buffer);
    if (read === null) throw new Error(`${missing} bytes are missing`);
    missing -= read;
  }
  await write(new Uint8Array([0x81, 2, 0x6f, 0x6b]));
}

async function run(load: Load, name: string, ws: string): Promise<Result> {
  await using server = new TcpPeer(upgrade({
    then: async (exchange) => {
      await count(exchange, load);
      await exchange.gone();
    },
  }));
  const args = [server.url, load.size, load.count];
  // It is these scripts that print it.
  return (name === NODE_WS
    ? await measureNode(ws, ...args)
    : await measure(new URL(import.meta.url), "send", name, ...args)) as Result;
}

async function measureNode(
  ...args: readonly (string | number)[]
): Promise<unknown> {
  const script = new URL("./node_ws_sender.mjs", import.meta.url);
  const child = new Deno.Command("node", {
    args: [script.pathname, ...args.map(String)],
    stdout: "piped",
  }).spawn();
  let text = "";
  for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += part;
    if (text.includes("\n")) break;
  }
  child.kill("SIGKILL");
  await child.status;
  return JSON.parse(text);
}

/** Where npm:ws is for Node.js; `undefined` without Node.js and npm. */
async function installWs(folder: string): Promise<string | undefined> {
  const npm = new Deno.Command("npm", {
    args: ["install", "--no-save", "--prefix", folder, "ws@8.23.0"],
    stdout: "null",
    stderr: "null",
  });
  try {
    const { success } = await npm.output();
    return success ? `${folder}/node_modules/ws/wrapper.mjs` : undefined;
  } catch {
    return undefined;
  }
}

async function compare(
  load: Load,
  ws: string | undefined,
): Promise<(string | number)[][]> {
  const names = Object.keys(CONTENDERS);
  if (ws !== undefined) names.push(NODE_WS);
  const results = new Map<string, Result[]>(names.map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    // Each round begins with another, so that nobody is always the first.
    for (let turn = 0; turn < names.length; turn++) {
      const name = names[(round + turn) % names.length] ?? "";
      results.get(name)?.push(await run(load, name, ws ?? ""));
    }
  }
  const [plain = [], paced = []] = results.values();
  return [...results].map(([name, own]) => [
    load.name,
    name,
    median(own.map(({ perSecond }) => perSecond)),
    ratio(own, plain, "perSecond"),
    ratio(own, paced, "perSecond"),
    median(own.map(({ processor }) => processor)),
    ratio(own, plain, "processor"),
    ratio(own, paced, "processor"),
    Math.max(...own.map(({ rss }) => rss)) / 1e6,
  ]);
}

/** Of each round by itself, so that the machine's moods count for both. */
function ratio(own: Result[], other: Result[], field: keyof Result): string {
  const ratios = own.map((result, round) =>
    result[field] / (other[round]?.[field] ?? NaN)
  );
  return median(ratios).toFixed(2);
}

async function main(): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const ws = await installWs(folder);
    const rows = [];
    for (const load of LOADS) rows.push(...await compare(load, ws));
    printTable({
      title: `Sending: medians of ${ROUNDS} rounds; ratios are within a round`,
      columns: [
        ...["load", "who", "messages/s", "of plain", "of paced"],
        ...["us/message", "of plain", "of paced", "highest RSS, MB"],
      ],
      rows,
      notes: ws === undefined
        ? ["npm ws is missing: it takes Node.js and npm."]
        : [],
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const [command, name = "", url = "", size, amount] = Deno.args;
if (command === "send") {
  const contender = CONTENDERS[name];
  if (contender === undefined) throw new Error(`there is no contender ${name}`);
  const texts = new Texts({ size: Number(size), count: Number(amount) });
  console.log(JSON.stringify(await measureHere(contender, url, texts)));
} else {
  await main();
}
