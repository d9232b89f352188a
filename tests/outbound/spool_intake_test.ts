import { assertEquals, assertRejects } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { WSError } from "../../src/errors.ts";
import { Entry } from "../../src/outbound/entry.ts";
import { Queue } from "../../src/outbound/queue.ts";
import type { Put, Stored } from "../../src/outbound/spool.ts";
import {
  type SpoolFile,
  SpoolIntake,
} from "../../src/outbound/spool_intake.ts";

Deno.test("what is taken in one turn is written in one transaction, then queued", async () => {
  const box = await Box.open();
  box.take("a");
  box.take("b");
  assertEquals([box.texts, box.intake.staged.count], [[], 2]);
  await turn();
  assertEquals(box.log, ["write a,b", "queued a", "queued b", "enqueued"]);
  box.intake.close();
});

Deno.test("what was in the file comes first, and is told at once", async () => {
  const stored = [{ row: 3, data: "old", expires: Infinity, key: undefined }];
  const box = await Box.open(stored);
  assertEquals(box.log, ["restored old", "enqueued"]);
  box.intake.close();
});

Deno.test("the sender may use its memory again before the disk has it", async () => {
  const box = await Box.open();
  const bytes = new Uint8Array([65]);
  box.intake.take(new Entry(bytes, 1));
  bytes.fill(66);
  await turn();
  assertEquals(box.texts, ["A"]);
  box.intake.close();
});

Deno.test("when the disk is full the senders hear of it, and nothing else changes", async () => {
  const box = await Box.open();
  box.take("old", "k");
  await turn();
  box.log.length = 0;
  box.isFull = true;
  const waiting = box.takeAndWait("new", "k");
  box.take("unheard", "k");
  const error = await assertRejects(() => waiting, WSError);
  assertEquals([error.code, error.severity], ["SPOOL", "transient"]);
  assertEquals(box.log, ["lost unheard"]);
  assertEquals(box.texts, ["old"]);
  assertEquals(box.queue.head?.row, 1);
  box.isFull = false;
  box.take("later");
  await turn();
  assertEquals(box.texts, ["old", "later"]);
  assertEquals([...box.rows.values()], ["old", "later"]);
  box.intake.close();
});

Deno.test("a replacement takes over the row of what it replaces", async () => {
  const box = await Box.open();
  box.take("a", "k");
  await turn();
  const old = box.queue.head;
  box.take("b", "k");
  await turn();
  assertEquals([box.queue.head?.row, old?.row], [1, 0]);
  assertEquals([...box.rows.values()], ["b"]);
  box.intake.close();
});

Deno.test("of those with one key in one turn only the last is written", async () => {
  const box = await Box.open();
  box.take("a", "k");
  box.take("b", "l");
  box.take("c", "k");
  await turn();
  assertEquals([...box.rows.values()], ["c", "b"]);
  assertEquals(box.texts, ["c", "b"]);
  assertEquals(box.queue.head?.row, 1);
  box.intake.close();
});

Deno.test("what is settled is erased a little later, all together", async () => {
  const box = await Box.open();
  for (const text of ["a", "b", "c"]) box.take(text);
  await turn();
  using time = new FakeTime();
  for (const entry of [...box.queue.fresh].slice(0, 2)) {
    box.intake.forget(entry);
  }
  assertEquals(box.rows.size, 3);
  box.log.length = 0;
  time.tick(50);
  assertEquals(box.log, ["erase 1,2"]);
  assertEquals([...box.rows.values()], ["c"]);
  box.intake.close();
});

Deno.test("the next transaction takes along what is to be erased", async () => {
  const box = await Box.open();
  box.take("a");
  await turn();
  const head = box.takeHead();
  if (head !== undefined) box.intake.forget(head);
  if (head !== undefined) box.intake.forget(head);
  box.take("b");
  await turn();
  assertEquals(box.log.includes("write b without 1"), true);
  box.intake.close();
});

Deno.test("what cannot be erased is reported, and erased when it can be", async () => {
  const box = await Box.open();
  box.take("a");
  await turn();
  const head = box.takeHead();
  if (head !== undefined) box.intake.forget(head);
  box.isFull = true;
  box.log.length = 0;
  box.intake.eraseNow();
  assertEquals(box.log, ["error SPOOL"]);
  box.isFull = false;
  box.intake.close();
  assertEquals(box.rows.size, 0);
});

Deno.test("to be sent once, a message is off the disk before it is on the network", async () => {
  const box = await Box.open();
  box.take("a");
  await turn();
  const head = box.takeHead();
  if (head !== undefined) box.intake.forget(head);
  box.log.length = 0;
  box.intake.eraseNow();
  assertEquals(box.log, ["write  without 1"]);
  box.intake.close();
});

Deno.test("closing writes what is taken, and erases what is settled", async () => {
  const box = await Box.open();
  box.take("a");
  await turn();
  const head = box.takeHead();
  if (head !== undefined) box.intake.forget(head);
  box.take("b");
  box.intake.close();
  box.intake.close();
  assertEquals([...box.rows.values()], ["b"]);
  assertEquals(box.texts, ["b"]);
  assertEquals(box.log.at(-1), "closed");
});

Deno.test("closed while it opens, it holds nothing", async () => {
  const box = new Box([]);
  const opening = box.intake.open();
  box.intake.close();
  await opening;
  assertEquals([box.intake.isOpen, box.log], [false, ["closed"]]);
});

Deno.test("more that is taken while the last is queued waits for the next turn", async () => {
  const box = await Box.open();
  box.onQueued = (entry) => {
    if (entry.data === "a") box.take("c");
  };
  box.take("a");
  box.take("b");
  box.intake.commit();
  assertEquals(box.texts, ["a", "b"]);
  await turn();
  assertEquals(box.texts, ["a", "b", "c"]);
  box.intake.close();
});

/** The end of a turn of the event loop, after what was waiting for it. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 2));
}

/** An intake whose file is a map. */
class Box {
  readonly rows = new Map<number, string>();
  readonly log: string[] = [];
  readonly queue = new Queue();
  readonly intake: SpoolIntake;
  isFull = false;
  onQueued: (entry: Entry) => void = () => {};
  #lastRow = 0;

  constructor(stored: Stored[]) {
    const spool: SpoolFile = {
      write: (puts, erased = []) => this.#write(puts, [...erased]),
      erase: (rows) => this.#erase([...rows]),
      close: () => this.log.push("closed"),
    };
    this.intake = new SpoolIntake(
      () => Promise.resolve({ spool, stored }),
      this.queue,
      {
        restored: (found) => {
          if (found.length === 0) return;
          this.log.push(`restored ${found.map(({ data }) => data)}`);
        },
        enqueue: (entry) => this.#enqueue(entry),
        enqueued: () => this.log.push("enqueued"),
        lost: (entry) => {
          this.intake.forget(entry);
          this.log.push(`lost ${entry.data}`);
        },
        onError: ({ code }) => this.log.push(`error ${code}`),
        now: Date.now,
      },
    );
  }

  static async open(stored: Stored[] = []): Promise<Box> {
    const box = new Box(stored);
    await box.intake.open();
    if (stored.length === 0) box.log.length = 0;
    return box;
  }

  take(text: string, key?: string): void {
    this.intake.take(new Entry(text, text.length, { key }));
  }

  takeAndWait(text: string, key?: string): Promise<void> {
    const entry = new Entry(text, text.length, { key });
    entry.sender = Promise.withResolvers();
    this.intake.take(entry);
    return entry.sender.promise;
  }

  takeHead(): Entry | undefined {
    const { head } = this.queue;
    if (head !== undefined) this.queue.remove(head);
    return head;
  }

  get texts(): string[] {
    return [...this.queue.fresh].map(({ data }) => toText(data));
  }

  #enqueue(entry: Entry): void {
    this.log.push(`queued ${toText(entry.data)}`);
    const old = this.queue.withKey(entry.key);
    if (old === undefined) this.queue.push(entry);
    else this.queue.replace(old, entry);
    entry.sender?.resolve();
    this.onQueued(entry);
  }

  #write(puts: readonly Put[], erased: readonly number[]): void {
    if (this.isFull) throw new Error("database or disk is full");
    const without = erased.length === 0 ? "" : ` without ${erased}`;
    this.log.push(`write ${puts.map(({ data }) => toText(data))}${without}`);
    for (const row of erased) this.rows.delete(row);
    for (const put of puts) {
      if (put.row === 0) put.row = ++this.#lastRow;
      this.rows.set(put.row, toText(put.data));
    }
  }

  #erase(rows: readonly number[]): void {
    if (this.isFull) throw new Error("database or disk is full");
    this.log.push(`erase ${rows}`);
    for (const row of rows) this.rows.delete(row);
  }
}

function toText(data: Put["data"]): string {
  return typeof data === "string" ? data : new TextDecoder().decode(data);
}
