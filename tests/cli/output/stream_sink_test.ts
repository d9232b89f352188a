import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import fc from "fast-check";
import {
  type StreamOwner,
  StreamSink,
} from "../../../src/cli/output/stream_sink.ts";
import { TempFile } from "../../support/temp_file.ts";
import type { SlowRead, SlowReading } from "./slow_reader.ts";

/** Enough to see most mistakes; more by hand. */
const RUNS = 8;

const isWindows = Deno.build.os === "windows";

/** A sink that writes to a FIFO; nothing ends its blocks but the reader. */
function sinkTo(
  path: string,
  capacity: number,
  owner: Partial<StreamOwner> = {},
): StreamSink {
  const options = { capacity, direct: 0 };
  return new StreamSink({ kind: "path", path }, options, () => ({
    deadline: Infinity,
    interrupt: () => {},
    outputFailed: (error) => {
      throw error;
    },
    ...owner,
  }));
}

async function makeFifo(folder: string): Promise<string> {
  const path = `${folder}/fifo`;
  await new Deno.Command("mkfifo", { args: [path] }).output();
  return path;
}

/**
 * Reads a FIFO in another thread. Its end is where the sink and `close` have
 * closed it, even if the sink has not come to open it.
 */
async function readSlowly(path: string, reads: readonly SlowRead[]) {
  const keeper = await Deno.open(path, { read: true, write: true });
  const url = import.meta.resolve("./slow_reader.ts");
  const worker = new Worker(url, { type: "module" });
  const { port1, port2 } = new MessageChannel();
  const opened = Promise.withResolvers<void>();
  const all = Promise.withResolvers<Uint8Array>();
  port1.onmessage = ({ data }: MessageEvent<"open" | Uint8Array>) => {
    if (data === "open") opened.resolve();
    else all.resolve(data);
  };
  const message: SlowReading = { path, reads, port: port2 };
  worker.postMessage(message, [port2]);
  await opened.promise;
  return {
    close: async () => {
      keeper.close();
      const bytes = await all.promise;
      port1.close();
      worker.terminate();
      return bytes;
    },
  };
}

/** Bytes that differ from their neighbours near and far. */
function numbered(from: number, length: number): Uint8Array {
  return Uint8Array.from(
    { length },
    (_, i) => ((from + i) * 2654435761 >>> 16) & 0xff,
  );
}

const reads: fc.Arbitrary<SlowRead[]> = fc.array(
  fc.record({
    most: fc.constantFrom(1, 100, 4096, 65_536, 1_000_000),
    pause: fc.constantFrom(0, 0, 0, 1, 20),
  }),
  { maxLength: 12 },
).map((reads) => [...reads, { most: 65_536, pause: 0 }]);

const sizes = fc.array(
  fc.oneof(fc.nat(10), fc.nat(5_000), fc.nat(150_000)),
  { minLength: 1, maxLength: 30 },
);

/** Waits until everything is written, however long that takes. */
async function untilWritten(sink: StreamSink): Promise<void> {
  const { signal } = new AbortController();
  assert(await sink.written({ signal, left: Infinity }));
}

Deno.test({
  name: "every byte arrives once and in order, however slow the reader is",
  ignore: isWindows,
  fn: async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(1024, 16_384, 131_072),
        sizes,
        reads,
        async (capacity, sizes, reads) => {
          using temp = new TempFile();
          const path = await makeFifo(temp.folder);
          const reader = await readSlowly(path, reads);
          const sink = sinkTo(path, capacity);
          let sent = 0;
          for (const size of sizes) {
            const bytes = numbered(sent, size);
            sink.write(bytes);
            // As `Output` does, whose memory is used again.
            bytes.fill(0);
            sent += size;
          }
          await untilWritten(sink);
          assertEquals(sink.pending, 0);
          sink.stop();
          const all = await reader.close();
          assertEquals(all.length, sent);
          const expected = numbered(0, sent);
          assert(all.every((byte, i) => byte === expected[i]));
        },
      ),
      { numRuns: RUNS },
    );
  },
});

Deno.test({
  name: "every byte arrives, or counts as not written, after the deadline",
  ignore: isWindows,
  fn: async () => {
    await fc.assert(
      fc.asyncProperty(
        sizes,
        reads,
        fc.nat(60),
        fc.nat(60),
        async (sizes, reads, deadline, left) => {
          using temp = new TempFile();
          const path = await makeFifo(temp.folder);
          const reader = await readSlowly(path, reads);
          let isOver = false;
          const sink = sinkTo(path, 16_384, {
            deadline: performance.now() + deadline,
            interrupt: () => isOver = true,
          });
          let sent = 0;
          for (const size of sizes) {
            sink.write(numbered(sent, size));
            sent += size;
            // What an interrupted block leaves is written later.
            if (isOver) break;
          }
          const limit = AbortSignal.timeout(left);
          const all = await sink.written({
            signal: limit,
            get left() {
              return limit.aborted ? 0 : left;
            },
          });
          const { pending } = sink;
          assertEquals(all, pending === 0);
          sink.stop();
          const bytes = await reader.close();
          // A write that was in progress may have been read since.
          assertGreater(bytes.length + 1, sent - pending);
          const expected = numbered(0, sent);
          assert(bytes.every((byte, i) => byte === expected[i]));
        },
      ),
      { numRuns: RUNS },
    );
  },
});

Deno.test({
  name: "memory is bounded though the event loop does not turn",
  ignore: isWindows,
  fn: async () => {
    using temp = new TempFile();
    const path = await makeFifo(temp.folder);
    const reader = await readSlowly(path, []);
    const sink = sinkTo(path, 65_536);
    const bytes = new Uint8Array(1024 * 1024);
    const pending = Array.from({ length: 64 }, () => {
      sink.write(bytes);
      return sink.pending;
    });
    assertLess(Math.max(...pending), 18 * 1024 * 1024);
    await untilWritten(sink);
    sink.stop();
    assertEquals((await reader.close()).length, 64 * bytes.length);
  },
});

Deno.test({
  name: "a limit of time counts though no timer gets a chance to say so",
  ignore: isWindows,
  fn: async () => {
    using temp = new TempFile();
    const path = await makeFifo(temp.folder);
    // A reader that reads nothing.
    using _reader = await Deno.open(path, { read: true, write: true });
    const sink = sinkTo(path, 1024 * 1024);
    sink.write(new Uint8Array(1024 * 1024));
    const { signal } = new AbortController();
    assertEquals(await sink.written({ signal, left: 0 }), false);
    assertGreater(sink.pending, 0);
    sink.stop();
  },
});

Deno.test("a write that was begun in time has a chance to end, on a busy machine too", async () => {
  const module = import.meta.resolve("../../../src/cli/output/stream_sink.ts");
  // Without a turn of the event loop none of them could be seen to have ended.
  const code = `import { StreamSink } from ${JSON.stringify(module)};
    for (let i = 0; i < 20; i++) {
      const options = { capacity: 1024, direct: 1024 };
      const sink = new StreamSink({ kind: "stdout" }, options, () => {});
      sink.write(new TextEncoder().encode("a line\\n"));
      const limit = { signal: AbortSignal.abort(), left: 0 };
      if (await sink.written(limit)) Deno.exit(0);
    }
    Deno.exit(1);`;
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", code],
  }).output();
  assert(success);
});
