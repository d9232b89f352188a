import {
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
} from "@std/assert";
import fc from "fast-check";
import type { ReceiveOverflow } from "../../src/config.ts";
import { WSError } from "../../src/errors.ts";
import {
  type DroppedRange,
  ReadBuffer,
} from "../../src/receive/read_buffer.ts";
import type { Message } from "../../src/message.ts";

const BROKEN = new WSError("broken", { code: "CLOSED", severity: "fatal" });

Deno.test("messages come out in order, whether they or the reader came first", async () => {
  const { buffer } = setUp();
  buffer.push("a");
  buffer.push("b");
  assertEquals([await take(buffer), await take(buffer)], ["a", "b"]);
  const waiting = take(buffer);
  buffer.push("c");
  assertEquals(await waiting, "c");
});

Deno.test("several waiting next() are served first come, first served", async () => {
  const { buffer } = setUp();
  const waiting = [take(buffer), take(buffer), take(buffer)];
  for (const message of ["a", "b", "c", "d"]) buffer.push(message);
  assertEquals(await Promise.all(waiting), ["a", "b", "c"]);
  assertEquals(await take(buffer), "d");
});

Deno.test("the end comes after what was buffered", async () => {
  const { buffer, reported } = setUp();
  buffer.push("a");
  buffer.end();
  buffer.push("late");
  assertEquals(reported.ends, 1);
  assertEquals(await rest(buffer), ["a"]);
  assertEquals((await buffer.next()).done, true);
});

Deno.test("an error comes after what was buffered, and once", async () => {
  const { buffer } = setUp();
  buffer.push("a");
  buffer.end(BROKEN);
  assertEquals(await take(buffer), "a");
  assertEquals(await assertRejects(() => buffer.next(), WSError), BROKEN);
  assertEquals((await buffer.next()).done, true);
});

Deno.test("the first of several pending next() gets the error, the others the end", async () => {
  const { buffer } = setUp();
  const [first, second] = [buffer.next(), buffer.next()];
  buffer.end(BROKEN);
  assertEquals(await assertRejects(() => first, WSError), BROKEN);
  assertEquals((await second).done, true);
});

Deno.test("an error that nobody awaits ends no program", async () => {
  const { buffer } = setUp();
  buffer.next();
  buffer.end(BROKEN);
  await new Promise((resolve) => setTimeout(resolve)); // unhandled ones are found in between
});

Deno.test("return() settles pending next(), drops the buffer and ends the reader", async () => {
  const { buffer, reported } = setUp();
  const waiting = [buffer.next(), buffer.next()];
  assertEquals((await buffer.return()).done, true);
  for (const result of await Promise.all(waiting)) {
    assertEquals(result.done, true);
  }
  buffer.push("late");
  assertEquals([buffer.size, reported.ends], [0, 1]);
  assertEquals((await buffer.next()).done, true);
});

Deno.test("return() after an error drops the buffered messages and the error", async () => {
  const { buffer } = setUp();
  buffer.push("a");
  buffer.end(BROKEN);
  await buffer.return();
  assertEquals([buffer.size, buffer.bytes], [0, 0]);
  assertEquals((await buffer.next()).done, true);
});

Deno.test("break ends the reader", async () => {
  const { buffer, reported } = setUp();
  buffer.push("a");
  buffer.push("b");
  for await (const _ of buffer) break;
  assertEquals([reported.ends, buffer.size], [1, 0]);
});

Deno.test("texts count UTF-16 code units, binary messages bytes", () => {
  const { buffer } = setUp({ maxBytes: 100 });
  buffer.push("für");
  buffer.push(new Uint8Array(7));
  assertEquals(buffer.bytes, 10);
});

// Overflow ----------------------------------------------------------------------

const OVERFLOWS: readonly {
  readonly name: string;
  readonly overflow: ReceiveOverflow;
  readonly kept: readonly string[];
}[] = [
  { name: "disconnect", overflow: "disconnect", kept: ["a1", "b1"] },
  { name: "drop-newest", overflow: "drop-newest", kept: ["a1", "b1"] },
  { name: "drop-oldest", overflow: "drop-oldest", kept: ["a2", "b2"] },
  { name: "conflate", overflow: { conflate: letter }, kept: ["a2", "b2"] },
];

for (const { name, overflow, kept } of OVERFLOWS) {
  Deno.test(`${name}: five messages arrive where two fit`, async () => {
    for (const bounds of [{ maxSize: 2 }, { maxBytes: 4 }]) {
      const { buffer, reported } = setUp({ ...bounds, overflow });
      for (const message of ["a1", "b1", "c1", "a2", "b2"]) {
        buffer.push(message);
      }
      buffer.end();
      assertEquals(await rest(buffer), [...kept]);
      assertEquals(reported.overflows + lost(reported.ranges), 3);
    }
  });

  Deno.test(`${name}: a message larger than maxBytes can still be received`, async () => {
    const { buffer } = setUp({ maxBytes: 4, overflow });
    for (const message of ["huge huge", "huge too!", "tiny"]) {
      buffer.push(message);
      assertEquals(buffer.size, 1);
      await take(buffer);
      assertEquals([buffer.size, buffer.bytes], [0, 0]);
    }
    buffer.push("a1");
    assertEquals(await take(buffer), "a1");
  });
}

Deno.test("disconnect: each overflow is reported, and once that it has drained to half", async () => {
  const { buffer, reported } = setUp({ maxSize: 5, overflow: "disconnect" });
  for (let i = 0; i < 7; i++) buffer.push(`${i}`);
  assertEquals([reported.overflows, reported.drains], [2, 0]);
  await take(buffer);
  await take(buffer);
  assertEquals([buffer.size, reported.drains], [3, 0]);
  await take(buffer);
  assertEquals([buffer.size, reported.drains], [2, 1]);
  await take(buffer);
  assertEquals([reported.drains, reported.ranges], [1, []]);
});

Deno.test("disconnect: drained to half counts bytes as well as messages", async () => {
  const { buffer, reported } = setUp({ maxBytes: 10, overflow: "disconnect" });
  for (const message of ["1", "2", "333333", "4", "5"]) buffer.push(message);
  buffer.push("overflows");
  await take(buffer);
  await take(buffer);
  assertEquals(reported.drains, 0);
  await take(buffer);
  assertEquals(reported.drains, 1);
});

Deno.test("disconnect: the end of the reader ends the overflow", () => {
  for (const end of ["end", "return"] as const) {
    const { buffer, reported } = setUp({ maxSize: 1, overflow: "disconnect" });
    buffer.push("a");
    buffer.push("b");
    buffer[end]();
    assertEquals([reported.overflows, reported.drains], [1, 1]);
  }
});

Deno.test("drop-oldest: a dropped range is reported with its times before the next message", async () => {
  const { buffer, reported } = setUp({ maxSize: 2, overflow: "drop-oldest" });
  for (let i = 0; i < 5; i++) {
    reported.now = 100 + i;
    buffer.push(`${i}`);
  }
  assertEquals(reported.ranges, []);
  reported.now = 200;
  assertEquals(await take(buffer), "3");
  assertEquals(reported.ranges, [{ from: 102, to: 200, count: 3 }]);
  assertEquals(await take(buffer), "4");
  assertEquals(reported.ranges.length, 1);
});

Deno.test("drop-newest: a dropped range is reported once a message fits again", async () => {
  const { buffer, reported } = setUp({ maxSize: 2, overflow: "drop-newest" });
  for (const message of ["a", "b", "lost", "lost"]) buffer.push(message);
  assertEquals(await take(buffer), "a");
  assertEquals(reported.ranges, []);
  buffer.push("c");
  assertEquals(lost(reported.ranges), 2);
  buffer.end();
  assertEquals(await rest(buffer), ["b", "c"]);
  assertEquals(reported.ranges.length, 1);
});

Deno.test("drop-newest: a dropped range is reported when the reader waits or ends", async () => {
  const { buffer, reported } = setUp({ maxSize: 1, overflow: "drop-newest" });
  buffer.push("a");
  buffer.push("lost");
  await take(buffer);
  const waiting = take(buffer);
  assertEquals(lost(reported.ranges), 1);
  buffer.push("b");
  assertEquals(await waiting, "b");
  buffer.push("c");
  buffer.push("lost");
  await buffer.return();
  assertEquals(lost(reported.ranges), 2);
});

Deno.test("a callback may use the reader while a dropped range is reported", async () => {
  const { buffer, reported } = setUp({ maxSize: 1, overflow: "drop-newest" });
  buffer.push("a");
  buffer.push("lost");
  await take(buffer);
  let taken: Promise<Message | undefined> | undefined;
  reported.onRange = () => taken = take(buffer);
  buffer.push("b");
  assertEquals(await taken, "b");
  assertEquals([buffer.size, buffer.bytes], [0, 0]);
});

// Conflation -----------------------------------------------------------------------

Deno.test("conflate keeps the latest of each key, in the order of first arrival", async () => {
  const { buffer, reported } = setUp({ overflow: { conflate: letter } });
  for (const message of ["a1", "b1", "a2", "c1", "b2", "a3"]) {
    buffer.push(message);
  }
  assertEquals([await take(buffer), await take(buffer)], ["a3", "b2"]);
  buffer.push("a4");
  buffer.end();
  assertEquals(await rest(buffer), ["c1", "a4"]);
  assertEquals(reported.ranges, []);
});

Deno.test("conflate: a replacement that outgrows its place moves back and drops the oldest", async () => {
  const { buffer, reported } = setUp({
    maxBytes: 6,
    overflow: { conflate: letter },
  });
  for (const message of ["a1", "b1", "c1", "a222"]) buffer.push(message);
  assertEquals([buffer.size, buffer.bytes], [2, 6]);
  buffer.push("a22222222");
  assertEquals([buffer.size, buffer.bytes], [1, 9]);
  assertEquals(await take(buffer), "a22222222");
  assertEquals([lost(reported.ranges), buffer.bytes], [2, 0]);
});

Deno.test("conflate: a message whose key is unknown is kept beside the others", async () => {
  const { buffer, reported } = setUp({
    overflow: {
      conflate: (data) => {
        if (data === "odd") throw new Error("what is this?");
        return letter(data);
      },
    },
  });
  for (const message of ["a1", "odd", "odd", "a2"]) buffer.push(message);
  buffer.end();
  assertEquals(await rest(buffer), ["a2", "odd", "odd"]);
  assertEquals(reported.errors.map(({ code }) => code), [
    "CALLBACK",
    "CALLBACK",
  ]);
  assertInstanceOf(reported.errors[0]?.cause, Error);
});

Deno.test("conflate: a message without a key is kept beside the others", async () => {
  const { buffer, reported } = setUp({
    overflow: {
      conflate: (data) => data === "ack" ? undefined : letter(data),
    },
  });
  for (const message of ["a1", "ack", "ack", "a2"]) buffer.push(message);
  buffer.end();
  assertEquals(await rest(buffer), ["a2", "ack", "ack"]);
  assertEquals(reported.errors, []);
});

Deno.test("conflate: a message whose key is of the wrong kind is kept and reported", async () => {
  const parsed = ["null", "true", '{"password":"hunter2"}', '["hunter2"]']
    .map((json) => () => JSON.parse(json));
  for (const conflate of [...parsed, () => NaN]) {
    const { buffer, reported } = setUp({ overflow: { conflate } });
    for (const message of ["a1", "a2"]) buffer.push(message);
    buffer.end();
    assertEquals(await rest(buffer), ["a1", "a2"]);
    assertEquals(reported.errors.length, 2);
    const [error] = reported.errors;
    // It may be the message, and that may be a secret.
    assertEquals(Deno.inspect(error).includes("hunter2"), false);
    assertMatch(
      error?.message ?? "",
      /conflate\(\)' as it must be a string or a number other than NaN: current value is /,
    );
  }
});

Deno.test("conflate: a replaced message no longer counts", async () => {
  const { buffer } = setUp({ overflow: { conflate: letter } });
  for (const message of ["a1", "b1", "a22"]) buffer.push(message);
  assertEquals([buffer.size, buffer.bytes], [2, 5]);
  await buffer.return();
  assertEquals([buffer.size, buffer.bytes], [0, 0]);
});

Deno.test("conflate is not called for a message that goes to a pending next()", async () => {
  const { buffer } = setUp({
    overflow: {
      conflate: () => {
        throw new Error("asked");
      },
    },
  });
  const waiting = take(buffer);
  buffer.push("a");
  assertEquals(await waiting, "a");
});

Deno.test("conflate may use the reader that it is called for", async () => {
  const { buffer } = setUp({
    overflow: {
      conflate: (data) => {
        if (data === "take") waiting = take(buffer);
        if (data === "end") buffer.return();
        return "key";
      },
    },
  });
  let waiting: Promise<Message | undefined> | undefined;
  buffer.push("take");
  assertEquals(await waiting, "take");
  buffer.push("end");
  assertEquals(buffer.size, 0);
});

Deno.test("conflate: thousands of keys come out in order, whatever is replaced", async () => {
  const { buffer } = setUp({
    maxSize: 10_000,
    maxBytes: 10_000_000,
    overflow: { conflate: (data) => String(data).split(" ")[0] ?? "" },
  });
  for (let round = 0; round < 3; round++) {
    for (let key = 0; key < 5_000; key++) buffer.push(`${key} ${round}`);
    for (let key = 0; key < 2_000; key++) {
      assertEquals(await take(buffer), `${key} ${round}`);
    }
    for (let key = 2_000; key < 5_000; key++) {
      assertEquals(await take(buffer), `${key} ${round}`);
    }
  }
  assertEquals([buffer.size, buffer.bytes], [0, 0]);
});

// Pausing --------------------------------------------------------------------------

Deno.test("pause: reading stops when the buffer is full, and goes on at half", async () => {
  for (const bounds of [{ maxSize: 4 }, { maxBytes: 4 }]) {
    const { buffer, reported } = setUp({ ...bounds, overflow: "pause" });
    for (const message of "abc") buffer.push(message);
    assertEquals(reported.overflows, 0);
    buffer.push("d");
    assertEquals([reported.overflows, buffer.isFull], [1, true]);
    await take(buffer);
    assertEquals(reported.drains, 0);
    await take(buffer);
    assertEquals([reported.drains, buffer.isFull], [1, false]);
  }
});

Deno.test("pause: a message that arrives nevertheless is kept, and pauses again", async () => {
  const { buffer, reported } = setUp({ maxSize: 1, overflow: "pause" });
  for (const message of "abc") buffer.push(message);
  assertEquals(reported.overflows, 3);
  buffer.end();
  assertEquals(reported.drains, 1);
  assertEquals(await rest(buffer), ["a", "b", "c"]);
  assertEquals(reported.ranges, []);
});

Deno.test("pause: a reader that waits is never full", async () => {
  const { buffer, reported } = setUp({ maxSize: 1, overflow: "pause" });
  const waiting = take(buffer);
  buffer.push("a");
  assertEquals([await waiting, reported.overflows], ["a", 0]);
});

// For all ---------------------------------------------------------------------------

Deno.test("messages come in order and within the bounds, and every one is received, conflated or reported as dropped", async () => {
  const step = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ push: fc.integer({ min: 1, max: 6 }) }),
    },
    { weight: 2, arbitrary: fc.constant({ take: true }) },
  );
  const bounds = fc.record({
    maxSize: fc.integer({ min: 1, max: 5 }),
    maxBytes: fc.integer({ min: 1, max: 12 }),
    overflow: fc.constantFrom<ReceiveOverflow>(
      "disconnect",
      "drop-oldest",
      "drop-newest",
      { conflate: (data) => data.length },
    ),
  });
  await fc.assert(
    fc.asyncProperty(bounds, fc.array(step), async (bounds, steps) => {
      const { buffer, reported } = setUp(bounds);
      const sent: Message[] = [];
      const taken: Message[] = [];
      const waiting: Promise<unknown>[] = [];
      for (const step of steps) {
        if ("push" in step) {
          // Each message is another object, so that order can be seen.
          const message = new Uint8Array(step.push);
          sent.push(message);
          buffer.push(message);
        } else {
          waiting.push(
            take(buffer).then((message) => {
              if (message !== undefined) taken.push(message);
            }),
          );
        }
        const alone = buffer.size === 1;
        assertEquals(buffer.size <= bounds.maxSize, true);
        assertEquals(buffer.bytes <= bounds.maxBytes || alone, true);
      }
      buffer.end();
      await Promise.all(waiting);
      taken.push(...await rest(buffer));

      const gone = reported.overflows + lost(reported.ranges);
      if (typeof bounds.overflow === "object") {
        assertEquals(taken.length + gone <= sent.length, true);
        assertEquals(new Set(taken).size, taken.length);
        const latest = new Map(sent.map((data) => [data.length, data]));
        const missing = [...latest.values()].filter((d) => !taken.includes(d));
        assertEquals(missing.length <= gone, true);
      } else {
        assertEquals(taken.length + gone, sent.length);
        const order = taken.map((message) => sent.indexOf(message));
        assertEquals(order, order.toSorted((a, b) => a - b));
      }
    }),
  );
});

Deno.test("a dropped range is always reported before the reader gets the next message", async () => {
  const policy = fc.constantFrom<ReceiveOverflow>("drop-oldest", "drop-newest");
  await fc.assert(
    fc.asyncProperty(
      policy,
      fc.array(fc.boolean()),
      async (overflow, steps) => {
        const { buffer, reported } = setUp({ maxSize: 3, overflow });
        let sent = 0;
        let taken = 0;
        for (const isPush of steps) {
          if (isPush) buffer.push(`${sent++}`);
          else if (buffer.size > 0) {
            const number = Number(await take(buffer));
            assertEquals(lost(reported.ranges) >= number - taken, true);
            taken++;
          }
        }
      },
    ),
  );
});

// Support ---------------------------------------------------------------------------

interface Reported {
  now: number;
  overflows: number;
  drains: number;
  ends: number;
  readonly ranges: DroppedRange[];
  readonly errors: WSError[];
  onRange: () => void;
}

function setUp(
  options: {
    maxSize?: number;
    maxBytes?: number;
    overflow?: ReceiveOverflow;
  } = {},
): { buffer: ReadBuffer; reported: Reported } {
  const { maxSize = 100, maxBytes = 1000, overflow = "disconnect" } = options;
  const reported: Reported = {
    now: 0,
    overflows: 0,
    drains: 0,
    ends: 0,
    ranges: [],
    errors: [],
    onRange: () => {},
  };
  const bounds = { maxSize, maxBytes, overflow };
  const buffer = new ReadBuffer("reader", bounds, {
    onFull: () => reported.overflows++,
    onDrained: () => reported.drains++,
    onDropped: (_, range) => {
      reported.ranges.push(range);
      reported.onRange();
    },
    onError: (error) => reported.errors.push(error),
    onEnd: () => reported.ends++,
    now: () => reported.now,
  });
  return { buffer, reported };
}

async function take(buffer: ReadBuffer): Promise<Message | undefined> {
  return (await buffer.next()).value;
}

async function rest(buffer: ReadBuffer): Promise<Message[]> {
  return await Array.fromAsync(buffer);
}

function lost(ranges: readonly DroppedRange[]): number {
  return ranges.reduce((sum, { count }) => sum + count, 0);
}

function letter(data: Message): string {
  return String(data).slice(0, 1);
}
