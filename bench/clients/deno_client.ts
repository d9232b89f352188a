/**
 * The clients of the benchmarks that run under Deno: the raw socket, ours over
 * both transports, and other packages. `bench/clients.ts` starts this program:
 *
 * `deno_client.ts NAME MODE URL SIZE COUNT BURSTS [CA_FILE]`
 *
 * @module
 */

import { cpuUsage } from "node:process";
import { setImmediate } from "node:timers";
import PartySocket from "partysocket/ws";
import reconnectingWebSocket from "reconnecting-websocket";
import { connect, type Message, type WSConfig } from "../../mod.ts";

// Its types are those of another build: what Deno loads is the class itself.
const ReconnectingWebSocket =
  reconnectingWebSocket as unknown as typeof reconnectingWebSocket.default;

/** What the program was asked to do. */
interface Job {
  readonly url: string;
  readonly size: number;
  readonly count: number;
  readonly bursts: number;
  readonly ca: string | undefined;
}

type Receive = (data: Message) => void;

/** Sends one message at once. */
type Send = (text: string) => unknown;

/** Opens a connection and passes on what it receives. */
type Open = (job: Job, receive: Receive) => Promise<Send>;

/** Sends all texts of a burst and resolves when the server has them. */
type SendBurst = (texts: Texts) => Promise<unknown>;

/** A client; what it cannot do is missing. */
interface Client {
  readonly open?: Open;
  readonly sender?: (job: Job) => Promise<SendBurst>;
}

/** The texts to send: a few, again and again. */
class Texts {
  readonly count: number;
  readonly #texts: readonly string[];

  constructor({ size, count }: Job) {
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

// The clients ------------------------------------------------------------------

const CLIENTS: Readonly<Record<string, Client>> = {
  "native": { open: openNative, sender: plainLoop(rawSocket) },
  "native, for await": {
    open: async (job, receive) => {
      const { messages, add } = withoutBounds();
      const send = await openNative(job, add);
      pass(messages, receive);
      return send;
    },
  },
  "native, paced": { sender: pacedLoop },
  "ws-stream, onMessage": { open: onMessage("native") },
  "ws-stream, for await": { open: forAwait("native") },
  "ws-stream, send": { sender: sendAll("native") },
  "ws-stream, trySend": { sender: trySendAll("native") },
  "ws-stream tcp, onMessage": { open: onMessage("tcp") },
  "ws-stream tcp, for await": { open: forAwait("tcp") },
  "ws-stream tcp, readable": { open: fromReadable("tcp") },
  "ws-stream tcp, send": { sender: sendAll("tcp") },
  "ws-stream tcp, trySend": { sender: trySendAll("tcp") },
  "reconnecting-websocket": {
    sender: plainLoop(({ url }) => new ReconnectingWebSocket(url)),
  },
  "partysocket": { sender: plainLoop(({ url }) => new PartySocket(url)) },
};

/** What a socket of the runtime and its replacements have in common. */
interface SocketLike {
  onopen: unknown;
  onmessage: unknown;
  send(text: string): void;
}

function rawSocket({ url, ca }: Job): WebSocket {
  const client = ca === undefined
    ? undefined
    : Deno.createHttpClient({ caCerts: [ca], http2: false });
  return new WebSocket(url, { client });
}

async function openNative(job: Job, receive: Receive): Promise<Send> {
  const socket = rawSocket(job);
  socket.binaryType = "arraybuffer";
  socket.onmessage = ({ data }) =>
    receive(typeof data === "string" ? data : new Uint8Array(data));
  await opened(socket);
  return (text) => socket.send(text);
}

function plainLoop(make: (job: Job) => SocketLike) {
  return async (job: Job): Promise<SendBurst> => {
    const socket = make(job);
    await opened(socket);
    return (texts) => {
      const answer = answered(socket);
      for (let i = 0; i < texts.count; i++) socket.send(texts.at(i));
      return answer;
    };
  };
}

/** As fast as the raw socket gets: it is given only what it drains. */
async function pacedLoop(job: Job): Promise<SendBurst> {
  const socket = rawSocket(job);
  await opened(socket);
  return async (texts) => {
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
}

function config(
  transport: "native" | "tcp",
  { ca }: Job,
): Omit<WSConfig, "url"> {
  // The server knows no pings, and the other clients send none either.
  const tls = ca === undefined ? undefined : { caCerts: ca };
  return { transport, tls, pingInterval: 0 };
}

function onMessage(transport: "native" | "tcp"): Open {
  return async (job, receive) => {
    const client = await connect(job.url, config(transport, job), {
      onMessage: receive,
    });
    return (text) => client.trySend(text);
  };
}

function forAwait(transport: "native" | "tcp"): Open {
  return async (job, receive) => {
    const client = await connect(job.url, config(transport, job));
    pass(client, receive);
    return (text) => client.trySend(text);
  };
}

function fromReadable(transport: "native" | "tcp"): Open {
  return async (job, receive) => {
    const client = await connect(job.url, config(transport, job));
    pass(client.readable, receive);
    return (text) => client.trySend(text);
  };
}

async function ours(transport: "native" | "tcp", job: Job) {
  let { promise, resolve } = Promise.withResolvers<void>();
  const client = await connect(job.url, config(transport, job), {
    onMessage: () => resolve(),
  });
  const answer = () => {
    ({ promise, resolve } = Promise.withResolvers<void>());
    return promise;
  };
  return { client, answer };
}

function sendAll(transport: "native" | "tcp") {
  return async (job: Job): Promise<SendBurst> => {
    const { client, answer } = await ours(transport, job);
    return async (texts) => {
      const answered = answer();
      for (let i = 0; i < texts.count; i++) await client.send(texts.at(i));
      await answered;
    };
  };
}

function trySendAll(transport: "native" | "tcp") {
  return async (job: Job): Promise<SendBurst> => {
    const { client, answer } = await ours(transport, job);
    return async (texts) => {
      const answered = answer();
      for (let i = 0; i < texts.count; i++) {
        if (!client.trySend(texts.at(i))) await client.send(texts.at(i));
      }
      await answered;
    };
  };
}

async function pass(
  messages: AsyncIterable<Message>,
  receive: Receive,
): Promise<void> {
  for await (const data of messages) receive(data);
}

/** The least that `for await` can cost: no bounds, no errors, no end. */
function withoutBounds() {
  const waiting: Message[] = [];
  let reader: ((result: IteratorResult<Message>) => void) | undefined;
  function add(value: Message): void {
    if (reader === undefined) return void waiting.push(value);
    const resolve = reader;
    reader = undefined;
    resolve({ value, done: false });
  }
  const iterator: AsyncIterator<Message> = {
    next() {
      const value = waiting.shift();
      return new Promise((resolve) => {
        if (value === undefined) reader = resolve;
        else resolve({ value, done: false });
      });
    },
  };
  return { messages: { [Symbol.asyncIterator]: () => iterator }, add };
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

// What is measured ---------------------------------------------------------------

/** What a burst cost for each message. */
interface Cost {
  readonly seconds: number;
  /** Processor time in microseconds. */
  readonly processor: number;
}

/** Measures from the first message of each burst to the last. */
async function receive(client: Client, job: Job): Promise<unknown> {
  if (client.open === undefined) throw new TypeError("it does not receive");
  const costs: Cost[] = [];
  let seen = 0;
  let length = 0;
  let stop = stopwatch();
  let done = Promise.withResolvers<void>();
  const send = await client.open(job, (data) => {
    length += data.length;
    if (++seen === 1) stop = stopwatch();
    if (seen === job.count) {
      costs.push(stop(job.count));
      done.resolve();
    }
  });
  for (let burst = 0; burst < job.bursts; burst++) {
    seen = 0;
    done = Promise.withResolvers();
    send("more");
    await done.promise;
  }
  const expected = job.bursts * job.count * job.size;
  if (length !== expected) throw new Error(`${length} of ${expected} came`);
  return { costs, rss: highestRss() };
}

/** Measures from the first message of each burst to the server's answer. */
async function send(client: Client, job: Job): Promise<unknown> {
  if (client.sender === undefined) throw new TypeError("it does not send");
  const burst = await client.sender(job);
  const texts = new Texts(job);
  const costs: Cost[] = [];
  for (let i = 0; i < job.bursts; i++) {
    const stop = stopwatch();
    await burst(texts);
    costs.push(stop(job.count));
  }
  return { costs, rss: highestRss() };
}

/** One message at a time; the times of all round trips. */
async function echo(client: Client, job: Job): Promise<unknown> {
  if (client.open === undefined) throw new TypeError("it does not receive");
  let answered = () => {};
  const send = await client.open(job, () => answered());
  const texts = new Texts(job);
  const ms: number[] = [];
  for (let i = 0; i < job.count; i++) {
    const answer = new Promise<void>((resolve) => answered = resolve);
    const begun = performance.now();
    send(texts.at(i));
    await answer;
    ms.push(performance.now() - begun);
  }
  return { ms };
}

function stopwatch(): (count: number) => Cost {
  const begun = performance.now();
  const before = cpuUsage();
  return (count) => {
    const seconds = (performance.now() - begun) / 1000;
    const { user, system } = cpuUsage(before);
    return { seconds: seconds / count, processor: (user + system) / count };
  };
}

function highestRss(): number {
  if (Deno.build.os !== "linux") return Deno.memoryUsage().rss;
  const status = Deno.readTextFileSync("/proc/self/status");
  return Number(/^VmHWM:\s*(\d+)/m.exec(status)?.[1]) * 1024;
}

if (import.meta.main) {
  const [name = "", mode = "", url = "", size, count, bursts, caFile] =
    Deno.args;
  const client = CLIENTS[name];
  if (client === undefined) throw new TypeError(`There is no client ${name}`);
  const job: Job = {
    url,
    size: Number(size),
    count: Number(count),
    bursts: Number(bursts),
    ca: caFile === undefined ? undefined : Deno.readTextFileSync(caFile),
  };
  const run = mode === "receive" ? receive : mode === "send" ? send : echo;
  console.log(JSON.stringify(await run(client, job)));
  Deno.exit();
}
