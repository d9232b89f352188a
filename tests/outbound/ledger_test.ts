import { assertEquals } from "@std/assert";
import { Entry } from "../../src/outbound/entry.ts";
import { FlushLedger } from "../../src/outbound/ledger.ts";

Deno.test("what the socket still has are the last bytes it was given", () => {
  const book = new Book("aaaa", "bb", "cccccc");
  book.ledger.sampled(9, true);
  assertEquals(book.settled, [], "a message that left in part has not left");
  book.ledger.sampled(8, true);
  assertEquals(book.settled, ["aaaa"]);
  book.ledger.sampled(1, true);
  assertEquals(book.settled, ["aaaa", "bb"]);
  assertEquals(book.takeBack(), ["cccccc"]);
});

Deno.test("bytes that the gate has sent come before everything", () => {
  const book = new Book("aa", "bb");
  book.ledger.sampled(100, true);
  assertEquals(book.settled, []);
  book.ledger.sampled(2, true);
  assertEquals(book.settled, ["aa"]);
});

Deno.test("an urgent message has its place among the bytes, and does not go back", () => {
  const book = new Book("aa");
  book.ledger.addUrgent(10);
  book.add("bb");
  assertEquals(book.ledger.oldest?.order, 1);
  book.ledger.sampled(12, true);
  assertEquals(book.settled, ["aa"]);
  assertEquals(book.ledger.oldest?.order, 2, "nobody waits for the urgent one");
  book.ledger.sampled(2, true);
  assertEquals(book.settled, ["aa"]);
  assertEquals(book.takeBack(), ["bb"]);
  assertEquals(book.ledger.wantsSamples, false);
});

Deno.test("an urgent message before all others is no matter of the ledger", () => {
  const book = new Book();
  book.ledger.addUrgent(10);
  assertEquals(book.ledger.wantsSamples, false);
  book.add("aa");
  book.ledger.sampled(1, true);
  assertEquals(book.settled, [], "it is the last bytes that count");
});

Deno.test("an empty message has left when later bytes have", () => {
  const book = new Book("", "aa", "", "bb");
  book.ledger.sampled(3, false);
  assertEquals(book.settled, [""]);
  book.ledger.sampled(1, false);
  assertEquals(book.settled, ["", "aa", ""]);
});

Deno.test("an empty message with nothing behind it has left after a turn at the front", () => {
  const book = new Book("aa", "");
  book.ledger.sampled(2, true);
  book.ledger.sampled(0, true);
  assertEquals(book.settled, ["aa"]);
  book.ledger.sampled(0, false);
  assertEquals(book.settled, ["aa"], "no turn in between");
  book.ledger.sampled(0, true);
  assertEquals(book.settled, ["aa", ""]);
});

Deno.test("an empty message behind what the gate has sent gets its turn after that", () => {
  const book = new Book("");
  book.ledger.sampled(5, true);
  book.ledger.sampled(0, true);
  assertEquals(book.settled, []);
  book.ledger.sampled(0, true);
  assertEquals(book.settled, [""]);
});

Deno.test("the next link knows nothing of the turns of the last", () => {
  const book = new Book("");
  book.ledger.sampled(0, true);
  assertEquals(book.takeBack(), [""]);
  book.add("", 1);
  book.ledger.sampled(0, true);
  assertEquals(book.settled, []);
  assertEquals(book.ledger.oldest?.order, 1);
});

Deno.test("what is flushed or not takes up no room in the queue", () => {
  const { ledger } = new Book("a");
  ledger.forget();
  assertEquals([ledger.heldCount, ledger.heldBytes, ledger.isFull], [
    0,
    0,
    false,
  ]);
});

class Book {
  readonly settled: string[] = [];
  readonly ledger = new FlushLedger(({ data }) =>
    this.settled.push(String(data))
  );
  #order = 0;

  constructor(...texts: string[]) {
    for (const text of texts) this.add(text);
  }

  add(text: string, order = ++this.#order): void {
    const entry = new Entry(text, text.length);
    entry.order = order;
    this.ledger.add(entry);
  }

  takeBack(): string[] {
    return [...this.ledger.takeBack()].map(({ data }) => String(data));
  }
}
