import { assertEquals, assertRejects } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { WSError } from "../../src/errors.ts";
import { Backlog, type BacklogOptions } from "../../src/outbound/backlog.ts";
import { Entry, EntryList } from "../../src/outbound/entry.ts";
import { Express } from "../../src/outbound/express.ts";
import { FlushLedger } from "../../src/outbound/ledger.ts";

Deno.test("what is accepted comes out in order, and tells that there is something", () => {
  const box = new Box();
  box.offer("a");
  box.offer("b");
  assertEquals([box.accepted, box.backlog.count, box.backlog.bytes], [2, 2, 2]);
  assertEquals(box.drain(), ["a", "b"]);
});

Deno.test("a message expires in the queue, and on its way out of it", () => {
  using time = new FakeTime();
  const box = new Box({}, () => time.now);
  box.offer("a", { expires: time.now + 10 });
  box.offer("b", { expires: time.now + 1000 });
  time.tick(10);
  assertEquals(box.log, ["expired a"]);
  box.putBack("c", { expires: time.now });
  assertEquals(box.drain(), ["b"]);
  assertEquals(box.log, ["expired a", "expired c"]);
  box.backlog.end(new Error("over"));
});

Deno.test("when who is told of a drop ends the link, nothing more is taken", () => {
  let now = 0;
  const box = new Box({}, () => now);
  box.offer("a", { expires: 10 });
  box.offer("b");
  now = 10;
  box.isTaking = false;
  assertEquals(box.backlog.next(), undefined);
  assertEquals([box.log, box.backlog.count], [["expired a"], 1]);
  box.backlog.end(new Error("over"));
});

Deno.test("what comes back expires without a link to take it", () => {
  using time = new FakeTime();
  const box = new Box({}, () => time.now);
  box.putBack("a", { expires: time.now + 10 });
  time.tick(10);
  assertEquals(box.log, ["expired a"]);
  box.backlog.end(new Error("over"));
});

Deno.test("an abort takes out what is queued, and what comes back", () => {
  const box = new Box();
  const controller = new AbortController();
  const { signal } = controller;
  box.offer("a", { signal });
  box.offer("b", { signal });
  const inFlight = box.backlog.next();
  controller.abort();
  assertEquals(box.log, ["aborted b"]);
  const back = new EntryList();
  if (inFlight !== undefined) back.push(inFlight);
  box.backlog.putBack(back);
  assertEquals(box.log, ["aborted b", "aborted a"]);
  assertEquals(box.backlog.count, 0);
});

Deno.test("when who waits gives up, the next one may fit", async () => {
  const box = new Box({ maxBytes: 4 });
  box.offer("aaa");
  const controller = new AbortController();
  const large = box.wait("bbb", { signal: controller.signal });
  const small = box.wait("c");
  controller.abort("enough");
  const error = await assertRejects(() => large, WSError);
  assertEquals([error.code, error.cause], ["ABORTED", "enough"]);
  await small;
  assertEquals(box.drain(), ["aaa", "c"]);
  assertEquals(box.log, []);
});

Deno.test("who waits may do with the bytes whatever it likes", async () => {
  const box = new Box({ maxSize: 1 });
  box.offer("a");
  const bytes = new Uint8Array([49, 50]);
  const accepted = box.backlog.wait(new Entry(bytes, bytes.length));
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  assertEquals(box.backlog.next()?.data, "a");
  box.backlog.admit();
  await accepted;
  assertEquals(box.drain(), ["49,50"]);
});

Deno.test("who waits gives up when the message has expired", async () => {
  using time = new FakeTime();
  const box = new Box({ maxSize: 1 }, () => time.now);
  box.offer("a");
  const waiting = box.wait("b", { expires: time.now + 10 });
  waiting.catch(() => {});
  time.tick(10);
  const error = await assertRejects(() => waiting, WSError);
  assertEquals(error.code, "EXPIRED");
});

Deno.test("what expires with the one who waits for its room does not let it in", async () => {
  using time = new FakeTime();
  const box = new Box({ maxSize: 1 }, () => time.now);
  box.offer("a", { expires: time.now + 10 });
  const waiting = box.wait("b", { expires: time.now + 10 });
  waiting.catch(() => {});
  time.tick(10);
  await assertRejects(() => waiting, WSError);
  assertEquals([box.log, box.backlog.count], [["expired a"], 0]);
});

Deno.test("a newer message of its key replaces a queued one, and is reported", () => {
  const box = new Box();
  box.offer("a", { key: "k" });
  box.offer("b");
  box.offer("c", { key: "k" });
  assertEquals(box.log, ["replaced a"]);
  assertEquals(box.drain(), ["c", "b"]);
});

Deno.test("the end settles who waits, and leaves what is accepted", async () => {
  const box = new Box({ maxSize: 1 });
  box.offer("a");
  const waiting = box.wait("b", { expires: Date.now() + 60_000 });
  box.backlog.end(new Error("over"));
  await assertRejects(() => waiting, Error, "over");
  assertEquals(box.backlog.count, 1);
});

Deno.test("the order of the next is told, also of what is only about to come", () => {
  const box = new Box({ maxSize: 1 });
  assertEquals(box.backlog.nextOrder, Infinity);
  box.offer("a");
  box.wait("b").catch(() => {});
  assertEquals([box.backlog.nextOrder, box.backlog.lastOrder], [1, 1]);
  box.backlog.next();
  assertEquals([box.backlog.nextOrder, box.backlog.lastOrder], [2, 1]);
  box.backlog.admit();
  assertEquals([box.backlog.nextOrder, box.backlog.lastOrder], [2, 2]);
});

Deno.test("what needs the long way takes along what is on the short one", () => {
  const box = new Box({}, Date.now, true);
  assertEquals(box.backlog.offerExpress("a"), true);
  assertEquals(box.backlog.offerExpress("b"), true);
  assertEquals([box.accepted, box.backlog.count, box.backlog.bytes], [2, 2, 2]);
  assertEquals([box.backlog.nextOrder, box.backlog.lastOrder], [1, 2]);
  box.offer("c", { key: "c" });
  assertEquals(box.backlog.offerExpress("d"), false, "it would overtake");
  box.offer("d");
  assertEquals([box.express.count, box.backlog.count], [0, 4]);
  assertEquals([box.backlog.nextOrder, box.backlog.lastOrder], [1, 4]);
  assertEquals(box.drain(), ["a", "b", "c", "d"]);
  box.backlog.admit();
  assertEquals(box.backlog.offerExpress("e"), true, "the long way is free");
});

Deno.test("what is in the socket is in the ledger when it has left the short way", () => {
  const box = new Box({}, Date.now, true);
  for (const text of ["a", "b", "c"]) box.backlog.offerExpress(text);
  box.express.handOver(() => false);
  box.backlog.leaveExpress();
  assertEquals(box.ledger.oldest?.data, "a");
  assertEquals(box.drain(), ["b", "c"]);
  box.backlog.admit();
  assertEquals(box.backlog.offerExpress("d"), false, "a may come back");
  box.ledger.sampled(0, true);
  box.backlog.admit();
  assertEquals(box.backlog.offerExpress("d"), true);
});

Deno.test("nobody goes the short way past those who wait, but they do", async () => {
  const box = new Box({ maxSize: 1 }, Date.now, true);
  assertEquals(box.backlog.offerExpress("a"), true);
  const b = box.wait("b");
  const c = box.wait("c");
  assertEquals(box.backlog.offerExpress("d"), false);
  const given: string[] = [];
  for (let i = 0; i < 3; i++) {
    box.express.handOver((data) => given.push(String(data)) < 0);
    box.backlog.admit();
  }
  await Promise.all([b, c]);
  assertEquals([given, box.backlog.lastOrder], [["a", "b", "c"], 3]);
});

type Options = ConstructorParameters<typeof Entry>[2];

class Box {
  readonly log: string[] = [];
  accepted = 0;
  isTaking = true;
  readonly ledger = new FlushLedger(() => {});
  readonly express: Express;
  readonly backlog: Backlog;

  constructor(
    options: Partial<BacklogOptions> = {},
    now = Date.now,
    isUsed = false,
  ) {
    this.express = new Express({ isUsed, maxSize: 10, maxBytes: 100 });
    this.backlog = new Backlog(
      {
        maxSize: 10,
        maxBytes: 100,
        overflow: "wait",
        once: false,
        ...options,
      },
      this.express,
      this.ledger,
      {
        accepted: () => this.accepted++,
        dropped: ({ data }, reason) => {
          this.log.push(`${reason} ${data}`);
          this.backlog.admit();
        },
        isTaking: () => this.isTaking,
        restore: ({ data }) => new Entry(data, data.length),
        onError: (error) => this.log.push(error.code),
        now,
      },
    );
  }

  offer(text: string, options?: Options) {
    return this.backlog.offer(new Entry(text, text.length, options));
  }

  wait(text: string, options?: Options): Promise<void> {
    return this.backlog.wait(new Entry(text, text.length, options));
  }

  putBack(text: string, options?: Options): void {
    const list = new EntryList();
    list.push(new Entry(text, text.length, options));
    this.backlog.putBack(list);
  }

  drain(): string[] {
    const texts: string[] = [];
    for (let e = this.backlog.next(); e; e = this.backlog.next()) {
      texts.push(String(e.data));
    }
    return texts;
  }
}
