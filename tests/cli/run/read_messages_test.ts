import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import {
  InputTooLongError,
  type Reader,
  readMessages,
} from "../../../src/cli/run/read_messages.ts";

const utf8 = new TextEncoder();

/** A source of chunks, as they come out of a pipe. */
class Chunks implements Reader {
  readonly #chunks: Uint8Array[];

  constructor(...chunks: readonly (string | Uint8Array)[]) {
    this.#chunks = chunks.map((chunk) =>
      typeof chunk === "string" ? utf8.encode(chunk) : chunk
    );
  }

  /** How many were not read so far. */
  get left(): number {
    return this.#chunks.length;
  }

  read(buffer: Uint8Array): Promise<number | null> {
    if (buffer.length === 0) throw new Error("there is no room to read into");
    const [chunk] = this.#chunks;
    if (chunk === undefined) return Promise.resolve(null);
    const part = chunk.subarray(0, buffer.length);
    buffer.set(part);
    if (part.length < chunk.length) {
      this.#chunks[0] = chunk.subarray(part.length);
    } else {
      this.#chunks.shift();
    }
    return Promise.resolve(part.length);
  }
}

/** The messages as texts; those of one step together. */
async function steps(
  source: Reader,
  delimiter = "\n",
  maxBytes = 1e6,
): Promise<string[][]> {
  const options = { delimiter: utf8.encode(delimiter), maxBytes };
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const steps: string[][] = [];
  for await (const messages of readMessages(source, options)) {
    steps.push(messages.map((bytes) => decoder.decode(bytes)));
  }
  return steps;
}

Deno.test("each line is a message, without its newline", async () => {
  assertEquals(await steps(new Chunks("a\nbc\n")), [["a", "bc"]]);
  assertEquals(await steps(new Chunks("\n\na\n")), [["", "", "a"]]);
});

Deno.test("a last line without a newline is a message too", async () => {
  assertEquals(await steps(new Chunks("a\nb")), [["a"], ["b"]]);
  assertEquals(await steps(new Chunks("a")), [["a"]]);
});

Deno.test("an empty input has no message", async () => {
  assertEquals(await steps(new Chunks()), []);
});

Deno.test("a carriage return belongs to its line", async () => {
  assertEquals(await steps(new Chunks("a\r\n")), [["a\r"]]);
});

Deno.test("a line may come in several chunks, and a chunk may hold several lines", async () => {
  assertEquals(
    await steps(new Chunks("a", "b", "\nc\nd", "\n")),
    [["ab", "c"], ["d"]],
  );
});

Deno.test("a delimiter may have several bytes, and come in two chunks", async () => {
  assertEquals(
    await steps(new Chunks("a\r", "\nb\rc\r\n"), "\r\n"),
    [["a", "b\rc"]],
  );
  assertEquals(await steps(new Chunks("a--", "-b---"), "---"), [["a", "b"]]);
  assertEquals(await steps(new Chunks("aabaabaac"), "aac"), [["aabaab"]]);
  assertEquals(await steps(new Chunks("x--"), "---"), [["x--"]]);
});

Deno.test("without a delimiter each chunk is a message as it comes", async () => {
  assertEquals(await steps(new Chunks("a\n", "b"), ""), [["a\n"], ["b"]]);
});

Deno.test("the next chunk is read when the messages of the last one were taken", async () => {
  const source = new Chunks("a\n", "b\n", "c\n");
  const messages = readMessages(source, {
    delimiter: utf8.encode("\n"),
    maxBytes: 10,
  });
  await messages.next();
  assertEquals(source.left, 2);
  await messages.next();
  assertEquals(source.left, 1);
});

Deno.test("a message may be as long as the limit and larger than a chunk", async () => {
  const long = "x".repeat(300_000);
  assertEquals(
    await steps(new Chunks(`${long}\n`, "y\n"), "\n", 300_000),
    [[long], ["y"]],
  );
  assertEquals(await steps(new Chunks(long), "\n", 300_000), [[long]]);
});

Deno.test("a message that is too long ends the input, after those before it", async () => {
  for (const input of ["a\nb\nxxxx\nc\n", "a\nb\nxxxx", "a\nb\nxxxxxxx"]) {
    const taken: number[] = [];
    const error = await assertRejects(async () => {
      const options = { delimiter: utf8.encode("\n"), maxBytes: 3 };
      for await (const messages of readMessages(new Chunks(input), options)) {
        taken.push(...messages.map(({ length }) => length));
      }
    }, InputTooLongError);
    assertEquals(
      error.message,
      "a message on stdin is longer than 3 B, the most that the queue holds",
    );
    assertEquals(taken, [1, 1]);
  }
});

Deno.test("however the input is cut into chunks, its messages are the same", async () => {
  const delimiters = fc.constantFrom("\n", "\0", "ab", "aab", "--");
  const input = fc.array(fc.constantFrom("a", "b", "-", "\n", "\0", "世"))
    .map((parts) => parts.join(""));
  await fc.assert(
    fc.asyncProperty(
      input,
      delimiters,
      fc.array(fc.nat(40)),
      async (input, delimiter, cuts) => {
        const bytes = utf8.encode(input);
        const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1))]
          .sort((a, b) => a - b);
        const chunks = at.map((from, i) => bytes.subarray(from, at[i + 1]))
          .filter(({ length }) => length > 0);
        const expected = input.split(delimiter);
        if (expected.at(-1) === "") expected.pop();
        const actual = (await steps(new Chunks(...chunks), delimiter)).flat();
        assertEquals(actual, expected);
      },
    ),
  );
});

Deno.test("long input comes through whole", async () => {
  const input = fc.uint8Array({
    minLength: 200_000,
    maxLength: 300_000,
    size: "max",
  });
  const latin1 = new TextDecoder("latin1");
  const options = { delimiter: Uint8Array.of(7, 7), maxBytes: 1e6 };
  await fc.assert(
    fc.asyncProperty(input, async (bytes) => {
      const parts: string[] = [];
      const source = new Chunks(bytes);
      for await (const messages of readMessages(source, options)) {
        parts.push(...messages.map((message) => latin1.decode(message)));
      }
      const expected = latin1.decode(bytes).split("\x07\x07");
      if (expected.at(-1) === "") expected.pop();
      assertEquals(parts.length, expected.length);
      assert(parts.every((part, i) => part === expected[i]));
    }),
    { numRuns: 2 },
  );
});

Deno.test("a byte order mark at the start of text is no part of it", async () => {
  const bom = [0xef, 0xbb, 0xbf];
  const options = {
    delimiter: Uint8Array.of(10),
    maxBytes: 1e6,
    isText: true,
  };
  const cases: readonly (readonly [number[][], number[][]])[] = [
    [[[...bom, 97, 10]], [[97]]],
    [[[0xef], [0xbb], [0xbf, 97, 10, 98]], [[97], [98]]],
    [[[97, 10, ...bom, 98]], [[97], [...bom, 98]]],
    [[[0xef, 0xbb]], [[0xef, 0xbb]]],
    [[bom], []],
  ];
  for (const [chunks, expected] of cases) {
    const source = new Chunks(...chunks.map((chunk) => Uint8Array.from(chunk)));
    const found: number[][] = [];
    for await (const messages of readMessages(source, options)) {
      found.push(...messages.map((message) => [...message]));
    }
    assertEquals(found, expected);
  }
});

Deno.test("a carriage return at the end of a line is no part of it, another one is", async () => {
  const options = {
    delimiter: Uint8Array.of(10),
    maxBytes: 1e6,
    isText: true,
    isLines: true,
  };
  const found: string[] = [];
  const source = new Chunks("a\r", "\nb\rc\n\r\nd\r");
  for await (const messages of readMessages(source, options)) {
    found.push(...messages.map((bytes) => new TextDecoder().decode(bytes)));
  }
  assertEquals(found, ["a", "b\rc", "", "d"]);
});

Deno.test("text without a delimiter is never cut within a character", async () => {
  const text = fc.string({ unit: "grapheme", minLength: 1 });
  await fc.assert(
    fc.asyncProperty(
      text,
      fc.infiniteStream(fc.nat(3)),
      async (text, sizes) => {
        const bytes = utf8.encode(text);
        const chunks: Uint8Array[] = [];
        for (let at = 0; at < bytes.length;) {
          const size = 1 + (sizes.next().value ?? 0);
          chunks.push(bytes.subarray(at, at + size));
          at += size;
        }
        const options = {
          delimiter: new Uint8Array(),
          maxBytes: 1e6,
          isText: true,
        };
        const strict = new TextDecoder("utf-8", {
          fatal: true,
          ignoreBOM: true,
        });
        let found = "";
        for await (
          const [message] of readMessages(new Chunks(...chunks), options)
        ) {
          found += strict.decode(message);
        }
        assertEquals(found, text.replace(/^\ufeff/, ""));
      },
    ),
  );
});

Deno.test("with isWhole all of the input is one message", async () => {
  const options = {
    delimiter: new Uint8Array(),
    maxBytes: 1e6,
    isWhole: true,
    isText: true,
  };
  const found: string[] = [];
  const long = "x\n".repeat(100_000);
  for await (const messages of readMessages(new Chunks("{\n", long), options)) {
    found.push(...messages.map((bytes) => new TextDecoder().decode(bytes)));
  }
  assertEquals(found.length, 1);
  assertEquals(found[0], `{\n${long}`);
});
