import { assertEquals } from "@std/assert";
import { BatchWriter, HIGH_WATER } from "../../src/server/batch_writer.ts";
import { encodeFrame, Opcode } from "../../src/server/frames.ts";

/** Keeps what is written; each write waits until it is let go, if held. */
class Sink {
  readonly writes: Uint8Array[] = [];
  /** How many bytes a write takes at most. */
  takes = Infinity;
  #hold: PromiseWithResolvers<void> | undefined;
  failure: Error | undefined;

  async write(bytes: Uint8Array): Promise<number> {
    await this.#hold?.promise;
    if (this.failure !== undefined) throw this.failure;
    const taken = bytes.slice(0, this.takes);
    this.writes.push(taken);
    return taken.length;
  }

  hold(): void {
    this.#hold = Promise.withResolvers();
  }

  release(): void {
    this.#hold?.resolve();
    this.#hold = undefined;
  }

  get bytes(): number[] {
    return this.writes.flatMap((write) => [...write]);
  }
}

function rig() {
  const sink = new Sink();
  const failures: unknown[] = [];
  const writer = new BatchWriter(sink, (error) => failures.push(error));
  return { sink, writer, failures };
}

function textFrame(text: string): number[] {
  return [...encodeFrame(Opcode.text, new TextEncoder().encode(text))];
}

Deno.test("what is sent in one go leaves in one write, in order", async () => {
  const { sink, writer } = rig();
  writer.text("a");
  writer.frame(Opcode.binary, Uint8Array.of(1, 2));
  writer.frame(Opcode.ping, new Uint8Array());
  await writer.flush();
  assertEquals(sink.writes.length, 1);
  assertEquals(sink.bytes, [...textFrame("a"), 0x82, 2, 1, 2, 0x89, 0]);
});

Deno.test("texts are UTF-8 with a header of the right size", async () => {
  // Sizes at which the header guessed from the characters is too short.
  const texts = [
    "",
    "x".repeat(125),
    "ü".repeat(62),
    "ü".repeat(63),
    "世".repeat(100),
    "x".repeat(65535),
    "ü".repeat(40_000),
    "🌍 and a lone \ud800 surrogate",
  ];
  for (const text of texts) {
    const { sink, writer } = rig();
    writer.text("before");
    writer.text(text);
    writer.text("after");
    await writer.flush();
    assertEquals(
      sink.bytes,
      ["before", text, "after"].flatMap(textFrame),
      `${text.length} characters`,
    );
  }
});

Deno.test("a write that takes a part is followed by the rest", async () => {
  const { sink, writer } = rig();
  sink.takes = 3;
  writer.text("hello");
  await writer.flush();
  assertEquals(sink.bytes, textFrame("hello"));
  assertEquals(sink.writes.length, 3);
});

Deno.test("what comes during a write leaves in the next one", async () => {
  const { sink, writer } = rig();
  sink.hold();
  writer.text("a");
  await Promise.resolve();
  writer.text("b");
  writer.text("c");
  sink.release();
  await writer.flush();
  assertEquals(sink.writes.map((write) => write.length), [3, 6]);
  assertEquals(writer.size, 0);
});

Deno.test("the size counts what waits and what is being written", async () => {
  const { sink, writer } = rig();
  sink.hold();
  writer.text("a");
  assertEquals(writer.size, 3);
  await Promise.resolve();
  writer.text("b");
  assertEquals(writer.size, 6);
  sink.release();
  await writer.flush();
  assertEquals(writer.size, 0);
});

Deno.test("a full writer has relief when enough was written", async () => {
  const { sink, writer } = rig();
  sink.hold();
  writer.frame(Opcode.binary, new Uint8Array(HIGH_WATER - 100));
  assertEquals(writer.full, false);
  await writer.drained();
  writer.frame(Opcode.binary, new Uint8Array(100));
  assertEquals(writer.full, true);
  let relieved = false;
  const relief = writer.drained().then(() => {
    relieved = true;
  });
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(relieved, false);
  sink.release();
  await relief;
  await writer.flush();
});

Deno.test("a writer that is full again gives no relief", async () => {
  const { sink, writer } = rig();
  sink.hold();
  writer.frame(Opcode.binary, new Uint8Array(HIGH_WATER));
  await Promise.resolve();
  writer.frame(Opcode.binary, new Uint8Array(HIGH_WATER));
  let relieved = false;
  const relief = writer.drained().then(() => {
    relieved = true;
  });
  sink.release();
  sink.hold();
  while (sink.writes.length < 1) await new Promise((r) => setTimeout(r));
  assertEquals([sink.writes.length, relieved], [1, false]);
  sink.release();
  await relief;
  await writer.flush();
});

Deno.test("large writes that succeed at once let the event loop turn", async () => {
  const { writer } = rig();
  let turned = false;
  setTimeout(() => {
    turned = true;
  });
  const payload = new Uint8Array(HIGH_WATER);
  const limit = performance.now() + 5000;
  while (!turned && performance.now() < limit) {
    writer.frame(Opcode.binary, payload);
    await writer.drained();
  }
  assertEquals(turned, true);
  await writer.flush();
});

Deno.test("a failed write is told once, and ends all waiting", async () => {
  const { sink, writer, failures } = rig();
  sink.failure = new Error("broken");
  writer.frame(Opcode.binary, new Uint8Array(HIGH_WATER));
  await Promise.all([writer.drained(), writer.flush()]);
  writer.text("more");
  await writer.flush();
  assertEquals(failures, [sink.failure]);
  assertEquals(sink.writes, []);
});

Deno.test("a stopped writer writes nothing more", async () => {
  const { sink, writer } = rig();
  sink.hold();
  sink.takes = 1;
  writer.text("a");
  await Promise.resolve();
  writer.frame(Opcode.binary, new Uint8Array(HIGH_WATER));
  const relief = writer.drained();
  writer.stop();
  assertEquals(writer.size, 3); // what is being written
  await relief;
  writer.text("c");
  sink.release();
  await writer.flush();
  assertEquals(sink.bytes.length, 1);
  assertEquals(writer.size, 0);
});
