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

/** Timers in fake time, and what they called when. */
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

  /** A sleeper of this name. */
  call(name: string, then: () => void = () => {}): Sleeper {
    return {
      batch: undefined,
      wake: () => {
        this.called.push([name, this.now]);
        then();
      },
    };
  }

  set(call: Sleeper, delay: number): number {
    return this.timers.set(call, delay, this.now);
  }

  pass(ms: number): void {
    this.#time.tick(ms);
  }

  [Symbol.dispose](): void {
    globalThis.setTimeout = this.#setTimeout;
    this.#time.restore();
  }
}

Deno.test("a call alone comes after its delay", () => {
  using world = new World();
  assertEquals(world.set(world.call("a"), 1000), 1000);
  world.pass(999);
  assertEquals(world.called, []);
  world.pass(1);
  assertEquals(world.called, [["a", 1000]]);
});

Deno.test("what is asked for a little later comes along, and is told how soon", () => {
  using world = new World();
  world.set(world.call("a"), 1000);
  world.pass(50);
  assertEquals(world.set(world.call("b"), 1000), 950);
  world.pass(1);
  assertEquals(world.set(world.call("late"), 1000), 1000);
  world.pass(2000);
  assertEquals(world.called, [["a", 1000], ["b", 1000], ["late", 1051]]);
  assertEquals(world.made, 2);
});

Deno.test("what has another delay has a timer of its own", () => {
  using world = new World();
  world.set(world.call("a"), 1000);
  assertEquals(world.set(world.call("b"), 990), 990);
  world.pass(1000);
  assertEquals(world.called, [["b", 990], ["a", 1000]]);
});

Deno.test("thousands that go on for ever share one timer a round", () => {
  using world = new World();
  for (let i = 0; i < 1000; i++) {
    const call = world.call(String(i), () => world.set(call, 1000));
    world.set(call, 1000);
  }
  world.pass(5000);
  assertEquals(world.called.length, 5000);
  assertEquals(world.made, 6);
  assertEquals(new Set(world.called.map(([, at]) => at)).size, 5);
});

Deno.test("what is cleared is not called, and the last one takes the timer along", () => {
  using world = new World();
  const [a, b] = [world.call("a"), world.call("b")];
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

Deno.test("clearing what is not set is nothing", () => {
  using world = new World();
  world.timers.clear(world.call("a"));
  assertEquals(world.made, 0);
});

Deno.test("what is set again is called once, by the later wish", () => {
  using world = new World();
  const call = world.call("a");
  world.set(call, 1000);
  world.set(call, 3000);
  world.pass(5000);
  assertEquals(world.called, [["a", 3000]]);
});

Deno.test("a call may clear another one that was to come with it", () => {
  using world = new World();
  const second = world.call("second");
  world.set(world.call("first", () => world.timers.clear(second)), 1000);
  world.set(second, 1000);
  world.pass(2000);
  assertEquals(world.called, [["first", 1000]]);
});

Deno.test("a call may set anew what was to come with it", () => {
  using world = new World();
  const second = world.call("second");
  world.set(world.call("first", () => world.set(second, 500)), 1000);
  world.set(second, 1000);
  world.pass(2000);
  assertEquals(world.called, [["first", 1000], ["second", 1500]]);
});

Deno.test("every call comes when it was said to, and at most a twentieth early", () => {
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
        const wait = world.set(world.call(String(index)), delay);
        assertGreaterOrEqual(wait, delay * 0.95);
        assertLessOrEqual(wait, delay);
        due.set(String(index), world.now + wait);
      }
      world.pass(1000);
      assertEquals(new Map(world.called), due);
    }),
  );
});
