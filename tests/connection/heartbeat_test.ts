/** The heartbeat in a time of its own: fake timers, fake clocks, no sockets. */

import {
  assert,
  assertEquals,
  assertGreaterOrEqual,
  assertMatch,
} from "@std/assert";
import { FakeTime } from "@std/testing/time";
import fc from "fast-check";
import {
  Heartbeat,
  type HeartbeatOptions,
  type HeartbeatSocket,
  type HeartbeatTarget,
} from "../../src/connection/heartbeat.ts";
import type { WSError } from "../../src/errors.ts";
import type { Message } from "../../src/message.ts";

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
const MIB = 1024 * 1024;
/** How much later than its deadline a dead connection may be found. */
const SLACK = 1_200;

const OFF: HeartbeatOptions = {
  pingInterval: 0,
  pingTimeout: 20 * SECOND,
  idleTimeout: 0,
  staleTimeout: 0,
};
const PING: HeartbeatOptions = {
  ...OFF,
  ping: { message: "ping" },
  pingInterval: 20 * SECOND,
  pingTimeout: 10 * SECOND,
};
const IDLE: HeartbeatOptions = { ...OFF, idleTimeout: 30 * SECOND };
const STALE: HeartbeatOptions = { ...OFF, staleTimeout: 30 * SECOND };

// Finding the dead -----------------------------------------------------------------

Deno.test("pings go out each interval, whatever comes in", () => {
  using world = new World(PING);
  world.run(65 * SECOND, () => world.target.received++);
  assertEquals(world.sentAt, [20, 40, 60].map((s) => s * SECOND));
  world.assertAlive();
});

Deno.test("nothing after a ping is a dead connection within the timeout", () => {
  using world = new World(PING);
  world.run(60 * SECOND);
  world.assertDead(30 * SECOND, /^nothing arrived for 10000 ms after a ping$/);
});

Deno.test("any message after a ping is a sign of life", () => {
  using world = new World(PING);
  world.run(29 * SECOND);
  world.target.received++;
  world.run(20 * SECOND);
  world.assertAlive();
  world.run(10 * SECOND);
  world.assertDead(50 * SECOND, /after a ping/);
});

Deno.test("a message before the ping is none", () => {
  using world = new World(PING);
  world.run(19_990);
  world.target.received++;
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
  world.target.received++;
  world.run(29 * SECOND);
  world.assertAlive();
  world.run(10 * SECOND);
  world.assertDead(55 * SECOND, /^nothing arrived for 30000 ms$/);
});

Deno.test("bytes that do not move are a dead connection, ping or not", () => {
  using world = new World(OFF);
  world.run(10 * SECOND);
  world.target.bytesWritten = world.target.buffered = 100;
  world.run(30 * SECOND, () => world.target.received++);
  world.assertDead(30 * SECOND, /^100 bytes have not moved for 20000 ms$/);
});

Deno.test("a stuck connection is found though more and more is handed to it", () => {
  using world = new World(OFF);
  world.target.bytesWritten = world.target.buffered = 100;
  world.run(30 * SECOND, () => {
    world.target.bytesWritten += 10; // ten characters
    world.target.buffered += 30; // of three bytes each
  });
  world.assertDead(20 * SECOND, /bytes have not moved/);
});

Deno.test("pings do not pile up in a stuck connection, which is found however large they are", () => {
  const size = 256 * 1024;
  const message = () => {
    world.target.bytesWritten = world.target.buffered += size;
    return new Uint8Array(size);
  };
  using world = new World({ ...PING, ping: { message }, pingInterval: 500 });
  world.run(60 * SECOND);
  assertEquals(world.sent.length, 1);
  world.assertDead(10_500, /bytes have not moved/);
});

Deno.test("pings go on in a connection that is busy with other messages", () => {
  using world = new World(PING);
  const { target } = world;
  world.run(100 * SECOND, () => {
    target.received++;
    target.buffered = 200_000;
    target.bytesWritten += 50_000;
  });
  assertEquals(world.sentAt, [20, 40, 60, 80, 100].map((s) => s * SECOND));
});

Deno.test("a busy connection may always look as full as before", () => {
  using world = new World(OFF);
  world.target.bytesWritten = world.target.buffered = 65_536;
  world.run(60 * SECOND, () => world.target.bytesWritten++);
  world.assertAlive();
});

Deno.test("a trickle is progress", () => {
  using world = new World(OFF);
  world.target.bytesWritten = world.target.buffered = 1_000;
  world.run(300 * SECOND, () => {
    if (world.now % (19 * SECOND) === 0) world.target.buffered--;
  });
  world.assertAlive();
});

Deno.test("a large message, which leaves as a whole, has time for each MiB", () => {
  using world = new World(OFF);
  world.target.bytesWritten = world.target.buffered = 3 * 1024 * 1024;
  world.run(59 * SECOND);
  world.assertAlive();
  world.run(10 * SECOND);
  world.assertDead(60 * SECOND, /^3145728 bytes have not moved for 60000 ms$/);
});

Deno.test("a ping behind a large message on a slow line has time until the kernel has sent it", () => {
  using world = new World({ ...PING, idleTimeout: 50 * SECOND });
  const { target } = world;
  // The kernel takes a third of its buffer every 8 s: when the last bytes have
  // left the socket, they need 24 s for the network.
  target.bytesWritten = target.buffered = 400_000;
  world.run(80 * SECOND, () => {
    if (world.now % (8 * SECOND) === 0) target.buffered -= 40_000;
  });
  assertEquals(target.buffered, 0);
  world.run(24 * SECOND);
  world.assertAlive();
  world.run(30 * SECOND);
  world.assertDead(110 * SECOND, /after a ping/);
});

Deno.test("a ping behind a large message on a fast line has no more time", () => {
  using world = new World(PING);
  const { target } = world;
  target.bytesWritten = target.buffered = 400_000;
  world.run(15 * SECOND, () => {
    target.buffered = Math.max(0, target.buffered - 20_000);
  });
  world.run(60 * SECOND);
  world.assertDead(30 * SECOND, /after a ping/);
});

Deno.test("a connection that is not open gets no pings, and is judged by what comes in", () => {
  using world = new World({ ...PING, idleTimeout: 50 * SECOND });
  world.run(15 * SECOND);
  world.target.isOpen = false;
  world.run(34 * SECOND);
  assertEquals(world.sentAt, []);
  world.assertAlive();
  world.run(5 * SECOND);
  world.assertDead(50 * SECOND, /^nothing arrived for 50000 ms$/);
});

Deno.test("short times are kept as well", () => {
  using world = new World({ ...IDLE, pingTimeout: 100, idleTimeout: 80 });
  world.run(5);
  world.target.received++;
  world.run(500);
  const at = world.deaths[0]?.at ?? Infinity;
  assertGreaterOrEqual(at, 85);
  assertGreaterOrEqual(85 + 10 + 4 * 25, at);
});

Deno.test("the dead are told once, and nothing is done after", () => {
  using world = new World({ ...PING, idleTimeout: 31 * SECOND });
  world.target.bytesWritten = world.target.buffered = 100;
  world.run(200 * SECOND);
  assertEquals(world.deaths.length, 1);
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
  assertEquals(world.sentAt.length, 1);
  world.assertAlive();
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

Deno.test("the last message is told as of when somebody looked", () => {
  using world = new World(OFF);
  assertEquals(world.heartbeat.lastMessageAt, undefined);
  world.run(10 * SECOND);
  world.target.received++;
  world.run(5 * SECOND);
  const at = world.heartbeat.lastMessageAt ?? 0;
  assertGreaterOrEqual(at, world.start + 10 * SECOND);
  assertGreaterOrEqual(world.start + 11 * SECOND, at);
  world.target.received++;
  assertEquals(world.heartbeat.lastMessageAt, world.start + 15 * SECOND);
  world.heartbeat.stop();
  world.run(5 * SECOND);
  assertEquals(world.heartbeat.lastMessageAt, world.start + 15 * SECOND);
});

// Pings, pongs and replies --------------------------------------------------------------

const PONG: HeartbeatOptions = {
  ...PING,
  ping: { message: "ping", isPong: (data) => data === "pong" },
};

Deno.test("a ping is a text, a binary message, or what a function returns", () => {
  let count = 0;
  const bytes = Uint8Array.of(1);
  for (const message of ["ping", bytes, () => `ping ${++count}`] as const) {
    using world = new World({ ...PING, ping: { message } });
    world.run(41 * SECOND, () => world.target.receive());
    const expected = typeof message === "function"
      ? ["ping 1", "ping 2"]
      : [message, message];
    assertEquals(world.sent, expected);
  }
});

Deno.test("pongs and answered pings are kept from delivery", () => {
  using world = new World({
    ...PONG,
    ping: {
      ...PONG.ping,
      answer: (data) => data === "2" ? "3" : undefined,
    },
  });
  world.run(20 * SECOND);
  const { heartbeat } = world;
  assertEquals(heartbeat.pings?.needsMessages, true);
  assertEquals(
    ["data", "2", "pong"].map((data) => heartbeat.pings?.intercept(data)),
    [false, true, true],
  );
  assertEquals(world.sent, ["ping", "3"]);
  assertEquals(world.rtts.length, 1);
});

Deno.test("without isPong and answer no message is looked at", () => {
  using world = new World(PING);
  assertEquals(world.heartbeat.pings?.needsMessages, false);
  assertEquals(world.heartbeat.pings?.intercept("ping"), false);
});

Deno.test("the RTT is the time since the oldest ping that is still awaited", () => {
  using world = new World({ ...PONG, pingInterval: 1 * SECOND });
  const { heartbeat, target } = world;
  // Each pong takes 2.5 s, so that three pings are on their way.
  world.run(20 * SECOND, () => {
    const sent = world.sentAt.filter((at) => at + 2_500 <= world.now).length;
    while (target.received < sent) {
      target.received++;
      heartbeat.pings?.intercept("pong");
    }
  });
  assertGreaterOrEqual(world.rtts.length, 16);
  for (const rtt of world.rtts) {
    assertGreaterOrEqual(rtt, 2_500);
    assertGreaterOrEqual(3_000, rtt);
  }
});

Deno.test("a server that answers no ping at all gives no RTT, and a late pong counts for its ping", () => {
  using world = new World({ ...PONG, pingTimeout: 30 * SECOND });
  world.run(65 * SECOND, () => world.target.receive());
  // Pings went out at 20, 40 and 60 s; the first is forgotten by now.
  world.heartbeat.pings?.intercept("pong");
  assertEquals(world.rtts.map((ms) => Math.round(ms / SECOND)), [25]);
});

Deno.test("a pong without a ping is not delivered, and gives no RTT", () => {
  using world = new World(PONG);
  assertEquals(world.heartbeat.pings?.intercept("pong"), true);
  assertEquals(world.rtts, []);
});

Deno.test("protocol pings carry numbers, and the pong's number finds its ping", () => {
  using world = new World(
    { ...PING, ping: undefined, pingInterval: SECOND },
    { pings: true },
  );
  world.run(3_500);
  assertEquals(world.pings.length, 3);
  const [first = 0, second = 0, third = 0] = world.pings;
  assertEquals(new Set(world.pings).size, 3);
  world.target.bytesRead = 6;
  // The server answered the second of them only (RFC 6455, section 5.5.3).
  world.heartbeat.pings?.onPong(second);
  world.heartbeat.pings?.onPong(first);
  world.heartbeat.pings?.onPong(12_345);
  assertEquals(world.rtts.map((ms) => Math.round(ms / 100)), [15]);
  world.heartbeat.pings?.onPong(third);
  assertEquals(world.rtts.map((ms) => Math.round(ms / 100)), [15, 5]);
});

Deno.test("protocol pings without any byte back are a dead connection", () => {
  using world = new World({ ...PING, ping: undefined }, { pings: true });
  world.target.bytesRead = 129;
  world.run(60 * SECOND);
  world.assertDead(30 * SECOND, /after a ping/);
});

Deno.test("any inbound byte after a ping is a sign of life, where bytes are counted", () => {
  using world = new World({ ...PING, ping: undefined }, { pings: true });
  let bytes = world.target.bytesRead = 129;
  // The fragments of one large message, which never ends.
  world.run(120 * SECOND, () => world.target.bytesRead = ++bytes);
  world.assertAlive();
  assertEquals(world.target.received, 0);
});

Deno.test("with ping.message no protocol pings are sent", () => {
  using world = new World(PING, { pings: true });
  world.run(41 * SECOND, () => world.target.receive());
  assertEquals(world.pings, []);
  assertEquals(world.sent, ["ping", "ping"]);
});

Deno.test("an answer may deliver the message as well", () => {
  using world = new World({
    ...OFF,
    ping: {
      answer: (data) =>
        data === "ping and data" ? { reply: "pong", deliver: true } : "pong",
    },
  });
  const { heartbeat } = world;
  assertEquals(heartbeat.pings?.intercept("ping and data"), false);
  assertEquals(heartbeat.pings?.intercept("ping"), true);
  assertEquals(world.sent, ["pong", "pong"]);
});

Deno.test("an empty text is a reply", () => {
  using world = new World({ ...OFF, ping: { answer: () => "" } });
  assertEquals(world.heartbeat.pings?.intercept("ping"), true);
  assertEquals(world.sent, [""]);
});

Deno.test("a server that pings and never reads gets a bounded number of replies", () => {
  const reply = "x".repeat(1_000);
  using world = new World({ ...OFF, ping: { answer: () => reply } });
  const { target, heartbeat } = world;
  for (let ping = 0; ping < 10_000; ping++) {
    const before = world.sent.length;
    heartbeat.pings?.intercept("ping");
    target.buffered += (world.sent.length - before) * reply.length;
  }
  assertGreaterOrEqual(300, world.sent.length);
  assertGreaterOrEqual(world.sent.length, 200);
});

Deno.test("a large reply goes out at once when earlier ones have left", () => {
  const reply = "x".repeat(200 * 1024);
  using world = new World({ ...OFF, ping: { answer: () => reply } });
  world.heartbeat.pings?.intercept("ping");
  world.heartbeat.pings?.intercept("ping");
  assertEquals(world.sent.length, 2);
});

Deno.test("the latest ping is answered once earlier replies have left", () => {
  let count = 0;
  using world = new World({
    ...OFF,
    ping: { answer: () => `${++count}`.padStart(200_000, ".") },
  });
  const { target, heartbeat } = world;
  for (let ping = 0; ping < 5; ping++) {
    const before = world.sent.length;
    heartbeat.pings?.intercept("ping");
    target.buffered += (world.sent.length - before) * 200_000;
  }
  world.run(10 * SECOND);
  assertEquals(world.sent.length, 1);
  target.buffered = 0;
  world.run(2 * SECOND);
  assertEquals(world.sent.map((data) => data.slice(-2)), [".1", ".5"]);
});

const fails = (): never => {
  throw new Error("broken");
};

Deno.test("functions of ping that throw are reported and swallow nothing", () => {
  const configs:
    readonly (readonly [NonNullable<HeartbeatOptions["ping"]>, RegExp])[] = [
      [{ message: "ping", isPong: fails }, /^ping\.isPong threw: broken/],
      [{ answer: fails }, /^ping\.answer threw: broken/],
    ];
  for (const [ping, text] of configs) {
    using world = new World({ ...OFF, ping });
    assertEquals(world.heartbeat.pings?.intercept("data"), false);
    assertEquals(world.errors.map(({ code }) => code), ["CALLBACK"]);
    assertMatch(world.errors[0]?.message ?? "", text);
    assertEquals(world.sent, []);
  }
});

// What counts as life --------------------------------------------------------------------

Deno.test("nothing delivered for staleTimeout is a dead connection, whatever arrives", () => {
  using world = new World(STALE);
  world.run(25 * SECOND);
  world.target.receive();
  world.run(29 * SECOND, () => world.target.received++);
  world.assertAlive();
  world.run(10 * SECOND, () => world.target.received++);
  world.assertDead(55 * SECOND, /^nothing was delivered for 30000 ms$/);
});

Deno.test("an upload that leaves the socket is a sign of life", () => {
  for (const options of [PING, IDLE]) {
    using world = new World(options);
    const { target } = world;
    target.bytesWritten = target.buffered = 100 * MIB;
    // A pong would wait behind the upload.
    world.run(100 * SECOND, () => target.buffered -= MIB / 4);
    world.assertAlive();
    assertGreaterOrEqual(target.buffered, 40 * MIB);
    target.buffered = 0;
    world.run(60 * SECOND);
    assertEquals(world.deaths.length, 1);
  }
});

Deno.test("a few bytes that were only just given to the socket are no sign of life", () => {
  using world = new World(PING);
  const { target } = world;
  // The kernel takes them on a dead link too.
  world.run(60 * SECOND, () => {
    target.bytesWritten += 100;
    target.buffered = 100;
  });
  world.assertDead(30 * SECOND, /after a ping$/);
});

Deno.test("an upload does not keep a stale connection alive", () => {
  using world = new World(STALE);
  const { target } = world;
  target.bytesWritten = target.buffered = 100 * MIB;
  world.run(60 * SECOND, () => target.buffered -= MIB / 4);
  world.assertDead(30 * SECOND, /nothing was delivered/);
});

Deno.test("a connection whose reading is paused is not silent", () => {
  for (const options of [PING, IDLE, STALE]) {
    using world = new World(options);
    world.run(15 * SECOND);
    world.target.isPaused = true;
    world.run(10 * 60 * SECOND);
    world.assertAlive();
    world.target.isPaused = false;
    const resumed = world.now;
    world.run(9 * SECOND);
    world.assertAlive();
    world.run(60 * SECOND);
    assertEquals(world.deaths.length, 1);
    assertGreaterOrEqual(world.deaths[0]?.at ?? 0, resumed + 9 * SECOND);
  }
});

Deno.test("a ping goes out soon after reading resumes, and finds a dead connection", () => {
  using world = new World({ ...PING, pingInterval: 60 * SECOND });
  world.target.isPaused = true;
  world.run(65 * SECOND);
  assertEquals(world.sentAt, [60 * SECOND]);
  world.target.isPaused = false;
  // What had arrived before is read now, and is no sign of life.
  world.target.received += 100;
  world.run(14 * SECOND);
  assertEquals(world.sent.length, 2);
  world.assertDead(77 * SECOND, /^nothing arrived for 10000 ms after a ping$/);
});

Deno.test("a pong that waited while reading was paused gives no RTT", () => {
  using world = new World(PONG);
  const { heartbeat, target } = world;
  const answer = () => {
    target.received++;
    heartbeat.pings?.intercept("pong");
  };
  world.run(20 * SECOND);
  assertEquals(world.sent.length, 1);
  target.isPaused = true;
  heartbeat.pings?.onPause();
  world.run(25 * SECOND);
  assertEquals(world.sent.length, 2);
  target.isPaused = false;
  answer();
  answer();
  assertEquals(world.rtts, []);
  while (world.sent.length < 3) world.run(100);
  answer();
  assertEquals(world.rtts.length, 1);
  world.assertAlive();
});

Deno.test("pauses of a busy connection send no pings of their own", () => {
  using world = new World(PING);
  world.run(65 * SECOND, () => {
    world.target.received++;
    world.target.isPaused = !world.target.isPaused;
  });
  assertEquals(world.sentAt, [20, 40, 60].map((s) => s * SECOND));
});

Deno.test("a paused connection whose bytes do not move is dead", () => {
  using world = new World(OFF);
  world.target.isPaused = true;
  world.target.bytesWritten = world.target.buffered = 100;
  world.run(30 * SECOND);
  world.assertDead(20 * SECOND, /100 bytes have not moved/);
});

Deno.test("other times hold from when they are set", () => {
  using world = new World(OFF);
  world.run(10 * SECOND);
  world.heartbeat.setTimes({ idleTimeout: 5 * SECOND });
  world.run(20 * SECOND);
  world.assertDead(15 * SECOND, /^nothing arrived for 5000 ms$/);
});

Deno.test("a server may dictate a shorter interval and timeout", () => {
  using world = new World(PING);
  world.run(10 * SECOND);
  world.heartbeat.setTimes({ pingInterval: 3 * SECOND, pingTimeout: SECOND });
  world.run(20 * SECOND);
  assertEquals(world.sentAt[0], 13 * SECOND);
  world.assertDead(14 * SECOND, /^nothing arrived for 1000 ms after a ping$/);
});

Deno.test("a server may dictate a longer timeout", () => {
  using world = new World(PING);
  world.heartbeat.setTimes({ pingTimeout: 60 * SECOND });
  world.run(79 * SECOND);
  world.assertAlive();
  world.run(10 * SECOND);
  world.assertDead(
    80 * SECOND,
    /^nothing arrived for 60000 ms after a ping$/,
  );
});

Deno.test("times that are absent stay as they are", () => {
  using world = new World({ ...PING, idleTimeout: 15 * SECOND });
  world.heartbeat.setTimes({});
  world.heartbeat.setTimes({ pingInterval: 0 });
  world.run(16 * SECOND);
  world.assertDead(15 * SECOND, /^nothing arrived for 15000 ms$/);
  assertEquals(world.sent, []);
});

Deno.test("pings that are switched off condemn nothing", () => {
  using world = new World(PING);
  world.run(25 * SECOND);
  world.heartbeat.setTimes({ pingInterval: 0 });
  world.run(HOUR);
  world.assertAlive();
  assertEquals(world.sent, ["ping"]);
});

Deno.test("times that are set on a stopped heartbeat start nothing", () => {
  using world = new World(PING);
  world.heartbeat.stop();
  world.heartbeat.setTimes({ pingInterval: SECOND, idleTimeout: SECOND });
  assertEquals(world.heartbeat.timer, undefined);
  world.run(60 * SECOND);
  assertEquals([world.sent, world.deaths], [[], []]);
});

Deno.test("the timeout of a write stall follows a new pingTimeout", () => {
  using world = new World(OFF);
  world.heartbeat.setTimes({ pingTimeout: 5 * SECOND });
  world.target.bytesWritten = world.target.buffered = 100;
  world.run(20 * SECOND);
  world.assertDead(5 * SECOND, /^100 bytes have not moved for 5000 ms$/);
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
      world.target.received++;
      world.run(4 * SECOND);
      world.target.received++;
      world.run(5 * SECOND);
      world.target.received++;
    }
    world.assertAlive();
  }
});

Deno.test("what came at the last moment is read before anything is judged", () => {
  using world = new World(PING);
  for (let ping = 1; ping < 5; ping++) {
    while (world.sent.length < ping) world.run(1);
    world.run(9_990);
    world.block(1_900);
    world.run(50); // two looks are past the deadline by now
    world.target.received++;
    world.run(50);
  }
  world.assertAlive();
});

const STOPPED = { wall: HOUR, monotonic: HOUR };
/** The monotonic clock of some systems stands still while they sleep. */
const SLEPT = { wall: HOUR, monotonic: 0 };

Deno.test("a process that was stopped pings at once, and finds a dead connection soon", () => {
  using world = new World(PING);
  world.run(25 * SECOND);
  world.target.received++;
  world.sleep(STOPPED);
  world.run(1_000);
  assertEquals(world.sentAt.length, 2);
  world.run(20 * SECOND);
  world.assertDead(30 * SECOND, /^nothing arrived for 5000 ms after a ping$/);
});

Deno.test("a process that was stopped gives a quiet connection a short grace, without pings", () => {
  using world = new World(IDLE);
  world.run(5 * SECOND);
  world.sleep(STOPPED);
  world.run(1_500);
  world.assertAlive();
  world.run(5 * SECOND);
  world.assertDead(7 * SECOND, /^nothing arrived for 30000 ms$/);
});

Deno.test("a process that was stopped keeps a connection that answers", () => {
  using world = new World(PING);
  world.run(5 * SECOND);
  world.sleep(STOPPED);
  world.run(4 * SECOND);
  world.target.received++;
  world.run(15 * SECOND);
  world.assertAlive();
});

Deno.test("a laptop that slept pings at once", () => {
  using world = new World(PING);
  world.run(25 * SECOND);
  world.target.received++;
  world.sleep(SLEPT);
  world.run(1_000);
  assertEquals(world.sentAt.length, 2);
  world.run(20 * SECOND);
  world.assertDead(35 * SECOND, /^nothing arrived for 10000 ms after a ping$/);
});

Deno.test("a wall clock that is set forward shortens no deadline", () => {
  for (const options of [PING, IDLE, STALE]) {
    using world = new World(options);
    world.run(10 * SECOND, () => world.target.receive());
    for (let step = 0; step < 5; step++) {
      world.sleep({ wall: 24 * HOUR, monotonic: 0 });
      world.run(9 * SECOND);
      world.assertAlive();
      world.target.receive();
      world.run(500);
    }
  }
});

Deno.test("a short sleep judges no connection that may still be quiet", () => {
  using world = new World(IDLE);
  world.run(25 * SECOND, () => world.target.received++);
  world.sleep({ wall: 10 * SECOND, monotonic: 10 * SECOND });
  world.run(20 * SECOND);
  world.assertAlive();
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
      assertEquals(world.deaths.length, 1);
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
    staleTimeout: fc.constant(0),
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
            world.target.received++;
          }
        }
        world.assertAlive();
      }
    },
  ));
});

// Support -------------------------------------------------------------------------------

class Target implements HeartbeatTarget, HeartbeatSocket {
  /** Messages. */
  received = 0;
  /** Bytes, where the transport counts them. */
  bytesRead?: number;
  delivered = 0;
  bytesWritten = 0;
  buffered = 0;
  isOpen = true;
  isPaused = false;
  ping?: (id: number) => void;
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  get bufferedAmount(): number | undefined {
    return this.isOpen ? this.buffered : undefined;
  }

  /** A message of the program arrives. */
  receive(): void {
    this.received++;
    this.delivered++;
  }

  sendUrgent(data: Message): void {
    this.#world.sent.push(data);
    this.#world.sentAt.push(this.#world.now);
  }

  onDead(text: string): void {
    this.#world.deaths.push({ at: this.#world.now, text });
  }

  onRtt(ms: number): void {
    this.#world.rtts.push(ms);
  }

  onError(error: WSError): void {
    this.#world.errors.push(error);
  }
}

/** A heartbeat and what it watches, in a time of its own. */
class World implements Disposable {
  readonly target = new Target(this);
  readonly heartbeat: Heartbeat;
  readonly sent: Message[] = [];
  readonly sentAt: number[] = [];
  readonly pings: number[] = [];
  readonly rtts: number[] = [];
  readonly errors: WSError[] = [];
  readonly deaths: { at: number; text: string }[] = [];
  readonly start: number;
  readonly #time = new FakeTime();
  #asleepWall = 0;
  #asleepMonotonic = 0;

  constructor(options: HeartbeatOptions, { pings = false } = {}) {
    this.start = Date.now();
    if (pings) {
      this.target.ping = (id) => {
        this.pings.push(id);
        this.sentAt.push(this.now);
      };
    }
    this.heartbeat = new Heartbeat(options, this.target, this.target, {
      wall: () => Date.now() + this.#asleepWall,
      monotonic: () => this.realNow,
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

  get isDead(): boolean {
    return this.deaths.length > 0;
  }

  /** Lets time pass; `each` is called each half second. */
  run(ms: number, each?: () => void): void {
    if (each === undefined) return this.#time.tick(ms);
    for (let passed = 0; passed < ms; passed += 500) {
      this.#time.tick(500);
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
    const [death] = this.deaths;
    assert(death !== undefined, "it is alive");
    assertMatch(death.text, text);
    assertGreaterOrEqual(death.at, deadline);
    assertGreaterOrEqual(deadline + SLACK, death.at);
  }

  assertAlive(): void {
    assertEquals(this.deaths, []);
  }

  [Symbol.dispose](): void {
    this.heartbeat.stop();
    this.#time.restore();
  }
}
