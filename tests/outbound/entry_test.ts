import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { Entry, EntryList } from "../../src/outbound/entry.ts";

Deno.test("a list behaves as an array, from both ends and in the middle", () => {
  const steps = fc.array(
    fc.tuple(
      fc.constantFrom("push", "shift", "remove", "replace", "prepend"),
      fc.nat(9),
    ),
    { maxLength: 60, size: "max" },
  );
  fc.assert(fc.property(steps, (script) => {
    const list = new EntryList();
    const model: Entry[] = [];
    for (const [what, index] of script) {
      const entry = new Entry("x".repeat(index), index);
      const chosen = model[index];
      if (what === "push") {
        list.push(entry);
        model.push(entry);
      } else if (what === "shift") {
        assertEquals(list.shift() === model.shift(), true);
      } else if (what === "prepend") {
        const other = new EntryList();
        other.push(entry);
        const second = new Entry("", 1);
        other.push(second);
        list.prepend(other);
        model.unshift(entry, second);
        assertEquals([other.count, other.bytes, other.head], [0, 0, undefined]);
      } else if (chosen !== undefined && what === "remove") {
        list.remove(chosen);
        model.splice(index, 1);
        assertEquals(chosen.list, undefined);
      } else if (chosen !== undefined) {
        list.replace(chosen, entry);
        model[index] = entry;
      }
      compare(list, model);
    }
  }));
});

function compare(list: EntryList, model: readonly Entry[]): void {
  const same = (a: Entry | undefined, b: Entry | undefined) => a === b;
  assertEquals([...list].every((entry, i) => same(entry, model[i])), true);
  assertEquals([...list].length, model.length);
  assertEquals(list.count, model.length);
  assertEquals(list.bytes, model.reduce((sum, { bytes }) => sum + bytes, 0));
  assertEquals(same(list.head, model[0]), true);
  assertEquals(same(list.tail, model.at(-1)), true);
  assertEquals([...list].every((entry) => entry.list === list), true);
}

Deno.test("an entry that owns its bytes does not see the sender change them", () => {
  const bytes = new Uint8Array(new SharedArrayBuffer(4)).subarray(1);
  const entry = new Entry(bytes, 3);
  entry.own();
  bytes.fill(7);
  assertEquals(entry.data, new Uint8Array(3));
});

Deno.test("a million entries pass through a list in no time", () => {
  const list = new EntryList();
  const start = performance.now();
  for (let i = 0; i < 1_000_000; i++) list.push(new Entry("", 1));
  while (list.count > 0) {
    list.shift();
    if (list.tail !== undefined) list.remove(list.tail);
  }
  // At a cost that grew with the length it would take hours.
  assertEquals(performance.now() - start < 20_000, true);
});
