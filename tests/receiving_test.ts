/**
 * What comes in, over real sockets: who finds a dead connection and when, who
 * keeps a healthy one, and what readers get.
 *
 * @module
 */

import {
  assertEquals,
  assertGreater,
  assertGreaterOrEqual,
  assertLess,
  assertMatch,
  assertRejects,
} from "@std/assert";
import { delay } from "@std/async/delay";
import { clearImmediate, setImmediate } from "node:timers";
import {
  connect,
  type DisconnectInfo,
  type Gap,
  type Message,
  type Session,
  type TlsConfig,
  WebSocketStreamClient,
  type WSConfig,
  WSError,
} from "../mod.ts";
import type { Peer } from "../src/server/peer.ts";
import { serve, type WebSocketServer } from "../src/server/server.ts";
import { certificates } from "./support/certificates.ts";
import { Recorder } from "./support/events.ts";
import { spin } from "./support/spin.ts";
import { forEachTransport, type TransportCase } from "./support/transports.ts";
import { TcpPeer, upgrade } from "./support/tcp_peer.ts";
import { ToxicProxy, type Toxics } from "./support/toxic_proxy.ts";

/** How much later than promised a busy machine may find a dead connection. */
const SLACK = 10_000;
const QUICK = { initialBackoff: 1, maxBackoff: 1, closeTimeout: 200 };

// What comes at once -----------------------------------------------------------------

for (const [count, bound] of [[30_000, 10_000], [3, 1]] as const) {
  forEachTransport(
    `without a gate ${count} messages right behind the 101 are delivered, whatever a buffer of ${bound} holds`,
    async (transport) => {
      const frames = new Uint8Array(3 * count);
      for (let i = 0; i < count; i++) frames.set([0x81, 1, 0x61], 3 * i);
      await using server = new TcpPeer(upgrade({
        then: async ({ write, gone }) => {
          await write(frames);
          await gone();
        },
      }));
      const all = Promise.withResolvers<void>();
      let received = 0;
      const client = new WebSocketStreamClient({
        ...QUICK,
        transport: transport.name,
        url: server.url,
        receiveBufferMaxSize: bound,
      }, {
        onMessage: () => ++received === count && all.resolve(),
        onError: (error) => all.reject(error),
      });
      await client.start();
      await all.promise;
      assertEquals(client.stats.connects, 1);
      await client.stop();
    },
  );
}

const MESSAGE = [0x81, 1, 0x61];
const FIRST_FRAGMENT = [0x01, 1, 0x61];
/** Of 16 frames each. */
const SLOW_ROUNDS: readonly (readonly [what: string, frames: number[][]])[] = [
  ["pings", [...repeat(15, [0x89, 0]), MESSAGE]],
  ["pongs", [...repeat(15, [0x8a, 0]), MESSAGE]],
  ["fragments", [FIRST_FRAGMENT, ...repeat(14, [0x00, 0]), [0x80, 0]]],
];

for (const [what, frames] of SLOW_ROUNDS) {
  forEachTransport(
    `${what} count for the turns of the event loop, as messages do`,
    async (transport) => {
      const rounds = Uint8Array.from(repeat(32, frames.flat()).flat());
      await using server = new TcpPeer(upgrade({
        then: async ({ conn, write, gone }) => {
          await conn.read(new Uint8Array(100));
          await write(rounds);
          await gone();
        },
      }));
      const events = new Recorder<{ message: Message }>();
      let inTurn = 0;
      let most = 0;
      let turn = setImmediate(nextTurn);
      function nextTurn() {
        inTurn = 0;
        turn = setImmediate(nextTurn);
      }
      await using client = await connect(server.url, {
        ...QUICK,
        transport: transport.name,
      }, {
        onMessage: (data) => {
          spin(5);
          most = Math.max(most, ++inTurn);
          events.add("message", data);
        },
      });
      await client.send("go");
      await events.until(() => events.all("message").length === 32, "all");
      clearImmediate(turn);
      assertLess(most, 16);
    },
    { only: "tcp" },
  );
}

// Dead connections -------------------------------------------------------------------

forEachTransport(
  "a half-open connection is found by the ping, and nothing of it comes after",
  async (transport) => {
    await using world = await World.open(transport, {
      ping: { message: "ping" },
      pingInterval: 100,
      pingTimeout: 200,
    });
    const { events, proxy } = world;
    proxy.stall();
    world.peer.send("caught in the old connection");
    const stalled = performance.now();
    const error = await events.next("error");
    const took = performance.now() - stalled;
    assertEquals([error.code, error.severity], ["HEARTBEAT", "transient"]);
    assertMatch(error.message, /nothing arrived for 200 ms after a ping$/);
    assertGreaterOrEqual(took, 150); // a ping may have been on its way
    assertLess(took, 100 + 200 + SLACK);

    proxy.resume();
    await events.next("connect");
    world.peer.send("of the new connection");
    assertEquals(await events.next("message"), "of the new connection");
    assertEquals(events.names, [
      "connect",
      "error",
      "disconnect",
      "gap",
      "connect",
      "message",
    ]);
  },
);

forEachTransport("a mute peer is found by idleTimeout", async (transport) => {
  await using world = await World.open(transport, { idleTimeout: 200 });
  world.peer.blackhole();
  const muted = performance.now();
  const error = await world.events.next("error");
  const took = performance.now() - muted;
  assertEquals(error.code, "HEARTBEAT");
  assertMatch(error.message, /nothing arrived for 200 ms$/);
  assertLess(took, 200 + SLACK);
  await world.events.next("connect");
});

forEachTransport(
  "a stuck writer is found without any ping, though messages come in",
  async (transport) => {
    await using world = await World.open(transport, { pingTimeout: 300 });
    const { client, events, proxy } = world;
    using _feed = every(20, () => world.peer.send("tick"));
    proxy.stall("to-server");
    const chunk = new Uint8Array(1024 * 1024);
    for (let i = 0; i < 15; i++) client.trySend(chunk);
    const error = await events.next("error");
    assertEquals(error.code, "HEARTBEAT");
    assertMatch(error.message, /\d+ bytes have not moved for 300 ms$/);
    assertGreater(events.all("message").length, 5);
    proxy.resume();
    await events.next("connect");
  },
);

forEachTransport(
  "a peer that reads slowly is not a stuck one",
  async (transport) => {
    // A chunk of 64 KiB each 10 ms: most of the time the socket is full.
    // The kernel lets more in only when a third of its buffer is free.
    await using world = await World.open(transport, { pingTimeout: 1_500 }, {
      delay: { "to-server": 10 },
    });
    const { client, events } = world;
    world.peer.onmessage = () => {};
    const begun = performance.now();
    const chunk = new Uint8Array(64 * 1024);
    for (let i = 0; i < 240; i++) client.trySend(chunk);
    assertEquals(await client.flush(60_000), true);
    assertGreater(performance.now() - begun, 1_500);
    assertEquals(events.all("error"), []);
  },
);

/** The streams that carry a connection. */
const STREAMS:
  readonly (readonly [what: string, tls: TlsConfig | undefined])[] = [
    ["TCP", undefined],
    ["TLS of Deno", { caCerts: (await certificates()).ca }],
    ["TLS of Node", { insecure: true }],
  ];

// The native socket reports only whole messages.
for (const [what, tls] of STREAMS) {
  Deno.test(`tcp: a large message on a slow line is not a stuck one, over ${what}`, async () => {
    const { good } = await certificates();
    await using server = serve({
      ...(tls !== undefined && { tls: good }),
      closeTimeout: 200,
      onPeer: (peer) => void (peer.onmessage = () => {}),
    });
    // The kernel lets more in only when a third of its buffer is free.
    await using proxy = new ToxicProxy(server.port, {
      delay: { "to-server": 20 },
    });
    const errors: unknown[] = [];
    const pingTimeout = 100;
    const client = new WebSocketStreamClient({
      ...QUICK,
      url: `${tls === undefined ? "ws" : "wss"}://127.0.0.1:${proxy.port}`,
      transport: "tcp",
      tls,
      pingTimeout,
      pingInterval: 0,
    }, { onError: (error) => void errors.push(error) });
    await client.start();
    const begun = performance.now();
    client.trySend(new Uint8Array(15 * 1024 * 1024));
    const flushed = await client.flush(20_000);
    const elapsed = performance.now() - begun;
    await client.stop({ drain: 0 });
    assertEquals([errors, flushed], [[], true]);
    assertGreater(elapsed, 15 * pingTimeout);
  });
}

forEachTransport(
  "a close of the peer that a stuck writer hides ends the connection in time",
  async (transport) => {
    await using world = await World.open(transport, { pingTimeout: 300 });
    const { client, events, proxy } = world;
    proxy.stall("to-server");
    const chunk = new Uint8Array(64 * 1024);
    for (let i = 0; i < 200; i++) client.trySend(chunk);
    world.peer.send("last words");
    assertEquals(await events.next("message"), "last words");
    world.peer.close(1001);
    const { code, error } = await events.next("disconnect");
    // Only our own transport sees the close.
    if (transport.name === "tcp") {
      assertEquals([code, error], [1001, undefined]);
    } else assertMatch(`${error}`, /\d+ bytes have not moved for 300 ms$/);
    proxy.resume();
    await events.next("connect");
  },
);

// When it is us who are slow ------------------------------------------------------------

forEachTransport(
  "a callback that blocks the event loop kills no connection that answers",
  async (transport) => {
    const isKept = async (): Promise<boolean> => {
      await using sleeper = await Sleeper.start(transport, {
        pingInterval: 50,
        pingTimeout: 150,
        idleTimeout: 200,
      });
      const { lines } = sleeper;
      for (const ms of [140, 300, 700, 160]) {
        const message = `block ${ms}`;
        sleeper.peer.send(message);
        await lines.until(() =>
          lines.all("message").includes(message) ||
          lines.all("error").length > 0
        );
        await sleeper.pinged();
      }
      return lines.all("error").length === 0 &&
        lines.all("connect").length === 1;
    };
    // A server on a busy machine does not always answer within 150 ms.
    let tries = 0;
    while (!await isKept()) assertLess(++tries, 5);
  },
);

const ASLEEP = { pingInterval: 600_000, pingTimeout: 400 };
const STOPPED = 600;
/** There are no stop signals on Windows. */
const UNIX = Deno.build.os !== "windows";

forEachTransport(
  "a process that was stopped finds at once that its connection is dead",
  async (transport) => {
    await using sleeper = await Sleeper.start(transport, ASLEEP);
    sleeper.signal("SIGSTOP");
    sleeper.peer.blackhole();
    await delay(STOPPED);
    sleeper.signal("SIGCONT");
    const woken = performance.now();
    const error = await sleeper.lines.next("error");
    assertLess(performance.now() - woken, 400 + SLACK);
    assertMatch(error, /nothing arrived for 400 ms after a ping$/);
    assertEquals(await sleeper.lines.next("connect"), "false");
    assertEquals(await sleeper.lines.next("connect"), "true");
  },
  { ignore: !UNIX },
);

forEachTransport(
  "a process that was stopped keeps a connection that answers",
  async (transport) => {
    await using sleeper = await Sleeper.start(transport, ASLEEP);
    sleeper.signal("SIGSTOP");
    sleeper.peer.send("meanwhile");
    await delay(STOPPED);
    sleeper.signal("SIGCONT");
    assertEquals(await sleeper.lines.next("message"), "meanwhile");
    await sleeper.pinged();
    sleeper.peer.send("block 600"); // longer than the answer may take
    await sleeper.lines.until(() => sleeper.lines.all("message").length === 2);
    assertEquals(sleeper.lines.all("error"), []);
  },
  { ignore: !UNIX },
);

// Readers --------------------------------------------------------------------------------

forEachTransport(
  "a slow reader drops the connection, keeps its buffer, and holds up the next until half of it is read",
  async (transport) => {
    await using world = await World.open(transport, {
      receiveOverflow: "disconnect",
    });
    const { client, events } = world;
    const slow = client.messages({ bufferMaxSize: 4 });
    world.peer.sendMany(["0", "1", "2", "3", "4", "5"]);
    const error = await events.next("error");
    assertEquals(error.code, "SLOW_CONSUMER");
    await events.next("disconnect");
    assertEquals(await take(slow, 1), ["0"]);
    assertEquals(client.state, "waiting");
    assertEquals(await take(slow, 1), ["1"]);
    await events.next("connect");
    const gap = await events.next("gap");
    assertEquals([gap.cause.code, gap.attempts], ["SLOW_CONSUMER", 1]);
    assertEquals((gap.count ?? 0) >= 1, true);
    world.peer.send("after");
    assertEquals(await take(slow, 3), ["2", "3", "after"]);
  },
);

forEachTransport(
  "the wait after a slow reader is no part of the retry budget",
  async (transport) => {
    await using world = await World.open(transport, {
      receiveOverflow: "disconnect",
      retryBudget: 1_500,
      initialBackoff: 1_600,
      maxBackoff: 1_600,
      jitter: 0,
    });
    const { client, events } = world;
    const slow = client.messages({ bufferMaxSize: 1 });
    world.peer.sendMany(["0", "1"]);
    await events.next("disconnect");
    assertEquals(await take(slow, 1), ["0"]);
    await events.next("connect");
    const codes = events.all("error").map(({ code }) => code);
    assertEquals([...new Set(codes)], ["SLOW_CONSUMER"]);
  },
);

forEachTransport(
  "by default a slow reader costs what the transport can avoid",
  async (transport) => {
    // No next connection, which could come while the test ends.
    await using world = await World.open(transport, { reconnect: false });
    const { client, events, peer } = world;
    const slow = client.messages({ bufferMaxSize: 4 });
    const all = Array.from(
      { length: 1_000 },
      (_, number) => `${number} ${"x".repeat(10_000)}`,
    );
    const sending = peer.sendMany(all).catch(() => {});
    if (transport.receiveOverflow === "pause") {
      // The server has to wait, and nothing is lost.
      await events.until(
        () => events.all("message").length >= 4,
        "four messages",
      );
      assertLess(events.all("message").length, all.length);
      assertEquals(await take(slow, all.length), all);
      assertEquals(events.all("error"), []);
    } else {
      assertEquals((await events.next("error")).code, "SLOW_CONSUMER");
      assertEquals(await take(slow, 4), all.slice(0, 4));
    }
    await sending;
  },
);

forEachTransport(
  "readers end with stop(), after what is buffered",
  async (transport) => {
    await using world = await World.open(transport);
    const { client, events } = world;
    const reader = client.messages();
    world.peer.sendMany(["a", "b"]);
    await events.until(() => events.all("message").length === 2);
    await client.stop();
    assertEquals(await Array.fromAsync(reader), ["a", "b"]);
    assertEquals(await Array.fromAsync(client), []);
  },
);

forEachTransport(
  "readers throw what ended the client, after what is buffered",
  async (transport) => {
    await using world = await World.open(transport, {
      fatalCloseCodes: [4000],
    });
    const { client, events } = world;
    const reader = client.messages();
    const stream = client.readable.getReader();
    stream.closed.catch(() => {});
    // It buffers from its first read on.
    world.peer.send("before");
    assertEquals((await reader.next()).value, "before");
    const first = stream.read();
    world.peer.send("first");
    assertEquals((await first).value, "first");
    assertEquals((await reader.next()).value, "first");
    world.peer.send("a");
    await events.next("message");
    world.peer.close(4000, "enough");
    const error = await client.closed;
    for (const read of [() => reader.next(), () => stream.read()]) {
      assertEquals((await read()).value, "a");
      assertEquals(await assertRejects(read, WSError), error);
    }
  },
);

forEachTransport("the streams carry messages both ways", async (transport) => {
  await using world = await World.open(transport);
  const { client } = world;
  const readable = client.readable;
  assertEquals(client.readable, readable);
  assertEquals(client.writable, client.writable);
  world.peer.onmessage = (data) => world.peer.send(data);
  const sent: Message[] = ["a", new Uint8Array([1, 2]), ""];
  await ReadableStream.from(sent).pipeTo(client.writable);
  const got: Message[] = [];
  for await (const message of readable) {
    got.push(message);
    if (got.length === sent.length) break;
  }
  assertEquals(got, sent);
  assertEquals(client.state, "open");
});

forEachTransport(
  "a message that came while the reader was made is not missed",
  async (transport) => {
    await using server = serve({
      onPeer: (peer) => void peer.sendMany(["0", "1", "2"]),
    });
    const client = new WebSocketStreamClient({
      url: server.url,
      transport: transport.name,
    });
    await client.start();
    assertEquals(await take(client.messages(), 3), ["0", "1", "2"]);
    await client.stop();
  },
);

// Support -----------------------------------------------------------------------------------

interface Events {
  connect: Session;
  message: Message;
  error: WSError;
  disconnect: DisconnectInfo;
  gap: Gap;
}

/** A client with its server, and a proxy between them. */
class World implements AsyncDisposable {
  readonly server: WebSocketServer;
  readonly proxy: ToxicProxy;
  readonly client: WebSocketStreamClient;
  readonly events = new Recorder<Events>();
  readonly #peers: Peer[] = [];
  readonly #sockets = new NativeSockets();

  constructor(config: Partial<WSConfig>, toxics: Toxics) {
    this.server = serve({
      closeTimeout: 200,
      onPeer: (peer) => void this.#peers.push(peer),
    });
    this.proxy = new ToxicProxy(this.server.port, toxics);
    const { events } = this;
    this.client = new WebSocketStreamClient({
      ...QUICK,
      ...config,
      url: `ws://127.0.0.1:${this.proxy.port}`,
    }, {
      onConnect: events.on("connect"),
      onMessage: events.on("message"),
      onError: events.on("error"),
      onDisconnect: events.on("disconnect"),
      onGap: events.on("gap"),
    });
  }

  static async open(
    { name }: TransportCase,
    config: Partial<WSConfig> = {},
    toxics: Toxics = {},
  ): Promise<World> {
    const world = new World({ transport: name, ...config }, toxics);
    await world.client.start();
    await world.events.next("connect");
    return world;
  }

  /** The server's end of the latest connection. */
  get peer(): Peer {
    const peer = this.#peers.at(-1);
    if (peer === undefined) throw new Error("nobody has connected");
    return peer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.stop({ drain: 0 });
    await this.proxy[Symbol.asyncDispose]();
    await this.server.close();
    await this.#sockets.closed();
  }
}

/**
 * The native sockets that are made from now on. The client abandons one that it
 * cannot close in order; the runtime then reads whatever the server had sent
 * before it notices the end, which can take longer than the rest of the test.
 */
class NativeSockets {
  readonly #original = globalThis.WebSocket;
  readonly #closed: Promise<unknown>[] = [];

  constructor() {
    const closed = this.#closed;
    globalThis.WebSocket = class extends WebSocket {
      constructor(...args: ConstructorParameters<typeof WebSocket>) {
        super(...args);
        const { promise, resolve } = Promise.withResolvers();
        this.addEventListener("close", resolve);
        closed.push(promise);
      }
    };
  }

  /** Resolves when the runtime has let go of all of them. */
  async closed(): Promise<void> {
    globalThis.WebSocket = this.#original;
    await Promise.all(this.#closed);
  }
}

interface Lines {
  connect: string;
  message: string;
  error: string;
}

/** A client in a process of its own; its server answers pings. */
class Sleeper implements AsyncDisposable {
  readonly lines = new Recorder<Lines>(20_000);
  readonly #server: WebSocketServer;
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<void>;
  #peer: Peer | undefined;
  #ping = Promise.withResolvers<void>();

  constructor(config: Partial<WSConfig>) {
    this.#server = serve({
      closeTimeout: 200,
      onPeer: (peer) => {
        this.#peer = peer;
        peer.onmessage = () => {
          peer.send("pong");
          this.#ping.resolve();
        };
      },
    });
    const url = this.#server.url;
    const script = new URL("support/sleeper.ts", import.meta.url);
    this.#child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--quiet",
        "--no-check",
        "--allow-net=127.0.0.1",
        script.href,
        JSON.stringify({ ...QUICK, ...config, url }),
      ],
      stdin: "null",
      stdout: "piped",
    }).spawn();
    this.#reading = this.#read();
  }

  static async start(
    { name }: TransportCase,
    config: Partial<WSConfig>,
  ): Promise<Sleeper> {
    const sleeper = new Sleeper({ transport: name, ...config });
    await sleeper.lines.until(() => sleeper.lines.all("connect").length > 0);
    return sleeper;
  }

  /** The server's end of the latest connection. */
  get peer(): Peer {
    if (this.#peer === undefined) throw new Error("nobody has connected");
    return this.#peer;
  }

  /** The next ping has come, and was answered. */
  async pinged(): Promise<void> {
    await this.#ping.promise;
    this.#ping = Promise.withResolvers();
  }

  signal(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  async #read(): Promise<void> {
    let rest = "";
    const text = this.#child.stdout.pipeThrough(new TextDecoderStream());
    for await (const chunk of text) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const [, name, detail = ""] = /^(\w+) (.*)$/.exec(line) ?? [];
        if (name === "connect" || name === "message" || name === "error") {
          this.lines.add(name, detail);
        }
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal("SIGKILL");
    await this.#child.status;
    await this.#reading;
    await this.#server.close();
  }
}

function repeat<T>(count: number, value: T): T[] {
  return Array.from({ length: count }, () => value);
}

function every(ms: number, call: () => void): Disposable {
  const timer = setInterval(call, ms);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

async function take(
  reader: AsyncIterator<Message, undefined>,
  count: number,
): Promise<Message[]> {
  const messages: Message[] = [];
  for (let i = 0; i < count; i++) {
    const { value } = await reader.next();
    if (value !== undefined) messages.push(value);
  }
  return messages;
}
