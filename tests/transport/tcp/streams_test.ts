import { assert, assertEquals } from "@std/assert";
import { byteLength, type Message } from "../../../src/message.ts";
import type { ByteStream } from "../../../src/transport/tcp/byte_stream.ts";
import {
  type ReceiveEvents,
  Receiver,
} from "../../../src/transport/tcp/receiver.ts";
import { TcpSocket } from "../../../src/transport/tcp/tcp_socket.ts";
import { WriteQueue } from "../../../src/transport/tcp/write_queue.ts";
import {
  closeBody,
  concat,
  Feed,
  frame,
  Opcode,
} from "../../protocol/frames.ts";
import type { SocketEnd } from "../../../src/transport/transport.ts";
import { untilNextTurn } from "../../../src/turns.ts";
import { Recorder } from "../../support/events.ts";
import { spin } from "../../support/spin.ts";

/** A stream whose reads and writes end when the test says so. */
class FakeStream implements ByteStream {
  readonly events = new Recorder<{ read: number; write: Uint8Array }>();
  #read: ((count: number | null) => void) | undefined;
  #into: Uint8Array = new Uint8Array(0);
  #written: ((count: number) => void) | undefined;
  /** The bytes of the last write, where its sender keeps them. */
  writing: Uint8Array = new Uint8Array(0);

  read(into: Uint8Array): Promise<number | null> {
    this.#into = into;
    const { promise, resolve } = Promise.withResolvers<number | null>();
    this.#read = resolve;
    this.events.add("read", into.length);
    return promise;
  }

  write(bytes: Uint8Array): Promise<number> {
    const { promise, resolve } = Promise.withResolvers<number>();
    this.#written = resolve;
    this.writing = bytes;
    this.events.add("write", bytes.slice());
    return promise;
  }

  closeWrite(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {}

  /** Ends the pending read with as many of these bytes as fit. */
  give(bytes: Uint8Array): Uint8Array {
    const some = bytes.subarray(0, this.#into.length);
    this.#into.set(some);
    this.#read?.(some.length);
    return bytes.subarray(some.length);
  }

  end(): void {
    this.#read?.(null);
  }

  /** Ends the pending write. */
  take(count: number): void {
    this.#written?.(count);
  }
}

const KIB = 1024;

const IGNORED: ReceiveEvents = {
  onMessage: () => {},
  hasUnread: false,
  onPing: () => {},
  onPong: () => {},
  onClose: () => {},
  onViolation: () => {},
  onReadEnd: () => {},
};

Deno.test("a read waits with a small buffer, which grows under load and shrinks again", async () => {
  const stream = new FakeStream();
  const { events } = stream;
  let messages = 0;
  const receiver = new Receiver(stream, {
    ...IGNORED,
    onMessage: () => messages++,
  }, { maxMessageBytes: 1_000_000 });
  const running = receiver.run(new Uint8Array(2 * KIB).subarray(0, 0));
  const message = frame("server", Opcode.text, "x".repeat(98));
  let rest: Uint8Array = concat(...Array.from({ length: 6000 }, () => message));
  const sizes: number[] = [];
  while (rest.length > 0) {
    sizes.push(await events.next("read"));
    rest = stream.give(rest);
  }
  sizes.push(await events.next("read"));
  // What a frame has begun with lies in the buffer, too: up to 99 bytes.
  const rounded = sizes.map((size) => Math.ceil(size / KIB));
  assertEquals(rounded.slice(0, 4), [2, 20, 256, 256]);
  // More may follow at once; if only a little does, the burst is over.
  const last = rounded.at(-1);
  assert(last === 20 || last === 2, `${last} KiB`);
  stream.give(message);
  assertEquals(await events.next("read"), 2 * KIB);
  stream.end();
  await running;
  assertEquals(messages, 6001);
  assertEquals(receiver.bytesRead, 600_100);
});

Deno.test("the large buffer of an ended connection serves the next one", async () => {
  const message = frame("server", Opcode.text, "x".repeat(98));
  const bytes = concat(...Array.from({ length: 3000 }, () => message));
  async function largeBuffer(): Promise<ArrayBufferLike | undefined> {
    let memory: ArrayBufferLike | undefined;
    const stream = Object.assign(new FakeStream(), {
      read(into: Uint8Array) {
        if (into.buffer.byteLength === 256 * KIB) memory = into.buffer;
        if (memory !== undefined) return Promise.resolve(null);
        // Whole frames, as many as fit and a bit of the next one.
        into.set(bytes.subarray(0, into.length));
        return Promise.resolve(into.length);
      },
    });
    const options = { maxMessageBytes: 1_000_000 };
    const receiver = new Receiver(stream, IGNORED, options);
    await receiver.run(new Uint8Array(2 * KIB).subarray(0, 0));
    return memory;
  }
  const first = await largeBuffer();
  assert(first !== undefined);
  assert(await largeBuffer() === first, "it is another one");
});

Deno.test("the buffer grows for a frame that needs it", async () => {
  const stream = new FakeStream();
  const { events } = stream;
  const seen: unknown[] = [];
  const receiver = new Receiver(stream, {
    ...IGNORED,
    onMessage: (data) => seen.push(data),
  }, { maxMessageBytes: 1_000_000 });
  const running = receiver.run(new Uint8Array(2 * KIB).subarray(0, 0));
  const text = "x".repeat(10_000);
  const bytes = frame("server", Opcode.text, text);
  await events.next("read");
  stream.give(bytes.subarray(0, 100));
  assertEquals(await events.next("read"), 20 * KIB - 100);
  stream.give(bytes.subarray(100));
  await events.next("read");
  assertEquals(seen, [text]);
  stream.end();
  await running;
});

Deno.test("reads that take long without waiting do not keep timers waiting", async () => {
  const message = frame("server", Opcode.text, "x");
  let hasFired = false;
  let reads = 0;
  // The bytes are always there, and other work takes the processor meanwhile.
  const stream: ByteStream = Object.assign(new FakeStream(), {
    read(into: Uint8Array) {
      spin(2);
      if (hasFired || ++reads === 200) return Promise.resolve(null);
      into.set(message);
      return Promise.resolve(message.length);
    },
  });
  const receiver = new Receiver(stream, IGNORED, { maxMessageBytes: 100 });
  const timer = setTimeout(() => hasFired = true, 0);
  await receiver.run(new Uint8Array(2 * KIB).subarray(0, 0));
  clearTimeout(timer);
  assert(hasFired, `no timer fired during ${reads} reads`);
});

Deno.test("many bursts at the same time do not keep timers waiting", async () => {
  const message = frame("server", Opcode.text, "x");
  let messages = 0;
  let turns = 0;
  const receivers = Array.from({ length: 20 }, () => {
    const stream: ByteStream = Object.assign(new FakeStream(), {
      read(into: Uint8Array) {
        if (turns >= 6 || messages > 3000) return Promise.resolve(null);
        into.set(message);
        return Promise.resolve(message.length);
      },
    });
    const events = {
      ...IGNORED,
      onMessage: () => {
        messages++;
        spin(0.2);
      },
    };
    return new Receiver(stream, events, { maxMessageBytes: 100 });
  });
  const timer = setInterval(() => {
    // At first nobody knows of the others.
    if (++turns === 1) messages = 0;
  }, 1);
  await Promise.all(receivers.map((receiver) => {
    return receiver.run(new Uint8Array(2 * KIB).subarray(0, 0));
  }));
  clearInterval(timer);
  // Five slices of 4 ms are 100 messages; each receiver gets one at least.
  assert(messages < 500, `${messages} messages during ${turns} turns`);
});

Deno.test("a close by a server that has hung up is not waited for when it cannot be answered", async () => {
  const stream = Object.assign(new FakeStream(), {
    write: () => Promise.reject(new Deno.errors.BrokenPipe("Broken pipe")),
  });
  const socket = new TcpSocket({
    url: "ws://localhost/",
    protocol: "",
    head: "",
    stream,
    rest: new Uint8Array(0),
    maxMessageBytes: 1_000_000,
  });
  const ends: SocketEnd[] = [];
  socket.listen({ onMessage: () => {}, onEnd: (end) => ends.push(end) });
  await stream.events.next("read");
  socket.send("cannot be written");
  await untilNextTurn();
  stream.give(frame("server", Opcode.close, closeBody(1012, "restart")));
  await stream.events.next("read");
  assertEquals(ends, []);
  stream.end();
  await untilNextTurn();
  assertEquals(ends, [{ code: 1012, reason: "restart", wasClean: false }]);
});

function makeQueue(stream: FakeStream) {
  const progress: number[] = [];
  const closed: boolean[] = [];
  const queue = new WriteQueue(stream, {
    onProgress: () => progress.push(queue.buffered),
    onCloseWritten: () => closed.push(true),
    onWriteError: () => {},
  });
  return { queue, progress, closed };
}

function add(queue: WriteQueue, data: Message): void {
  queue.add(data, byteLength(data));
}

/** The frames in these bytes, as a server sees them. */
function seen(bytes: Uint8Array) {
  const feed = new Feed("server");
  feed.push(bytes);
  return feed.seen;
}

Deno.test("one write at a time; what comes meanwhile leaves with the next", async () => {
  const stream = new FakeStream();
  const { events } = stream;
  const { queue, progress } = makeQueue(stream);
  add(queue, "a");
  add(queue, "b");
  assertEquals(events.names, []);
  const first = await events.next("write");
  assertEquals(seen(first), [{ text: "a" }, { text: "b" }]);
  add(queue, "c");
  add(queue, "d");
  queue.addPong(new TextEncoder().encode("ping"));
  assertEquals(events.names.length, 1);
  stream.take(first.length);
  const second = await events.next("write");
  assertEquals(seen(second), [{ pong: "ping" }]);
  stream.take(second.length);
  const third = await events.next("write");
  assertEquals(seen(third), [{ text: "c" }, { text: "d" }]);
  stream.take(third.length);
  while (queue.buffered > 0) await Promise.resolve();
  assertEquals(progress, [2, 0]);
  queue.stop();
});

Deno.test("a write may take a part; only whole messages count as written", async () => {
  const stream = new FakeStream();
  const { events } = stream;
  const { queue, progress } = makeQueue(stream);
  add(queue, "one");
  add(queue, "three");
  const all = await events.next("write");
  stream.take(9 + 4);
  const rest = await events.next("write");
  assertEquals(rest.length, all.length - 13);
  assertEquals([progress, queue.buffered], [[5], 5]);
  stream.take(rest.length - 1);
  const last = await events.next("write");
  assertEquals([last.length, queue.buffered], [1, 5]);
  queue.stop();
  assertEquals(queue.buffered, 5);
});

Deno.test("a flood of pings keeps the first pongs and the latest", async () => {
  const stream = new FakeStream();
  const { events } = stream;
  const { queue } = makeQueue(stream);
  add(queue, "busy");
  const busy = await events.next("write");
  for (let n = 0; n < 100_000; n++) {
    queue.addPong(new TextEncoder().encode(`${n}`));
  }
  stream.take(busy.length);
  const first = await events.next("write");
  assert(first.length <= KIB, `${first.length} bytes`);
  assertEquals(seen(first)[0], { pong: "0" });
  stream.take(first.length);
  const second = await events.next("write");
  assertEquals(seen(second), [{ pong: "99999" }]);
  queue.stop();
});

Deno.test("the close frame leaves last, and nothing after it", async () => {
  const stream = new FakeStream();
  const { events } = stream;
  const { queue, closed } = makeQueue(stream);
  const close = frame("client", Opcode.close);
  add(queue, "before");
  queue.close(close);
  queue.addPong(new Uint8Array(0));
  queue.addPing(new Uint8Array(0));
  const first = await events.next("write");
  assertEquals(seen(first), [{ text: "before" }]);
  stream.take(first.length);
  assertEquals(await events.next("write"), close);
  assertEquals(closed, []);
  stream.take(close.length);
  while (closed.length === 0) await Promise.resolve();
  add(queue, "after");
  assertEquals(queue.buffered, 5);
  assertEquals(events.all("write").length, 2);
});

Deno.test("a large message has a write of its own, in its place", async () => {
  const stream = new FakeStream();
  const { events } = stream;
  const { queue } = makeQueue(stream);
  const large = new Uint8Array(600_000).fill(7);
  add(queue, "before");
  add(queue, large);
  add(queue, "after");
  const parts: Uint8Array[] = [];
  for (let count = 0; count < 3; count++) {
    const bytes = await events.next("write");
    parts.push(bytes);
    stream.take(bytes.length);
  }
  assertEquals(parts[1]?.length, 600_000 + 14);
  assertEquals(seen(concat(...parts)), [
    { text: "before" },
    { binary: large },
    { text: "after" },
  ]);
  queue.stop();
});

Deno.test("a buffer is used again only once its write has ended", async () => {
  let next = 0;
  async function startWrite() {
    const stream = new FakeStream();
    const { queue } = makeQueue(stream);
    const content = () => new Uint8Array(200_000).fill(++next);
    // Two batches: the second one waits for the first.
    const [first, second] = [content(), content()];
    add(queue, first);
    add(queue, second);
    await stream.events.next("write");
    return { stream, queue, first, second };
  }
  const start = (count: number) =>
    Promise.all(Array.from({ length: count }, startWrite));

  const [stopped, others] = [await start(3), await start(3)];
  for (const { queue } of stopped) queue.stop();
  const later = await start(3);
  for (const { stream } of stopped) stream.take(stream.writing.length);
  later.push(...await start(6));
  for (const { stream, first } of [...others, ...later]) {
    assertEquals(seen(stream.writing.slice()), [{ binary: first }]);
  }
  for (const { stream } of [...others, ...later]) {
    stream.take(stream.writing.length);
    await stream.events.next("write");
  }
  for (const { stream, queue, second } of [...others, ...later]) {
    assertEquals(seen(stream.writing.slice()), [{ binary: second }]);
    queue.stop();
  }
});
