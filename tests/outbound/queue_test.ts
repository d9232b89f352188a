import { assertEquals } from "@std/assert";
import { Entry, EntryList } from "../../src/outbound/entry.ts";
import { Queue } from "../../src/outbound/queue.ts";

Deno.test("what a link gave back goes out first, in its old order", () => {
  const queue = new Queue();
  queue.push(entry("c"));
  queue.putBack(listOf("b"));
  queue.putBack(listOf("0", "a"));
  assertEquals([queue.count, queue.bytes], [4, 4]);
  assertEquals(drain(queue), "0abc");
  assertEquals(queue.head, undefined);
});

Deno.test("a replacement has the place of what it replaces", () => {
  const queue = new Queue();
  for (const text of ["a", "b", "c"]) queue.push(entry(text, text));
  const old = queue.withKey("b");
  assertEquals(old?.data, "b");
  if (old !== undefined) queue.replace(old, entry("B", "b"));
  assertEquals(queue.withKey("b")?.data, "B");
  assertEquals(drain(queue), "aBc");
});

Deno.test("a message has no key any more when it has left", () => {
  const queue = new Queue();
  queue.push(entry("a", "key"));
  queue.push(entry("b", "key"));
  take(queue);
  assertEquals(queue.withKey("key")?.data, "b");
  take(queue);
  assertEquals(queue.withKey("key"), undefined);
  assertEquals(queue.withKey(undefined), undefined);
});

Deno.test("what a link gave back is not replaced", () => {
  const queue = new Queue();
  const list = new EntryList();
  list.push(entry("a", "key"));
  queue.putBack(list);
  assertEquals(queue.withKey("key"), undefined);
});

Deno.test("a queue knows its own", () => {
  const queue = new Queue();
  const own = entry("a");
  queue.push(own);
  assertEquals([queue.has(own), queue.has(entry("b"))], [true, false]);
  queue.remove(own);
  assertEquals([queue.has(own), queue.count, queue.head], [
    false,
    0,
    undefined,
  ]);
});

function entry(text: string, key?: string): Entry {
  return new Entry(text, text.length, { key });
}

function listOf(...texts: string[]): EntryList {
  const list = new EntryList();
  for (const text of texts) list.push(entry(text));
  return list;
}

function take(queue: Queue): Entry | undefined {
  const { head } = queue;
  if (head !== undefined) queue.remove(head);
  return head;
}

function drain(queue: Queue): string {
  let texts = "";
  for (let next = take(queue); next; next = take(queue)) texts += next.data;
  return texts;
}
