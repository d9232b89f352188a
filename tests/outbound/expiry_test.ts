import { assertEquals } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { Entry, EntryList } from "../../src/outbound/entry.ts";
import { Expiry } from "../../src/outbound/expiry.ts";

Deno.test("messages expire on time, wherever they are in the list", () => {
  using time = new FakeTime();
  using box = new Box(time);
  for (const ttl of [300, 100, 200]) box.add(ttl);
  time.tick(99);
  assertEquals(box.expired, []);
  time.tick(1);
  assertEquals(box.expired, ["100"]);
  time.tick(200);
  assertEquals(box.expired, ["100", "200", "300"]);
});

Deno.test("what expires together is told together", () => {
  using time = new FakeTime();
  using box = new Box(time);
  for (const ttl of [100, 500, 100]) box.add(ttl);
  time.tick(100);
  assertEquals(box.calls, 1);
  assertEquals(box.expired, ["100", "100"]);
});

Deno.test("a time beyond what a timer can wait is waited for in parts", () => {
  using time = new FakeTime();
  using box = new Box(time);
  box.add(2 ** 32);
  time.tick(2 ** 31);
  assertEquals(box.expired, []);
  time.tick(2 ** 31);
  assertEquals(box.expired.length, 1);
});

Deno.test("when the clock is set back nothing expires before its time", () => {
  using time = new FakeTime();
  using box = new Box(time);
  box.add(100);
  box.skew = -50;
  time.tick(100);
  assertEquals(box.expired, []);
  time.tick(50);
  assertEquals(box.expired.length, 1);
});

Deno.test("asked, it does not wait for the timer", () => {
  using time = new FakeTime();
  using box = new Box(time);
  const entry = box.add(100);
  box.expiry.run();
  assertEquals([box.expired.length, box.expiry.hasPassed(entry)], [0, false]);
  box.skew = 100;
  box.expiry.run();
  assertEquals([box.expired.length, box.expiry.hasPassed(entry)], [1, true]);
});

Deno.test("a long list is not searched all the time", () => {
  using time = new FakeTime();
  using box = new Box(time);
  for (let i = 0; i < 50_000; i++) box.list.push(new Entry("", 0));
  for (let ttl = 1; ttl <= 20; ttl++) box.add(ttl);
  time.tick(20);
  // Once at 1 ms, then every 5 ms: 50,000 entries at 10,000 a millisecond.
  assertEquals(box.calls, 4);
  time.tick(5);
  assertEquals(box.expired.length, 20);
});

Deno.test("what never expires needs no clock and no timer", () => {
  const expiry = new Expiry([], () => {
    throw new Error("the clock was read");
  }, () => {});
  const entry = new Entry("", 0);
  expiry.watch(entry);
  expiry.run();
  assertEquals(expiry.hasPassed(entry), false);
});

class Box {
  readonly list = new EntryList();
  readonly expired: string[] = [];
  calls = 0;
  /** How far the wall clock is off. */
  skew = 0;
  readonly expiry: Expiry;
  readonly #time: FakeTime;

  constructor(time: FakeTime) {
    this.#time = time;
    this.expiry = new Expiry([this.list], () => this.#now(), (entries) => {
      this.calls++;
      for (const entry of entries) {
        this.list.remove(entry);
        this.expired.push(String(entry.data));
      }
    });
  }

  add(ttl: number): Entry {
    const entry = new Entry(`${ttl}`, 0, { expires: this.#now() + ttl });
    this.list.push(entry);
    this.expiry.watch(entry);
    return entry;
  }

  [Symbol.dispose](): void {
    this.expiry.stop();
  }

  #now(): number {
    return this.#time.now + this.skew;
  }
}
