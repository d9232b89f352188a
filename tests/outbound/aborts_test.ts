import { assertEquals } from "@std/assert";
import { Aborts } from "../../src/outbound/aborts.ts";
import { Entry } from "../../src/outbound/entry.ts";

Deno.test("messages that share a signal share a listener, and are told together", () => {
  const { aborts, told } = watching();
  const { signal, listeners, abort } = counted();
  for (const text of ["a", "b"]) aborts.watch(entry(text, signal));
  assertEquals(listeners(), 1);
  abort();
  assertEquals(told, [["a", "b"]]);
  assertEquals(listeners(), 0);
});

Deno.test("who has left is not told, and the last one takes the listener along", () => {
  const { aborts, told } = watching();
  const { signal, listeners, abort } = counted();
  const [a, b] = [entry("a", signal), entry("b", signal)];
  aborts.watch(a);
  aborts.watch(a);
  aborts.watch(b);
  aborts.forget(a);
  assertEquals(listeners(), 1);
  aborts.forget(b);
  aborts.forget(b);
  assertEquals(listeners(), 0);
  abort();
  assertEquals(told, []);
});

Deno.test("stopped, it listens to nobody", () => {
  const { aborts } = watching();
  const [one, two] = [counted(), counted()];
  aborts.watch(entry("a", one.signal));
  aborts.watch(entry("b", two.signal));
  aborts.stop();
  assertEquals([one.listeners(), two.listeners()], [0, 0]);
});

Deno.test("a message without a signal is nobody's business", () => {
  const { aborts, told } = watching();
  aborts.watch(new Entry("a", 1));
  aborts.forget(new Entry("a", 1));
  assertEquals(told, []);
});

function entry(text: string, signal: AbortSignal): Entry {
  return new Entry(text, 1, { signal });
}

function watching() {
  const told: string[][] = [];
  const aborts = new Aborts((entries) => {
    told.push(entries.map(({ data }) => String(data)));
  });
  return { aborts, told };
}

/** A signal that knows how many listeners it has. */
function counted() {
  const controller = new AbortController();
  const { signal } = controller;
  const listeners = new Set<unknown>();
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | AddEventListenerOptions,
  ) => {
    listeners.add(listener);
    add(type, listener, options);
  };
  signal.removeEventListener = (
    type: string,
    listener: EventListenerOrEventListenerObject,
  ) => {
    listeners.delete(listener);
    remove(type, listener);
  };
  add("abort", () => listeners.clear());
  return {
    signal,
    listeners: () => listeners.size,
    abort: () => controller.abort(),
  };
}
