import { assertEquals, assertLess } from "@std/assert";
import { Opcode } from "../../src/protocol/frames.ts";
import {
  BatchWriter,
  HIGH_WATER,
  QueuedWriter,
} from "../../src/server/frame_writer.ts";

/** A sink that takes everything at once, or nothing until it is told to. */
class Sink {
  readonly writes: number[] = [];
  bytes: number[] = [];
  #blocked: PromiseWithResolvers<void> | undefined;

  block(): void {
    this.#blocked = Promise.withResolvers();
  }

  unblock(): void {
    this.#blocked?.resolve();
    this.#blocked = undefined;
  }

  async write(bytes: Uint8Array): Promise<number> {
    await this.#blocked?.promise;
    this.writes.push(bytes.length);
    if (this.bytes.length < 1_000) this.bytes.push(...bytes.subarray(0, 1_000));
    return bytes.length;
  }
}

function fail(error: unknown): never {
  throw error;
}

const NOTHING = new Uint8Array();

Deno.test("messages sent in one go leave in one write", async () => {
  const sink = new Sink();
  const writer = new BatchWriter(sink, fail);
  for (const text of ["a", "b", "c"]) writer.message(text);
  await writer.flush();
  assertEquals(sink.writes, [9]);
  assertEquals(sink.bytes, [0x81, 1, 97, 0x81, 1, 98, 0x81, 1, 99]);
});

Deno.test("while one batch is written the next one fills, in order", async () => {
  const sink = new Sink();
  const writer = new BatchWriter(sink, fail);
  sink.block();
  writer.message("first");
  await Promise.resolve();
  for (let i = 0; i < 10_000; i++) writer.message(new Uint8Array(10));
  writer.message(new Uint8Array(200_000));
  writer.control(Opcode.close, NOTHING);
  sink.unblock();
  await writer.flush();
  const all = 7 + 10_000 * 12 + 200_010 + 2;
  assertEquals(sink.writes.reduce((sum, size) => sum + size), all);
  assertEquals([sink.writes[0], sink.writes.at(-1)], [7, 2]);
  assertLess(sink.writes.length, 8);
  assertEquals(writer.size, 0);
});

Deno.test("a full writer resolves drained() when the sink has taken enough", async () => {
  const sink = new Sink();
  const writer = new BatchWriter(sink, fail);
  await writer.drained();
  sink.block();
  writer.message(new Uint8Array(HIGH_WATER));
  assertEquals(writer.full, true);
  let drained = false;
  const waiting = writer.drained().then(() => drained = true);
  await Promise.resolve();
  assertEquals(drained, false);
  sink.unblock();
  await waiting;
  assertEquals(writer.full, false);
});

Deno.test("a failed write is reported once, and nothing is written after it", async () => {
  const errors: unknown[] = [];
  let writes = 0;
  const broken = new Error("broken");
  const writer = new BatchWriter({
    write: () => {
      writes++;
      return Promise.reject(broken);
    },
  }, (error) => errors.push(error));
  writer.message(new Uint8Array(HIGH_WATER));
  const drained = writer.drained();
  await writer.flush();
  await drained;
  writer.message("more");
  await writer.flush();
  assertEquals([errors, writes, writer.size], [[broken], 1, 0]);
});

Deno.test("a stopped writer lets waiting senders go", async () => {
  const sink = new Sink();
  const writer = new BatchWriter(sink, fail);
  sink.block();
  writer.message(new Uint8Array(HIGH_WATER));
  const drained = writer.drained();
  writer.stop();
  await drained;
  sink.unblock();
  await writer.flush();
});

Deno.test("delayed frames leave later, but in order", async () => {
  const sink = new Sink();
  const latencies = [30, 10, 0];
  const writer = new QueuedWriter(new BatchWriter(sink, fail), {
    latency: (message) => latencies[message] ?? 0,
  });
  for (const text of ["a", "b"]) writer.message(text);
  writer.control(Opcode.close, NOTHING);
  await new Promise((resolve) => setTimeout(resolve, 1));
  assertEquals(sink.bytes, []);
  await writer.flush();
  assertEquals(sink.bytes, [0x81, 1, 97, 0x81, 1, 98, 0x88, 0]);
});

Deno.test("delayed empty frames fill the queue too", () => {
  const writer = new QueuedWriter(new BatchWriter(new Sink(), fail), {
    latency: () => 60_000,
  });
  for (let i = 0; i < 10_000; i++) writer.control(Opcode.pong, NOTHING);
  assertEquals(writer.full, true);
  writer.stop();
});

Deno.test("stopping a delayed writer ends its timer and its waiting senders", async () => {
  const writer = new QueuedWriter(new BatchWriter(new Sink(), fail), {
    latency: () => 60_000,
  });
  writer.message(new Uint8Array(HIGH_WATER));
  const drained = writer.drained();
  const flushed = writer.flush();
  writer.stop();
  await drained;
  await flushed;
  assertEquals(writer.size, 0);
});
