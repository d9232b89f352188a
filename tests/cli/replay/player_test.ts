import { assert, assertEquals, assertRejects } from "@std/assert";
import { play } from "../../../src/cli/replay/player.ts";
import type { Entry } from "../../../src/cli/replay/recording.ts";

async function* entries(...list: readonly Entry[]): AsyncGenerator<Entry> {
  yield* list;
}

const A = { at: 1_000, data: "a" };
const B = { at: 1_080, data: "b" };
const C = { at: 1_090, data: "c" };

function options(speed: number) {
  const gone = new AbortController();
  const sent: [unknown, number][] = [];
  const start = performance.now();
  return {
    gone,
    sent,
    options: {
      speed,
      signal: gone.signal,
      send: (data: unknown) => {
        sent.push([data, performance.now() - start]);
      },
      flush: () => Promise.resolve(),
    },
  };
}

Deno.test("messages keep their distances, divided by the speed", async () => {
  for (const speed of [1, 2]) {
    const { sent, options: it } = options(speed);
    assertEquals(await play(entries(A, B, C), it), 3);
    assertEquals(sent.map(([data]) => data), ["a", "b", "c"]);
    const [, second = NaN] = sent[1] ?? [];
    // Never early; late by what a busy machine needs.
    assertEquals(second >= 79 / speed && second < 80 / speed + 60, true);
  }
});

Deno.test("times count from when the first message is on the network", async () => {
  const { sent, options: it } = options(1);
  const slowly = () => new Promise((resolve) => setTimeout(resolve, 100));
  await play(entries(A, B), { ...it, flush: slowly });
  const [, second = NaN] = sent[1] ?? [];
  assert(second >= 179, `${second}`);
});

Deno.test("at most speed nothing waits, and times that go back do not either", async () => {
  const { sent, options: it } = options(Infinity);
  await play(entries(C, A, { at: 1e12, data: "z" }), it);
  assertEquals(sent.length, 3);
  const slow = options(1);
  await play(entries(C, A, B), slow.options);
  assertEquals(slow.sent.length, 3);
});

Deno.test("an end in between ends it", async () => {
  const { sent, gone, options: it } = options(1);
  const playing = play(entries(A, { at: 1e9, data: "late" }), it);
  await Promise.resolve();
  setTimeout(() => gone.abort(), 10);
  await assertRejects(() => playing, DOMException);
  assertEquals(sent.length, 1);
});
