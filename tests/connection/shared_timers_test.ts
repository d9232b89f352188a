import {
  assertEquals,
  assertGreaterOrEqual,
  assertLessOrEqual,
} from "@std/assert";
import { FakeTime } from "@std/testing/time";
import fc from "fast-check";
import {
  SharedTimers,
  type Sleeper,
} from "../../src/connection/shared_timers.ts";

/** Timers in fake time, and whom they woke when. */
class World implements Disposable {
  readonly timers = new SharedTimers();
  readonly woken: [name: string, at: number][] = [];
  /** How many timers of the runtime there were. */
  made = 0;
  readonly #time = new FakeTime(0);
  readonly #setTimeout = globalThis.setTimeout;

  constructor() {
    const original = this.#setTimeout;
    globalThis.setTimeout = Object.assign(
      (...args: Parameters<typeof original>) => {
        this.made++;
        return original(...args);
      },
      original,
    );
  }

  get now(): number {
    return this.#time.now;
  }

  /** A sleeper of this name. */
  sleeper(name: string, then: () => void = () => {}): Sleeper {
    return {
      batch: undefined,
      wake: () => {
        this.woken.push([name, this.now]);
        then();
      },
    };
  }

  set(sleeper: Sleeper, delay: number): number {
    return this.timers.set(sleeper, delay, this.now);
  }

  pass(ms: number): void {
    this.#time.tick(ms);
  }

  [Symbol.dispose](): void {
    globalThis.setTimeout = this.#setTimeout;
    this.#time.restore();
  }
}

Deno.test("who sleeps alone is woken after the delay", () => {
  using world = new World();
  assertEquals(world.set(world.sleeper("a"), 1000), 1000);
  world.pass(999);
  assertEquals(world.woken, []);
  world.pass(1);
  assertEquals(world.woken, [["a", 1000]]);
});

Deno.test("what is asked for a little later comes along, and is told how soon", () => {
  using world = new World();
  world.set(world.sleeper("a"), 1000);
  world.pass(50);
  assertEquals(world.set(world.sleeper("b"), 1000), 950);
  world.pass(1);
  assertEquals(world.set(world.sleeper("late"), 1000), 1000);
  world.pass(2000);
  assertEquals(world.woken, [["a", 1000], ["b", 1000], ["late", 1051]]);
  assertEquals(world.made, 2);
});

Deno.test("what has another delay has a timer of its own", () => {
  using world = new World();
  world.set(world.sleeper("a"), 1000);
  assertEquals(world.set(world.sleeper("b"), 990), 990);
  world.pass(1000);
  assertEquals(world.woken, [["b", 990], ["a", 1000]]);
});

Deno.test("thousands that go on for ever share one timer a round", () => {
  using world = new World();
  for (let i = 0; i < 1000; i++) {
    const sleeper = world.sleeper(String(i), () => world.set(sleeper, 1000));
    world.set(sleeper, 1000);
  }
  world.pass(5000);
  assertEquals(world.woken.length, 5000);
  assertEquals(world.made, 6);
  assertEquals(new Set(world.woken.map(([, at]) => at)).size, 5);
});

Deno.test("who is cleared is not woken, and the last one takes the timer along", () => {
  using world = new World();
  const [a, b] = [world.sleeper("a"), world.sleeper("b")];
  world.set(a, 1000);
  world.set(b, 1000);
  world.timers.clear(a);
  world.pass(500);
  world.timers.clear(b);
  // A new timer, not what is left of the old one.
  world.set(a, 1000);
  world.pass(999);
  assertEquals(world.woken, []);
  world.pass(1);
  assertEquals(world.woken, [["a", 1500]]);
});

Deno.test("clearing what is not set is nothing", () => {
  using world = new World();
  world.timers.clear(world.sleeper("a"));
  assertEquals(world.made, 0);
});

Deno.test("who is set again is woken once, by the later wish", () => {
  using world = new World();
  const sleeper = world.sleeper("a");
  world.set(sleeper, 1000);
  world.set(sleeper, 3000);
  world.pass(5000);
  assertEquals(world.woken, [["a", 3000]]);
});

Deno.test("one who is woken may clear another of the same batch", () => {
  using world = new World();
  const second = world.sleeper("second");
  world.set(world.sleeper("first", () => world.timers.clear(second)), 1000);
  world.set(second, 1000);
  world.pass(2000);
  assertEquals(world.woken, [["first", 1000]]);
});

Deno.test("one who is woken may set another of the same batch anew", () => {
  using world = new World();
  const second = world.sleeper("second");
  world.set(world.sleeper("first", () => world.set(second, 500)), 1000);
  world.set(second, 1000);
  world.pass(2000);
  assertEquals(world.woken, [["first", 1000], ["second", 1500]]);
});

Deno.test("everybody is woken when it was said, and at most a twentieth early", () => {
  const wishes = fc.array(
    fc.record({
      after: fc.integer({ min: 0, max: 80 }),
      delay: fc.constantFrom(25, 100, 1000),
    }),
    { minLength: 1, maxLength: 50 },
  );
  fc.assert(
    fc.property(wishes, (wishes) => {
      using world = new World();
      const due = new Map<string, number>();
      for (const [index, { after, delay }] of wishes.entries()) {
        world.pass(after);
        const wait = world.set(world.sleeper(String(index)), delay);
        assertGreaterOrEqual(wait, delay * 0.95);
        assertLessOrEqual(wait, delay);
        due.set(String(index), world.now + wait);
      }
      world.pass(1000);
      assertEquals(new Map(world.woken), due);
    }),
  );
});
