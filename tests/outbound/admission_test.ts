import { assertEquals } from "@std/assert";
import type { SendOverflow } from "../../src/config.ts";
import { Admission } from "../../src/outbound/admission.ts";
import { Entry, EntryList } from "../../src/outbound/entry.ts";
import { Express } from "../../src/outbound/express.ts";
import { FlushLedger } from "../../src/outbound/ledger.ts";
import { Queue } from "../../src/outbound/queue.ts";

Deno.test("a message larger than the queue is never let in", () => {
  for (const overflow of ["wait", "drop-oldest", "drop-newest"] as const) {
    const door = new Door(overflow, { maxBytes: 5 });
    assertEquals(door.offer("123456"), "too large");
    assertEquals(door.offer("12345"), "accepted");
    assertEquals(door.dropped, []);
  }
});

Deno.test("there is room up to both bounds, and not beyond", () => {
  const bySize = new Door("reject", { maxSize: 2 });
  assertEquals(["a", "b", "c"].map((text) => bySize.offer(text)), [
    "accepted",
    "accepted",
    "refused",
  ]);
  const byBytes = new Door("reject", { maxBytes: 3 });
  assertEquals(["aa", "bb", "c"].map((text) => byBytes.offer(text)), [
    "accepted",
    "refused",
    "accepted",
  ]);
});

Deno.test("what is not acknowledged, or not on the disk yet, takes up room", () => {
  const door = new Door("reject", { maxSize: 3, maxBytes: 10 });
  door.ledger = { heldCount: 1, heldBytes: 4 };
  door.intake.staged.push(new Entry("aaaa", 4));
  assertEquals(door.offer("bbb"), "refused");
  assertEquals(door.offer("bb"), "accepted");
  assertEquals(door.offer(""), "refused");
});

Deno.test("drop-oldest drops what no socket has had, and no more than it must", () => {
  const door = new Door("drop-oldest", { maxSize: 4, maxBytes: 10 });
  door.putBack("0000");
  for (const text of ["a", "bbb", "c"]) door.offer(text);
  assertEquals(door.offer("dddd"), "accepted");
  assertEquals(door.dropped, ["a", "bbb"]);
  assertEquals(door.texts, ["0000", "c", "dddd"]);
});

Deno.test("drop-oldest drops the newest where dropping the others would not help", () => {
  const door = new Door("drop-oldest", { maxBytes: 10 });
  door.putBack("00000000");
  door.offer("a");
  assertEquals(door.offer("bbb"), "dropped");
  assertEquals(door.dropped, ["bbb"]);
  assertEquals(door.texts, ["00000000", "a"]);
});

Deno.test("drop-oldest finishes what is on its way to the disk before it gives up", () => {
  const door = new Door("drop-oldest", { maxSize: 1 });
  door.intake.staged.push(new Entry("a", 1));
  assertEquals(door.offer("b"), "accepted");
  assertEquals(door.dropped, ["a"]);
  assertEquals(door.texts, ["b"]);
});

Deno.test("drop-newest drops what comes too late", () => {
  const door = new Door("drop-newest", { maxSize: 1 });
  assertEquals(door.offer("a"), "accepted");
  assertEquals(door.offer("b"), "dropped");
  assertEquals(door.dropped, ["b"]);
});

Deno.test("what has expired is taken out before anybody is turned away", () => {
  const door = new Door("reject", { maxSize: 1 });
  door.offer("a");
  door.expired = ["a"];
  assertEquals(door.offer("b"), "accepted");
  assertEquals(door.texts, ["b"]);
});

Deno.test("those who wait are served in order, however small the next is", () => {
  const door = new Door("wait", { maxBytes: 4 });
  door.offer("aaa");
  door.wait("bbb");
  door.wait("c");
  assertEquals(door.offer("d"), "refused");
  assertEquals(door.admission.admit(), false);
  if (door.queue.head !== undefined) door.queue.remove(door.queue.head);
  assertEquals(door.admission.admit(), true);
  assertEquals(door.texts, ["bbb", "c"]);
});

Deno.test("a newer message of a key overtakes those who wait, but none of its key", () => {
  const door = new Door("wait", { maxSize: 2, maxBytes: 6 });
  door.offer("aa", "a");
  door.offer("bb", "b");
  const waiting = door.wait("bbbbbb", "b");
  assertEquals(door.offer("AA", "a"), "accepted");
  assertEquals(door.offer("B", "b"), "refused");
  door.admission.leave(waiting);
  assertEquals(door.offer("B", "b"), "accepted");
  assertEquals(door.texts, ["AA", "B"]);
});

Deno.test("a replacement must fit in bytes, unless it is no larger", () => {
  const door = new Door("reject", { maxSize: 1, maxBytes: 4 });
  door.offer("aa", "a");
  assertEquals(door.offer("aaaa", "a"), "accepted");
  door.ledger = { heldCount: 1, heldBytes: 2 };
  assertEquals(door.offer("AAAA", "a"), "accepted");
  assertEquals(door.offer("A", "a"), "accepted");
  assertEquals(door.offer("AAA", "a"), "refused");
});

Deno.test("nothing enters before the spool is open", () => {
  const door = new Door("reject", {});
  door.intake.isOpen = false;
  assertEquals(door.offer("a"), "refused");
  door.wait("b");
  assertEquals(door.admission.admit(), false);
  door.intake.isOpen = true;
  assertEquals(door.admission.admit(), true);
});

Deno.test("what is on the short way takes up room, and drop-oldest finds it there", () => {
  const bySize = new Door("reject", { maxSize: 2 });
  bySize.express.accept("a");
  assertEquals([bySize.offer("b"), bySize.offer("c")], ["accepted", "refused"]);
  const byBytes = new Door("reject", { maxBytes: 4 });
  byBytes.express.accept("aaa");
  assertEquals([byBytes.offer("bb"), byBytes.offer("b")], [
    "refused",
    "accepted",
  ]);
  const dropping = new Door("drop-oldest", { maxSize: 2 });
  dropping.express.accept("a");
  dropping.express.accept("b");
  assertEquals(dropping.offer("c"), "accepted");
  assertEquals([dropping.dropped, dropping.texts], [["a"], ["b", "c"]]);
});

/** A door, and a queue behind it. */
class Door {
  readonly queue = new Queue();
  readonly dropped: string[] = [];
  expired: string[] = [];
  ledger = { heldCount: 0, heldBytes: 0 };
  readonly intake = {
    isOpen: true,
    staged: new EntryList(),
    take: (entry: Entry) => this.#enqueue(entry),
    commit: () => {
      const entry = this.intake.staged.shift();
      if (entry !== undefined) this.#enqueue(entry);
    },
  };
  readonly express: Express;
  readonly admission: Admission;

  constructor(
    overflow: SendOverflow,
    { maxSize = 10, maxBytes = 100 }: { maxSize?: number; maxBytes?: number },
  ) {
    const { queue, intake } = this;
    const express = new Express({ isUsed: true, maxSize, maxBytes });
    this.express = express;
    const queued = {
      get count() {
        return queue.count + intake.staged.count + express.queuedCount;
      },
      get bytes() {
        return queue.bytes + intake.staged.bytes + express.queuedBytes;
      },
    };
    const ledgerOf = () => this.ledger;
    const ledger = {
      get heldCount() {
        return ledgerOf().heldCount;
      },
      get heldBytes() {
        return ledgerOf().heldBytes;
      },
    };
    this.admission = new Admission(
      { maxSize, maxBytes, overflow },
      { queue, intake, queued, ledger },
      {
        leaveExpress: () => {
          express.leave(1, new FlushLedger(() => {}), queue.fresh);
        },
        overflow: (entry) => this.#drop(entry),
        expire: () => {
          for (const entry of queue.fresh) {
            if (this.expired.includes(String(entry.data))) queue.remove(entry);
          }
        },
      },
    );
  }

  offer(text: string, key?: string) {
    return this.admission.offer(new Entry(text, text.length, { key }));
  }

  wait(text: string, key?: string): Entry {
    const entry = new Entry(text, text.length, { key });
    this.admission.wait(entry);
    return entry;
  }

  putBack(text: string): void {
    const list = new EntryList();
    list.push(new Entry(text, text.length));
    this.queue.putBack(list);
  }

  get texts(): string[] {
    const { again, fresh } = this.queue;
    return [...again, ...fresh].map(({ data }) => String(data));
  }

  #enqueue(entry: Entry): void {
    const old = this.queue.withKey(entry.key);
    if (old === undefined) this.queue.push(entry);
    else this.queue.replace(old, entry);
  }

  #drop(entry: Entry): void {
    this.dropped.push(String(entry.data));
    if (this.queue.has(entry)) this.queue.remove(entry);
  }
}
