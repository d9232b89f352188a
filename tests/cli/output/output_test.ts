import { setImmediate } from "node:timers";
import { assert, assertEquals, assertGreater, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Output } from "../../../src/cli/output/output.ts";
import {
  blockingSink,
  type Sink,
  type SyncWriter,
} from "../../../src/cli/stdio.ts";
import { anyText } from "../../support/texts.ts";

/** Everything that was written, a copy each, since batches share their room. */
class Written implements Sink {
  readonly batches: Uint8Array[] = [];

  write(bytes: Uint8Array): void {
    this.batches.push(bytes.slice());
  }

  get bytes(): Uint8Array {
    const length = this.batches.reduce((sum, { length }) => sum + length, 0);
    const all = new Uint8Array(length);
    let at = 0;
    for (const batch of this.batches) {
      all.set(batch, at);
      at += batch.length;
    }
    return all;
  }

  get text(): string {
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(this.bytes);
  }
}

function fail(error: unknown): never {
  throw error;
}

function outputWith(delimiter = "\n") {
  const written = new Written();
  return { written, output: new Output(written, delimiter, fail) };
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

Deno.test("messages of one turn are written together when the turn ends", async () => {
  const { written, output } = outputWith();
  output.text("a");
  output.text("");
  output.text("c");
  assertEquals(written.batches.length, 0);
  await nextTurn();
  assertEquals(written.batches.length, 1);
  assertEquals(written.text, "a\n\nc\n");
});

Deno.test("the next turn has its own batch, and a quiet one has none", async () => {
  const { written, output } = outputWith();
  output.text("a");
  await nextTurn();
  await nextTurn();
  output.text("b");
  await nextTurn();
  assertEquals(written.batches.length, 2);
  assertEquals(written.text, "a\nb\n");
});

Deno.test("a batch that is large enough does not wait for the end of the turn", async () => {
  const { written, output } = outputWith();
  output.text("x".repeat(256 * 1024 - 2));
  assertEquals(written.batches.length, 0);
  output.text("");
  assertEquals(written.batches.length, 1);
  await nextTurn();
  assertEquals(written.batches.length, 1);
  assertEquals(written.bytes.length, 256 * 1024);
});

Deno.test("without batches each message is written by itself, at once", () => {
  const written = new Written();
  const output = new Output(written, "\n", fail, 0);
  output.text("a");
  output.text("b");
  assertEquals(written.batches.length, 2);
  assertEquals(written.text, "a\nb\n");
});

Deno.test("flush writes at once, and nothing twice", async () => {
  const { written, output } = outputWith();
  output.text("a");
  output.flush();
  assertEquals(written.text, "a\n");
  output.flush();
  await nextTurn();
  assertEquals(written.batches.length, 1);
});

Deno.test("bytes go as they are, after the texts before them", async () => {
  const { written, output } = outputWith();
  output.text("a");
  output.bytes(Uint8Array.of(0xff, 0x0a, 0x00));
  output.text("b");
  await nextTurn();
  assertEquals([...written.bytes], [97, 10, 0xff, 10, 0, 10, 98, 10]);
});

Deno.test("bytes and their delimiter are written together, so that no file ends between them", () => {
  const { written, output } = outputWith("--");
  output.text("a");
  output.bytes(Uint8Array.of(98));
  output.bytes(Uint8Array.of(99));
  output.flush();
  assertEquals(written.batches.length, 2);
  assertEquals(written.text, "a--b--c--");
});

Deno.test("without a delimiter nothing is added", async () => {
  const { written, output } = outputWith("");
  output.bytes(Uint8Array.of(1));
  output.text("");
  output.bytes(Uint8Array.of(2));
  await nextTurn();
  assertEquals([...written.bytes], [1, 2]);
});

Deno.test("a long message is written whole, at three bytes a character too", () => {
  for (const length of [65_535, 65_536, 131_072, 131_073, 500_000]) {
    const { written, output } = outputWith();
    output.text("a");
    output.text("世".repeat(length));
    output.flush();
    assertEquals(written.bytes.length, 2 + 3 * length + 1, `${length}`);
    assertEquals(written.text.at(-2), "世");
  }
});

Deno.test("every byte arrives in order, whatever the messages are", async () => {
  const message = fc.oneof(
    anyText,
    fc.uint8Array(),
    fc.integer({ min: 60_000, max: 140_000 }).map((n) => "€".repeat(n)),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(message),
      fc.constantFrom("\n", "\0", "", "\r\n--\r\n"),
      async (messages, delimiter) => {
        const { written, output } = outputWith(delimiter);
        const expected = new Written();
        const encoder = new TextEncoder();
        for (const each of messages) {
          const bytes = typeof each === "string" ? encoder.encode(each) : each;
          expected.write(bytes);
          expected.write(encoder.encode(delimiter));
          if (typeof each === "string") output.text(each);
          else output.bytes(each);
        }
        await nextTurn();
        const [actual, wanted] = [written.bytes, expected.bytes];
        assertEquals(actual.length, wanted.length);
        assert(actual.every((byte, i) => byte === wanted[i]));
      },
    ),
    { numRuns: 30 },
  );
});

Deno.test("a sink that fails is told of once, and gets nothing more", async () => {
  const errors: unknown[] = [];
  let writes = 0;
  const gone = new Deno.errors.BrokenPipe("gone");
  const sink = {
    write() {
      writes++;
      throw gone;
    },
  };
  const output = new Output(sink, "\n", (error) => errors.push(error));
  output.text("a");
  output.flush();
  output.text("b");
  output.bytes(Uint8Array.of(1));
  await nextTurn();
  assertEquals(errors, [gone]);
  assertEquals(writes, 1);
});

/** A writer that takes as many bytes as it is told to, 0 for a full pipe. */
class Reluctant implements SyncWriter {
  readonly taken: number[] = [];
  readonly #takes: number[];

  constructor(...takes: number[]) {
    this.#takes = takes;
  }

  writeSync(bytes: Uint8Array): number {
    const most = this.#takes.shift() ?? Infinity;
    if (most === 0) throw new Deno.errors.WouldBlock("full");
    const some = bytes.subarray(0, most);
    this.taken.push(...some);
    return some.length;
  }
}

Deno.test("a blocking sink goes on until all was taken, however little at a time", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1 }),
      fc.array(fc.integer({ min: 1, max: 3 })),
      (bytes, takes) => {
        const writer = new Reluctant(...takes);
        blockingSink(writer).write(bytes);
        assertEquals(writer.taken, [...bytes]);
      },
    ),
  );
});

Deno.test("a pipe that is full and does not block is waited for", () => {
  const writer = new Reluctant(2, 0, 0, 1, 0);
  const start = performance.now();
  blockingSink(writer).write(Uint8Array.of(1, 2, 3, 4, 5));
  assertGreater(performance.now() - start, 3, "it spun");
  assertEquals(writer.taken, [1, 2, 3, 4, 5]);
});

Deno.test("nothing is written of no bytes", () => {
  const writer = {
    writeSync(): number {
      throw new Error("it was called");
    },
  };
  blockingSink(writer).write(new Uint8Array());
});

Deno.test("any other error of a writer comes through", () => {
  const writer = {
    writeSync(): number {
      throw new Deno.errors.BrokenPipe("gone");
    },
  };
  assertThrows(
    () => blockingSink(writer).write(Uint8Array.of(1)),
    Deno.errors.BrokenPipe,
  );
});
