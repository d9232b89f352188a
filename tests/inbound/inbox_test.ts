import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import fc from "fast-check";
import type { ReceiveOverflow } from "../../src/config.ts";
import { WSError } from "../../src/errors.ts";
import { type Hole, Inbox } from "../../src/inbound/inbox.ts";
import type { Message } from "../../src/message.ts";

const BROKEN = new WSError("broken", { code: "CLOSED", severity: "fatal" });

Deno.test("messages come out in order, whether they or the reader came first", async () => {
  const { inbox } = setUp();
  inbox.push("a");
  inbox.push("b");
  assertEquals([await take(inbox), await take(inbox)], ["a", "b"]);
  const waiting = take(inbox);
  inbox.push("c");
  assertEquals(await waiting, "c");
});

Deno.test("several waiting next() are served first come, first served", async () => {
  const { inbox } = setUp();
  const waiting = [take(inbox), take(inbox), take(inbox)];
  for (const message of ["a", "b", "c", "d"]) inbox.push(message);
  assertEquals(await Promise.all(waiting), ["a", "b", "c"]);
  assertEquals(await take(inbox), "d");
});

Deno.test("the end comes after what was buffered", async () => {
  const { inbox, told } = setUp();
  inbox.push("a");
  inbox.end();
  inbox.push("late");
  assertEquals(told.ends, 1);
  assertEquals(await rest(inbox), ["a"]);
  assertEquals((await inbox.next()).done, true);
});

Deno.test("an error comes after what was buffered, and once", async () => {
  const { inbox } = setUp();
  inbox.push("a");
  inbox.end(BROKEN);
  assertEquals(await take(inbox), "a");
  assertEquals(await assertRejects(() => inbox.next(), WSError), BROKEN);
  assertEquals((await inbox.next()).done, true);
});

Deno.test("of those who wait when an error comes, the first gets it", async () => {
  const { inbox } = setUp();
  const [first, second] = [inbox.next(), inbox.next()];
  inbox.end(BROKEN);
  assertEquals(await assertRejects(() => first, WSError), BROKEN);
  assertEquals((await second).done, true);
});

Deno.test("an error that nobody awaits ends no program", async () => {
  const { inbox } = setUp();
  inbox.next();
  inbox.end(BROKEN);
  await new Promise((resolve) => setTimeout(resolve)); // unhandled ones are found in between
});

Deno.test("return() settles who waits, forgets what is buffered, and ends", async () => {
  const { inbox, told } = setUp();
  const waiting = [inbox.next(), inbox.next()];
  assertEquals((await inbox.return()).done, true);
  for (const result of await Promise.all(waiting)) {
    assertEquals(result.done, true);
  }
  inbox.push("late");
  assertEquals([inbox.size, told.ends], [0, 1]);
  assertEquals((await inbox.next()).done, true);
});

Deno.test("return() after an error with messages left forgets both", async () => {
  const { inbox } = setUp();
  inbox.push("a");
  inbox.end(BROKEN);
  await inbox.return();
  assertEquals([inbox.size, inbox.bytes], [0, 0]);
  assertEquals((await inbox.next()).done, true);
});

Deno.test("break ends the reader", async () => {
  const { inbox, told } = setUp();
  inbox.push("a");
  inbox.push("b");
  for await (const _ of inbox) break;
  assertEquals([told.ends, inbox.size], [1, 0]);
});

Deno.test("texts count UTF-16 code units, binary messages bytes", () => {
  const { inbox } = setUp({ maxBytes: 100 });
  inbox.push("für");
  inbox.push(new Uint8Array(7));
  assertEquals(inbox.bytes, 10);
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
  Deno.test(`${name}: what is kept of five messages where two fit`, async () => {
    for (const bounds of [{ maxSize: 2 }, { maxBytes: 4 }]) {
      const { inbox, told } = setUp({ ...bounds, overflow });
      for (const message of ["a1", "b1", "c1", "a2", "b2"]) inbox.push(message);
      inbox.end();
      assertEquals(await rest(inbox), [...kept]);
      assertEquals(told.overflows + lost(told.holes), 3);
    }
  });

  Deno.test(`${name}: a message larger than all bytes allowed does not wedge it`, async () => {
    const { inbox } = setUp({ maxBytes: 4, overflow });
    for (const message of ["huge huge", "huge too!", "tiny"]) {
      inbox.push(message);
      assertEquals(inbox.size, 1);
      await take(inbox);
      assertEquals([inbox.size, inbox.bytes], [0, 0]);
    }
    inbox.push("a1");
    assertEquals(await take(inbox), "a1");
  });
}

Deno.test("disconnect: an overflow is told each time, its end once it has drained to half", async () => {
  const { inbox, told } = setUp({ maxSize: 5, overflow: "disconnect" });
  for (let i = 0; i < 7; i++) inbox.push(`${i}`);
  assertEquals([told.overflows, told.drains], [2, 0]);
  await take(inbox);
  await take(inbox);
  assertEquals([inbox.size, told.drains], [3, 0]);
  await take(inbox);
  assertEquals([inbox.size, told.drains], [2, 1]);
  await take(inbox);
  assertEquals([told.drains, told.holes], [1, []]);
});

Deno.test("disconnect: drained to half means bytes, too", async () => {
  const { inbox, told } = setUp({ maxBytes: 10, overflow: "disconnect" });
  for (const message of ["1", "2", "333333", "4", "5"]) inbox.push(message);
  inbox.push("overflows");
  await take(inbox);
  await take(inbox);
  assertEquals(told.drains, 0);
  await take(inbox);
  assertEquals(told.drains, 1);
});

Deno.test("disconnect: the end of the reader ends the overflow", () => {
  for (const end of ["end", "return"] as const) {
    const { inbox, told } = setUp({ maxSize: 1, overflow: "disconnect" });
    inbox.push("a");
    inbox.push("b");
    inbox[end]();
    assertEquals([told.overflows, told.drains], [1, 1]);
  }
});

Deno.test("drop-oldest: a hole is told with its times before the message behind it", async () => {
  const { inbox, told } = setUp({ maxSize: 2, overflow: "drop-oldest" });
  for (let i = 0; i < 5; i++) {
    told.now = 100 + i;
    inbox.push(`${i}`);
  }
  assertEquals(told.holes, []);
  told.now = 200;
  assertEquals(await take(inbox), "3");
  assertEquals(told.holes, [{ from: 102, to: 200, count: 3 }]);
  assertEquals(await take(inbox), "4");
  assertEquals(told.holes.length, 1);
});

Deno.test("drop-newest: a hole is told once a message fits again", async () => {
  const { inbox, told } = setUp({ maxSize: 2, overflow: "drop-newest" });
  for (const message of ["a", "b", "lost", "lost"]) inbox.push(message);
  assertEquals(await take(inbox), "a");
  assertEquals(told.holes, []);
  inbox.push("c");
  assertEquals(lost(told.holes), 2);
  inbox.end();
  assertEquals(await rest(inbox), ["b", "c"]);
  assertEquals(told.holes.length, 1);
});

Deno.test("drop-newest: a hole is told when the reader waits behind it, or ends", async () => {
  const { inbox, told } = setUp({ maxSize: 1, overflow: "drop-newest" });
  inbox.push("a");
  inbox.push("lost");
  await take(inbox);
  const waiting = take(inbox);
  assertEquals(lost(told.holes), 1);
  inbox.push("b");
  assertEquals(await waiting, "b");
  inbox.push("c");
  inbox.push("lost");
  await inbox.return();
  assertEquals(lost(told.holes), 2);
});

Deno.test("a callback may use the reader while a hole is told", async () => {
  const { inbox, told } = setUp({ maxSize: 1, overflow: "drop-newest" });
  inbox.push("a");
  inbox.push("lost");
  await take(inbox);
  let taken: Promise<Message | undefined> | undefined;
  told.onHole = () => taken = take(inbox);
  inbox.push("b");
  assertEquals(await taken, "b");
  assertEquals([inbox.size, inbox.bytes], [0, 0]);
});

// Conflation -----------------------------------------------------------------------

Deno.test("conflate keeps the latest of each key, in the order of first arrival", async () => {
  const { inbox, told } = setUp({ overflow: { conflate: letter } });
  for (const message of ["a1", "b1", "a2", "c1", "b2", "a3"]) {
    inbox.push(message);
  }
  assertEquals([await take(inbox), await take(inbox)], ["a3", "b2"]);
  inbox.push("a4");
  inbox.end();
  assertEquals(await rest(inbox), ["c1", "a4"]);
  assertEquals(told.holes, []);
});

Deno.test("conflate: a replacement that grows too large drops the oldest others", async () => {
  const { inbox, told } = setUp({
    maxBytes: 6,
    overflow: { conflate: letter },
  });
  for (const message of ["a1", "b1", "c1", "b2222"]) inbox.push(message);
  assertEquals(inbox.bytes, 7); // the oldest is the one that grew
  assertEquals(await take(inbox), "b2222");
  assertEquals(await take(inbox), "c1");
  assertEquals(lost(told.holes), 1);
  assertEquals(inbox.bytes, 0);
});

Deno.test("conflate: a message whose key cannot be told stands for itself", async () => {
  const { inbox, told } = setUp({
    overflow: {
      conflate: (data) => {
        if (data === "odd") throw new Error("what is this?");
        return letter(data);
      },
    },
  });
  for (const message of ["a1", "odd", "odd", "a2"]) inbox.push(message);
  inbox.end();
  assertEquals(await rest(inbox), ["a2", "odd", "odd"]);
  assertEquals(told.errors.map(({ code }) => code), ["CALLBACK", "CALLBACK"]);
  assertInstanceOf(told.errors[0]?.cause, Error);
});

Deno.test("conflate is not asked for a message that somebody waits for", async () => {
  const { inbox } = setUp({
    overflow: {
      conflate: () => {
        throw new Error("asked");
      },
    },
  });
  const waiting = take(inbox);
  inbox.push("a");
  assertEquals(await waiting, "a");
});

Deno.test("conflate may use the reader it is asked for", async () => {
  const { inbox } = setUp({
    overflow: {
      conflate: (data) => {
        if (data === "take") waiting = take(inbox);
        if (data === "end") inbox.return();
        return "key";
      },
    },
  });
  let waiting: Promise<Message | undefined> | undefined;
  inbox.push("take");
  assertEquals(await waiting, "take");
  inbox.push("end");
  assertEquals(inbox.size, 0);
});

// For all ---------------------------------------------------------------------------

Deno.test("whatever happens, messages come in order, within the bounds, and each is taken, kept, conflated or told to be lost", async () => {
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
      const { inbox, told } = setUp(bounds);
      const sent: Message[] = [];
      const taken: Message[] = [];
      const waiting: Promise<unknown>[] = [];
      for (const step of steps) {
        if ("push" in step) {
          // Each message is another object, so that order can be seen.
          const message = new Uint8Array(step.push);
          sent.push(message);
          inbox.push(message);
        } else {
          waiting.push(
            take(inbox).then((message) => {
              if (message !== undefined) taken.push(message);
            }),
          );
        }
        const alone = inbox.size === 1;
        const conflated = typeof bounds.overflow === "object";
        assertEquals(inbox.size <= bounds.maxSize, true);
        // One message too large may stand alone, or have grown in place.
        assertEquals(
          inbox.bytes <= bounds.maxBytes + (conflated ? 6 : 0) || alone,
          true,
        );
      }
      inbox.end();
      await Promise.all(waiting);
      taken.push(...await rest(inbox));

      const gone = told.overflows + lost(told.holes);
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

Deno.test("a hole is always told before the reader gets the message behind it", async () => {
  const policy = fc.constantFrom<ReceiveOverflow>("drop-oldest", "drop-newest");
  await fc.assert(
    fc.asyncProperty(
      policy,
      fc.array(fc.boolean()),
      async (overflow, steps) => {
        const { inbox, told } = setUp({ maxSize: 3, overflow });
        let sent = 0;
        let taken = 0;
        for (const isPush of steps) {
          if (isPush) inbox.push(`${sent++}`);
          else if (inbox.size > 0) {
            const number = Number(await take(inbox));
            assertEquals(lost(told.holes) >= number - taken, true);
            taken++;
          }
        }
      },
    ),
  );
});

// Support ---------------------------------------------------------------------------

interface Told {
  now: number;
  overflows: number;
  drains: number;
  ends: number;
  readonly holes: Hole[];
  readonly errors: WSError[];
  onHole: () => void;
}

function setUp(
  options: {
    maxSize?: number;
    maxBytes?: number;
    overflow?: ReceiveOverflow;
  } = {},
): { inbox: Inbox; told: Told } {
  const { maxSize = 100, maxBytes = 1000, overflow = "disconnect" } = options;
  const told: Told = {
    now: 0,
    overflows: 0,
    drains: 0,
    ends: 0,
    holes: [],
    errors: [],
    onHole: () => {},
  };
  const inbox = new Inbox({ maxSize, maxBytes, overflow }, {
    onOverflow: () => told.overflows++,
    onDrained: () => told.drains++,
    onHole: (hole) => {
      told.holes.push(hole);
      told.onHole();
    },
    onError: (error) => told.errors.push(error),
    onEnd: () => told.ends++,
    now: () => told.now,
  });
  return { inbox, told };
}

async function take(inbox: Inbox): Promise<Message | undefined> {
  return (await inbox.next()).value;
}

async function rest(inbox: Inbox): Promise<Message[]> {
  return await Array.fromAsync(inbox);
}

function lost(holes: readonly Hole[]): number {
  return holes.reduce((sum, { count }) => sum + count, 0);
}

function letter(data: Message): string {
  return String(data).slice(0, 1);
}
