import { assertEquals, assertNotStrictEquals } from "@std/assert";
import fc from "fast-check";
import type { Message } from "../../src/message.ts";
import { Entry, EntryList } from "../../src/outbound/entry.ts";
import { Express, type ExpressOptions } from "../../src/outbound/express.ts";
import { FlushLedger } from "../../src/outbound/ledger.ts";

Deno.test("what is accepted goes to the socket in order, for as long as that has room", () => {
  const way = new Way();
  way.accept("a", "bb", "ccc");
  assertEquals([way.express.queuedCount, way.express.queuedBytes], [3, 6]);
  way.handOver(2);
  assertEquals(way.given, ["a", "bb"]);
  assertEquals([way.express.queuedCount, way.express.queuedBytes], [1, 3]);
  assertEquals([way.express.socketCount, way.express.count], [2, 3]);
  way.handOver(2);
  assertEquals(way.given, ["a", "bb", "ccc"]);
});

Deno.test("there is room up to both bounds, for what is queued", () => {
  const bySize = new Way({ maxSize: 2 });
  assertEquals(bySize.accept("a", "b", "c"), [true, true, false]);
  bySize.handOver(1);
  assertEquals(bySize.accept("c", "d"), [true, false]);
  const byBytes = new Way({ maxBytes: 3 });
  assertEquals(byBytes.accept("é", "ü", "c", "d"), [true, false, true, false]);
});

Deno.test("what has no bytes, or is no message, is not for this way", () => {
  const way = new Way();
  assertEquals(way.accept("", new Uint8Array()), [false, false]);
  // As a program without types may do.
  const wrong: Message[] = JSON.parse("[1, null, {}]");
  assertEquals(way.accept(...wrong), [false, false, false]);
  assertEquals(way.express.count, 0);
});

Deno.test("the sender may use the memory of a binary message again", () => {
  const way = new Way();
  const bytes = new Uint8Array([1, 2]);
  way.accept(bytes);
  bytes.fill(0);
  way.handOver();
  assertNotStrictEquals(way.given[0], bytes);
  assertEquals(way.given, [new Uint8Array([1, 2])]);
});

Deno.test("an entry is taken if it has bytes, and no options", () => {
  const way = new Way();
  const take = (data: string, options = {}) =>
    way.express.take(new Entry(data, data.length, options));
  assertEquals([take("a"), take("")], [true, false]);
  assertEquals(take("b", { key: "k" }), false);
  assertEquals(take("b", { expires: 1 }), false);
  assertEquals(take("b", { signal: new AbortController().signal }), false);
  way.handOver();
  assertEquals(way.given, ["a"]);
});

Deno.test("what the socket still has are the last bytes it was given", () => {
  const way = new Way();
  way.accept("aaaa", "bb", "cccccc");
  way.handOver();
  const left = (buffered: number) => {
    way.express.sampled(buffered);
    return way.express.socketCount;
  };
  // What the gate has sent is before everything.
  assertEquals([left(100), left(9), left(8), left(7)], [3, 3, 2, 2]);
  assertEquals([left(6), left(1), left(0)], [1, 1, 0]);
});

Deno.test("what is urgent has its place among the bytes, and is nobody's message", () => {
  const way = new Way();
  way.express.addUrgent(50);
  way.accept("aa", "bb");
  way.handOver(1);
  way.express.addUrgent(5);
  way.express.addUrgent(5);
  way.handOver(1);
  way.express.sampled(13);
  assertEquals(way.express.socketCount, 2);
  way.express.sampled(12);
  assertEquals(way.express.socketCount, 1);
  way.express.sampled(3);
  assertEquals(way.express.socketCount, 1, "the urgent ones have gone");
  way.express.sampled(1);
  assertEquals(way.express.socketCount, 1);
  way.express.sampled(0);
  assertEquals(way.express.socketCount, 0);
});

Deno.test("all that leaves keeps its order, and its place in the socket", () => {
  const way = new Way();
  way.accept("gone", "aa", "bb", "cc");
  way.handOver(2);
  way.express.addUrgent(7);
  way.handOver(1);
  way.express.sampled(11);
  const ledger = new FlushLedger(({ data }) => way.given.push(`-${data}`));
  const queue = new EntryList();
  way.express.leave(5, ledger, queue);
  assertEquals(way.accept("e"), [false]);
  assertEquals([way.express.count, way.express.queuedBytes], [0, 0]);
  assertEquals(describe(queue), ["7 cc new"]);
  way.given.length = 0;
  ledger.sampled(10, true);
  assertEquals(way.given, []);
  ledger.sampled(9, true);
  assertEquals(way.given, ["-aa"]);
  assertEquals(describe(ledger.takeBack()), ["6 bb handed over"]);
});

Deno.test("closed, it takes nothing until the long way is free", () => {
  const way = new Way();
  way.express.leave(1, new FlushLedger(() => {}), new EntryList());
  assertEquals(way.accept("a"), [false]);
  assertEquals(way.express.take(new Entry("a", 1)), false);
  way.express.open();
  assertEquals(way.accept("a"), [true]);
  way.handOver();
  assertEquals(way.given, ["a"]);
});

Deno.test("one that is not used never opens", () => {
  const way = new Way({ isUsed: false });
  way.express.open();
  assertEquals(way.accept("a"), [false]);
});

Deno.test("it behaves as two lists, however it grows and wraps", () => {
  const step = fc.tuple(
    fc.constantFrom("accept", "hand over", "flush", "urgent", "leave"),
    fc.integer({ min: 1, max: 60 }),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const way = new Way({ maxSize: Infinity, maxBytes: Infinity });
    let accepted = 0;
    let queued: string[] = [];
    let inSocket: { text: string; bytes: number }[] = [];
    const given: string[] = [];
    for (const [what, number] of steps) {
      if (what === "accept") {
        for (let i = 0; i < number; i++) {
          const text = `${accepted++}`;
          way.accept(text);
          queued.push(text);
        }
      } else if (what === "hand over") {
        way.handOver(number);
        for (const text of queued.splice(0, number)) {
          inSocket.push({ text, bytes: text.length });
          given.push(text);
        }
      } else if (what === "urgent") {
        way.express.addUrgent(number);
        if (inSocket.length > 0) inSocket.push({ text: "", bytes: number });
      } else if (what === "flush") {
        inSocket = inSocket.slice(number);
        while (inSocket[0]?.text === "") inSocket.shift();
        way.express.sampled(inSocket.reduce((sum, m) => sum + m.bytes, 0));
      } else {
        const ledger = new FlushLedger(() => {});
        const queue = new EntryList();
        way.express.leave(accepted - queued.length, ledger, queue);
        assertEquals([...queue].map(({ data }) => data), queued);
        assertEquals(
          [...ledger.takeBack()].map(({ data }) => data),
          inSocket.filter(({ text }) => text !== "").map(({ text }) => text),
        );
        queued = [];
        inSocket = [];
        way.express.open();
      }
      const messages = inSocket.filter(({ text }) => text !== "");
      assertEquals(way.express.queuedCount, queued.length);
      assertEquals(way.express.queuedBytes, queued.join("").length);
      assertEquals(way.express.socketCount, messages.length);
      assertEquals(way.given, given);
    }
  }));
});

class Way {
  readonly express: Express;
  readonly given: Message[] = [];

  constructor(options: Partial<ExpressOptions> = {}) {
    this.express = new Express({
      isUsed: true,
      maxSize: 10,
      maxBytes: 100,
      ...options,
    });
  }

  accept(...messages: Message[]): boolean[] {
    return messages.map((data) => this.express.accept(data));
  }

  handOver(room = Infinity): void {
    let left = room;
    this.express.handOver((data, bytes) => {
      assertEquals(bytes, data.length);
      this.given.push(data);
      return --left > 0;
    });
  }
}

function describe(entries: Iterable<Entry>): string[] {
  return [...entries].map(({ order, data, handedOver }) =>
    `${order} ${data} ${handedOver ? "handed over" : "new"}`
  );
}
