import {
  assertEquals,
  assertGreaterOrEqual,
  assertLessOrEqual,
} from "@std/assert";
import { FakeTime } from "@std/testing/time";
import fc from "fast-check";
import {
  SharedTimers,
  type TimerEntry,
} from "../../src/connection/shared_timers.ts";

/** Timers in fake time, and the calls they made. */
class World implements Disposable {
  readonly timers = new SharedTimers();
  readonly called: [name: string, at: number][] = [];
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

  /** An entry of this name. */
  entry(name: string, then: () => void = () => {}): TimerEntry {
    return {
      timer: undefined,
      onTimer: () => {
        this.called.push([name, this.now]);
        then();
      },
    };
  }

  set(entry: TimerEntry, delay: number): number {
    return this.timers.set(entry, delay, this.now);
  }

  pass(ms: number): void {
    this.#time.tick(ms);
  }

  [Symbol.dispose](): void {
    globalThis.setTimeout = this.#setTimeout;
    this.#time.restore();
  }
}

Deno.test("an entry alone is called after the delay", () => {
  using world = new World();
  assertEquals(world.set(world.entry("a"), 1000), 1000);
  world.pass(999);
  assertEquals(world.called, []);
  world.pass(1);
  assertEquals(world.called, [["a", 1000]]);
});

Deno.test("an entry that is set a little later shares the timer, and learns how soon it fires", () => {
  using world = new World();
  world.set(world.entry("a"), 1000);
  world.pass(50);
  assertEquals(world.set(world.entry("b"), 1000), 950);
  world.pass(1);
  assertEquals(world.set(world.entry("late"), 1000), 1000);
  world.pass(2000);
  assertEquals(world.called, [["a", 1000], ["b", 1000], ["late", 1051]]);
  assertEquals(world.made, 2);
});

Deno.test("an entry with another delay has a timer of its own", () => {
  using world = new World();
  world.set(world.entry("a"), 1000);
  assertEquals(world.set(world.entry("b"), 990), 990);
  world.pass(1000);
  assertEquals(world.called, [["b", 990], ["a", 1000]]);
});

Deno.test("thousands of entries that set themselves again share one timer a round", () => {
  using world = new World();
  for (let i = 0; i < 1000; i++) {
    const entry = world.entry(String(i), () => world.set(entry, 1000));
    world.set(entry, 1000);
  }
  world.pass(5000);
  assertEquals(world.called.length, 5000);
  assertEquals(world.made, 6);
  assertEquals(new Set(world.called.map(([, at]) => at)).size, 5);
});

Deno.test("a cleared entry is not called, and the last one ends the timer", () => {
  using world = new World();
  const [a, b] = [world.entry("a"), world.entry("b")];
  world.set(a, 1000);
  world.set(b, 1000);
  world.timers.clear(a);
  world.pass(500);
  world.timers.clear(b);
  // A new timer, not what is left of the old one.
  world.set(a, 1000);
  world.pass(999);
  assertEquals(world.called, []);
  world.pass(1);
  assertEquals(world.called, [["a", 1500]]);
});

Deno.test("clearing an entry that is not set does nothing", () => {
  using world = new World();
  world.timers.clear(world.entry("a"));
  assertEquals(world.made, 0);
});

Deno.test("an entry that is set again is called once, after the later delay", () => {
  using world = new World();
  const entry = world.entry("a");
  world.set(entry, 1000);
  world.set(entry, 3000);
  world.pass(5000);
  assertEquals(world.called, [["a", 3000]]);
});

Deno.test("an entry may clear another of the same timer while it is called", () => {
  using world = new World();
  const second = world.entry("second");
  world.set(world.entry("first", () => world.timers.clear(second)), 1000);
  world.set(second, 1000);
  world.pass(2000);
  assertEquals(world.called, [["first", 1000]]);
});

Deno.test("an entry may set another of the same timer anew while it is called", () => {
  using world = new World();
  const second = world.entry("second");
  world.set(world.entry("first", () => world.set(second, 500)), 1000);
  world.set(second, 1000);
  world.pass(2000);
  assertEquals(world.called, [["first", 1000], ["second", 1500]]);
});

Deno.test("each entry is called at the time it was told, at most a twentieth early", () => {
  const settings = fc.array(
    fc.record({
      after: fc.integer({ min: 0, max: 80 }),
      delay: fc.constantFrom(25, 100, 1000),
    }),
    { minLength: 1, maxLength: 50 },
  );
  fc.assert(
    fc.property(settings, (settings) => {
      using world = new World();
      const due = new Map<string, number>();
      for (const [index, { after, delay }] of settings.entries()) {
        world.pass(after);
        const wait = world.set(world.entry(String(index)), delay);
        assertGreaterOrEqual(wait, delay * 0.95);
        assertLessOrEqual(wait, delay);
        due.set(String(index), world.now + wait);
      }
      world.pass(1000);
      assertEquals(new Map(world.called), due);
    }),
  );
});
