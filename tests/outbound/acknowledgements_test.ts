import { assertEquals } from "@std/assert";
import { AckLedger } from "../../src/outbound/acknowledgements.ts";
import { Entry } from "../../src/outbound/entry.ts";

Deno.test("acknowledgements settle in any order; twice or unknown is no matter", () => {
  const { ledger, settled } = book(10);
  for (const id of [1, 2, 3]) ledger.add(message(id));
  for (const id of [3, 3, 99, 1]) ledger.acknowledge(id);
  assertEquals(settled, [3, 1]);
  assertEquals([ledger.heldCount, ledger.heldBytes, ledger.oldest?.id], [
    1,
    1,
    2,
  ]);
});

Deno.test("of those with one id the first handed over is acknowledged first", () => {
  const { ledger } = book(10);
  const [first, second] = [message("x"), message("x")];
  ledger.add(first);
  ledger.add(second);
  ledger.acknowledge("x");
  assertEquals([ledger.heldCount, ledger.oldest === second], [1, true]);
  ledger.acknowledge("x");
  assertEquals(ledger.heldCount, 0);
});

Deno.test("a text and a number are different ids", () => {
  const { ledger, settled } = book(10);
  ledger.add(message(1));
  ledger.acknowledge("1");
  assertEquals(settled, []);
});

Deno.test("the window bounds what is not acknowledged", () => {
  const { ledger } = book(2);
  ledger.add(message(1));
  assertEquals(ledger.isFull, false);
  ledger.add(message(2));
  assertEquals(ledger.isFull, true);
  ledger.acknowledge(1);
  assertEquals(ledger.isFull, false);
});

Deno.test("all goes back in order, and can be acknowledged late", () => {
  const { ledger, settled } = book(10);
  const entries = [1, 2, 3].map(message);
  for (const entry of entries) {
    ledger.add(entry);
    entry.handedOver = true;
  }
  ledger.acknowledge(2);
  const back = ledger.takeBack();
  assertEquals([...back].map(({ id }) => id), [1, 3]);
  assertEquals(ledger.heldCount, 0);
  ledger.acknowledge(3);
  assertEquals(settled, [2, 3]);
});

Deno.test("handed over again, a message needs one acknowledgement only", () => {
  const { ledger, settled } = book(10);
  const entry = message(1);
  ledger.add(entry);
  entry.handedOver = true;
  const back = ledger.takeBack();
  back.remove(entry);
  ledger.add(entry);
  ledger.acknowledge(1);
  ledger.acknowledge(1);
  assertEquals([settled.length, ledger.heldCount], [1, 0]);
});

Deno.test("what was dropped is not acknowledged in the place of another", () => {
  const { ledger } = book(10);
  const [first, second] = [message("x"), message("x")];
  ledger.add(first);
  ledger.add(second);
  ledger.forget(first);
  ledger.forget(message("x"));
  ledger.acknowledge("x");
  assertEquals(ledger.oldest === first, true);
});

Deno.test("a message without an id does not wait for the server", () => {
  const { ledger, settled } = book(1);
  ledger.add(new Entry("a", 1));
  ledger.addUrgent();
  ledger.sampled();
  assertEquals([settled.length, ledger.isFull, ledger.wantsSamples], [
    1,
    false,
    false,
  ]);
});

function message(id: string | number): Entry {
  return new Entry("m", 1, { id });
}

function book(window: number) {
  const settled: unknown[] = [];
  const ledger = new AckLedger(window, ({ id }) => settled.push(id));
  return { ledger, settled };
}
