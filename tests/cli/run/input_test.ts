import fc from "fast-check";
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { SendOverflow } from "../../../mod.ts";
import { decoderOf } from "../../../src/cli/output/message_codec.ts";
import { ClientRun, type RunResult } from "../../../src/cli/run/client_run.ts";
import type { ConnectionEvents } from "../../../src/cli/run/connection_events.ts";
import {
  InputTooLongError,
  readMessages,
  sendInput,
  type SendInputOptions,
  type Source,
} from "../../../src/cli/run/input.ts";
import { serve } from "../../../src/server/server.ts";

const utf8 = new TextEncoder();

/** A source of chunks, as they come out of a pipe. */
class Chunks implements Source {
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
  source: Source,
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
    assertEquals(error.message, "a message on stdin is longer than 3 bytes");
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

/** Input in these pieces, and then its end. */
function source(...pieces: readonly string[]): Source {
  const rest = [...pieces];
  return {
    read(buffer) {
      const piece = rest.shift();
      return Promise.resolve(
        piece === undefined
          ? null
          : new TextEncoder().encodeInto(piece, buffer).written,
      );
    },
  };
}

interface Sent extends RunResult {
  readonly heard: readonly string[];
  readonly drops: number;
}

async function send(
  options: Partial<SendInputOptions>,
  overflow: SendOverflow = "wait",
): Promise<Sent> {
  const heard: string[] = [];
  let drops = 0;
  await using server = serve({
    onPeer: (peer) => {
      peer.onmessage = (data) => void heard.push(String(data));
    },
  });
  const ignore = () => {};
  const events: ConnectionEvents = {
    ...{ open: ignore, close: ignore, retry: ignore, gap: ignore },
    error: ignore,
    drop: () => drops++,
  };
  const run = new ClientRun({
    config: { url: server.url, sendQueueMaxSize: 3, overflow },
    events,
    deliver: ignore,
    timeout: 1_000,
    begin: (run) =>
      sendInput(run, {
        source: source(),
        delimiter: new TextEncoder().encode("\n"),
        maxBytes: 1_000,
        decode: decoderOf(undefined),
        linger: 0,
        ...options,
      }),
  });
  return { ...await run.run(), heard, drops };
}

Deno.test("more than the queue holds is sent, in order, and then it ends", async () => {
  const lines = Array.from({ length: 50 }, (_, i) => `${i}`);
  const { heard, status, unsent } = await send({
    source: source(lines.join("\n")),
  });
  assertEquals(heard, lines);
  assertEquals([status, unsent.unsent], [0, 0]);
});

Deno.test("input without one byte ends nothing", async () => {
  const { reason } = await send({ source: source() });
  assertEquals(reason.kind, "timeout");
});

Deno.test("one empty line is an empty message", async () => {
  const { heard, reason } = await send({ source: source("\n") });
  assertEquals(heard, [""]);
  assertEquals(reason.kind, "done");
});

Deno.test("what cannot be a message ends it with 2", async () => {
  const { reason, status } = await send({
    source: source("good\nzz\n"),
    decode: decoderOf("hex"),
  });
  assertEquals([reason.kind, status], ["failed", 2]);
  assertMatch(reason.kind === "failed" ? reason.error.message : "", /hex/);
});

Deno.test("with overflow reject what does not fit is told as dropped, and the rest is sent", async () => {
  const lines = Array.from({ length: 50 }, (_, i) => `${i}`);
  const { heard, drops, status } = await send({
    source: source(lines.join("\n")),
  }, "reject");
  assertEquals(drops, 47);
  assertEquals(heard, ["0", "1", "2"]);
  assertEquals(status, 0);
});
