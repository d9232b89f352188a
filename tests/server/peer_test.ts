import {
  assertEquals,
  assertLess,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { parseChaos } from "../../src/server/chaos.ts";
import { type Peer, PeerClosedError } from "../../src/server/peer.ts";
import { serve, type ServeOptions } from "../../src/server/server.ts";
import { Recorder, within } from "../support/events.ts";
import { clientFrame, RawClient } from "../support/raw_client.ts";

/** A server, one peer of it, and a client of the given kind at the other end. */
async function rig<Client extends Disposable>(
  dial: (port: number) => Promise<Client>,
  options: Omit<ServeOptions, "onPeer"> = {},
) {
  const accepted = Promise.withResolvers<Peer>();
  const server = serve({ ...options, onPeer: accepted.resolve });
  const client = await dial(server.port);
  const peer = await within(accepted.promise, "a peer");
  return {
    peer,
    client,
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]();
      await server.close();
    },
  };
}

const raw = (port: number) => RawClient.connect(port);

interface NativeEvents {
  open: Event;
  message: MessageEvent;
  error: Event;
  close: CloseEvent;
}

/** The runtime's own client, its events recorded. */
class NativeClient extends Recorder<NativeEvents> implements Disposable {
  readonly socket: WebSocket;

  constructor(port: number, protocols: string[]) {
    super();
    this.socket = new WebSocket(`ws://127.0.0.1:${port}/a?b`, protocols);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = this.on("open");
    this.socket.onmessage = this.on("message");
    this.socket.onerror = this.on("error");
    this.socket.onclose = this.on("close");
  }

  [Symbol.dispose](): void {
    this.socket.close();
  }
}

async function native(port: number): Promise<NativeClient> {
  const client = new NativeClient(port, []);
  await client.next("open");
  return client;
}

Deno.test("texts and bytes go both ways, of any size", async () => {
  await using r = await rig(native);
  const messages = [
    "",
    "Grüße 🌍",
    "x".repeat(125),
    "x".repeat(126),
    "ü".repeat(100_000),
  ];
  for (const text of messages) {
    r.client.socket.send(text);
    assertEquals(await r.peer.receive(), text);
    await r.peer.send(text);
    assertEquals((await r.client.next("message")).data, text);
  }
  const bytes = Uint8Array.from({ length: 2 ** 20 }, (_, index) => index * 7);
  r.client.socket.send(bytes);
  assertEquals(await r.peer.receive(), bytes);
  await r.peer.send(bytes);
  const { data } = await r.client.next("message");
  assertEquals(new Uint8Array(data), bytes);
});

Deno.test("many messages arrive in order, whoever takes them", async () => {
  await using r = await rig(native);
  const numbers = Array.from({ length: 5000 }, (_, index) => String(index));
  for (const number of numbers) r.client.socket.send(number);
  r.client.socket.close(3000);
  const got: unknown[] = [await r.peer.receive(), await r.peer.receive()];
  for await (const message of r.peer) {
    got.push(message);
    if (got.length === 100) break;
  }
  r.peer.onmessage = (message) => got.push(message);
  await r.peer.closed;
  assertEquals(got, numbers);
});

Deno.test("sendMany sends all, and lets the event loop turn", async () => {
  await using r = await rig(native);
  await r.peer.sendMany(Array.from({ length: 20_000 }, (_, i) => String(i)));
  r.peer.close();
  await r.client.next("close");
  const got = r.client.all("message").map(({ data }) => data);
  assertEquals(got.length, 20_000);
  assertEquals(got[19_999], "19999");
});

Deno.test("sending waits for a client that does not read", async () => {
  await using r = await rig(raw);
  const payload = new Uint8Array(64 * 1024);
  let sent = 0;
  const sending = (async () => {
    while (r.peer.state === "open") {
      await r.peer.send(payload);
      sent++;
    }
  })();
  await standstill(() => sent);
  // What waits here is bounded; what the kernel holds is the kernel's.
  assertLess(r.peer.bufferedAmount, 512 * 1024);
  assertLess(sent, 1000);
  r.client[Symbol.dispose]();
  await r.peer.closed;
  await sending;
});

/** Resolves when the count is more than 0 and has not grown for 20 ms. */
async function standstill(count: () => number): Promise<void> {
  for (let before = 0; before === 0 || before < count();) {
    before = count();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

Deno.test("a client whose messages nobody takes has to wait", async () => {
  await using r = await rig(raw);
  const frame = clientFrame(2, new Uint8Array(64 * 1024));
  let written = 0;
  const writing = (async () => {
    for (; written < 1000; written++) await r.client.write(frame);
  })();
  await standstill(() => written);
  assertLess(written, 1000);
  let taken = 0;
  const all = Promise.withResolvers<void>();
  r.peer.onmessage = () => {
    if (++taken === 1000) all.resolve();
  };
  await writing;
  await within(all.promise, "the last message");
});

Deno.test("a message may be torn anywhere, into frames and into packets", async () => {
  await using r = await rig(raw);
  const frames = [
    clientFrame(1, "Grü", { fin: false }),
    clientFrame(0, new TextEncoder().encode("ße 🌍").subarray(0, 5), {
      fin: false,
    }),
    clientFrame(9, "between"),
    clientFrame(0, new TextEncoder().encode("ße 🌍").subarray(5)),
    clientFrame(2, new Uint8Array(300).fill(7)),
  ];
  for (const byte of frames.flatMap((frame) => [...frame])) {
    await r.client.write(Uint8Array.of(byte));
  }
  assertEquals(await r.peer.receive(), "Grüße 🌍");
  assertEquals(await r.peer.receive(), new Uint8Array(300).fill(7));
  assertEquals(await r.client.readFrame(), {
    opcode: 10,
    payload: new TextEncoder().encode("between"),
  });
});

Deno.test("control frames do not count towards the size of a fragmented message", async () => {
  await using r = await rig(raw, { maxMessageBytes: 100 });
  await r.client.write(clientFrame(2, new Uint8Array(60), { fin: false }));
  await r.client.write(clientFrame(9, new Uint8Array(100)));
  await r.client.write(clientFrame(0, new Uint8Array(40)));
  assertEquals(await r.peer.receive(), new Uint8Array(100));
});

Deno.test("nothing follows our close frame, not even a pong", async () => {
  await using r = await rig(raw);
  const closed = r.peer.close(4000);
  await r.client.write(clientFrame(9, "too late"));
  await r.client.write(clientFrame(8, Uint8Array.of(0x0f, 0xa0)));
  assertEquals((await r.client.readFrame())?.opcode, 8);
  assertEquals(await r.client.readFrame(), undefined);
  await closed;
});

Deno.test("a peer that stopped reading reads nothing until it resumes", async () => {
  await using r = await rig(raw);
  r.peer.onmessage = (data) => r.peer.send(data);
  r.peer.stopReading();
  // The read that was under way still brings something.
  await r.client.write(clientFrame(1, "a"));
  assertEquals(await r.client.readText(), "a");
  await r.client.write(clientFrame(1, "b"));
  const read = r.client.readText();
  const pause = new Promise((resolve) => setTimeout(resolve, 10, "nothing"));
  assertEquals(await Promise.race([read, pause]), "nothing");
  r.peer.resumeReading();
  assertEquals(await read, "b");
});

Deno.test("a ping resolves at the pong of the runtime's client", async () => {
  await using r = await rig(native);
  assertEquals(await Promise.all([r.peer.ping(), r.peer.ping()]), [true, true]);
  const unanswered = r.peer.ping();
  r.peer.reset();
  assertEquals(await unanswered, false);
  assertEquals(await r.peer.ping(), false);
});

Deno.test("the client sees the code and reason of a close", async () => {
  await using r = await rig(native);
  await r.peer.close(4321, "grün");
  const { code, reason, wasClean } = await r.client.next("close");
  assertEquals([code, reason, wasClean], [4321, "grün", true]);
  const seen = await r.peer.closed;
  assertEquals([seen.code, seen.wasClean], [4321, true]);
});

Deno.test("the peer sees the code and reason of the client's close", async () => {
  await using r = await rig(native);
  r.client.socket.close(3999, "bye");
  assertEquals(await r.peer.closed, {
    code: 3999,
    reason: "bye",
    wasClean: true,
  });
  const { code, wasClean } = await r.client.next("close");
  assertEquals([code, wasClean], [3999, true]);
});

Deno.test("a peer with more than it may hold still closes cleanly", async () => {
  await using r = await rig(raw);
  const flood = Array.from({ length: 20_000 }, () => [...clientFrame(1)]);
  await r.client.write(Uint8Array.from(flood.flat()));
  assertEquals(await r.peer.receive(), "");
  const closed = r.peer.close();
  assertEquals((await r.client.readFrame())?.opcode, 8);
  await r.client.write(clientFrame(8, Uint8Array.of(0x03, 0xe8)));
  await closed;
  assertEquals((await r.peer.closed).wasClean, true);
  // What came in while it was full and closing was not held as well.
  let held = 0;
  while (await r.peer.receive() !== undefined) held++;
  assertLess(held, 15_000);
});

Deno.test("an invalid close is the caller's error", async () => {
  await using r = await rig(raw);
  assertThrows(() => r.peer.close(1006), RangeError);
  assertThrows(() => r.peer.close(1000, "x".repeat(124)), RangeError);
});

Deno.test("a dropped client got all that was sent, and no close frame", async () => {
  await using r = await rig(native);
  for (let i = 0; i < 100; i++) r.peer.send(String(i));
  await r.peer.drop();
  const { code } = await r.client.next("close");
  assertEquals(code, 0);
  assertEquals(r.client.all("message").length, 100);
});

Deno.test("a reset client got all that was sent, and no close frame", async () => {
  await using r = await rig(native);
  for (let i = 0; i < 100; i++) r.peer.send(String(i));
  await r.peer.reset();
  assertEquals((await r.client.next("close")).code, 0);
  assertEquals(r.client.all("message").length, 100);
});

Deno.test("a black hole keeps the socket, and its senders wait", async () => {
  await using r = await rig(raw);
  r.peer.blackhole();
  let sent = false;
  const sending = r.peer.send("unsaid").then(() => {
    sent = true;
  });
  await r.client.write(clientFrame(9, "ping"));
  await r.client.write(clientFrame(8));
  const read = r.client.readFrame();
  const pause = new Promise((resolve) => setTimeout(resolve, 10, "nothing"));
  assertEquals(await Promise.race([read, pause]), "nothing");
  assertEquals([r.peer.state, sent], ["open", false]);
  r.peer.drop();
  assertEquals(await read, undefined);
  await sending;
});

Deno.test("sending after the end rejects, and may be ignored", async () => {
  await using r = await rig(raw);
  r.peer.close();
  r.peer.send("ignored");
  r.peer.sendMany(["ignored"]);
  await assertRejects(() => r.peer.send("x"), PeerClosedError, "closing");
  r.client[Symbol.dispose]();
  await r.peer.closed;
  await assertRejects(() => r.peer.sendMany(["x"]), PeerClosedError, "closed");
  assertEquals(await r.peer.receive(), undefined);
});

Deno.test("what a callback throws closes with 1011, and is told", async () => {
  const failures: unknown[] = [];
  await using r = await rig(native, {
    onError: (error) => failures.push(error),
  });
  const bug = new Error("bug");
  const got: unknown[] = [];
  r.peer.onmessage = (data) => {
    got.push(data);
    throw bug;
  };
  r.client.socket.send("a");
  r.client.socket.send("b");
  assertEquals((await r.client.next("close")).code, 1011);
  assertEquals(failures, [bug]);
  assertEquals(got, ["a"]);
});

Deno.test("a callback that sends to a peer that left is no failure", async () => {
  const failures: unknown[] = [];
  await using r = await rig(native, {
    onError: (error) => failures.push(error),
  });
  r.peer.onmessage = async () => {
    await r.peer.drop();
    await r.peer.send("too late");
  };
  r.client.socket.send("a");
  await r.client.next("close");
  await r.peer.closed;
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(failures, []);
});

Deno.test("chaos hits the same messages in each run", async () => {
  const counts: number[] = [];
  for (let run = 0; run < 2; run++) {
    await using r = await rig(native, { chaos: parseChaos("drop=5%", 7) });
    for (let i = 0; i < 1000; i++) r.peer.send(String(i));
    await r.client.next("close");
    counts.push(r.client.all("message").length);
  }
  assertEquals(counts[0], counts[1]);
  assertLess(counts[0] ?? 0, 1000);
});

Deno.test("chaos hits messages of the client too, and delivers none after", async () => {
  await using r = await rig(native, { chaos: parseChaos("close=1012=5%", 7) });
  const got: unknown[] = [];
  r.peer.onmessage = (data) => got.push(data);
  for (let i = 0; i < 1000; i++) r.client.socket.send(String(i));
  assertEquals((await r.client.next("close")).code, 1012);
  assertLess(got.length, 1000);
  assertEquals(got, Array.from({ length: got.length }, (_, i) => String(i)));
});

Deno.test("latency delays the close frame too, so that nothing is lost", async () => {
  await using r = await rig(native, {
    chaos: parseChaos("latency=5..20ms", 7),
  });
  const start = performance.now();
  for (let i = 0; i < 100; i++) r.peer.send(String(i));
  await r.peer.close();
  await r.client.next("close");
  assertLess(4.9, performance.now() - start);
  assertEquals(
    r.client.all("message").map(({ data }) => data),
    Array.from({ length: 100 }, (_, i) => String(i)),
  );
});
