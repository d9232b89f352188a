import { assertEquals, assertGreaterOrEqual, assertMatch } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import fc from "fast-check";
import {
  Heartbeat,
  type HeartbeatOptions,
  type Watched,
} from "../../src/connection/heartbeat.ts";
import type { WSError } from "../../src/errors.ts";
import type { Message } from "../../src/message.ts";

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
/** How much later than its deadline a dead connection may be found. */
const SLACK = 1_200;

const PING: HeartbeatOptions = {
  ping: { message: "ping" },
  pingInterval: 20 * SECOND,
  pingTimeout: 10 * SECOND,
  idleTimeout: 0,
};
const IDLE: HeartbeatOptions = {
  pingInterval: 0,
  pingTimeout: 20 * SECOND,
  idleTimeout: 30 * SECOND,
};
const BARE: HeartbeatOptions = { ...IDLE, idleTimeout: 0 };

// Finding the dead -----------------------------------------------------------------

Deno.test("pings go out each interval, whatever comes in", () => {
  using world = new World(PING);
  world.run(65 * SECOND, () => world.link.received++);
  assertEquals(world.sentAt, [20, 40, 60].map((s) => s * SECOND));
  assertEquals(world.death, undefined);
});

Deno.test("nothing after a ping is a dead connection within the timeout", () => {
  using world = new World(PING);
  world.run(60 * SECOND);
  world.assertDead(30 * SECOND, /^Nothing came in for 10000 ms after a ping$/);
});

Deno.test("any message after a ping is a sign of life", () => {
  using world = new World(PING);
  world.run(29 * SECOND);
  world.link.received++;
  world.run(20 * SECOND);
  assertEquals(world.death, undefined);
  world.run(10 * SECOND);
  world.assertDead(50 * SECOND, /after a ping/);
});

Deno.test("a message before the ping is none", () => {
  using world = new World(PING);
  world.run(19_990);
  world.link.received++;
  world.run(20 * SECOND);
  world.assertDead(30 * SECOND, /after a ping/);
});

Deno.test("a later ping gives no more time to an earlier one", () => {
  using world = new World({ ...PING, pingInterval: 4 * SECOND });
  world.run(30 * SECOND);
  world.assertDead(14 * SECOND, /after a ping/);
});

Deno.test("silence for idleTimeout is a dead connection", () => {
  using world = new World(IDLE);
  world.run(25 * SECOND);
  world.link.received++;
  world.run(29 * SECOND);
  assertEquals(world.death, undefined);
  world.run(10 * SECOND);
  world.assertDead(55 * SECOND, /^Nothing came in for 30000 ms$/);
});

Deno.test("bytes that do not move are a dead connection, ping or not", () => {
  using world = new World(BARE);
  world.run(10 * SECOND);
  world.link.handed = world.link.buffered = 100;
  world.run(30 * SECOND, () => world.link.received++);
  world.assertDead(30 * SECOND, /^100 bytes have not moved for 20000 ms$/);
});

Deno.test("a stuck connection is found though more and more is handed to it", () => {
  using world = new World(BARE);
  world.link.handed = world.link.buffered = 100;
  world.run(30 * SECOND, () => {
    world.link.handed += 10; // ten characters
    world.link.buffered += 30; // of three bytes each
  });
  world.assertDead(20 * SECOND, /bytes have not moved/);
});

Deno.test("a busy connection may always look as full as before", () => {
  using world = new World(BARE);
  world.link.handed = world.link.buffered = 65_536;
  world.run(60 * SECOND, () => world.link.handed++);
  assertEquals(world.death, undefined);
});

Deno.test("a trickle is progress", () => {
  using world = new World(BARE);
  world.link.handed = world.link.buffered = 1_000;
  world.run(300 * SECOND, () => {
    if (world.now % (19 * SECOND) === 0) world.link.buffered--;
  });
  assertEquals(world.death, undefined);
});

Deno.test("a large message, which leaves as a whole, has time for each MiB", () => {
  using world = new World(BARE);
  world.link.handed = world.link.buffered = 3 * 1024 * 1024;
  world.run(59 * SECOND);
  assertEquals(world.death, undefined);
  world.run(10 * SECOND);
  world.assertDead(60 * SECOND, /^3145728 bytes have not moved for 60000 ms$/);
});

Deno.test("a connection that is not open gets no pings, and is judged by what comes in", () => {
  using world = new World({ ...PING, idleTimeout: 50 * SECOND });
  world.run(15 * SECOND);
  world.link.isOpen = false;
  world.run(34 * SECOND);
  assertEquals([world.sentAt, world.death], [[], undefined]);
  world.run(5 * SECOND);
  world.assertDead(50 * SECOND, /^Nothing came in for 50000 ms$/);
});

Deno.test("short times are kept as well", () => {
  using world = new World({ ...IDLE, pingTimeout: 100, idleTimeout: 80 });
  world.run(5);
  world.link.received++;
  world.run(500);
  const at = world.death?.at ?? Infinity;
  assertGreaterOrEqual(at, 85);
  assertGreaterOrEqual(85 + 10 + 4 * 25, at);
});

Deno.test("the dead are told once, and nothing is done after", () => {
  using world = new World({ ...PING, idleTimeout: 31 * SECOND });
  world.link.handed = world.link.buffered = 100;
  world.run(200 * SECOND);
  assertEquals(world.deaths, 1);
  assertEquals(world.sentAt.length, 0);
});

Deno.test("a stopped heartbeat does nothing more, even if a ping stopped it", () => {
  using world = new World({
    ...PING,
    ping: {
      message: () => {
        world.heartbeat.stop();
        return "ping";
      },
    },
  });
  world.run(200 * SECOND);
  assertEquals([world.sentAt.length, world.deaths], [1, 0]);
});

Deno.test("a ping message that throws is told, and earlier deadlines hold", () => {
  let calls = 0;
  using world = new World({
    ...PING,
    pingInterval: 5 * SECOND,
    ping: {
      message: () => {
        if (++calls > 1) throw new Error("broken");
        return "ping";
      },
    },
  });
  world.run(30 * SECOND);
  world.assertDead(15 * SECOND, /after a ping/);
  assertEquals(world.sentAt, [5 * SECOND]);
  assertEquals(world.errors[0]?.code, "CALLBACK");
});

Deno.test("pongs and answered pings are kept from delivery", () => {
  using world = new World({
    ...PING,
    ping: {
      message: "ping",
      isPong: (data) => data === "pong",
      answer: (data) => data === "2" ? "3" : undefined,
    },
  });
  world.run(20 * SECOND);
  const { intercept } = world.heartbeat;
  const caught = ["data", "2", "pong"].map((data) => intercept?.(data));
  assertEquals(caught, [false, true, true]);
  assertEquals(world.sent, ["ping", "3"]);
  assertEquals(world.rtts.length, 1);
  using plain = new World(PING, { nested: true });
  assertEquals(plain.heartbeat.intercept, undefined);
});

Deno.test("the last message is told as of when somebody looked", () => {
  using world = new World(BARE);
  assertEquals(world.heartbeat.lastMessageAt, undefined);
  world.run(10 * SECOND);
  world.link.received++;
  world.run(5 * SECOND);
  const at = world.heartbeat.lastMessageAt ?? 0;
  assertGreaterOrEqual(at, world.start + 10 * SECOND);
  assertGreaterOrEqual(world.start + 11 * SECOND, at);
  world.link.received++;
  assertEquals(world.heartbeat.lastMessageAt, world.start + 15 * SECOND);
  world.heartbeat.stop();
  world.run(5 * SECOND);
  assertEquals(world.heartbeat.lastMessageAt, world.start + 15 * SECOND);
});

// When it is us who are slow ----------------------------------------------------------

Deno.test("what waited in the socket while the loop was blocked is a sign of life", () => {
  for (const options of [PING, IDLE]) {
    using world = new World(options);
    world.run(19 * SECOND);
    for (const blocked of [1_900, 9_500, 60_000, HOUR]) {
      world.run(1_500);
      world.block(blocked);
      world.run(1_050); // timers come first, then the socket
      world.link.received++;
      world.run(4 * SECOND);
      world.link.received++;
      world.run(5 * SECOND);
      world.link.received++;
    }
    assertEquals(world.death, undefined);
  }
});

Deno.test("what came at the last moment is read before anything is judged", () => {
  using world = new World(PING);
  for (let ping = 1; ping < 5; ping++) {
    while (world.sent.length < ping) world.run(1);
    world.run(9_990);
    world.block(1_900);
    world.run(50); // two looks are past the deadline by now
    world.link.received++;
    world.run(50);
  }
  assertEquals(world.death, undefined);
});

for (
  const [name, sleep] of [
    ["a laptop that slept", { wall: HOUR, monotonic: 0 }],
    ["a process that was stopped", { wall: HOUR, monotonic: HOUR }],
  ] as const
) {
  Deno.test(`${name} pings at once, and finds a dead connection soon`, () => {
    using world = new World(PING);
    world.run(25 * SECOND);
    world.link.received++;
    world.sleep(sleep);
    world.run(1_000);
    assertEquals(world.sentAt.length, 2);
    world.run(20 * SECOND);
    world.assertDead(30 * SECOND, /^Nothing came in for 5000 ms after a ping$/);
  });

  Deno.test(`${name} keeps a connection that answers`, () => {
    using world = new World(PING);
    world.run(5 * SECOND);
    world.sleep(sleep);
    world.run(4 * SECOND);
    world.link.received++;
    world.run(15 * SECOND);
    assertEquals(world.death, undefined);
  });

  Deno.test(`${name} gives a quiet connection a short grace, without pings`, () => {
    using world = new World(IDLE);
    world.run(5 * SECOND);
    world.sleep(sleep);
    world.run(1_500);
    assertEquals(world.death, undefined);
    world.run(5 * SECOND);
    world.assertDead(7 * SECOND, /^Nothing came in for 30000 ms$/);
  });
}

Deno.test("a short sleep judges no connection that may still be quiet", () => {
  using world = new World(IDLE);
  world.run(25 * SECOND, () => world.link.received++);
  world.sleep({ wall: 10 * SECOND, monotonic: 10 * SECOND });
  world.run(20 * SECOND);
  assertEquals(world.death, undefined);
});

Deno.test("a clock that is set back delays nothing", () => {
  using world = new World(PING);
  world.sleep({ wall: -HOUR, monotonic: 0 });
  world.run(40 * SECOND);
  world.assertDead(30 * SECOND, /after a ping/);
});

Deno.test("a loop that is always late still finds a dead connection", () => {
  for (const blocked of [500, 3_000, 60_000]) {
    for (const options of [PING, IDLE]) {
      using world = new World(options);
      world.run(120 * SECOND, () => world.block(blocked));
      assertEquals(world.deaths, 1);
    }
  }
});

Deno.test("a loop that is always late does not flood the peer with pings", () => {
  using world = new World({ ...PING, pingTimeout: 60 * SECOND });
  world.run(20 * SECOND, () => world.block(10 * SECOND));
  assertGreaterOrEqual(4, world.sentAt.length);
});

Deno.test("no healthy connection is found dead, however the loop is blocked", () => {
  const step = fc.record({
    block: fc.oneof(
      { weight: 4, arbitrary: fc.constant(0) },
      fc.integer({ min: 1, max: 3_000 }),
      fc.integer({ min: 1, max: 100_000 }),
    ),
    turns: fc.integer({ min: 1, max: 200 }),
  });
  const options = fc.record({
    pingInterval: fc.integer({ min: 50, max: 30_000 }),
    pingTimeout: fc.integer({ min: 400, max: 30_000 }),
    idleTimeout: fc.constant(0),
    ping: fc.constant({ message: "ping" }),
  });
  fc.assert(fc.property(
    options,
    fc.double({ min: 0, max: 0.4, noNaN: true }),
    fc.array(step, { minLength: 1, maxLength: 60 }),
    (options, share, steps) => {
      using world = new World(options);
      // The peer needs less than half of the time it has. What is sent leaves,
      // and what has arrived is read, at the end of a turn of our event loop.
      const roundTrip = Math.min(options.pingTimeout, 5_000) * share;
      const pongs: number[] = [];
      let left = 0;
      for (const { block, turns } of steps) {
        world.block(block);
        for (let turn = 0; turn < turns; turn++) {
          world.run(5);
          for (; left < world.sent.length; left++) {
            pongs.push(world.realNow + roundTrip);
          }
          while ((pongs[0] ?? Infinity) <= world.realNow) {
            pongs.shift();
            world.link.received++;
          }
        }
        assertEquals(world.death, undefined);
      }
    },
  ));
});

// Support -------------------------------------------------------------------------------

class Link implements Watched {
  received = 0;
  handed = 0;
  buffered = 0;
  isOpen = true;
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  get bufferedAmount(): number | undefined {
    return this.isOpen ? this.buffered : undefined;
  }

  sendUrgent(data: Message): void {
    this.#world.sent.push(data);
    this.#world.sentAt.push(this.#world.now);
  }
}

/** A heartbeat with its link, in a time of its own. */
class World implements Disposable {
  readonly link = new Link(this);
  readonly heartbeat: Heartbeat;
  readonly sent: Message[] = [];
  readonly sentAt: number[] = [];
  readonly rtts: number[] = [];
  readonly errors: WSError[] = [];
  readonly start: number;
  deaths = 0;
  death: { at: number; error: WSError } | undefined;
  readonly #time: FakeTime | undefined;
  #asleepWall = 0;
  #asleepMonotonic = 0;

  constructor(options: HeartbeatOptions, { nested = false } = {}) {
    this.#time = nested ? undefined : new FakeTime();
    this.start = Date.now();
    this.heartbeat = new Heartbeat(options, this.link, {
      onDead: (error) => {
        this.deaths++;
        this.death = { at: this.now, error };
      },
      onRtt: (ms) => this.rtts.push(ms),
      onError: (error) => this.errors.push(error),
    }, {
      wall: () => Date.now() + this.#asleepWall,
      monotonic: () => this.now + this.#asleepMonotonic,
    });
    this.heartbeat.start();
  }

  /** The time in which timers run: it stands still while the loop is blocked. */
  get now(): number {
    return Date.now() - this.start;
  }

  get realNow(): number {
    return this.now + this.#asleepMonotonic;
  }

  /** Lets time pass; `each` is called each half second. */
  run(ms: number, each?: () => void): void {
    if (each === undefined) return this.#time?.tick(ms);
    for (let passed = 0; passed < ms; passed += 500) {
      this.#time?.tick(500);
      each();
    }
  }

  /** Time passes, and no timer runs. */
  block(ms: number): void {
    this.sleep({ wall: ms, monotonic: ms });
  }

  sleep({ wall, monotonic }: { wall: number; monotonic: number }): void {
    this.#asleepWall += wall;
    this.#asleepMonotonic += monotonic;
  }

  assertDead(deadline: number, text: RegExp): void {
    const { at, error } = this.death ?? {};
    assertEquals([error?.code, error?.severity], ["HEARTBEAT", "transient"]);
    assertMatch(error?.message ?? "", text);
    assertGreaterOrEqual(at, deadline);
    assertGreaterOrEqual(deadline + SLACK, at);
  }

  [Symbol.dispose](): void {
    this.heartbeat.stop();
    this.#time?.restore();
  }
}
